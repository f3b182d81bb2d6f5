//! Finds which overloads of a function fit a call, and what it gives.
//!
//! Follows `checkCall` and `resolveOverload` in `checker/checker.go` of
//! `github.com/google/cel-go`.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::operators::{LOGICAL_AND, LOGICAL_OR};
use kube_cel::cel::common::ast::{CallExpr, Expr};

use super::super::overloads::{self, Style};
use super::super::types::Type;
use super::super::{functions, type_values};
use super::{FAULTS_MAX, Inference};

impl<'a> Inference<'_, 'a> {
    pub(super) fn call(&mut self, id: u64, call: &CallExpr) -> Type<'a> {
        let function = call.func_name.as_str();
        let mut arguments: Vec<Type<'a>> =
            call.args.iter().map(|argument| self.argument(function, argument)).collect();
        let Some(target) = &call.target else {
            return match function {
                LOGICAL_AND | LOGICAL_OR => self.logical(call, &arguments),
                _ => self.resolve(id, function, Style::Global, &arguments),
            };
        };
        // `math.greatest(…)`: what looks like a target is part of the name.
        if let Some(name) = self.qualified(target, function) {
            return self.resolve(id, &name, Style::Global, &arguments);
        }
        let target = self.expression(target);
        arguments.insert(0, target);
        self.resolve(id, function, Style::Member, &arguments)
    }

    /// One thing that a function is called with. What `format` is given may be of several types:
    /// it is what such a list is for, so that cel-go's `ValidateHomogeneousAggregateLiterals`
    /// leaves it out.
    fn argument(&mut self, function: &str, argument: &IdedExpr) -> Type<'a> {
        match &argument.expr {
            Expr::List(list) if function == "format" => {
                for element in &list.elements {
                    self.expression(element);
                }
                Type::list(Type::Dyn)
            }
            _ => self.expression(argument),
        }
    }

    /// The whole name of a function whose target is a part of it.
    fn qualified(&self, target: &IdedExpr, function: &str) -> Option<String> {
        let Expr::Ident(namespace) = &target.expr else { return None };
        let is_value = self.variable(namespace).is_some() || type_values::is_type(namespace);
        let name = format!("{namespace}.{function}");
        (!is_value && self.is_function(&name)).then_some(name)
    }

    fn logical(&mut self, call: &CallExpr, arguments: &[Type<'a>]) -> Type<'a> {
        let mut result = Type::Bool;
        for (expression, argument) in call.args.iter().zip(arguments) {
            if !self.unification.assignable(argument, &Type::Bool) {
                result = self.mismatch(expression.id, &Type::Bool, argument);
            }
        }
        result
    }

    /// What a function gives: what its overloads give that fit, or anything if they differ.
    fn resolve(&mut self, id: u64, function: &str, style: Style, arguments: &[Type<'a>]) -> Type<'a> {
        if !self.is_function(function) {
            return self.undeclared(id, function);
        }
        if !overloads::is_declared(function) {
            return Type::Unknown;
        }
        let mut result: Option<Type<'a>> = None;
        for overload in overloads::of(function, style).filter(|it| it.takes_as_many(arguments.len())) {
            let (takes, gives) = overload.instantiate(&mut self.unification);
            if !self.unification.assignable_all(arguments, &takes) {
                continue;
            }
            let gives = self.unification.substitute(&gives);
            result = Some(match result {
                Some(earlier) if !self.unification.is_same(&earlier, &gives) => anything(arguments),
                _ => gives,
            });
        }
        result.unwrap_or_else(|| self.no_overload(id, function, style, arguments))
    }

    fn no_overload(&mut self, id: u64, function: &str, style: Style, arguments: &[Type<'a>]) -> Type<'a> {
        let arguments: Vec<String> =
            arguments.iter().map(|argument| self.settled(argument).to_string()).collect();
        let signature = match (style, arguments.split_first()) {
            (Style::Member, Some((target, arguments))) => format!("{target}.({})", arguments.join(", ")),
            _ => format!("({})", arguments.join(", ")),
        };
        self.fault(id, format!("found no matching overload for '{function}' applied to '{signature}'"))
    }

    fn is_function(&self, name: &str) -> bool {
        overloads::is_declared(name)
            || self.faults.len() >= FAULTS_MAX
            || functions::is_known(self.context, name)
    }
}

/// What is known of the result where several overloads fit that give different things.
fn anything<'a>(arguments: &[Type<'_>]) -> Type<'a> {
    let is_unknown = arguments.iter().any(|argument| matches!(argument, Type::Unknown));
    if is_unknown { Type::Unknown } else { Type::Dyn }
}
