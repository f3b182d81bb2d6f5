//! The server's paths, and its answers as values and lines.

use anyhow::{Result, anyhow};
use http::Request;
use serde_json::{Value, json};
use spur_api::registry;
use spur_route::TraceId;

use crate::event::{Ask, LogSource, Put, Refusal, Secrets, Watched};
use crate::lines::Lines;
use crate::query::encoded;
use crate::state::{rates, split, topology};

/// Published traces from now on, after the last ones: a few screens. Of ordinary ones 500 a second
/// are told, ten screens, and how many more there were: what else there is would be written, sent and
/// read for nobody on the cores that the requests need.
const TRACES: &str = "/spur/v1/traces?follow=true&limit=500&maxPerSecond=500";

/// Requests that are compared with: enough for a median that is no chance.
const BASELINES_MAX: u32 = 200;

/// Those that are in flight for a while and none that are published: no publication has so high a
/// number. 250 ms: of a thousand requests a second that take a tenth of that none is told twice, and
/// what hangs is seen within a second.
pub(super) const IN_FLIGHT: &str =
    "/spur/v1/traces?inFlight=true&minAgeMs=250&limit=200&since=18446744073709551615";

/// What a Spur tells of itself.
pub(super) const STATUS: &str = "/spur/v1/status";

/// VirtualServices; their kind is a definition and no row of the registry.
const VIRTUAL_SERVICES: &str = "networking.istio.io/v1/virtualservices";

/// Lines of a log that were before it is followed.
const TAIL_LINES: u32 = 500;

/// How often a change is made anew because only the status has changed: a controller writes it once or
/// twice after each change.
const N_REBASED_MAX: usize = 5;

/// Published traces that fit a filter.
pub(super) fn traces(filter: &str) -> String {
    match filter {
        "" => TRACES.to_owned(),
        filter => format!("{TRACES}&filter={}", encoded(filter)),
    }
}

/// Lines of one trace that are shown beside it: more than a pane is read through.
const TRACE_LINES: u32 = 500;

/// What a trace is marked with here; it is kept then as long as the server can.
const MARK: &str = "ui";

/// Where a question goes.
pub(super) fn question(ask: &Ask) -> String {
    let summary = |last: u64, by: &str| format!("/spur/v1/traces/summary?last={last}&by={by}");
    match ask {
        Ask::Rates => summary(rates::WINDOW_SECONDS, "entry"),
        Ask::Edges { ago_s } => format!("{}&ago={ago_s}", summary(topology::WINDOW_SECONDS, "edge-version")),
        Ask::Shares => summary(split::WINDOW_SECONDS, "rule-workload"),
        Ask::Baselines(filter) => {
            format!("/spur/v1/traces?limit={BASELINES_MAX}&filter={}", encoded(filter))
        }
        Ask::Explain(query) | Ask::Recount(query) => format!("/spur/v1/explain?{query}"),
        Ask::Captures(trace, secrets) => captures(*trace, *secrets),
        Ask::LogsOf(trace) => format!("/spur/v1/logs?trace={trace}&limit={TRACE_LINES}"),
        Ask::Replay(_) => "/spur/v1/replay".to_owned(),
        Ask::Mark(trace) | Ask::Unmark(trace) => format!("/spur/v1/traces/{trace}/mark"),
    }
}

/// Heads and bodies of a trace's hops.
pub(super) fn captures(trace: TraceId, secrets: Secrets) -> String {
    let reveal = if secrets == Secrets::Told { "?reveal=true" } else { "" };
    format!("/spur/v1/traces/{trace}/captures{reveal}")
}

/// The collection of a kind, in all namespaces.
pub(super) fn collection(watched: Watched) -> String {
    let (api_version, kind) = match watched {
        Watched::VirtualServices => return format!("/apis/{VIRTUAL_SERVICES}"),
        Watched::Sandboxes => ("spur.dev/v1alpha1", "Sandbox"),
        Watched::Events => ("v1", "Event"),
        Watched::Pods => ("v1", "Pod"),
    };
    let kind = registry::by_kind(api_version, kind).expect("the kind is served");
    let root = if kind.group.is_empty() { "/api" } else { "/apis" };
    format!("{root}/{api_version}/{}", kind.plural)
}

/// A log, from its last lines on.
pub(super) fn log(source: &LogSource) -> String {
    match source {
        LogSource::Container { namespace, pod, container } => format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&follow=true&tailLines={TAIL_LINES}"
        ),
        LogSource::All { filter, trace } => {
            let trace = trace.map(|trace| format!("&trace={trace}")).unwrap_or_default();
            let filter = encoded(filter);
            format!("/spur/v1/logs?follow=true&limit={TAIL_LINES}&filter={filter}{trace}")
        }
    }
}

/// GET, as JSON.
pub(super) async fn get(client: &kube::Client, path: &str) -> Result<Value> {
    client.request(request(path)?).await.map_err(|error| anyhow!(cause(&error)))
}

/// Asks, with whatever method and body the question has.
pub(super) async fn ask(client: &kube::Client, ask: &Ask) -> Result<Value> {
    let path = question(ask);
    let request = match ask {
        Ask::Replay(body) => sending(Request::post(path), body.clone().into_bytes())?,
        Ask::Mark(_) => sending(Request::put(path), serde_json::to_vec(&json!({ "mark": MARK }))?)?,
        Ask::Unmark(_) => sending(Request::delete(path), Vec::new())?,
        _ => request(&path)?,
    };
    client.request(request).await.map_err(|error| anyhow!(cause(&error)))
}

