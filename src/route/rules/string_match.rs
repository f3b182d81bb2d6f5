//! Matching of texts: exact, by prefix, by pattern.

use std::borrow::Cow;

use regex::bytes::{Regex, RegexBuilder};

/// The longest pattern (`pkg/config/validation/validation.go`, `validateStringMatchRegexp`).
pub const PATTERN_MAX_LEN: usize = 1024;

/// Bytes that a compiled pattern may take: the `regex` crate's own default is 10 MiB, and a
/// pattern of 1,024 characters that needs more than 1 MiB is a bomb of counted repetitions.
const COMPILED_MAX_BYTES: usize = 1 << 20;

/// A condition on a text.
#[derive(Clone, Debug)]
pub enum StringMatch {
    /// The same text.
    Exact(Box<str>),
    /// A text that begins so; `/foo` is the beginning of `/foobar`.
    Prefix(Box<str>),
    /// A text that the whole pattern describes. The syntax is RE2's, as Envoy's.
    Regex(Box<Pattern>),
    /// Whatever the case of ASCII letters.
    IgnoringCase(Box<StringMatch>),
}

/// A compiled pattern with its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<str>,
    regex: Regex,
}

/// A condition on something that may be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueMatch {
    /// It is there.
    Present,
    /// It is there and is such a text.
    Is(StringMatch),
}

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is too long.
    #[error("a pattern has at most {PATTERN_MAX_LEN} characters, this one has {0}")]
    TooLong(usize),
    /// It cannot be compiled.
    #[error("{0}")]
    Malformed(String),
}

// === impl StringMatch ===

impl StringMatch {
    /// Compiles a pattern, which has to describe the whole text.
    ///
    /// # Errors
    /// When it is too long, or no pattern.
    pub fn regex(text: &str) -> Result<Self, PatternError> {
        Ok(Self::Regex(Box::new(Pattern::new(text)?)))
    }

    /// The same, whatever the case. Patterns keep theirs, as in Istio.
    #[must_use]
    pub fn ignoring_case(self) -> Self {
        match self {
            Self::Exact(_) | Self::Prefix(_) => Self::IgnoringCase(Box::new(self)),
            Self::Regex(_) | Self::IgnoringCase(_) => self,
        }
    }

    /// Whether it holds for `text`.
    #[must_use]
    pub fn holds(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(wanted) => wanted.as_bytes() == text,
            Self::Prefix(wanted) => text.starts_with(wanted.as_bytes()),
            Self::Regex(pattern) => pattern.regex.is_match(text),
            Self::IgnoringCase(inner) => match &**inner {
                Self::Exact(wanted) => wanted.as_bytes().eq_ignore_ascii_case(text),
                Self::Prefix(wanted) => text
                    .get(..wanted.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(wanted.as_bytes())),
                other => other.holds(text),
            },
        }
    }

    /// How much of a text that it holds for is the matched prefix; `None` where it is no prefix.
    #[must_use]
    pub fn prefix_len(&self) -> Option<usize> {
        match self {
            Self::Prefix(prefix) => Some(prefix.len()),
            Self::IgnoringCase(inner) => inner.prefix_len(),
            Self::Exact(_) | Self::Regex(_) => None,
        }
    }

    /// Whether it holds for every path.
    #[must_use]
    pub fn holds_for_every_path(&self) -> bool {
        match self {
            Self::Prefix(prefix) => matches!(&**prefix, "" | "/"),
            Self::Regex(pattern) => matches!(&*pattern.text, ".*" | "/.*"),
            Self::IgnoringCase(inner) => inner.holds_for_every_path(),
            Self::Exact(_) => false,
        }
    }
}

impl PartialEq for StringMatch {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (Self::Regex(a), Self::Regex(b)) => a.text == b.text,
            (Self::IgnoringCase(a), Self::IgnoringCase(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for StringMatch {}

impl std::fmt::Display for StringMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "exact `{text}`"),
            Self::Prefix(text) => write!(f, "prefix `{text}`"),
            Self::Regex(pattern) => write!(f, "regex `{}`", pattern.text),
            Self::IgnoringCase(inner) => write!(f, "{inner}, whatever the case"),
        }
    }
}

// === impl Pattern ===

impl Pattern {
    /// Compiles `text`, which then has to describe a whole text.
    ///
    /// # Errors
    /// As [`StringMatch::regex`].
    pub fn new(text: &str) -> Result<Self, PatternError> {
        Self::compile(text, &format!("^(?:{text})$"))
    }

