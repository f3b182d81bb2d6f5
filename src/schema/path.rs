//! The path of a field as Kubernetes prints it: `spec.containers[0].name`.
//!
//! Follows `sigs.k8s.io/json` (strict errors) and go-openapi's validation, which both join map
//! keys with a full stop; `field.Path`'s form `annotations[key]` is for rules of kinds.

use std::fmt::Write;

/// A path that grows and shrinks with the walk over a value.
#[derive(Debug, Default)]
pub(crate) struct Path(String);

/// How long a path was before a step, to return to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

// === impl Path ===

impl Path {
    /// Steps into the field `key`; the mark leads back.
    pub(crate) fn enter_field(&mut self, key: &str) -> Mark {
        let mark = Mark(self.0.len());
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(key);
        mark
    }

    /// Steps into the value of a map under `key`, as `field.Path` writes it; the mark leads back.
    pub(crate) fn enter_key(&mut self, key: &str) -> Mark {
        let mark = Mark(self.0.len());
        write!(self.0, "[{key}]").expect("writing to a string cannot fail");
        mark
    }

    /// Steps into the item at `index`; the mark leads back.
    pub(crate) fn enter_item(&mut self, index: usize) -> Mark {
        let mark = Mark(self.0.len());
        write!(self.0, "[{index}]").expect("writing to a string cannot fail");
        mark
    }

    /// Returns to where the path was when `mark` was made.
    pub(crate) fn leave(&mut self, mark: Mark) {
        self.0.truncate(mark.0);
    }

    /// The path of the field `key` below this one.
    pub(crate) fn field(&self, key: &str) -> String {
        if self.0.is_empty() { key.to_owned() } else { format!("{}.{key}", self.0) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
