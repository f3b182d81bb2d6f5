//! The parameters of operations: those that are obeyed, in the order of their names.
//!
//! What a real server lists and this one does not obey is left out: `shardSelector`
//! (alpha), `ignoreStoreReadErrorWithClusterBreakingPotential` (damaged objects can be deleted
//! without it), `stream` and `insecureSkipTLSVerifyBackend` of logs, `ports` and `path` of
//! connections that are not made.
//!
//! Source: `apimachinery/pkg/apis/meta/v1/types.go` and `core/v1/types.go`, the structs that end in
//! `Options`.

use serde_json::{Value, json};
use spur_api::{Life, Subresource};

use super::operations::{Operation, Verb};

/// A parameter of the query: its name, its type, what it is for.
struct Parameter(&'static str, &'static str, &'static str);

const LIST: &[Parameter] = &[
    Parameter(
        "allowWatchBookmarks",
        "boolean",
        "Of a watch: send BOOKMARK events, which tell the resourceVersion that the watch has come to.",
    ),
    CONTINUE,
    FIELD_SELECTOR,
    LABEL_SELECTOR,
    LIMIT,
    RESOURCE_VERSION,
    RESOURCE_VERSION_MATCH,
    Parameter(
        "sendInitialEvents",
        "boolean",
        "Of a watch: begin with an ADDED event for each object that is there, then a BOOKMARK with the annotation `k8s.io/initial-events-end`. Needs `resourceVersionMatch=NotOlderThan`.",
    ),
    Parameter("timeoutSeconds", "integer", "How long a watch lasts, whatever comes."),
    Parameter("watch", "boolean", "Send changes as they come, as a stream of events, in place of a list."),
];

const DELETE_COLLECTION: &[Parameter] = &[
    CONTINUE,
    DRY_RUN,
    FIELD_SELECTOR,
    GRACE_PERIOD_SECONDS,
    LABEL_SELECTOR,
    LIMIT,
    ORPHAN_DEPENDENTS,
    PROPAGATION_POLICY,
    RESOURCE_VERSION,
    RESOURCE_VERSION_MATCH,
];

const SELECT: &[Parameter] = &[FIELD_SELECTOR, LABEL_SELECTOR];
const WRITE: &[Parameter] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
const PATCH: &[Parameter] = &[
    DRY_RUN,
    FIELD_MANAGER,
    FIELD_VALIDATION,
    Parameter("force", "boolean", "Of an apply alone: take over the fields that others own."),
];
const DELETE: &[Parameter] = &[DRY_RUN, GRACE_PERIOD_SECONDS, ORPHAN_DEPENDENTS, PROPAGATION_POLICY];

const LOG: &[Parameter] = &[
    Parameter("container", "string", "Whose logs; may be left out where the pod has one container."),
    Parameter("follow", "boolean", "Send what is printed from now on, too."),
    Parameter(
        "limitBytes",
        "integer",
        "End after this many bytes, in the middle of a line if it comes to that.",
    ),
    Parameter("previous", "boolean", "What the container printed before it was restarted."),
    Parameter("sinceSeconds", "integer", "Leave out what is older than this many seconds."),
    Parameter("tailLines", "integer", "Only so many lines from the end."),
    Parameter("timestamps", "boolean", "Begin each line with the time (RFC 3339) at which it was printed."),
];

const ATTACH: &[Parameter] = &[CONTAINER, STDERR, STDIN, STDOUT, TTY];
const EXEC: &[Parameter] = &[
    Parameter("command", "string", "The command and its arguments, one parameter each. No shell reads it."),
    CONTAINER,
    STDERR,
    STDIN,
    STDOUT,
    TTY,
];

const CONTAINER: Parameter =
    Parameter("container", "string", "In which container; may be left out where the pod has one.");
const CONTINUE: Parameter =
    Parameter("continue", "string", "Go on after a page, with what its `metadata.continue` said.");
const DRY_RUN: Parameter = Parameter("dryRun", "string", "`All`: answer as if it were done, and do nothing.");
const FIELD_MANAGER: Parameter = Parameter(
    "fieldManager",
    "string",
    "Who writes, as `metadata.managedFields` shall name it: at most 128 printable characters.",
);
const FIELD_SELECTOR: Parameter =
    Parameter("fieldSelector", "string", "Only objects with these fields, such as `metadata.name=a`.");
const FIELD_VALIDATION: Parameter = Parameter(
    "fieldValidation",
    "string",
    "What to do about fields that are unknown or written twice: `Ignore`, `Warn` (if nothing is said) or `Strict`, which refuses the request.",
);
const GRACE_PERIOD_SECONDS: Parameter =
    Parameter("gracePeriodSeconds", "integer", "How many seconds a pod has to end; zero is at once.");
const LABEL_SELECTOR: Parameter =
    Parameter("labelSelector", "string", "Only objects with these labels, such as `app=web,tier!=front`.");
const LIMIT: Parameter = Parameter(
    "limit",
    "integer",
    "At most so many objects; where there are more, `metadata.continue` leads to them.",
);
const ORPHAN_DEPENDENTS: Parameter = Parameter(
    "orphanDependents",
    "boolean",
    "Deprecated: `true` is `propagationPolicy=Orphan`, `false` is `Background`.",
);
const PRETTY: Parameter =
    Parameter("pretty", "string", "`true`: indent the answer. curl, wget and browsers need not say so.");
const PROPAGATION_POLICY: Parameter = Parameter(
    "propagationPolicy",
    "string",
    "What becomes of what the object owns: `Orphan` leaves it, `Background` deletes it afterwards, `Foreground` deletes it first.",
);
const RESOURCE_VERSION: Parameter = Parameter(
    "resourceVersion",
    "string",
    "Of which state, as `resourceVersionMatch` has it; a watch begins after it.",
);
const RESOURCE_VERSION_MATCH: Parameter = Parameter(
    "resourceVersionMatch",
    "string",
    "`Exact` or `NotOlderThan`: how the state is held against `resourceVersion`.",
);
const STDERR: Parameter = Parameter("stderr", "boolean", "Send the error output; a terminal has none.");
const STDIN: Parameter = Parameter("stdin", "boolean", "Pass the input on.");
const STDOUT: Parameter = Parameter("stdout", "boolean", "Send the output.");
const TTY: Parameter = Parameter("tty", "boolean", "With a terminal.");

/// What an operation may say in its query.
pub(super) fn of_query(operation: &Operation<'_>) -> Vec<Value> {
    let pretty = (!matches!(operation.verb, Verb::Connect(_))).then_some(&PRETTY);
    query(operation).iter().chain(pretty).map(json_of).collect()
}

/// What stands in braces in a path: the name of a `subject`, the namespace, the rest of a path.
pub(super) fn of_path(path: &str, subject: &str) -> Vec<Value> {
    let all = [
        ("name", format!("name of the {subject}")),
        ("namespace", "object name and auth scope, such as for teams and projects".to_owned()),
        ("path", "path to the resource".to_owned()),
    ];
    let stands = all.into_iter().filter(|(name, _)| path.contains(&format!("{{{name}}}")));
    let parameters = stands.map(|(name, description)| {
        json!({
            "name": name, "in": "path", "required": true, "description": description,
            "schema": {"type": "string", "uniqueItems": true},
        })
    });
    parameters.collect()
}

fn query(operation: &Operation<'_>) -> &'static [Parameter] {
    match operation.verb {
        Verb::List if operation.kind.life() == Life::Observed => SELECT,
        Verb::List | Verb::Watch | Verb::WatchList => LIST,
        Verb::DeleteCollection => DELETE_COLLECTION,
        Verb::Delete => DELETE,
        Verb::Create | Verb::Update => WRITE,
        Verb::Patch => PATCH,
        Verb::Get if operation.part == Some(Subresource::Log) => LOG,
        Verb::Get => &[],
        Verb::Connect(_) => match operation.part {
            Some(Subresource::Exec) => EXEC,
            Some(Subresource::Attach) => ATTACH,
            _ => &[],
        },
    }
}

fn json_of(parameter: &Parameter) -> Value {
    let Parameter(name, type_, description) = parameter;
    json!({
        "name": name, "in": "query", "description": description,
        "schema": {"type": type_, "uniqueItems": true},
    })
}
