//! `metrics.k8s.io/v1beta1`: what pods and the node use, for `kubectl top`.
//!
//! ```text
//!  request ─► which pods run ─► Sampler ─► trait Runtime: stats ─► two readings ─► a rate ─► PodMetrics
//! ```
//!
//! Nothing is measured while nobody asks. The first who asks waits for a second reading; who asks again
//! within a minute gets the mean since then, at once.
//!
//! Source: `metrics-server/pkg/api/{pod,node}.go`, `pkg/storage/pod.go`.

mod sampler;
mod usage;

use serde_json::{Map, Value, json};
use spur_api::kinds::pod::NODE;
use spur_api::{Status, meta, quantity};
use spur_runtime::{ContainerState, PodId, StatsError};

pub(crate) use self::sampler::Sampler;
use self::sampler::{Missing, Subject};
use self::usage::Usage;
use crate::answer::{self, Outcome};
use crate::selection::Selection;
use crate::served::Served;
use crate::state::State;
use crate::verbs::{Request, list};
use crate::{negotiate, object, table};

/// What a pod or a node uses, or why that is not known.
type Measured = Result<Value, Missing>;

/// All that are asked for, or the one.
pub(crate) async fn read(request: &Request) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    let is_of_nodes = request.kind().kind() == "NodeMetrics";
    let of = Served::bundled("", "v1", if is_of_nodes { "nodes" } else { "pods" });
    if let Some(name) = &request.target.name {
        let object = object::get(&request.state, &of, request.namespace(), name)?.value;
        let measured = measure(request, &[object]).await.pop().unwrap_or(Err(Missing::NoRate));
        let measured = measured.map_err(|missing| refusal(request, name, missing))?;
        return Ok(answer::ok(&table::in_form(form, request.kind(), measured)));
    }
    if request.query.is_watch {
        return Ok(answer::method_not_allowed(&["GET"]));
    }
    let selection = Selection::new(request.kind(), &request.query)?;
    let objects = object::all_in(&request.state.store, &of, request.namespace());
    let mut objects = objects.map_err(|error| object::unreadable(&error))?;
    objects.retain(|object| selection.matches(object));
    let (mut items, mut left_out) = (Vec::new(), Vec::new());
    for measured in measure(request, &objects).await {
        match measured {
            Ok(item) => items.push(item),
            // As metrics-server does.
            Err(Missing::NoRate | Missing::Unread(StatsError::NotRunning { .. })) => {}
            Err(Missing::Unread(error)) => left_out.push(error),
        }
    }
    let mut answer = answer::ok(&list::in_form(form, request, json!({}), items));
    answer::warn(&mut answer, warning(&left_out).as_slice());
    Ok(answer)
}

/// Says how many are missing, and why.
fn warning(left_out: &[StatsError]) -> Option<String> {
    match left_out {
        [] => None,
        [one] => Some(format!("1 is left out: {one}")),
        [one, ..] => Some(format!("{} are left out: {one}, and others likewise", left_out.len())),
    }
}

/// What these pods or nodes use, in their order. All are measured together: they wait once.
async fn measure(request: &Request, objects: &[Value]) -> Vec<Measured> {
    let state = &request.state;
    let is_of_nodes = request.kind().kind() == "NodeMetrics";
    let subjects = |object: &Value| if is_of_nodes { machine(object) } else { running(state, object) };
    let of_each: Vec<Vec<Subject>> = objects.iter().map(subjects).collect();
    let mut usages = state.metrics().usages(&state.runtimes, &of_each.concat()).await.into_iter();
    let each = objects.iter().zip(of_each).map(|(object, subjects)| {
        let usages: Vec<_> = usages.by_ref().take(subjects.len()).collect();
        let usages: Vec<Usage> = usages.into_iter().collect::<Result<_, _>>()?;
        // A pod of which nothing runs has no metrics.
        let first = usages.first().ok_or(Missing::NoRate)?;
        let mut metrics = head(request.kind(), object, first);
        if is_of_nodes {
            metrics.insert("usage".to_owned(), amounts(first));
        } else {
            let containers = subjects.iter().zip(&usages);
            let containers = containers
                .map(|(subject, usage)| json!({"name": subject.container(), "usage": amounts(usage)}));
            metrics.insert("containers".to_owned(), containers.collect());
        }
        Ok(Value::Object(metrics))
    });
    each.collect()
}

/// There is one machine, and one node that is this machine.
fn machine(node: &Value) -> Vec<Subject> {
    if meta::name(node) == NODE { vec![Subject::Machine] } else { Vec::new() }
}

/// The containers of a pod that run, once the pod does.
fn running(state: &State, pod: &Value) -> Vec<Subject> {
    if meta::text(pod, "/status/phase") != "Running" {
        return Vec::new();
    }
    let id = PodId::new(meta::namespace(pod), meta::name(pod), meta::uid(pod));
    let lists = ["/spec/initContainers", "/spec/containers"];
    let names = lists.into_iter().flat_map(|list| meta::list(pod, list)).map(|one| meta::text(one, "/name"));
    let running = names.filter_map(|name| match state.runtimes.holding(&id, name).state(&id, name)? {
        ContainerState::Running { started_at, .. } => {
            Some(Subject::Container { pod: id.clone(), container: name.to_owned(), started_at })
        }
        ContainerState::Waiting { .. } | ContainerState::Terminated { .. } => None,
    });
    running.collect()
}

/// The object without its amounts. A pod's containers are read together, so that one's time is all's.
fn head(kind: &Served, of: &Value, usage: &Usage) -> Map<String, Value> {
    let mut metadata = json!({"name": meta::name(of), "creationTimestamp": meta::now()});
    if !meta::namespace(of).is_empty() {
        metadata["namespace"] = json!(meta::namespace(of));
    }
    if let Some(labels) = meta::labels(of) {
        metadata["labels"] = json!(labels);
    }
    let at = jiff::Timestamp::try_from(usage.at).unwrap_or_else(|_| jiff::Timestamp::now());
    let head = json!({
        "kind": kind.kind(), "apiVersion": kind.api_version(), "metadata": metadata,
        "timestamp": meta::rfc3339(at), "window": spur_schema::duration::text(usage.window),
    });
    head.as_object().cloned().unwrap_or_default()
}

fn amounts(usage: &Usage) -> Value {
    json!({
        "cpu": quantity::of_nanos(usage.cpu_nanos_per_second),
        "memory": quantity::of_bytes(usage.memory_bytes),
    })
}

fn refusal(request: &Request, name: &str, missing: Missing) -> Status {
    match missing {
        Missing::NoRate | Missing::Unread(StatsError::NotRunning { .. }) => {
            let full = request.namespace().map_or_else(|| name.to_owned(), |ns| format!("{ns}/{name}"));
            let of = request.kind().kind().to_ascii_lowercase();
            Status::not_found(request.kind().group(), &of, &full)
        }
        Missing::Unread(StatsError::NotSupported(why)) => Status::not_supported(why),
        Missing::Unread(error @ StatsError::Unread { .. }) => {
            Status::new(503, "ServiceUnavailable", error.to_string())
        }
    }
}
