//! CEL rules of custom resources (`x-kubernetes-validations`).
//!
//! ```text
//!  document ── Rule::read ──► Rule (text; compiled at first use, runnable) ──┐
//!  document ── check: what is wrong with a rule (typing)                     ├─ estimate ─ evaluate: faults
//!  value ── values: JSON by its schema ──► CEL, shapes ──────────────────────┘
//! ```
//!
//! The language is evaluated by `kube-cel`, which nothing outside this module knows. Follows
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel`.
//!
//! Where it is less than Kubernetes:
//! - Literals are not looked into when a definition is written: `matches('(')`,
//!   `duration('soon')` and `timestamp('now')` fail when the rule runs.
//! - `.?`, `[?]`, `optMap`, `unwrapOpt`, `sortBy` and comprehensions over two variables are not
//!   known to the evaluator; a definition with them is refused.
//! - An integer and a double are never equal (`1 == 1.0`); a field of type number is a double.
//! - Lists of type `set` and `map` are compared and joined like any list.
//! - `lists.range` makes no list of more than 10,000 numbers, and `format` no more than 1,074 digits
//!   after the point.
//! - What a rule costs, in steps and in memory, is estimated before it runs, and not while it does
//!   ([`estimate`]).

mod amounts;
mod bounds;
mod check;
mod declarations;
mod estimate;
mod evaluate;
mod functions;
mod names;
mod negations;
mod overloads;
mod positions;
mod rule;
mod runnable;
mod shapes;
mod type_values;
mod types;
mod typing;
mod unification;
mod values;
mod words;

pub(crate) use self::check::{Site, check};
pub use self::evaluate::broken_rules;
pub(crate) use self::rule::Rule;

/// Stack of the threads that read and run rules. The parser takes 150 KiB per level in a debug
/// build and stops at 96 levels; the evaluator takes 40 KiB, of [`bounds::DEPTH_MAX`] levels.
/// Only what is used of it becomes memory.
const STACK_BYTES: usize = 128 << 20;

/// Runs `work` with room on the stack and to its end, also where it panics; `None` then.
fn with_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("cel".to_owned()).stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

#[cfg(test)]
mod tests;
