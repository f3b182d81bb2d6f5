//! Traces from the outside: records in, joined traces out.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod collecting;
mod filtering;
mod joining;
mod keeping;
mod paths;
mod world;
