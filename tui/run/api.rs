//! The server's paths, and its answers as values and lines.

use anyhow::{Result, anyhow};
use http::Request;
use serde_json::Value;
use spur_api::registry;

use crate::event::{LogSource, Watched};
use crate::lines::Lines;

/// Published traces from now on, after the last ones: a few screens.
pub(super) const TRACES: &str = "/spur/v1/traces?follow=true&limit=500";

/// All that are in flight and none that are published: no publication has so
/// high a number.
pub(super) const IN_FLIGHT: &str = "/spur/v1/traces?inFlight=true&limit=200&since=18446744073709551615";

/// What a Spur tells of itself.
pub(super) const STATUS: &str = "/spur/v1/status";

/// Lines of a log that were before it is followed.
const TAIL_LINES: u32 = 500;

/// The collection of a kind, in all namespaces.
pub(super) fn collection(watched: Watched) -> String {
    let (api_version, kind) = match watched {
        Watched::Sandboxes => ("spur.dev/v1alpha1", "Sandbox"),
        Watched::Events => ("v1", "Event"),
        Watched::Pods => ("v1", "Pod"),
    };
    let kind = registry::by_kind(api_version, kind).expect("the kind is served");
    let root = if kind.group.is_empty() { "/api" } else { "/apis" };
    format!("{root}/{api_version}/{}", kind.plural)
}

/// The log of a container, from its last lines on.
pub(super) fn log(source: &LogSource) -> String {
    let LogSource { namespace, pod, container } = source;
    format!(
        "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&follow=true&tailLines={TAIL_LINES}"
    )
}

/// GET, as JSON.
pub(super) async fn get(client: &kube::Client, path: &str) -> Result<Value> {
    client.request(request(path)?).await.map_err(|error| anyhow!(cause(&error)))
}

/// GET, as lines.
pub(super) async fn lines(client: &kube::Client, path: &str) -> Result<Lines> {
    let body = client.request_stream(request(path)?).await.map_err(|error| anyhow!(cause(&error)))?;
    Ok(Lines::new(body))
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
    }
}
