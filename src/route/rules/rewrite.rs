//! Other targets and hosts for the upstream.

use std::borrow::Cow;

use http::uri::{Authority, InvalidUri, PathAndQuery};

use super::http_match::HttpMatch;
use super::string_match::{Pattern, StringMatch};

/// What the upstream is asked for instead (`HTTPRewrite`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The path.
    pub uri: Option<UriRewrite>,
    /// The host.
    pub authority: Option<Authority>,
}

/// Another path; the query stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriRewrite {
    /// In the place of the prefix that the rule matched, or of the whole path where it matched
    /// otherwise.
    Matched(Box<str>),
    /// What the pattern finds in the path is replaced; `\1` stands for a group.
    Regex {
        /// What is looked for.
        pattern: Box<Pattern>,
        /// What comes in its place, in the `regex` crate's notation.
        substitution: Box<str>,
    },
}

// === impl UriRewrite ===

impl UriRewrite {
    /// A rewrite by pattern; `substitution` is in RE2's notation (`\1`).
    #[must_use]
    pub fn regex(pattern: Pattern, substitution: &str) -> Self {
        Self::Regex { pattern: Box::new(pattern), substitution: from_re2(substitution).into() }
    }

    /// The target that the upstream gets; `matched` is the condition that held.
    ///
    /// # Errors
    /// When the outcome is no path.
    pub fn apply(
        &self,
        target: &PathAndQuery,
        matched: Option<&HttpMatch>,
    ) -> Result<PathAndQuery, InvalidUri> {
        let path = target.path();
        let rewritten = match self {
            Self::Matched(to) => replace_matched(path, to, matched.and_then(|it| it.uri.as_ref())),
            Self::Regex { pattern, substitution } => {
                let replaced = pattern.compiled().replace_all(path.as_bytes(), substitution.as_bytes());
                String::from_utf8_lossy(&replaced).into_owned()
            }
        };
        with_query(rewritten, target.query()).parse()
    }
}

/// `path` with `to` in the place of the prefix that was matched, or of all of it.
pub(super) fn replace_matched(path: &str, to: &str, matched: Option<&StringMatch>) -> String {
    // Without a condition on the path every path was matched by its prefix `/`.
    let len = matched.map_or(Some(1), StringMatch::prefix_len);
    match len.and_then(|len| path.get(len..)) {
        Some(rest) => format!("{to}{rest}"),
        None => to.to_owned(),
    }
}

pub(super) fn with_query(path: String, query: Option<&str>) -> String {
    // An empty path is `/` (RFC 9112, section 3.2.1).
    let path = if path.is_empty() { "/".to_owned() } else { path };
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

/// `\1` as `${1}`, and `$` as `$$`.
fn from_re2(substitution: &str) -> Cow<'_, str> {
    if !substitution.contains(['\\', '$']) {
        return Cow::Borrowed(substitution);
    }
    let mut out = String::with_capacity(substitution.len() + 8);
    let mut rest = substitution.chars();
    while let Some(character) = rest.next() {
        match character {
            '$' => out.push_str("$$"),
            '\\' => match rest.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rewrite: &UriRewrite, uri: Option<StringMatch>, target: &str, expected: &str) {
        let matched = HttpMatch { uri, ..HttpMatch::default() };
        let target: PathAndQuery = target.parse().unwrap();
        assert_eq!(rewrite.apply(&target, Some(&matched)).unwrap(), expected);
    }

    #[test]
    fn the_matched_prefix_is_replaced_and_the_query_stays() {
        let to = |text: &str| UriRewrite::Matched(text.into());
        let prefix = |text: &str| Some(StringMatch::Prefix(text.into()));
        check(&to("/v2"), prefix("/api"), "/api/x?a=1", "/v2/x?a=1");
        check(&to("/v2"), prefix("/api"), "/apix", "/v2x");
        // As Istio: whoever wants one slash matches `/prefix/`.
        check(&to("/"), prefix("/prefix"), "/prefix/x", "//x");
        check(&to("/"), prefix("/prefix/"), "/prefix/x", "/x");
        check(&to("/v2/"), None, "/x", "/v2/x");
    }

    #[test]
    fn other_matches_replace_the_whole_path() {
        let to = UriRewrite::Matched("/v2".into());
        check(&to, Some(StringMatch::Exact("/a/b".into())), "/a/b?x", "/v2?x");
        check(&to, Some(StringMatch::regex("/a/.*").unwrap()), "/a/b", "/v2");
    }

    #[test]
    fn a_pattern_replaces_with_its_groups() {
        let rewrite =
            UriRewrite::regex(Pattern::anywhere("^/service/([^/]+)(/.*)$").unwrap(), r"\2/instance/\1");
        check(&rewrite, None, "/service/foo/v1/api?q=1", "/v1/api/instance/foo?q=1");
        let dollar = UriRewrite::regex(Pattern::anywhere("x").unwrap(), "$1");
        check(&dollar, None, "/x/x", "/$1/$1");
    }
}
