//! What is wrong with the rules of a definition, before it is taken.
//!
//! Follows the part about `x-kubernetes-validations` in `k8s.io/apiextensions-apiserver/pkg/apis/
//! apiextensions/validation/validation.go`.

use std::cell::Cell;

use kube_cel::cel::{Context, Program};
use serde_json::Value;

use super::rule::parse;
use super::types::Type;
use super::{declarations, functions, positions, typing, with_large_stack};
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

/// Most steps to find the types of all rules of a definition, which take about a second in a debug
/// build. A rule in use takes 50.
const STEPS_MAX: u32 = 10_000_000;

/// What the rules of one definition share.
struct Shared {
    context: Context<'static>,
    steps_left: Cell<u32>,
}

const REASONS: [&str; 4] =
    ["FieldValueRequired", "FieldValueInvalid", "FieldValueForbidden", "FieldValueDuplicate"];

/// What is wrong with the rules of these schemas.
pub(crate) fn check(sites: &[Site<'_>]) -> Vec<FieldError> {
    if sites.is_empty() {
        return Vec::new();
    }
    let run = || {
        let shared = Shared { context: functions::context(), steps_left: Cell::new(STEPS_MAX) };
        let rules =
            sites.iter().flat_map(|site| rules(site).iter().enumerate().map(move |rule| (site, rule)));
        rules.flat_map(|(site, (index, rule))| check_rule(&shared, site, index, rule)).collect()
    };
    with_large_stack(run).unwrap_or_else(|| {
        let why = "internal error: the checker of validation rules failed";
        vec![FieldError::invalid(sites[0].path.clone(), Value::Null, why)]
    })
}

fn rules<'a>(site: &Site<'a>) -> &'a [Value] {
    site.schema["x-kubernetes-validations"].as_array().map_or(&[], Vec::as_slice)
}

fn check_rule(shared: &Shared, site: &Site<'_>, index: usize, rule: &Value) -> Vec<FieldError> {
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
    let compiled = match compile(shared, site, source, rule) {
        Ok(compiled) => compiled,
        Err(why) => {
            return vec![FieldError::invalid(
                path("rule"),
                rule.clone(),
                format!("compilation failed: {why}"),
            )];
        }
    };
    if !matches!(compiled.result, Type::Bool | Type::Unknown) {
        return vec![FieldError::invalid(
            path("rule"),
            rule.clone(),
            "cel expression must evaluate to a bool",
        )];
    }
    let uses_old_self = compiled.program.references().has_variable("oldSelf");
    if let Some(expression) = text("messageExpression").filter(|text| !text.is_empty())
        && let Some(why) = message_fault(shared, site, expression, rule)
    {
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

/// What is wrong with the expression of a message.
fn message_fault(shared: &Shared, site: &Site<'_>, expression: &str, rule: &Value) -> Option<String> {
    match compile(shared, site, expression, rule) {
        Ok(compiled) if matches!(compiled.result, Type::String | Type::Unknown) => None,
        Ok(_) => Some("messageExpression must evaluate to a string".to_owned()),
        Err(why) => Some(format!("messageExpression compilation failed: {why}")),
    }
}

/// An expression that fits its schema, and the type of what it gives.
struct Compiled<'a> {
    program: Program,
    result: Type<'a>,
}

fn compile<'a>(shared: &Shared, site: &Site<'a>, text: &str, rule: &Value) -> Result<Compiled<'a>, String> {
    let program = parse(text)?;
    let this = declarations::declare(site.schema, site.is_whole).unwrap_or(Type::Unknown);
    let old = if rule["optionalOldSelf"] == true { Type::optional(this.clone()) } else { this.clone() };
    let variables = vec![("self", this), ("oldSelf", old)];
    match typing::infer(&shared.context, program.expression(), variables, &shared.steps_left) {
        Ok(result) => Ok(Compiled { program, result }),
        Err(faults) => Err(positions::describe(text, &faults)),
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