    /// Compiles `text`, which is looked for anywhere in a text (`uriRegexRewrite`).
    ///
    /// # Errors
    /// As [`StringMatch::regex`].
    pub fn anywhere(text: &str) -> Result<Self, PatternError> {
        Self::compile(text, text)
    }

    pub(crate) fn compiled(&self) -> &Regex {
        &self.regex
    }

    fn compile(text: &str, anchored: &str) -> Result<Self, PatternError> {
        let n_characters = text.chars().count();
        if n_characters > PATTERN_MAX_LEN {
            return Err(PatternError::TooLong(n_characters));
        }
        // By itself first: `a)(?:b` would be a pattern only inside of our own parentheses.
        let build = |text: &str| RegexBuilder::new(text).size_limit(COMPILED_MAX_BYTES).build();
        let malformed = |error: regex::Error| PatternError::Malformed(last_line(&error.to_string()));
        build(text).map_err(malformed)?;
        let regex = build(anchored).map_err(malformed)?;
        Ok(Self { text: text.into(), regex })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// What is wrong, without the drawing of where.
fn last_line(text: &str) -> String {
    let last = text.lines().last().unwrap_or(text);
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

// === impl ValueMatch ===

impl ValueMatch {
    /// Whether it holds for a value, which may be absent.
    #[must_use]
    pub fn holds(&self, value: Option<Cow<'_, [u8]>>) -> bool {
        match (self, value) {
            (_, None) => false,
            (Self::Present, Some(_)) => true,
            (Self::Is(wanted), Some(value)) => wanted.holds(&value),
        }
    }

    /// Whether its contrary holds, for which an absent value reads as the empty text, except
    /// where presence itself is asked for (Envoy, `HeaderMatcher.treat_missing_header_as_empty`).
    #[must_use]
    pub fn fails(&self, value: Option<Cow<'_, [u8]>>) -> bool {
        match self {
            Self::Present => value.is_none(),
            Self::Is(wanted) => !wanted.holds(&value.unwrap_or_default()),
        }
    }
}

impl std::fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Present => f.write_str("present"),
            Self::Is(wanted) => wanted.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &StringMatch, holds: &[&str], fails: &[&str]) {
        for text in holds {
            assert!(wanted.holds(text.as_bytes()), "{wanted} should hold for `{text}`");
        }
        for text in fails {
            assert!(!wanted.holds(text.as_bytes()), "{wanted} should not hold for `{text}`");
        }
    }

    #[test]
    fn a_prefix_is_one_of_characters_and_not_of_path_elements() {
        check(&StringMatch::Prefix("/foo".into()), &["/foo", "/foobar", "/foo/x"], &["/fo", "/FOO", ""]);
        check(&StringMatch::Exact("/foo".into()), &["/foo"], &["/foo/", "/foobar", "/Foo"]);
    }

    #[test]
    fn a_pattern_describes_the_whole_text() {
        let either = StringMatch::regex("a|bc").unwrap();
        check(&either, &["a", "bc"], &["abc", "ab", "c", ""]);
        check(&StringMatch::regex(".*").unwrap(), &["", "x"], &[]);
    }

    #[test]
    fn case_is_ignored_but_not_by_patterns() {
        check(&StringMatch::Exact("/Foo".into()).ignoring_case(), &["/foo", "/FOO"], &["/fo"]);
        check(&StringMatch::Prefix("/Foo".into()).ignoring_case(), &["/fOobar"], &["/fo", "/ba"]);
        check(&StringMatch::regex("a").unwrap().ignoring_case(), &["a"], &["A"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_reason() {
        let error = |text: &str| StringMatch::regex(text).unwrap_err().to_string();
        insta::assert_snapshot!(error("a)(?:b"), @"unopened group");
        insta::assert_snapshot!(error(&"a".repeat(1025)), @"a pattern has at most 1024 characters, this one has 1025");
        insta::assert_snapshot!(error("(?:(?:a{50}){50}){50}"), @"Compiled regex exceeds size limit of 1048576 bytes.");
    }

    #[test]
    fn an_absent_value_fails_and_its_contrary_holds() {
        let is_x = ValueMatch::Is(StringMatch::Exact("x".into()));
        assert!(!is_x.holds(None) && is_x.fails(None));
        assert!(!ValueMatch::Present.holds(None) && ValueMatch::Present.fails(None));
        let is_empty = ValueMatch::Is(StringMatch::Exact("".into()));
        assert!(!is_empty.holds(None) && !is_empty.fails(None));
    }
}
