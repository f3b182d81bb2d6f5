//! What is wrong with the rules of a definition, before it is taken.
//!
//! Follows the part about `x-kubernetes-validations` in `k8s.io/apiextensions-apiserver/pkg/apis/
//! apiextensions/validation/validation.go`.

use std::collections::HashMap;

use kube_cel::cel::common::ast::{CallExpr, Expr};
use kube_cel::cel::{Context, IdedExpr, Program};
use serde_json::Value;

use super::rule::parse;
use super::{bounds, functions, names, with_large_stack};
use crate::FieldError;

/// A schema with rules and where it stands in the definition.
#[derive(Clone, Debug)]
pub(crate) struct Site<'a> {
    /// The path of the schema.
    pub(crate) path: String,
    pub(crate) schema: &'a Value,
    /// Whether it is the schema of a whole object, whose kind and metadata are known.
    pub(crate) is_whole: bool,
    /// The list around it whose items cannot be told apart, so that there is no old one.
    pub(crate) uncorrelated: Option<String>,
}

/// What a variable of an expression is; `None` where anything may be in it.
type Scope<'a> = HashMap<String, Option<Place<'a>>>;

/// A schema that an expression leads to.
#[derive(Clone, Copy)]
struct Place<'a> {
    schema: &'a Value,
    is_whole: bool,
}

const REASONS: [&str; 4] =
    ["FieldValueRequired", "FieldValueInvalid", "FieldValueForbidden", "FieldValueDuplicate"];

/// What is wrong with the rules of these schemas.
pub(crate) fn check(sites: &[Site<'_>]) -> Vec<FieldError> {
    if sites.is_empty() {
        return Vec::new();
    }
    let run = || {
        let context = functions::context();
        let rules =
            sites.iter().flat_map(|site| rules(site).iter().enumerate().map(move |rule| (site, rule)));
        rules.flat_map(|(site, (index, rule))| check_rule(&context, site, index, rule)).collect()
    };
    with_large_stack(run).unwrap_or_else(|| {
        let why = "compilation failed: an expression cannot be read, it has too long a chain of conditions";
        vec![FieldError::invalid(sites[0].path.clone(), Value::Null, why)]
    })
}

fn rules<'a>(site: &Site<'a>) -> &'a [Value] {
    site.schema["x-kubernetes-validations"].as_array().map_or(&[], Vec::as_slice)
}

fn check_rule(context: &Context<'static>, site: &Site<'_>, index: usize, rule: &Value) -> Vec<FieldError> {
    let path = |field: &str| format!("{}.x-kubernetes-validations[{index}].{field}", site.path);
    let text = |field: &str| rule[field].as_str();
    let mut faults = Vec::new();
    let source = text("rule").unwrap_or_default();
    if source.trim().is_empty() {
        faults.push(FieldError::required(path("rule"), "rule is not specified"));
    }
    match text("message") {
        Some(message) if message.trim().is_empty() && !message.is_empty() => {
            faults.push(FieldError::invalid(
                path("message"),
                message,
                "message must be non-empty if specified",
            ));
        }
        Some(message) if message.contains('\n') => {
            faults.push(FieldError::invalid(
                path("message"),
                message,
                "message must not contain line breaks",
            ));
        }
        None | Some("") if source.trim().contains('\n') && text("messageExpression").is_none() => {
            faults.push(FieldError::required(
                path("message"),
                "message must be specified if rule contains line breaks",
            ));
        }
        _ => {}
    }
    if text("messageExpression").is_some_and(|text| !text.is_empty() && text.trim().is_empty()) {
        faults.push(FieldError::required(
            path("messageExpression"),
            "messageExpression must be non-empty if specified",
        ));
    }
    if let Some(reason) = text("reason").filter(|reason| !REASONS.contains(reason)) {
        faults.push(FieldError::not_supported(path("reason"), reason, REASONS));
    }
    if let Some(field) =
        text("fieldPath").filter(|field| !field.is_empty() && !leads_to_a_field(site.schema, field))
    {
        let why = "fieldPath must be a valid path: does not refer to a valid field";
        faults.push(FieldError::invalid(path("fieldPath"), field, why));
    }
    if !faults.is_empty() {
        return faults;
    }
    let uses_old_self = match compile(context, site, source, rule) {
        Ok(program) => program.references().has_variable("oldSelf"),
        Err(why) => {
            return vec![FieldError::invalid(
                path("rule"),
                rule.clone(),
                format!("compilation failed: {why}"),
            )];
        }
    };
    if let Some(expression) = text("messageExpression").filter(|text| !text.is_empty())
        && let Err(why) = compile(context, site, expression, rule)
    {
        let why = format!("messageExpression compilation failed: {why}");
        faults.push(FieldError::invalid(path("messageExpression"), rule.clone(), why));
    }
    if let Some(list) = site.uncorrelated.as_ref().filter(|_| uses_old_self) {
        let why = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {list}");
        faults.push(FieldError::invalid(path("rule"), source, why));
    }
    if rule["optionalOldSelf"] == true && !uses_old_self {
        let why = "may not be set to true if the rule does not use oldSelf";
        faults.push(FieldError::invalid(path("optionalOldSelf"), true, why));
    }
    faults
}

