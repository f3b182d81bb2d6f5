//! How large an expression may be, and what running it may cost.
//!
//! The evaluator cannot be stopped, so a rule that could run for long does not run at all. Its
//! steps are estimated from above: what stands inside a comprehension counts once for every
//! item of the longest list, map or (where the rule takes texts apart) text in the value. Values
//! that the rule itself makes larger at every step (`.map(x, x + x)` in a row) are not estimated.

use kube_cel::cel::common::ast::{EntryExpr, Expr, LiteralValue};
use kube_cel::cel::{IdedExpr, Program};

/// Longest expression: 8 KiB. The longest of Gateway API and Istio has 700 bytes.
pub(super) const TEXT_MAX_BYTES: usize = 8 << 10;
/// Deepest expression, in levels: 500 need 20 MiB of stack in a debug build.
pub(super) const DEPTH_MAX: usize = 500;
/// Most estimated steps of one rule on one value: a million, which took 2.3 s in a debug build
/// and 0.2 s in a release build for `self.all(x, self.all(y, x + y >= 0))` over 1,000 items
/// (2026-11-28, two cores). Kubernetes' bound is 10 million units of its own.
pub(super) const STEPS_MAX: u64 = 1_000_000;
/// Most estimated steps of all rules on one object, as Kubernetes' `RuntimeCELCostBudget` is ten
/// times `PerCallLimit`.
pub(super) const STEPS_PER_OBJECT_MAX: u64 = 10 * STEPS_MAX;

/// Longest list of `lists.range(n)`.
pub(super) const RANGE_MAX: usize = 10_000;

/// Functions that make a list of a text, or one that may be as long as a text.
const TAKES_APART: [&str; 4] = ["split", "findAll", "range", "flatten"];
/// A regular expression is compiled at every call, which takes about as long as this many steps.
const REGEX_STEPS: u64 = 50;

/// Sizes in a value that decide what a rule costs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    /// Items of the longest list or map.
    pub(super) longest_list: usize,
    /// Bytes of the longest text.
    pub(super) longest_text: usize,
}

/// Whether an expression has more than `max` levels.
pub(super) fn is_deeper(expression: &IdedExpr, max: usize) -> bool {
    match max.checked_sub(1) {
        None => true,
        Some(max) => children(&expression.expr).iter().any(|child| is_deeper(child, max)),
    }
}

/// The most steps that a program can take on a value of these sizes.
pub(super) fn steps(program: &Program, sizes: Sizes) -> u64 {
    let references = program.references();
    let takes_apart = TAKES_APART.iter().any(|name| references.has_function(name));
    let longest = if takes_apart { sizes.longest_list.max(sizes.longest_text) } else { sizes.longest_list };
    let longest = longest.max(longest_own(program.expression())).max(1) as u64;
    let text = sizes.longest_text as u64 / 16;
    of(program.expression(), longest, text)
}

fn of(expression: &IdedExpr, longest: u64, text: u64) -> u64 {
    let sum = |children: Vec<&IdedExpr>| {
        children.into_iter().fold(1_u64, |sum, child| sum.saturating_add(of(child, longest, text)))
    };
    match &expression.expr {
        Expr::Comprehension(loop_) => {
            let around = sum(vec![&loop_.iter_range, &loop_.accu_init, &loop_.result]);
            let mut each = sum(vec![&loop_.loop_cond, &loop_.loop_step]);
            if matches!(loop_.accu_init.expr, Expr::List(_)) {
                // `map` and `filter` copy what they have so far for every item.
                each = each.saturating_add(longest / 16);
            }
            around.saturating_add(each.saturating_mul(longest))
        }
        Expr::Call(call) if matches!(call.func_name.as_str(), "matches" | "find" | "findAll") => {
            sum(children(&expression.expr)).saturating_add(REGEX_STEPS).saturating_add(text)
        }
        other => sum(children(other)),
    }
}

/// Items of the longest list that an expression itself makes.
fn longest_own(expression: &IdedExpr) -> usize {
    let own = match &expression.expr {
        Expr::List(list) => list.elements.len(),
        Expr::Map(map) => map.entries.len(),
        Expr::Call(call) if call.func_name == "range" => {
            call.args.first().map_or(0, largest_number).min(RANGE_MAX)
        }
        _ => 0,
    };
    children(&expression.expr).into_iter().map(longest_own).fold(own, usize::max)
}

/// The largest number that an expression can give, beyond what the value has as many of.
fn largest_number(expression: &IdedExpr) -> usize {
    match &expression.expr {
        Expr::Literal(LiteralValue::Int(number)) => {
            usize::try_from(number.inner().unsigned_abs()).unwrap_or(usize::MAX)
        }
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            ("size", _) => 0,
            // `size(x) - 1`, `1 + size(x)`.
            ("_+_" | "_-_", [one, other]) if is_literal(one) || is_literal(other) => {
                largest_number(one).saturating_add(largest_number(other))
            }
            _ => usize::MAX,
        },
        _ => usize::MAX,
    }
}

fn is_literal(expression: &IdedExpr) -> bool {
    matches!(expression.expr, Expr::Literal(_))
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
