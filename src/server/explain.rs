//! `/spur/v1/explain`: where a request would go, and why, by the table that requests are routed by.

use std::collections::BTreeMap;

use serde_json::Value;
use spur_api::{Status, meta};
use spur_route::{Caller, Question, QuestionError, RoutingTable};

use crate::answer::{self, Outcome};
use crate::object;
use crate::served::Served;
use crate::state::State;

/// Answers for `method`, `url`, `header` (as often as wanted), `from` and `draw`.
pub(crate) fn explain(state: &State, query: &str) -> Outcome {
    let table = state.table.load_full();
    let question = question(state, &table, query)?;
    let explanation = serde_json::to_value(question.explain(&table));
    Ok(answer::ok(&explanation.map_err(|error| Status::internal(error.to_string()))?))
}

fn question(state: &State, table: &RoutingTable, query: &str) -> Result<Question, Status> {
    let all: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let one = |wanted: &str| all.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let bad = |name: &str| {
        let name = name.to_owned();
        move |error: QuestionError| Status::bad_request(format!("query parameter `{name}`: {error}"))
    };
    let url = one("url").ok_or_else(|| Status::bad_request("query parameter `url` is missing"))?;
    let mut question = Question::new(one("method").unwrap_or("GET"), url).map_err(|error| match error {
        error @ QuestionError::Method(_) => bad("method")(error),
        error => bad("url")(error),
    })?;
    for (_, header) in all.iter().filter(|(name, _)| name == "header") {
        question = question.with_header(header).map_err(bad("header"))?;
    }
    if let Some(draw) = one("draw") {
        question = question.with_draw(draw).map_err(bad("draw"))?;
    }
    if let Some(from) = one("from") {
        let caller: Caller = from.parse().map_err(bad("from"))?;
        question = question.sent_by(known(state, table, caller));
    }
    Ok(question)
}

/// What is known of the caller besides its name: the sandbox that it is a fork of, and the
/// labels of a pod of it.
fn known(state: &State, table: &RoutingTable, caller: Caller) -> Caller {
    let Caller { namespace, workload, .. } = &caller;
    let sandbox = table.sandbox_of(namespace, workload).map(|sandbox| sandbox.to_string());
    let pod = table.pod_of(namespace, workload).map(|pod| pod.to_string());
    let labels = pod.map_or_else(BTreeMap::new, |pod| labels(state, namespace, &pod));
    Caller { sandbox, labels, ..caller }
}

fn labels(state: &State, namespace: &str, pod: &str) -> BTreeMap<String, String> {
    let pods = Served::bundled("", "v1", "pods");
    let found = object::find(state, &pods, Some(namespace), pod).ok().flatten();
    let labels = found.map(|found| found.value["metadata"]["labels"].clone());
    let labels = labels.as_ref().and_then(Value::as_object).into_iter().flatten();
    labels.map(|(name, value)| (name.clone(), meta::text(value, "").to_owned())).collect()
}
