//! What rules may call: the functions of `kube-cel`, and those that it lacks.

use std::sync::Arc;

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::Value;
use kube_cel::cel::{Context, ExecutionError, Program, ResolveResult};

use super::bounds::RANGE_MAX;
use super::type_values;

/// A context with every function and no variables of an object.
pub(super) fn context() -> Context<'static> {
    let mut context = Context::default().with_all();
    context.add_function("dyn", dynamic);
    context.add_function("bool", to_bool);
    context.add_function("lists.range", range);
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
