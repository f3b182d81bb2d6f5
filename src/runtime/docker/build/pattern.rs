//! One line of a `.dockerignore`, as moby reads it. Pure.
//!
//! Source of every rule: <https://github.com/moby/patternmatcher/blob/v0.6.0/patternmatcher.go>, whose
//! patterns become regular expressions in the same steps, so that what they mean by accident is the
//! same, too. Paths are relative, with `/` between names.

use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// A pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// Whether it takes back what those before it have matched (`!`).
    pub(super) is_exception: bool,
    text: String,
    how: How,
}

/// What a pattern is compared by.
#[derive(Clone, Debug)]
enum How {
    Exact,
    Prefix(String),
    Suffix(String),
    Regex(Regex),
}

/// Why a pattern is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PatternError {
    /// As Go's `filepath.Match` says it.
    #[error("syntax error in pattern")]
    Syntax,
    #[error("illegal exclusion pattern: \"!\"")]
    LoneException,
    /// moby would take it for a class of characters such as `\d`, and nobody means that.
    #[error("a backslash before a letter or digit is not supported")]
    Escape,
}

// === impl Pattern ===

impl Pattern {
    /// `None` for a line that says nothing.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, PatternError> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(None);
        }
        let cleaned = clean(line);
        let (is_exception, text) = match cleaned.strip_prefix('!') {
            Some("") => return Err(PatternError::LoneException),
            Some(rest) => (true, rest),
            None => (false, &*cleaned),
        };
        if !is_well_formed(text) {
            return Err(PatternError::Syntax);
        }
        let how = how(text)?;
        Ok(Some(Self { is_exception, text: text.to_owned(), how }))
    }

    /// Whether it names this path itself, whatever is above it.
    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.how {
            How::Exact => path == self.text,
            How::Prefix(prefix) => path.starts_with(prefix),
            How::Suffix(suffix) => {
                // `**/foo` names `foo` in the root as well.
                path.ends_with(suffix) || suffix.strip_prefix('/') == Some(path)
            }
            How::Regex(regex) => regex.is_match(path),
        }
    }

    /// Whether its own text begins with this folder. moby looks at the text alone: `!**/keep` brings
    /// nothing back from a folder that is ignored as a whole.
    pub(super) fn is_below(&self, folder: &str) -> bool {
        self.text.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Go's `filepath.Clean`: the shortest path that means the same by its text alone.
pub(super) fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => {
                names.pop();
            }
            ".." if is_rooted => {}
            name => names.push(name),
        }
    }
    match (is_rooted, names.join("/")) {
        (true, names) => format!("/{names}"),
        (false, names) if names.is_empty() => ".".to_owned(),
        (false, names) => names,
    }
}

/// Whether Go's `filepath.Match` takes it (<https://pkg.go.dev/path/filepath#Match>).
fn is_well_formed(pattern: &str) -> bool {
    let mut left = pattern.chars();
    while let Some(c) = left.next() {
        let is_fine = match c {
            '\\' => left.next().is_some(),
            '[' => skip_class(&mut left).is_some(),
            _ => true,
        };
        if !is_fine {
            return false;
        }
    }
    true
}

/// Behind the bracket that ends a class, which has one character or range at least.
fn skip_class(left: &mut Chars<'_>) -> Option<()> {
    if left.as_str().starts_with('^') {
        left.next();
    }
    loop {
        member(left)?;
        if left.as_str().starts_with('-') {
            left.next();
            member(left)?;
        }
        if left.as_str().starts_with(']') {
            left.next();
            return Some(());
        }
    }
}

/// One character of a class; something has to follow it.
fn member(left: &mut Chars<'_>) -> Option<()> {
    match left.next()? {
        '-' | ']' => return None,
        '\\' => {
            left.next()?;
        }
        _ => {}
    }
    (!left.as_str().is_empty()).then_some(())
}

/// `compile` of moby: the plain kinds where they do, else a regular expression.
fn how(pattern: &str) -> Result<How, PatternError> {
    let mut how = How::Exact;
    let mut is_regex = false;
    let mut regex = "^".to_owned();
    let mut left = pattern.chars().peekable();
    let mut is_first = true;
    while let Some(c) = left.next() {
        match c {
            '*' if left.next_if_eq(&'*').is_some() => {
                left.next_if_eq(&'/');
                if left.peek().is_some() {
                    regex.push_str("(.*/)?");
                    is_regex = true;
                } else if matches!(how, How::Exact) && !is_regex {
                    how = How::Prefix(pattern[..pattern.len() - 2].to_owned());
                } else {
                    regex.push_str(".*");
                    is_regex = true;
                }
                if is_first {
                    how = How::Suffix(pattern[2..].to_owned());
                    is_regex = false;
                }
            }
            '*' => {
                regex.push_str("[^/]*");
                is_regex = true;
            }
            '?' => {
                regex.push_str("[^/]");
                is_regex = true;
            }
            '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => regex.extend(['\\', c]),
            '\\' => {
                regex.push('\\');
                regex.extend(left.next());
                is_regex = true;
            }
            '[' | ']' => {
                regex.push(c);
                is_regex = true;
            }
            c => regex.push(c),
        }
        is_first = false;
    }
    if !is_regex {
        return Ok(how);
    }
    regex.push('$');
    Ok(How::Regex(Regex::new(&from_go(&regex)?).map_err(|_| PatternError::Syntax)?))
}

