//! Expressions with what they take.

mod properties;
mod rules;