fn sending(request: http::request::Builder, body: Vec<u8>) -> Result<Request<Vec<u8>>> {
    Ok(request.header(http::header::CONTENT_TYPE, "application/json").body(body)?)
}

/// GET, as lines.
pub(super) async fn lines(client: &kube::Client, path: &str) -> Result<Lines> {
    let body = client.request_stream(request(path)?).await.map_err(|error| anyhow!(cause(&error)))?;
    Ok(Lines::new(body))
}

/// PUT of an object; the server's words where it refuses. That its status or its labels have changed
/// since it was read is no reason: the change is made to what is there then.
pub(super) async fn put(client: &kube::Client, put: &Put) -> Result<Value, Refusal> {
    let path = if put.is_dry_run { format!("{}?dryRun=All", put.path) } else { put.path.clone() };
    let mut object = put.object.clone();
    let mut n_left = N_REBASED_MAX;
    loop {
        let refusal = match put_once(client, &path, &object).await {
            Err(refusal) if refusal.code == 409 && n_left > 0 => refusal,
            answer => return answer,
        };
        let Some(next) = get(client, &put.path).await.ok().and_then(|there| rebased(&object, there)) else {
            return Err(refusal);
        };
        object = next;
        n_left -= 1;
    }
}

/// What is there with the spec that was sent, where nobody else has changed the spec meanwhile: its
/// `generation` counts those changes
/// (<https://github.com/kubernetes/community/blob/main/contributors/devel/sig-architecture/api-conventions.md#metadata>).
fn rebased(sent: &Value, mut there: Value) -> Option<Value> {
    let is_same = ["/metadata/uid", "/metadata/generation"]
        .into_iter()
        .all(|field| sent.pointer(field).is_some() && sent.pointer(field) == there.pointer(field));
    if !is_same {
        return None;
    }
    there["spec"] = sent["spec"].clone();
    Some(there)
}

async fn put_once(client: &kube::Client, path: &str, object: &Value) -> Result<Value, Refusal> {
    let body = serde_json::to_vec(object).expect("a value can always be written");
    let request = Request::put(path).header(http::header::CONTENT_TYPE, "application/json").body(body);
    let request = request.map_err(|error| Refusal { code: 0, message: error.to_string() })?;
    client.request(request).await.map_err(|error| {
        let code = if let kube::Error::Api(status) = &error { status.code } else { 0 };
        Refusal { code, message: cause(&error) }
    })
}

fn request(path: &str) -> Result<Request<Vec<u8>>> {
    Ok(Request::get(path).body(Vec::new())?)
}

/// Of an error the words that say most: the server's, or the system's.
fn cause(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_registry() {
        assert_eq!(collection(Watched::Sandboxes), "/apis/spur.dev/v1alpha1/sandboxes");
        assert_eq!(collection(Watched::Events), "/api/v1/events");
        assert_eq!(collection(Watched::Pods), "/api/v1/pods");
        let virtual_services = "/apis/networking.istio.io/v1/virtualservices";
        assert_eq!(collection(Watched::VirtualServices), virtual_services);
    }

    #[test]
    fn a_log_is_of_a_container_or_of_all() {
        let source = |trace| LogSource::All { filter: "level>=warn".to_owned(), trace };
        let id = "4f2a0000000000000000000000000001";
        let all = "/spur/v1/logs?follow=true&limit=500&filter=level%3E%3Dwarn";
        assert_eq!(log(&source(None)), all);
        assert_eq!(log(&source(id.parse().ok())), format!("{all}&trace={id}"));
        let told = question(&Ask::Captures(id.parse().unwrap(), Secrets::Told));
        assert_eq!(told, format!("/spur/v1/traces/{id}/captures?reveal=true"));
    }

    #[test]
    fn a_change_of_the_status_or_of_labels_alone_is_no_conflict() {
        let object = |version: &str, generation: i64, weight: i64, seen: &str| {
            json!({
                "metadata": {
                    "uid": "u", "resourceVersion": version, "generation": generation, "labels": {"seen": seen},
                },
                "spec": {"weight": weight}, "status": {"at": version},
            })
        };
        let sent = object("5", 2, 85, "");
        assert_eq!(rebased(&sent, object("7", 2, 90, "yes")), {
            let mut expected = object("7", 2, 90, "yes");
            expected["spec"]["weight"] = 85.into();
            Some(expected)
        });
        assert_eq!(rebased(&sent, object("7", 3, 50, "")), None, "somebody else's weights");
        let mut another = object("7", 2, 90, "");
        another["metadata"]["uid"] = "v".into();
        assert_eq!(rebased(&sent, another), None, "made anew under its name");
        assert_eq!(rebased(&json!({"spec": {}}), json!({"spec": {}})), None);
    }

    #[test]
    fn filters_are_encoded() {
        let path = traces("svc=cart & dur>1s");
        assert!(path.ends_with("&maxPerSecond=500&filter=svc%3Dcart%20%26%20dur%3E1s"), "{path}");
        assert_eq!(traces(""), TRACES);
    }
}
