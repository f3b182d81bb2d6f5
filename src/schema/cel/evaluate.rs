//! Runs the rules of a schema on a value and everything below it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use kube_cel::cel::objects::{OptionalValue, Value as CelValue};
use kube_cel::cel::{Context, ExecutionError, IdedExpr};
use serde_json::Value;

use super::bounds::{STEPS_MAX, STEPS_PER_OBJECT_MAX, VALUES_MAX_BYTES};
use super::estimate::estimate;
use super::rule::{Compiled, Rule};
use super::values::{Converted, convert, convert_object};
use super::{functions, with_large_stack};
use crate::equal::same;
use crate::path::Path;
use crate::validate::old_item;
use crate::{FieldError, Schema, Type};

/// What upstream says when the budget is spent.
const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
/// The same of a message.
const MESSAGE_OUT_OF_BUDGET: &str = "messageExpression evaluation failed due to running out of cost budget, no further validation rules \
                                     will be run";
/// Longest message that an expression may give: `MaxEvaluatedMessageExpressionSizeBytes`.
const MESSAGE_MAX_BYTES: usize = 5 << 10;

/// Most of what the evaluator says about a failure, in characters.
const ERROR_MAX_CHARS: usize = 500;

/// The rules that `value` breaks; `old` is what it takes the place of, for transition rules and
/// because what broke a rule before and did not change may stay.
pub fn broken_rules(schema: Schema<'_>, value: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if !schema.has_cel_rules() {
        return Vec::new();
    }
    let run = || {
        let mut evaluation = Evaluation {
            context: functions::context(),
            path: Path::default(),
            steps_left: STEPS_PER_OBJECT_MAX,
            is_over: false,
            errors: Vec::new(),
        };
        let place = Place { old, is_unchanged: false, is_root: true };
        evaluation.value(schema, value, place);
        evaluation.errors
    };
    with_large_stack(run).unwrap_or_else(|| {
        vec![FieldError::invalid("", Value::Null, "internal error: the evaluator of validation rules failed")]
    })
}

/// The walk over one object.
struct Evaluation {
    context: Context<'static>,
    path: Path,
    steps_left: u64,
    is_over: bool,
    errors: Vec<FieldError>,
}

/// How a value stands to the old object.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The value that it takes the place of.
    old: Option<&'a Value>,
    /// Whether the nearest value around it that can be compared did not change.
    is_unchanged: bool,
    is_root: bool,
}

// === impl Evaluation ===

