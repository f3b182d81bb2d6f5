//! How large an expression may be, and what running it may cost.
//!
//! The evaluator cannot be stopped, so a rule that could run for long or make large values does not
//! run at all: [`super::estimate`] tells before what it would take.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{EntryExpr, Expr};

/// Longest expression: 8 KiB. The longest of Gateway API and Istio has 700 bytes.
pub(super) const TEXT_MAX_BYTES: usize = 8 << 10;
/// Deepest expression, in levels: 500 need 20 MiB of stack in a debug build.
pub(super) const DEPTH_MAX: usize = 500;
/// Most estimated steps of one rule on one value. Kubernetes stops a rule after a million units of
/// its own (`PerCallLimit` in `k8s.io/apiserver/pkg/apis/cel/config.go`), counted of what happens;
/// these are of what could happen, where no condition cuts anything short. A million take 0.2 s in a
/// release build and 1 s in a debug build where `all` and `exists_one` run over 300 objects each,
/// and 0.7 s and 5 s where `map` copies such lists 300 times, the slowest of 16 rules (2026-11-30,
/// two busy cores).
pub(super) const STEPS_MAX: u64 = 3_000_000;
/// Most estimated steps of all rules on one object; of Kubernetes' units `RuntimeCELCostBudget`
/// allows as many.
pub(super) const STEPS_PER_OBJECT_MAX: u64 = 10_000_000;
/// Most memory of what one expression makes, as estimated: 128 MiB, beside a copy of the object and
/// of the old one. An object has up to 3 MiB, and as a list of single characters its longest text is
/// 32 times as large in memory. The evaluator holds up to three copies of a value for a while.
pub(super) const VALUES_MAX_BYTES: u64 = 128 << 20;

/// Longest list of `lists.range(n)`.
pub(super) const RANGE_MAX: usize = 10_000;

/// Most digits that `format` may write after the point: no double has more
/// (https://en.wikipedia.org/wiki/Double-precision_floating-point_format: 2^-1074).
pub(super) const PRECISION_MAX: usize = 1_074;

/// Whether an expression has more than `max` levels.
pub(super) fn is_deeper(expression: &IdedExpr, max: usize) -> bool {
    match max.checked_sub(1) {
        None => true,
        Some(max) => children(&expression.expr).iter().any(|child| is_deeper(child, max)),
    }
}

/// The expressions right below one.
pub(super) fn children(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(loop_) => {
            vec![&loop_.iter_range, &loop_.accu_init, &loop_.loop_cond, &loop_.loop_step, &loop_.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
        Expr::Struct(fields) => fields.entries.iter().flat_map(|entry| of_entry(&entry.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
    }
}

fn of_entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}
