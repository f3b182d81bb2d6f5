//! Expressions as the evaluator (`cel` 0.13) runs them without copying what it need not copy.
//!
//! It copies a value with everything in it where a field is selected, and the list so far at every
//! step of `map` and `filter`: a rule over 10,000 items takes a minute. So
//! - `a.b` becomes `a['b']`, which it looks up in place, and which is a fault where `a` has no
//!   fields;
//! - `map` and `filter` become calls of [`MAP`], whose list is made once;
//! - a text that is formatted goes through [`FORMAT_TEXT`], which looks at what it asks for.
//!
//! Types are found, and faults are told, with the expression as it was parsed.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::operators::{ADD, CONDITIONAL, INDEX};
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};

/// `@map(range, variable, value)` and `@map(range, variable, condition, value)`.
pub(super) const MAP: &str = "@map";
/// `@format_text(text)`: the text, if it asks for no more digits than it may.
pub(super) const FORMAT_TEXT: &str = "@format_text";

/// The expression that gives the same with less work.
pub(super) fn runnable(expression: &IdedExpr) -> IdedExpr {
    let mut expression = expression.clone();
    rewrite(&mut expression);
    expression
}

fn rewrite(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        Expr::Call(call) => {
            call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(rewrite);
            if call.func_name == "format" {
                check_text(call);
            }
        }
        Expr::Comprehension(loop_) => {
            for part in [
                &mut loop_.iter_range,
                &mut loop_.accu_init,
                &mut loop_.loop_cond,
                &mut loop_.loop_step,
                &mut loop_.result,
            ] {
                rewrite(part);
            }
            if let Some(call) = map_call(loop_) {
                expression.expr = Expr::Call(call);
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(rewrite),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| rewrite_entry(&mut entry.expr)),
        Expr::Struct(fields) => fields.entries.iter_mut().for_each(|entry| rewrite_entry(&mut entry.expr)),
        Expr::Select(select) => {
            rewrite(&mut select.operand);
            if !select.test {
                let operand = std::mem::take(&mut *select.operand);
                let field = LiteralValue::String(std::mem::take(&mut select.field).into());
                let field = IdedExpr { id: expression.id, expr: Expr::Literal(field) };
                expression.expr = Expr::Call(call_of(INDEX, vec![operand, field]));
            }
        }
    }
}

fn rewrite_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => rewrite(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            rewrite(&mut entry.key);
            rewrite(&mut entry.value);
        }
    }
}

/// The text is what `format` is called on, or its first argument.
fn check_text(call: &mut CallExpr) {
    let Some(text) = call.target.as_deref_mut().or(call.args.first_mut()) else { return };
    let inner = std::mem::take(text);
    *text = IdedExpr { id: inner.id, expr: Expr::Call(call_of(FORMAT_TEXT, vec![inner])) };
}

/// What a loop is that adds to a list: `@result + [value]`, or that where a condition holds and else
/// `@result`.
fn map_call(loop_: &mut ComprehensionExpr) -> Option<CallExpr> {
    if !matches!(&loop_.accu_init.expr, Expr::List(list) if list.elements.is_empty()) {
        return None;
    }
    let (condition, value) = match &mut loop_.loop_step.expr {
        Expr::Call(call) if call.func_name == CONDITIONAL => {
            let [condition, step, _] = call.args.as_mut_slice() else { return None };
            let value = added(step)?;
            (Some(std::mem::take(condition)), value)
        }
        _ => (None, added(&mut loop_.loop_step)?),
    };
    let variable = IdedExpr { id: value.id, expr: Expr::Ident(std::mem::take(&mut loop_.iter_var)) };
    let mut arguments = vec![std::mem::take(&mut loop_.iter_range), variable];
    arguments.extend(condition);
    arguments.push(value);
    Some(call_of(MAP, arguments))
}

/// `value` of `@result + [value]`.
fn added(step: &mut IdedExpr) -> Option<IdedExpr> {
    let Expr::Call(call) = &mut step.expr else { return None };
    let [_, IdedExpr { expr: Expr::List(list), .. }] = call.args.as_mut_slice() else { return None };
    (call.func_name == ADD && list.elements.len() == 1).then(|| list.elements.remove(0))
}

fn call_of(function: &str, args: Vec<IdedExpr>) -> CallExpr {
    CallExpr { func_name: function.to_owned(), target: None, args }
}
