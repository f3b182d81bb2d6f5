//! `spur logs`: what a container printed; what all did is in `workloads`.

mod workloads;

use anyhow::{Result, bail};
use serde_json::Value;
use spur_api::selector::LabelSelector;
use spur_api::{Kind, meta, registry};
use spur_trace::sanitize::log_line_for_terminal;

use crate::args::LogsArgs;
use crate::client::Client;
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::kinds::{self, Target};

/// The media type of logs.
const TEXT: &str = "*/*";

/// Which container is meant where none is named, as `kubectl` has it.
const DEFAULT_CONTAINER: &str = "/metadata/annotations/kubectl.kubernetes.io~1default-container";

/// Runs `spur logs`.
pub(crate) async fn run(args: &LogsArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    match &args.what {
        Some(what) => of_container(what, args, client, console).await,
        None => workloads::run(args, client, console).await,
    }
}

async fn of_container(what: &str, args: &LogsArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let namespace = args.namespace.as_deref().unwrap_or(client.namespace());
    let pod = pod(what, namespace, client, console).await?;
    let container = match &args.container {
        Some(container) => container.clone(),
        None => default_container(&pod, console),
    };
    let LogsArgs { follow, tail, since, previous, timestamps, .. } = args;
    let tail = tail.map(|lines| lines.to_string());
    // Kubernetes takes whole seconds and no zero.
    let since = since.map(|since| since.as_secs().max(1).to_string());
    let flag = |is_set: &bool| is_set.then_some("true");
    let query = kinds::query(&[
        ("container", Some(&container)),
        ("follow", flag(follow)),
        ("tailLines", tail.as_deref()),
        ("sinceSeconds", since.as_deref()),
        ("previous", flag(previous)),
        ("timestamps", flag(timestamps)),
    ]);
    let path = kinds::object_path(pod_kind(), namespace, meta::name(&pod)) + "/log" + &query;
    let mut lines = client.lines(&path, TEXT).await?;
    while let Some(mut line) = lines.next().await? {
        if console.is_data_terminal() {
            console.line(&log_line_for_terminal(&line))?;
        } else {
            line.push(b'\n');
            console.bytes(&line)?;
        }
    }
    Ok(Exit::Success)
}

/// The pod that is meant: by its name, or one of a workload's.
async fn pod(what: &str, namespace: &str, client: &Client, console: &mut Console) -> Result<Value> {
    let target = if what.contains('/') {
        kinds::slashed(what)?
    } else {
        Target { kind: pod_kind(), name: Some(what.to_owned()) }
    };
    let Target { kind, name } = target;
    let name = name.unwrap_or_default();
    let object = client.get(&kinds::object_path(kind, namespace, &name)).await?;
    if kind.kind == pod_kind().kind {
        return Ok(object);
    }
    let selector = match kind.kind {
        "Service" => {
            object.pointer("/spec/selector").cloned().map(|map| serde_json::json!({"matchLabels": map}))
        }
        _ => object.pointer("/spec/selector").cloned(),
    };
    let Some(selector) = LabelSelector::from_object(selector.as_ref()).filter(|found| !found.is_empty())
    else {
        bail!(Failure::usage(format!("{} has no pods", kinds::named(kind, &name))));
    };
    let list = client.get(&kinds::collection_path(pod_kind(), Some(namespace))).await?;
    let mut pods: Vec<&Value> =
        meta::list(&list, "/items").iter().filter(|pod| selector.matches(meta::labels(pod))).collect();
    // The newest ready one tells most.
    pods.sort_by_key(|pod| (is_ready(pod), meta::text(pod, "/metadata/creationTimestamp")));
    let n_pods = pods.len();
    let Some(pod) = pods.pop() else {
        let shown = kinds::named(kind, &name);
        let hint = format!("`spur get {shown} -o yaml` shows its status");
        bail!(Failure::new(format!("{shown} has no pods in namespace `{namespace}`")).hint(hint));
    };
    if n_pods > 1 {
        console.talk(&format!("Found {n_pods} pods, using pod/{}", meta::name(pod)));
    }
    Ok(pod.clone())
}

pub(crate) fn pod_kind() -> &'static Kind {
    registry::by_kind("v1", "Pod").expect("pods are served")
}

fn is_ready(pod: &Value) -> bool {
    crate::wait::Condition::ready().is_met(Some(pod))
}

fn default_container(pod: &Value, console: &mut Console) -> String {
    let annotated = meta::text(pod, DEFAULT_CONTAINER);
    if !annotated.is_empty() {
        return annotated.to_owned();
    }
    let names: Vec<&str> =
        meta::list(pod, "/spec/containers").iter().map(|container| meta::text(container, "/name")).collect();
    let first = names.first().copied().unwrap_or_default();
    if names.len() > 1 {
        console.talk(&format!("Defaulted container \"{first}\" out of: {}", names.join(", ")));
    }
    first.to_owned()
}
