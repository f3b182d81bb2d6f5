//! One rule as the definition says it, and compiled.

use std::panic;
use std::sync::OnceLock;

use kube_cel::cel::{IdedExpr, Program};
use serde_json::Value;

use super::runnable::runnable;
use super::{bounds, negations, positions};

/// One entry of `x-kubernetes-validations`.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(super) text: String,
    pub(super) message: String,
    message_expression: String,
    pub(super) reason: String,
    /// Where the fault is, below the value that has the rule.
    pub(super) field_path: String,
    pub(super) is_old_self_optional: bool,
    /// Reading a rule takes a millisecond and many are never needed, so that it waits for the
    /// first value.
    compiled: OnceLock<Result<Compiled, String>>,
}

/// A rule that can run: its expressions are [`runnable`].
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) rule: IdedExpr,
    pub(super) message: Option<IdedExpr>,
    pub(super) uses_old_self: bool,
}

// === impl Rule ===

impl Rule {
    /// Reads an entry; what is missing is empty.
    pub(crate) fn read(entry: &Value) -> Self {
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        Self {
            text: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: text("reason"),
            field_path: text("fieldPath"),
            is_old_self_optional: entry["optionalOldSelf"] == true,
            compiled: OnceLock::new(),
        }
    }

    /// The rule, ready to run; the error says why it cannot. Needs a large stack.
    pub(super) fn compiled(&self) -> &Result<Compiled, String> {
        self.compiled.get_or_init(|| {
            let program = parse(&self.text)?;
            let message = match self.message_expression.trim() {
                "" => None,
                text => Some(runnable(parse(text)?.expression())),
            };
            let uses_old_self = program.references().has_variable("oldSelf");
            Ok(Compiled { rule: runnable(program.expression()), message, uses_old_self })
        })
    }

    /// What a broken rule says, unless an expression says more.
    pub(super) fn default_message(&self) -> String {
        match self.message.trim() {
            "" => format!("failed rule: {}", self.text.trim()),
            message => message.to_owned(),
        }
    }

    /// What names the rule in a message about it.
    pub(super) fn title(&self) -> &str {
        if self.message.is_empty() { self.text.trim() } else { self.message.trim() }
    }
}

/// Reads an expression within the bounds. Needs a large stack.
pub(super) fn parse(text: &str) -> Result<Program, String> {
    if text.len() > bounds::TEXT_MAX_BYTES {
        let max = bounds::TEXT_MAX_BYTES;
        return Err(format!("the expression has {} bytes, may have {max}", text.len()));
    }
    let single = negations::without_pairs(text).map_err(|fault| positions::describe_no_word(text, fault))?;
    let program = panic::catch_unwind(|| Program::compile(&single))
        .map_err(|_| "the expression cannot be read, it has too long a chain of conditions")?
        .map_err(|error| first_line(&error.to_string()))?;
    let max = bounds::DEPTH_MAX;
    if bounds::is_deeper(program.expression(), max) {
        return Err(format!("the expression is nested deeper than {max} levels"));
    }
    Ok(program)
}

/// The parser repeats the expression under every fault; the first fault's own line is enough.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(500).collect()
}