impl Evaluation {
    fn value(&mut self, schema: Schema<'_>, value: &Value, place: Place<'_>) {
        if value.is_null() || self.is_over {
            return;
        }
        let is_unchanged = match place.old {
            Some(old) => same(old, value),
            None => place.is_unchanged,
        };
        let place = Place { is_unchanged, ..place };
        for rules in schema.cel_rules() {
            self.rules(schema, rules, value, place);
        }
        match value {
            Value::Object(object) => {
                for (name, value) in object {
                    self.field(schema, name, value, place);
                }
            }
            Value::Array(items) => {
                let Some(of_items) = schema.items() else { return };
                for (index, item) in items.iter().enumerate() {
                    let old = place.old.and_then(|old| old_item(schema, old, item));
                    let mark = self.path.enter_item(index);
                    self.value(of_items, item, Place { old, is_unchanged, is_root: false });
                    self.path.leave(mark);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn field(&mut self, schema: Schema<'_>, name: &str, value: &Value, place: Place<'_>) {
        let property = schema.property(name);
        let Some(field) = property.or_else(|| schema.additional()) else { return };
        let old = place.old.and_then(|old| old.get(name));
        let mark = match property {
            Some(_) => self.path.enter_field(name),
            None => self.path.enter_key(name),
        };
        self.value(field, value, Place { old, is_unchanged: place.is_unchanged, is_root: false });
        self.path.leave(mark);
    }

    /// Runs the rules of one schema.
    fn rules(&mut self, schema: Schema<'_>, rules: &[Rule], value: &Value, place: Place<'_>) {
        let convert = |value: &Value| match place.is_root {
            true => convert_object(schema, value),
            false => convert(Some(schema), value),
        };
        let this = convert(value);
        let old = place.old.filter(|old| !old.is_null()).map(convert);
        for rule in rules {
            let compiled = match rule.compiled() {
                Ok(compiled) => compiled,
                Err(why) => {
                    self.fault(schema, format!("rule compile error: {why}"));
                    continue;
                }
            };
            if compiled.uses_old_self && old.is_none() && !rule.is_old_self_optional {
                continue;
            }
            // What broke a rule before and did not change may stay; a transition is judged anew.
            if !compiled.uses_old_self && place.is_unchanged {
                continue;
            }
            let variables =
                Variables { this: &this, old: old.as_ref(), is_old_optional: rule.is_old_self_optional };
            if !variables.pay(&compiled.rule, &mut self.steps_left) {
                self.fault(schema, OUT_OF_BUDGET.to_owned());
                self.is_over = true;
                return;
            }
            let found = run(rule, compiled, variables, &self.context, &mut self.steps_left);
            self.take(schema, rule, found);
            if self.is_over {
                return;
            }
        }
    }

    fn take(&mut self, schema: Schema<'_>, rule: &Rule, found: Found) {
        match found {
            Found::Kept => {}
            Found::Failed(why) => self.fault(schema, why),
            Found::Untold => {
                self.broken(schema, rule, "", MESSAGE_OUT_OF_BUDGET.to_owned());
                self.is_over = true;
            }
            Found::Broken(detail) => self.broken(schema, rule, &rule.reason, detail),
        }
    }

    fn broken(&mut self, schema: Schema<'_>, rule: &Rule, reason: &str, detail: String) {
        let path = format!("{}{}", self.path.as_str(), joined(&rule.field_path));
        let path = path.trim_start_matches('.');
        let shown = type_name(schema);
        self.errors.push(match reason {
            "FieldValueForbidden" => FieldError::forbidden(path, detail),
            "FieldValueRequired" => FieldError::required(path, detail),
            "FieldValueDuplicate" => FieldError::duplicate(path, shown),
            _ => FieldError::invalid(path, shown, detail),
        });
    }

    fn fault(&mut self, schema: Schema<'_>, why: String) {
        self.errors.push(FieldError::invalid(self.path.as_str(), type_name(schema), why));
    }
}

/// What came of a rule.
enum Found {
    Kept,
    /// Broken, with what it says.
    Broken(String),
    /// Broken, and its message could take too long.
    Untold,
    /// It could not be evaluated.
    Failed(String),
}

/// The value that has the rules, and the one before it.
#[derive(Clone, Copy)]
struct Variables<'a> {
    this: &'a Converted,
    old: Option<&'a Converted>,
    is_old_optional: bool,
}

// === impl Variables ===

impl Variables<'_> {
    /// Takes what an expression may cost from the steps that are left; `false` if it could take more
    /// of them, or more memory, than it may.
    fn pay(self, expression: &IdedExpr, steps_left: &mut u64) -> bool {
        let this = [("self", self.this.shape.clone())];
        let shape = |old: &Converted| match self.is_old_optional {
            true => old.shape.optional(),
            false => old.shape.clone(),
        };
        let old = self.old.map(|old| ("oldSelf", shape(old)));
        let estimate = estimate(expression, this.into_iter().chain(old));
        // `self.list == oldSelf.list` may hold a copy of each.
        let own = self.own_bytes().saturating_mul(2);
        if estimate.steps > STEPS_MAX.min(*steps_left)
            || estimate.bytes > VALUES_MAX_BYTES.saturating_add(own)
        {
            return false;
        }
        *steps_left -= estimate.steps;
        true
    }

    fn own_bytes(self) -> u64 {
        let bytes = |converted: &Converted| converted.shape.weight().most;
        bytes(self.this).saturating_add(self.old.map_or(0, bytes))
    }

    /// What the expressions of a rule see.
    fn scope<'c>(self, context: &'c Context<'static>) -> Context<'c> {
        let mut scope = context.new_inner_scope();
        scope.add_variable_from_value("self", self.this.value.clone());
        let old = self.old.map(|old| old.value.clone());
        if self.is_old_optional {
            let old = old.map_or_else(OptionalValue::none, OptionalValue::of);
            scope.add_variable_from_value("oldSelf", CelValue::Opaque(Arc::new(old)));
        } else if let Some(old) = old {
            scope.add_variable_from_value("oldSelf", old);
        }
        scope
    }
}

fn run(
    rule: &Rule,
    compiled: &Compiled,
    variables: Variables<'_>,
    context: &Context<'static>,
    steps_left: &mut u64,
) -> Found {
    let scope = variables.scope(context);
    let Some(found) = resolve(&compiled.rule, &scope) else {
        return Found::Failed(format!("the evaluator failed evaluating rule: {}", rule.title()));
    };
    match found {
        Ok(CelValue::Bool(true)) => Found::Kept,
        Ok(CelValue::Bool(false)) => match &compiled.message {
            Some(message) if !variables.pay(message, steps_left) => Found::Untold,
            Some(message) => Found::Broken(message_of(rule, message, &scope)),
            None => Found::Broken(rule.default_message()),
        },
        Ok(_) => Found::Failed(format!("rule must evaluate to a bool: {}", rule.title())),
        Err(error) => Found::Failed(unevaluated(rule, &error)),
    }
}

/// What a broken rule says: its expression's text, where that is one line with something on it.
fn message_of(rule: &Rule, expression: &IdedExpr, scope: &Context<'_>) -> String {
    let found = match resolve(expression, scope) {
        Some(Ok(CelValue::String(text))) => text.trim().to_owned(),
        _ => String::new(),
    };
    let is_line = !found.is_empty() && !found.contains('\n') && found.len() <= MESSAGE_MAX_BYTES;
    if is_line { found } else { rule.default_message() }
}

/// What an expression gives; `None` where the evaluator panics, which is a fault of the one rule.
fn resolve(expression: &IdedExpr, scope: &Context<'_>) -> Option<Result<CelValue, ExecutionError>> {
    panic::catch_unwind(AssertUnwindSafe(|| CelValue::resolve(expression, scope))).ok()
}

fn unevaluated(rule: &Rule, error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..) => format!(
            "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: {}",
            rule.title()
        ),
        ExecutionError::NoSuchKey(key) => {
            format!("no such key: {} evaluating rule: {}", shortened(key), rule.title())
        }
        other => format!("{} evaluating rule: {}", shortened(&other.to_string()), rule.title()),
    }
}

/// The evaluator repeats whole values in what it says.
fn shortened(text: &str) -> String {
    text.chars().take(ERROR_MAX_CHARS).collect()
}

/// A `fieldPath` as `field.Path` writes it: `.a['b']` is `.a[b]` or `.a.b`.
fn joined(field_path: &str) -> String {
    field_path.replace("['", "[").replace("']", "]")
}

/// What upstream shows instead of the value.
fn type_name(schema: Schema<'_>) -> &'static str {
    match schema.kind() {
        Some(Type::Object) => "object",
        Some(Type::Array) => "array",
        Some(Type::String | Type::Quantity) => "string",
        Some(Type::Integer) => "integer",
        Some(Type::Number) => "number",
        Some(Type::Boolean) => "boolean",
        Some(Type::IntOrString) | None => "",
    }
}
