//! What rules may call: the functions of `kube-cel`, and those that it lacks.

use std::sync::Arc;

use kube_cel::KubeCelExt;
use kube_cel::cel::common::ast::Expr;
use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::Value;
use kube_cel::cel::{Context, ExecutionError, FunctionContext, Program, ResolveResult};

use super::bounds::{PRECISION_MAX, RANGE_MAX};
use super::{runnable, type_values};

/// A context with every function and no variables of an object.
pub(super) fn context() -> Context<'static> {
    let mut context = Context::default().with_all();
    context.add_function("dyn", dynamic);
    context.add_function("bool", to_bool);
    context.add_function("lists.range", range);
    context.add_function(runnable::MAP, map);
    context.add_function(runnable::FORMAT_TEXT, format_text);
    type_values::add(&mut context);
    context
}

/// Whether the evaluator knows a function of this name: it is asked, as it keeps no list.
pub(super) fn is_known(context: &Context<'_>, name: &str) -> bool {
    let is_operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
    if is_operator {
        return true;
    }
    let Ok(program) = Program::compile(&format!("{name}()")) else { return true };
    !matches!(program.execute(context), Err(ExecutionError::UndeclaredReference(_)))
}

/// `dyn(x)`: there are no static types to forget.
fn dynamic(value: Value) -> ResolveResult {
    Ok(value)
}

/// `lists.range(n)`, for which `kube-cel` takes as much memory as `n` asks for.
fn range(length: i64) -> ResolveResult {
    match usize::try_from(length) {
        Ok(length) if length <= RANGE_MAX => {
            let numbers = (0..).map(Value::Int).take(length).collect();
            Ok(Value::List(Arc::new(numbers)))
        }
        _ => {
            let why = format!("the length {length} is not from 0 to {RANGE_MAX}");
            Err(ExecutionError::function_error("lists.range", why))
        }
    }
}

/// [`runnable::MAP`]: what `map` and `filter` are.
fn map(ftx: &FunctionContext<'_, '_>) -> ResolveResult {
    let [range, variable, condition @ .., value] = ftx.args else {
        return Err(ExecutionError::NoSuchOverload);
    };
    let Expr::Ident(variable) = &variable.expr else { return Err(ExecutionError::NoSuchOverload) };
    let items: Vec<Value> = match Value::resolve(range, ftx.ptx)? {
        Value::List(items) => Arc::unwrap_or_clone(items),
        Value::Map(map) => map.map.keys().map(Value::from).collect(),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    let mut scope = ftx.ptx.new_inner_scope();
    let mut made = Vec::new();
    for item in items {
        scope.add_variable_from_value(variable.as_str(), item);
        let is_wanted = match condition.first().map(|condition| Value::resolve(condition, &scope)) {
            None => true,
            Some(Ok(Value::Bool(is_wanted))) => is_wanted,
            Some(Ok(_)) => return Err(ExecutionError::NoSuchOverload),
            Some(Err(error)) => return Err(error),
        };
        if is_wanted {
            made.push(Value::resolve(value, &scope)?);
        }
    }
    Ok(Value::List(Arc::new(made)))
}

/// [`runnable::FORMAT_TEXT`]: the text of `format`, which would try to write as many digits as it
/// is asked for.
fn format_text(This(value): This<Value>) -> ResolveResult {
    let Value::String(text) = &value else { return Ok(value) };
    let mut rest = text.as_str();
    while let Some(start) = rest.find('%') {
        rest = &rest[start + 1..];
        let Some(precision) = rest.strip_prefix('.') else {
            // `%%` is a sign of its own.
            rest = rest.strip_prefix('%').unwrap_or(rest);
            continue;
        };
        let n_digits = precision.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = precision.split_at(n_digits);
        if !digits.is_empty() && !digits.parse().is_ok_and(|digits: usize| digits <= PRECISION_MAX) {
            let why = format!("a precision is over {PRECISION_MAX}");
            return Err(ExecutionError::function_error("format", why));
        }
        // What is written there is the kind of the number.
        let mut after = after.chars();
        after.next();
        rest = after.as_str();
    }
    Ok(value)
}

/// `bool(x)`: a text has to be one that Go's `strconv.ParseBool` takes.
fn to_bool(value: Value) -> ResolveResult {
    let text = match &value {
        Value::Bool(_) => return Ok(value),
        Value::String(text) => text.as_str(),
        _ => return Err(ExecutionError::function_error("bool", "no such overload")),
    };
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(Value::Bool(true)),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(Value::Bool(false)),
        _ => Err(ExecutionError::function_error("bool", format!("'{text}' is no bool"))),
    }
}
