//! What rules may call: the functions of `kube-cel`, and two that it lacks.

use std::sync::Arc;

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::{Opaque, Value};
use kube_cel::cel::{Context, ExecutionError, Program, ResolveResult};

/// The types that a rule may compare `type(x)` with.
const TYPES: [&str; 11] = [
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "timestamp_type",
    "duration_type",
];

/// A type as a value: what `type(x)` gives.
#[derive(Debug, PartialEq, Eq)]
struct TypeValue(&'static str);

impl Opaque for TypeValue {
    fn runtime_type_name(&self) -> &str {
        "type"
    }
}

/// A context with every function and no variables of an object.
pub(super) fn context() -> Context<'static> {
    let mut context = Context::default().with_all();
    context.add_function("dyn", dynamic);
    context.add_function("type", type_of);
    for name in TYPES {
        context.add_variable_from_value(name, Value::Opaque(Arc::new(TypeValue(name))));
    }
    context
}

/// Whether a variable is bound in every context.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
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

/// `type(x)`.
fn type_of(value: Value) -> ResolveResult {
    Ok(Value::Opaque(Arc::new(TypeValue(type_name(&value)))))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Int(_) => "int",
        Value::UInt(_) => "uint",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Bool(_) => "bool",
        Value::Duration(_) => "duration_type",
        Value::Timestamp(_) => "timestamp_type",
        Value::Null => "null_type",
        Value::Function(..) | Value::Opaque(_) => "type",
    }
}
