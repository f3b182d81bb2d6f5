//! What running an expression takes at most, told from the sizes in the object.
//!
//! A pure walk over a [`super::runnable`] expression with the shapes of `self` and `oldSelf` gives
//! the shape of what it makes, the steps on the way, and the most memory that is held at a time.
//! Kubernetes counts both while a rule runs (`k8s.io/apiserver/pkg/cel/library/cost.go` and
//! `interpreter/runtimecost.go` of `github.com/google/cel-go`), and stops it.
//!
//! A step is a call of an operator or a function, or one turn of a loop. Work on values counts by
//! their size. Both branches of a condition and both sides of `&&` are looked at, of the branches
//! the larger one counts.

mod calls;
mod operators;

use std::collections::BTreeMap;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::operators::{CONDITIONAL, INDEX};
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, MapExpr};

use super::amounts::Amount;
use super::runnable::MAP;
use super::shapes::{Merges, Shape};

/// Memory that is copied in one step: four small values.
const COPIED_BYTES_PER_STEP: u64 = 256;
/// Memory that is compared in one step: nothing is allocated for it.
const COMPARED_BYTES_PER_STEP: u64 = 4 << 10;
/// Most shapes that one estimate merges. Rules in use need a dozen.
const MERGES_MAX: u32 = 10_000;

/// What an expression takes at most.
#[derive(Clone, Debug)]
pub(super) struct Estimate {
    pub(super) steps: u64,
    /// Memory of all values that are held at a time, as [`super::shapes`] counts it.
    pub(super) bytes: u64,
    /// What it gives.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with real values"))]
    pub(super) result: Shape,
}

/// Estimates an expression with these variables.
pub(super) fn estimate<'a>(
    expression: &'a IdedExpr,
    variables: impl Iterator<Item = (&'a str, Shape)>,
) -> Estimate {
    let variable = |(name, shape)| Variable { name, shape, times: 1, is_outermost: true };
    let mut walk = Walk {
        scope: variables.map(variable).collect(),
        n: 1,
        steps: 0,
        held_bytes: 0,
        peak_bytes: 0,
        merges: Merges::at_most(MERGES_MAX),
    };
    let result = walk.expression(expression);
    // The estimate itself takes time, again for every item of a list whose items have rules.
    let n_merges = u64::from(MERGES_MAX - walk.merges.left());
    Estimate { steps: walk.steps.saturating_add(n_merges), bytes: walk.peak_bytes, result }
}

/// The walk over one expression.
struct Walk<'a> {
    scope: Vec<Variable<'a>>,
    /// How often the expression that is looked at is evaluated.
    n: u64,
    steps: u64,
    /// Memory of what is there while the expression that is looked at is evaluated.
    held_bytes: u64,
    peak_bytes: u64,
    merges: Merges,
}

struct Variable<'a> {
    name: &'a str,
    shape: Shape,
    /// How often it is met for each of its values.
    times: u64,
    /// Whether it stands outside of all loops.
    is_outermost: bool,
}