/// The same expression in the syntax of this language: in Go's, brackets, `&` and `~` in a class are
/// themselves.
fn from_go(regex: &str) -> Result<String, PatternError> {
    let mut out = String::with_capacity(regex.len());
    let mut left = regex.chars().peekable();
    let mut is_in_class = false;
    while let Some(c) = left.next() {
        match c {
            '\\' => {
                let escaped = left.next().ok_or(PatternError::Syntax)?;
                if escaped.is_alphanumeric() {
                    return Err(PatternError::Escape);
                }
                out.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
            }
            '[' if !is_in_class => {
                is_in_class = true;
                out.push('[');
                begin_class(&mut left, &mut out);
            }
            ']' if is_in_class => {
                is_in_class = false;
                out.push(']');
            }
            '[' | '&' | '~' if is_in_class => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// What stands first in a class means something else than later.
fn begin_class(left: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.extend(left.next_if_eq(&'^'));
    if left.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap().unwrap()
    }

    /// Most of `TestMatches` and `TestMatch` of moby's `patternmatcher_test.go`.
    #[test]
    fn patterns_mean_what_they_mean_to_moby() {
        for (text, path, wanted) in [
            ("**", "file", true),
            ("**", "dir/file", true),
            ("**/", "file", true),
            ("**/**", "dir/file", true),
            ("dir/**", "dir/file", true),
            ("dir/**", "dir/dir2/file", true),
            ("dir/**", "dir", false),
            ("dir/**/", "dir/file", true),
            ("**/dir", "dir", true),
            ("**/dir", "a/dir", true),
            ("**/dir2/*", "dir/dir2/file", true),
            ("**/dir2/*", "dir/dir2/dir2/file", true),
            ("**/dir2/**", "dir/dir2/dir2/file", true),
            ("**file", "file", true),
            ("**file", "dir/file", true),
            ("**/file", "dir/dir/file", true),
            ("**/file", "dir/xfile", false),
            ("**/file*", "dir/dir/file.txt", true),
            ("**/file*txt", "dir/dir/file.txt", true),
            ("**/file*.txt*", "dir/dir/file.txt", true),
            ("**/**/*.txt", "dir/dir/file.txt", true),
            ("**/**/*.txt2", "dir/dir/file.txt", false),
            ("**/*.txt", "file.txt", true),
            ("a**/*.txt", "a/file.txt", true),
            ("a**/*.txt", "a/dir/dir/file.txt", true),
            ("a/*.txt", "a/dir/file.txt", false),
            ("a/*.txt", "a/file.txt", true),
            ("a/*.txt**", "a/file.txt", true),
            ("a[b-d]e", "ae", false),
            ("a[b-d]e", "ace", true),
            ("a[b-d]e", "aae", false),
            ("a[^b-d]e", "aze", true),
            (".*", ".foo", true),
            (".*", "foo", false),
            ("abc.def", "abcdef", false),
            ("abc.def", "abcZdef", false),
            ("abc?def", "abcZdef", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("**/foo/bar", "foo/bar", true),
            ("**/foo/bar", "dir/dir2/foo/bar", true),
            ("abc/**", "abc/def/ghi", true),
            ("**/.foo", ".foo", true),
            ("**/.foo", "bar.foo", false),
            ("a(b)c/def", "a(b)c/def", true),
            ("a.|)$(}+{bc", "a.|)$(}+{bc", true),
            (
                "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
                "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
                true,
            ),
            ("dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true),
            ("*c", "abc", true),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("ab[e-g]", "abc", false),
            ("[[]", "[", true),
            ("[&~]", "~", true),
            ("é?", "éü", true),
            ("./a/../b/", "b", true),
        ] {
            assert_eq!(pattern(text).matches(path), wanted, "{text} {path}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in
            ["[", "[^", "[^bc", "a[", "[]a]", "[-]", "[x-]", "[-x]", "a\\", "[a-b-c]", "a[]b", "*[-x]"]
        {
            assert_eq!(Pattern::parse(text).err(), Some(PatternError::Syntax), "{text}");
        }
        assert_eq!(Pattern::parse(" ! ").err(), Some(PatternError::LoneException));
        assert_eq!(Pattern::parse("a\\d*").err(), Some(PatternError::Escape));
        assert!(Pattern::parse("  ").unwrap().is_none());
    }

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, wanted) in [
            ("", "."),
            ("a//b/./c/..", "a/b"),
            ("../../a", "../../a"),
            ("/../a/", "/a"),
            ("a/../..", ".."),
            ("/", "/"),
        ] {
            assert_eq!(clean(path), wanted, "{path}");
        }
    }

    /// What the documentation says, told without regular expressions: names that match one by one, where
    /// `**` stands for any number of them.
    fn model(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            // At the end it wants one name at least.
            (Some((&"**", [])), below) => below.is_some(),
            (Some((&"**", rest)), below) => {
                model(rest, path) || below.is_some_and(|(_, below)| model(pattern, below))
            }
            (Some((name, rest)), Some((found, below))) => {
                is_like(name.as_bytes(), found.as_bytes()) && model(rest, below)
            }
            _ => false,
        }
    }

    fn is_like(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), below) => {
                is_like(rest, name) || below.is_some_and(|(_, below)| is_like(pattern, below))
            }
            (Some((c, rest)), Some((found, below))) => (*c == b'?' || c == found) && is_like(rest, below),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn patterns_mean_what_is_documented(
            names in proptest::collection::vec("[ab?]{1,2}|\\*|a\\*b?|\\*\\*", 1..5),
            path in proptest::collection::vec("[ab]{1,3}", 1..5),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let found = pattern(&names.join("/")).matches(&path.join("/"));
            prop_assert_eq!(found, model(&names, &path));
        }

        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC{0,24}|[\\[\\]\\\\^!*?a/&~.-]{0,12}", path in "[a-c/.&~^*\\[]{1,8}") {
            if let Ok(Some(pattern)) = Pattern::parse(&text) {
                pattern.matches(&path);
            }
        }
    }
}
