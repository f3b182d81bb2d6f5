//! What is wrong with a filter, and where.

use std::fmt::Write;

/// A filter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// The first byte of what is wrong; the length of the text where something is missing.
    pub offset: usize,
    /// How many bytes are wrong; 0 where something is missing.
    pub len: usize,
    /// What was found, and what was wanted.
    pub message: String,
    /// What may be written instead.
    pub hint: Option<String>,
}

// === impl FilterError ===

impl FilterError {
    pub(super) fn new(offset: usize, len: usize, message: impl Into<String>) -> Self {
        Self { offset, len, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The filter's text with a caret under what is wrong, the message, and the hint, each on a
    /// line of its own. The text is the user's: print it through the terminal sanitiser.
    #[must_use]
    pub fn drawn(&self, text: &str) -> String {
        // Line breaks would move the caret away from what it points at.
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let n_chars = |part: Option<&str>| part.map_or(0, |part| part.chars().count());
        let before = n_chars(text.get(..self.offset));
        let under = n_chars(text.get(self.offset..self.offset + self.len)).max(1);
        let mut drawn = format!("{line}\n{}{} {}", " ".repeat(before), "^".repeat(under), self.message);
        if let Some(hint) = &self.hint {
            let _ = write!(drawn, "\nhint: {hint}");
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_what_is_wrong() {
        let error = FilterError::new(7, 5, "unknown field `statu`").hint("did you mean `status`?");
        assert_eq!(
            error.drawn("svc:ü\tstatu:5"),
            "svc:ü statu:5\n      ^^^^^ unknown field `statu`\nhint: did you mean `status`?"
        );
        let error = FilterError::new(7, 0, "wanted a value");
        assert_eq!(error.drawn("status:"), "status:\n       ^ wanted a value");
    }
}