/// Something that an operator or a function takes.
struct Operand<'a> {
    expression: &'a IdedExpr,
    shape: Shape,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    fn expression(&mut self, expression: &'a IdedExpr) -> Shape {
        let held_before = self.held_bytes;
        let shape = match &expression.expr {
            Expr::Literal(literal) => self.literal(literal),
            Expr::Ident(name) => self.variable(name),
            Expr::Call(call) if call.func_name == MAP => self.map_call(call),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(loop_) => self.comprehension(loop_),
            Expr::List(list) => self.list(&list.elements),
            Expr::Map(map) => self.map(map),
            Expr::Select(select) => {
                self.operand(&select.operand);
                self.step();
                Shape::scalar(self.n)
            }
            Expr::Struct(_) | Expr::Unspecified => Shape::nothing(),
        };
        if !is_borrowed(expression) {
            self.hold(&shape);
        }
        self.held_bytes = held_before;
        shape
    }

    /// The value of an expression that is there until the one around it is evaluated.
    fn operand(&mut self, expression: &'a IdedExpr) -> Shape {
        let shape = self.expression(expression);
        if !is_borrowed(expression) {
            self.hold(&shape);
        }
        shape
    }

    fn hold(&mut self, shape: &Shape) {
        self.held_bytes = self.held_bytes.saturating_add(shape.weight().most);
        self.peak_bytes = self.peak_bytes.max(self.held_bytes);
    }

    fn step(&mut self) {
        self.steps = self.steps.saturating_add(self.n);
    }

    fn copies(&mut self, shape: &Shape) {
        self.steps = self.steps.saturating_add(shape.weight().total / COPIED_BYTES_PER_STEP);
    }

    fn compares(&mut self, bytes: Amount) {
        self.steps = self.steps.saturating_add(bytes.total / COMPARED_BYTES_PER_STEP);
    }

    fn literal(&self, literal: &LiteralValue) -> Shape {
        match literal {
            LiteralValue::String(text) => {
                Shape::text(Amount::each(text.inner().len() as u64, self.n), self.n)
            }
            LiteralValue::Bytes(bytes) => {
                Shape::bytes(Amount::each(bytes.inner().len() as u64, self.n), self.n)
            }
            LiteralValue::Int(number) => Shape::number_up_to(number.inner().unsigned_abs(), self.n),
            LiteralValue::Boolean(_)
            | LiteralValue::Double(_)
            | LiteralValue::Null
            | LiteralValue::UInt(_) => Shape::scalar(self.n),
        }
    }

    /// A variable; what is none is a type (`int`), or a fault when the rule runs.
    fn variable(&self, name: &str) -> Shape {
        let found = self.scope.iter().rev().find(|variable| variable.name == name);
        found.map_or_else(|| Shape::scalar(self.n), |found| found.shape.repeated(found.times, self.n))
    }

    fn is_variable(&self, name: &str) -> bool {
        self.scope.iter().any(|variable| variable.name == name)
    }

    fn list(&mut self, elements: &'a [IdedExpr]) -> Shape {
        self.step();
        let mut items = Shape::nothing();
        for (index, element) in elements.iter().enumerate() {
            let item = self.element(element);
            items = self.merges.merge(items, item, self.n.saturating_mul(index as u64 + 1));
        }
        Shape::list(Amount::each(elements.len() as u64, self.n), items, self.n)
    }

    fn map(&mut self, map: &'a MapExpr) -> Shape {
        self.step();
        let mut values = Shape::nothing();
        let mut keys = Amount::default();
        for (index, entry) in map.entries.iter().enumerate() {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            keys = keys.or(self.element(&entry.key).text_bytes());
            let value = self.element(&entry.value);
            values = self.merges.merge(values, value, self.n.saturating_mul(index as u64 + 1));
        }
        let count = Amount::each(map.entries.len() as u64, self.n);
        Shape::map(count, keys, BTreeMap::new(), values, self.n)
    }

    /// Something that becomes a part of a list or a map.
    fn element(&mut self, expression: &'a IdedExpr) -> Shape {
        let shape = self.expression(expression);
        self.hold(&shape);
        self.copies(&shape);
        shape
    }

    /// `all`, `exists` and `exists_one`: what they carry from item to item is a bool or a number.
    fn comprehension(&mut self, loop_: &'a ComprehensionExpr) -> Shape {
        if !matches!(loop_.accu_init.expr, Expr::Literal(_)) {
            // No macro gives another loop.
            self.steps = u64::MAX;
            return Shape::nothing();
        }
        let range = self.operand(&loop_.iter_range);
        self.looped(&range, [&loop_.accu_var, &loop_.iter_var], |walk| {
            walk.expression(&loop_.loop_cond);
            walk.expression(&loop_.loop_step);
        });
        self.step();
        Shape::scalar(self.n)
    }

    /// `map` and `filter`.
    fn map_call(&mut self, call: &'a CallExpr) -> Shape {
        let [range, variable, condition @ .., value] = call.args.as_slice() else { return Shape::nothing() };
        let Expr::Ident(variable) = &variable.expr else { return Shape::nothing() };
        let range = self.operand(range);
        self.hold(&range);
        self.copies(&range);
        let peak_before = std::mem::take(&mut self.peak_bytes);
        let items = self.looped(&range, ["", variable], |walk| {
            for condition in condition {
                walk.expression(condition);
            }
            let item = walk.expression(value);
            walk.copies(&item);
            item
        });
        let made = Shape::list(range.count(), items, self.n);
        self.copies(&made);
        // The list grows while the values are made.
        let in_loop = self.peak_bytes.saturating_add(made.weight().most);
        self.peak_bytes = peak_before.max(in_loop);
        made
    }

    /// What is inside a loop over a value, with what it carries and the item in two variables.
    fn looped<T>(&mut self, range: &Shape, names: [&'a str; 2], inside: impl FnOnce(&mut Self) -> T) -> T {
        let (n_before, held_before) = (self.n, self.held_bytes);
        let times_before: Vec<u64> = self.scope.iter().map(|variable| variable.times).collect();
        let count = range.count();
        self.n = count.total;
        for variable in &mut self.scope {
            let times = variable.times.saturating_mul(count.most);
            variable.times = if variable.is_outermost { self.n } else { times };
        }
        let item = range.looped_over(&mut self.merges);
        self.step();
        self.copies(&item);
        self.hold(&item);
        let shapes = [Shape::scalar(self.n), item];
        let outer = self.scope.len();
        for (name, shape) in names.into_iter().zip(shapes) {
            self.scope.push(Variable { name, shape, times: 1, is_outermost: false });
        }
        let found = inside(self);
        self.scope.truncate(outer);
        for (variable, times) in self.scope.iter_mut().zip(times_before) {
            variable.times = times;
        }
        self.n = n_before;
        self.held_bytes = held_before;
        found
    }
}

/// Whether an expression gives a value where it already is.
fn is_borrowed(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Ident(_) | Expr::Literal(_) => true,
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (INDEX, [operand, _]) => is_borrowed(operand),
            (CONDITIONAL, [_, one, other]) => is_borrowed(one) && is_borrowed(other),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests;
