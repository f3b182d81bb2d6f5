//! Finds the type of an expression, and what does not fit in it.
//!
//! Follows `checker/checker.go` of `github.com/google/cel-go`, with what Kubernetes sets there:
//! lists and maps that are written out are of one type (`HomogeneousAggregateLiterals`).

mod calls;

use std::cell::Cell;

use kube_cel::cel::common::ast::{
    ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SelectExpr,
};
use kube_cel::cel::{Context, IdedExpr};

use super::bounds;
use super::types::Type;
use super::unification::Unification;

/// Most faults of one expression that are told; to ask the evaluator for a function takes long.
/// cel-go tells 100.
const FAULTS_MAX: usize = 10;
/// Most steps for one expression. The longest that may be written (8 KiB) needs fewer than
/// 200,000; only an expression whose types double at every level (`x.map(y, {y: y})` in a row)
/// gets here. It is taken as if nothing were known of it.
const STEPS_MAX: u32 = 1_000_000;

/// Something that does not fit.
#[derive(Debug)]
pub(super) struct Fault {
    /// The expression that it is said of, by the parser's number.
    pub(super) expression: u64,
    pub(super) text: String,
}

/// The type of what an expression gives, where these variables are declared. Takes what it needs
/// of the steps that are left for it and others; without any, nothing is known.
pub(super) fn infer<'a>(
    context: &Context<'static>,
    expression: &IdedExpr,
    variables: Vec<(&str, Type<'a>)>,
    steps_left: &Cell<u32>,
) -> Result<Type<'a>, Vec<Fault>> {
    let scope = variables.into_iter().map(|(name, declared)| (name.to_owned(), declared)).collect();
    let may_take = steps_left.get().min(STEPS_MAX);
    let mut inference =
        Inference { context, scope, unification: Unification::new(may_take), faults: Vec::new() };
    let result = inference.expression(expression);
    let result = inference.settled(&result);
    let n_steps = may_take - inference.unification.steps_left();
    steps_left.set(steps_left.get() - n_steps);
    if inference.unification.is_exhausted() {
        return Ok(Type::Unknown);
    }
    if inference.faults.is_empty() { Ok(result) } else { Err(inference.faults) }
}

/// The walk over one expression.
struct Inference<'c, 'a> {
    context: &'c Context<'static>,
    /// Variables from the outermost to the innermost.
    scope: Vec<(String, Type<'a>)>,
    unification: Unification<'a>,
    faults: Vec<Fault>,
}

// === impl Inference ===

impl<'a> Inference<'_, 'a> {
    fn expression(&mut self, expression: &IdedExpr) -> Type<'a> {
        let id = expression.id;
        match &expression.expr {
            Expr::Literal(literal) => type_of_literal(literal),
            Expr::Ident(name) => self.identifier(id, name),
            Expr::Select(select) => self.select(id, select),
            Expr::Call(call) => self.call(id, call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            // Messages of protobuf, which no schema declares.
            other @ (Expr::Struct(_) | Expr::Unspecified) => {
                for child in bounds::children(other) {
                    self.expression(child);
                }
                Type::Unknown
            }
        }
    }

