//! What of a context is not sent: the patterns of its `.dockerignore`, in their order. Pure.
//!
//! Sources: <https://github.com/moby/patternmatcher/blob/v0.6.0/ignorefile/ignorefile.go> for the file,
//! `MatchesUsingParentResults` beside it for what the patterns say together, and `TarWithOptions` of
//! <https://github.com/moby/moby/blob/v28.2.2/pkg/archive/archive.go> for the folders that are walked.

use super::pattern::{Pattern, PatternError, clean};

/// Patterns.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}`: {found}")]
pub(super) struct IgnoreError {
    line: usize,
    text: String,
    found: PatternError,
}

/// Which patterns have matched a folder: what is in it is matched by them as well.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched(Vec<bool>);

// === impl Ignore ===

impl Ignore {
    /// Reads the file.
    pub(super) fn parse(text: &str) -> Result<Self, IgnoreError> {
        let mut patterns = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line_idx, line) in text.lines().enumerate() {
            // A comment begins with its line; behind a space it is a pattern.
            if line.starts_with('#') {
                continue;
            }
            let pattern = Pattern::parse(&normalized(line.trim()));
            let failed = |found| IgnoreError { line: line_idx + 1, text: line.trim().to_owned(), found };
            patterns.extend(pattern.map_err(failed)?);
        }
        Ok(Self { patterns })
    }

    /// Whether a path is left out, where its folder was matched by `above`; and what matches it.
    pub(super) fn leaves_out(&self, path: &str, above: &Matched) -> (bool, Matched) {
        let mut is_out = false;
        let mut matched = vec![false; self.patterns.len()];
        for (idx, pattern) in self.patterns.iter().enumerate() {
            let is_above = above.0.get(idx).copied().unwrap_or(false);
            // What would change nothing is not asked.
            let is_match = is_above || pattern.is_exception == is_out && pattern.matches(path);
            matched[idx] = is_match;
            if is_match {
                is_out = !pattern.is_exception;
            }
        }
        (is_out, Matched(matched))
    }

    /// Whether something in a folder that is left out may be brought back.
    pub(super) fn has_exceptions_in(&self, folder: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception && pattern.is_below(folder))
    }
}

/// Relative to the context, also where it is written as if the context were the root.
fn normalized(line: &str) -> String {
    let (mark, rest) = match line.strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", line),
    };
    if rest.is_empty() {
        return mark.to_owned();
    }
    let cleaned = clean(rest);
    let relative = cleaned.strip_prefix('/').filter(|rest| !rest.is_empty());
    format!("{mark}{}", relative.unwrap_or(&cleaned))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks down to a path, as the context is walked.
    fn is_out(text: &str, path: &str) -> bool {
        let ignore = Ignore::parse(text).unwrap();
        let mut above = Matched::default();
        let mut is_out = false;
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            (is_out, above) = ignore.leaves_out(&path[..end], &above);
            if is_out && end < path.len() && !ignore.has_exceptions_in(&path[..end]) {
                return true;
            }
        }
        is_out
    }

    #[test]
    fn lines_are_read_as_docker_reads_them() {
        let text = "\u{feff}# a comment\n\n  /spaced  \r\n #not-a-comment\n./dotted/\n!/spaced/in\n! loose";
        for (path, wanted) in [
            ("spaced", true),
            ("spaced/x", true),
            ("spaced/in", false),
            ("#not-a-comment", true),
            ("# a comment", false),
            ("dotted/x/y", true),
            ("other/dotted", false),
            ("loose", false),
        ] {
            assert_eq!(is_out(text, path), wanted, "{path}");
        }
        let error = Ignore::parse("a\n!\n").unwrap_err().to_string();
        assert_eq!(error, "line 2: `!`: illegal exclusion pattern: \"!\"");
        assert!(Ignore::parse("a[").is_err());
        assert!(!is_out("", "a") && !is_out(".\n/\n", "a"));
    }

    #[test]
    fn the_last_pattern_that_matches_counts() {
        for (text, path, wanted) in [
            ("*\n!src", "src/a.rs", false),
            ("*\n!src", "target/a.rs", true),
            ("*\n!src\nsrc/*.o", "src/a.o", true),
            ("*\n!src\nsrc/*.o", "src/deep/a.o", false),
            ("docs\n!docs/README.md", "docs/README.md", false),
            ("docs\n!docs/README.md", "docs/other.md", true),
            ("docs/*\n!docs/README.md", "docs/README.md", false),
            ("!docs\ndocs", "docs/x", true),
            // The folder is not walked: no exception begins with its name.
            ("*\n!**/keep", "a/keep", true),
            ("*\n!**/keep", "keep", false),
            ("**/*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
            ("**/*.md\n!README*.md\nREADME-secret.md", "README.md", false),
            ("node_modules", "a/node_modules", false),
            ("**/node_modules", "a/node_modules/b/c", true),
        ] {
            assert_eq!(is_out(text, path), wanted, "{text:?} {path}");
        }
    }

    /// moby does not look at a pattern that would change nothing, and later takes it for one that did not
    /// match the folder. It is as it is: `a/b` is sent.
    #[test]
    fn a_pattern_that_is_written_twice_does_not_count_twice() {
        assert!(!is_out("a\n!a/b\na", "a/b"));
        assert!(is_out("a\n!a/b\na/b", "a/b"));
    }
}
