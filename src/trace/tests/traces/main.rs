//! Traces from the outside: records in, joined traces out.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod collecting;
mod counting;
mod diffing;
mod filtering;
mod joining;
mod keeping;
mod keeping_apart;
mod paths;
mod propagating;
mod world;