    fn identifier(&mut self, id: u64, name: &str) -> Type<'a> {
        if let Some(declared) = self.variable(name) {
            return declared;
        }
        type_by_name(name).unwrap_or_else(|| self.undeclared(id, name))
    }

    fn select(&mut self, id: u64, select: &SelectExpr) -> Type<'a> {
        if let Some(named) = self.message_type(select) {
            return named;
        }
        let operand = self.expression(&select.operand);
        let field = match self.unification.substitute(&operand) {
            // What is in an optional value is optional as well.
            Type::Optional(value) => Type::optional(self.field(id, &value, &select.field)),
            operand => self.field(id, &operand, &select.field),
        };
        if select.test { Type::Bool } else { self.unification.substitute(&field) }
    }

    /// The type that a name with dots names, unless a variable has its first part.
    fn message_type(&self, select: &SelectExpr) -> Option<Type<'a>> {
        let Expr::Select(package) = &select.operand.expr else { return None };
        let Expr::Ident(root) = &package.operand.expr else { return None };
        if select.test || self.variable(root).is_some() {
            return None;
        }
        let named = match (root.as_str(), package.field.as_str(), select.field.as_str()) {
            ("google", "protobuf", "Duration") => Type::Duration,
            ("google", "protobuf", "Timestamp") => Type::Timestamp,
            _ => return None,
        };
        Some(Type::meta(named))
    }

    fn field(&mut self, id: u64, operand: &Type<'a>, name: &str) -> Type<'a> {
        match operand {
            Type::Map(_, values) => (**values).clone(),
            Type::Object(object) => {
                object.field(name).unwrap_or_else(|| self.fault(id, format!("undefined field '{name}'")))
            }
            Type::Variable(_) => {
                self.unification.assignable(&Type::Dyn, operand);
                Type::Dyn
            }
            Type::Dyn => Type::Dyn,
            Type::Unknown => Type::Unknown,
            other => self.fault(id, format!("type '{other}' does not support field selection")),
        }
    }

    fn list(&mut self, list: &ListExpr) -> Type<'a> {
        let mut of_items = None;
        for element in &list.elements {
            let item = self.expression(element);
            of_items = Some(self.join(element.id, of_items, item));
        }
        Type::list(of_items.unwrap_or_else(|| self.unification.fresh()))
    }

    fn map(&mut self, map: &MapExpr) -> Type<'a> {
        let (mut of_keys, mut of_values) = (None, None);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            let key = self.expression(&entry.key);
            of_keys = Some(self.join(entry.key.id, of_keys, key));
            let value = self.expression(&entry.value);
            of_values = Some(self.join(entry.value.id, of_values, value));
        }
        let of_keys = of_keys.unwrap_or_else(|| self.unification.fresh());
        Type::map(of_keys, of_values.unwrap_or_else(|| self.unification.fresh()))
    }

    /// The common type of what stands in one list or map.
    fn join(&mut self, id: u64, earlier: Option<Type<'a>>, next: Type<'a>) -> Type<'a> {
        let Some(earlier) = earlier else { return next };
        if self.unification.assignable(&earlier, &next) {
            return self.unification.most_general(&earlier, &next);
        }
        self.mismatch(id, &earlier, &next)
    }

    fn comprehension(&mut self, loop_: &ComprehensionExpr) -> Type<'a> {
        let range = self.expression(&loop_.iter_range);
        let result = self.expression(&loop_.accu_init);
        let item = self.item_of(&loop_.iter_range, &range);
        let outer = self.scope.len();
        self.scope.push((loop_.accu_var.clone(), result.clone()));
        self.scope.push((loop_.iter_var.clone(), item));
        self.scope.extend(loop_.iter_var2.clone().map(|name| (name, Type::Unknown)));
        self.expect(&loop_.loop_cond, &Type::Bool);
        self.expect(&loop_.loop_step, &result);
        self.scope.truncate(outer + 1);
        let result = self.expression(&loop_.result);
        self.scope.truncate(outer);
        self.unification.substitute(&result)
    }

    /// What a comprehension runs over: the items of a list, the keys of a map.
    fn item_of(&mut self, expression: &IdedExpr, range: &Type<'a>) -> Type<'a> {
        let range = self.unification.substitute(range);
        match &range {
            Type::List(items) => (**items).clone(),
            Type::Map(keys, _) => (**keys).clone(),
            Type::Dyn => Type::Dyn,
            Type::Unknown => Type::Unknown,
            Type::Variable(_) => {
                self.unification.assignable(&Type::Dyn, &range);
                Type::Dyn
            }
            other => self.fault(
                expression.id,
                format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or \
                     dynamic)"
                ),
            ),
        }
    }

    fn expect(&mut self, expression: &IdedExpr, wanted: &Type<'a>) {
        let found = self.expression(expression);
        if !self.unification.assignable(wanted, &found) {
            self.mismatch(expression.id, wanted, &found);
        }
    }

    fn variable(&self, name: &str) -> Option<Type<'a>> {
        self.scope.iter().rev().find(|(declared, _)| declared == name).map(|(_, declared)| declared.clone())
    }

    /// A type with what is known in the end: what no expression told is anything.
    fn settled(&mut self, of: &Type<'a>) -> Type<'a> {
        match self.unification.substitute(of) {
            Type::Variable(_) => Type::Dyn,
            other => other,
        }
    }

    fn mismatch(&mut self, id: u64, wanted: &Type<'a>, found: &Type<'a>) -> Type<'a> {
        let (wanted, found) = (self.settled(wanted), self.settled(found));
        self.fault(id, format!("expected type '{wanted}' but found '{found}'"))
    }

    fn undeclared(&mut self, id: u64, name: &str) -> Type<'a> {
        self.fault(id, format!("undeclared reference to '{name}' (in container '')"))
    }

    /// Remembers a fault; what it is said of is not looked at any more.
    fn fault(&mut self, expression: u64, text: String) -> Type<'a> {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { expression, text });
        }
        Type::Unknown
    }
}

fn type_of_literal<'a>(literal: &LiteralValue) -> Type<'a> {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// The type of a type that a rule names, as in `type(x) == int`.
fn type_by_name<'a>(name: &str) -> Option<Type<'a>> {
    let named = match name {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "null_type" => Type::Null,
        "type" => Type::meta(Type::Dyn),
        _ => return None,
    };
    Some(Type::meta(named))
}

#[cfg(test)]
mod tests;