fn compile(context: &Context<'static>, site: &Site<'_>, text: &str, rule: &Value) -> Result<Program, String> {
    let program = parse(text)?;
    let this = Some(Place { schema: site.schema, is_whole: site.is_whole });
    // An optional old value is wrapped, so that its fields are not right below.
    let old = this.filter(|_| rule["optionalOldSelf"] != true);
    let scope = Scope::from([("self".to_owned(), this), ("oldSelf".to_owned(), old)]);
    Check { context }.lead(program.expression(), &scope)?;
    Ok(program)
}

/// Looks for what an expression names that is not there.
struct Check<'c> {
    context: &'c Context<'static>,
}

// === impl Check ===

impl Check<'_> {
    /// Follows an expression through the schema: where it leads.
    fn lead<'a>(&self, expression: &IdedExpr, scope: &Scope<'a>) -> Result<Option<Place<'a>>, String> {
        match &expression.expr {
            Expr::Ident(name) => match scope.get(name) {
                Some(place) => Ok(*place),
                None if name.starts_with('@') || functions::is_type(name) => Ok(None),
                None => Err(format!("undeclared reference to '{name}' (in container '')")),
            },
            Expr::Select(select) => {
                let Some(place) = self.lead(&select.operand, scope)? else { return Ok(None) };
                place.field(&select.field)
            }
            Expr::Call(call) => self.call(call, scope),
            Expr::Comprehension(loop_) => {
                let range = self.lead(&loop_.iter_range, scope)?;
                let mut inner = scope.clone();
                inner.insert(loop_.iter_var.clone(), range.and_then(Place::item));
                inner.extend(loop_.iter_var2.clone().map(|name| (name, None)));
                inner.insert(loop_.accu_var.clone(), None);
                for part in [&loop_.accu_init, &loop_.loop_cond, &loop_.loop_step, &loop_.result] {
                    self.lead(part, &inner)?;
                }
                Ok(None)
            }
            other => {
                bounds::children(other)
                    .into_iter()
                    .try_for_each(|child| self.lead(child, scope).map(drop))?;
                Ok(None)
            }
        }
    }

    fn call<'a>(&self, call: &CallExpr, scope: &Scope<'a>) -> Result<Option<Place<'a>>, String> {
        let target = call.target.as_deref();
        let (name, target) = match namespace(target, scope) {
            // `math.greatest(…)`: what looks like a target is part of the name.
            Some(namespace) => (format!("{namespace}.{}", call.func_name), None),
            None => (call.func_name.clone(), target),
        };
        if !functions::is_known(self.context, &name) {
            return Err(format!("undeclared reference to '{name}' (in container '')"));
        }
        let mut places = Vec::new();
        for part in target.into_iter().chain(&call.args) {
            places.push(self.lead(part, scope)?);
        }
        Ok(if name == "_[_]" { places.first().copied().flatten().and_then(Place::element) } else { None })
    }
}

/// The first part of a function's name, where a call's target is that and no value.
fn namespace<'e>(target: Option<&'e IdedExpr>, scope: &Scope<'_>) -> Option<&'e str> {
    match &target?.expr {
        Expr::Ident(name) if !scope.contains_key(name) && !functions::is_type(name) => Some(name),
        _ => None,
    }
}

/// Whether `.a.b['c']` names fields that the schema has.
fn leads_to_a_field(schema: &Value, path: &str) -> bool {
    let mut schema = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let (name, next) = if let Some(inner) = rest.strip_prefix("['") {
            let Some(split) = inner.split_once("']") else { return false };
            split
        } else if let Some(inner) = rest.strip_prefix('.') {
            inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
        } else {
            return false;
        };
        let field = schema["properties"].get(name).or_else(|| schema.get("additionalProperties"));
        let Some(field) = field.filter(|field| field.is_object()) else { return false };
        schema = field;
        rest = next;
    }
    true
}

// === impl Place ===

impl<'a> Place<'a> {
    /// The field that a rule calls `name`.
    fn field(self, name: &str) -> Result<Option<Self>, String> {
        if self.is_whole && matches!(name, "apiVersion" | "kind" | "metadata") {
            return Ok(None);
        }
        let properties = self.schema["properties"].as_object();
        let found = properties.into_iter().flatten().find(|(field, _)| names::escaped(field) == name);
        if let Some((_, schema)) = found {
            return Ok(Some(Self::of(schema)));
        }
        let is_open = self.schema["type"] != "object"
            || self.schema["additionalProperties"] != Value::Null
            || self.schema["x-kubernetes-preserve-unknown-fields"] == true;
        if is_open { Ok(self.element()) } else { Err(format!("undefined field '{name}'")) }
    }

    /// What a comprehension runs over: items of a list, but keys of a map.
    fn item(self) -> Option<Self> {
        self.schema.get("items").map(Self::of)
    }

    /// What stands under an index or a key.
    fn element(self) -> Option<Self> {
        let element = self.schema.get("items").or_else(|| self.schema.get("additionalProperties"));
        element.filter(|element| element.is_object()).map(Self::of)
    }

    fn of(schema: &'a Value) -> Self {
        Self { schema, is_whole: schema["x-kubernetes-embedded-resource"] == true }
    }
}
