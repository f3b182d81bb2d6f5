//! The filter language from the outside: what is read, how it is written, what it means.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod errors;
mod meaning;
mod page;
mod reading;
mod trees;
