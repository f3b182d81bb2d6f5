//! Traces from the outside: records in, joined traces out.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod capturing;
mod collecting;
mod comparing;
mod counting;
mod diffing;
mod exporting;
mod filtering;
mod joining;
mod keeping;
mod keeping_apart;
mod logging;
mod paths;
mod propagating;
mod spans;
mod world;
