//! Discovery: which groups, versions and resources there are.
//!
//! Both forms are served: the aggregated one that clients ask for since 1.26
//! (two requests) and the old one (a request per group version).
//!
//! Source: `apiserver/pkg/endpoints/discovery`.

use http::HeaderMap;
use http::header::ACCEPT;
use serde_json::{Value, json};
use spur_api::{Life, Scope, Status, Subresource};

use crate::answer::{self, Answer, Outcome};
use crate::kinds::Kinds;
use crate::served::Served;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `/api`: the core group.
pub(crate) fn core(kinds: &Kinds, headers: &HeaderMap) -> Answer {
    if wants_aggregated(headers) {
        return tagged(headers, AGGREGATED, &aggregated(kinds, &[""]));
    }
    tagged(
        headers,
        "application/json",
        &json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }),
    )
}

/// `/apis`: all other groups.
pub(crate) fn groups(kinds: &Kinds, headers: &HeaderMap) -> Answer {
    if wants_aggregated(headers) {
        return tagged(headers, AGGREGATED, &aggregated(kinds, &kinds.named_groups()));
    }
    let groups: Vec<Value> =
        kinds.named_groups().into_iter().map(|group| group_value(kinds, group)).collect();
    tagged(
        headers,
        "application/json",
        &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}),
    )
}

/// `/apis/<group>`.
pub(crate) fn group(kinds: &Kinds, headers: &HeaderMap, group: &str) -> Outcome {
    if !kinds.named_groups().contains(&group) {
        return Err(Status::no_such_path());
    }
    let mut value = group_value(kinds, group);
    value["kind"] = json!("APIGroup");
    value["apiVersion"] = json!("v1");
    Ok(tagged(headers, "application/json", &value))
}

/// `/api/v1` and `/apis/<group>/<version>`.
pub(crate) fn resources(kinds: &Kinds, headers: &HeaderMap, group: &str, version: &str) -> Outcome {
    let kinds: Vec<&Served> = kinds.of_version(group, version).collect();
    let Some(first) = kinds.first() else { return Err(Status::no_such_path()) };
    let resources: Vec<Value> = kinds.iter().flat_map(|kind| resource_rows(kind)).collect();
    Ok(tagged(
        headers,
        "application/json",
        &json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": first.api_version(),
            "resources": resources,
        }),
    ))
}

/// Whether all objects of a kind can be deleted in one request: not namespaces,
/// each of which has to be emptied first (`pkg/registry/core/namespace/storage`).
pub(crate) fn has_delete_collection(kind: &Served) -> bool {
    kind.kind() != "Namespace"
}

/// A document with its hash as `ETag`; 304 to who has it already.
pub(crate) fn tagged(headers: &HeaderMap, media_type: &'static str, value: &Value) -> Answer {
    let body = serde_json::to_vec(value).expect("a JSON value can always be written");
    let tag = format!("\"{:016x}\"", xxhash_rust::xxh3::xxh3_64(&body));
    answer::with_tag(headers, media_type, &tag, || body)
}

fn wants_aggregated(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.into_iter().flat_map(|value| value.split(',')).any(|part| {
        let has = |field: &str| part.split(';').any(|found| found.trim() == field);
        has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList")
    })
}

fn group_value(kinds: &Kinds, group: &str) -> Value {
    let version = |version: &str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let versions: Vec<Value> = kinds.versions_of(group).into_iter().map(version).collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
}

fn resource_rows(kind: &Served) -> Vec<Value> {
    let mut row = json!({
        "name": kind.plural(),
        "singularName": kind.singular(),
        "namespaced": kind.scope() == Scope::Namespaced,
        "kind": kind.kind(),
        "verbs": verbs(kind),
    });
    if !kind.short_names().is_empty() {
        row["shortNames"] = json!(kind.short_names());
    }
    if !kind.categories().is_empty() {
        row["categories"] = json!(kind.categories());
    }
    let subresources = kind.subresources().iter().map(|subresource| {
        let (group, version, of, verbs) = describe(*subresource, kind);
        let mut row = json!({
            "name": format!("{}/{}", kind.plural(), subresource.segment()),
            "singularName": "",
            "namespaced": kind.scope() == Scope::Namespaced,
            "kind": of,
            "verbs": verbs,
        });
        if (group, version) != (kind.group(), kind.version()) {
            row["group"] = json!(group);
            row["version"] = json!(version);
        }
        row
    });
    std::iter::once(row).chain(subresources).collect()
}

/// What a client may do with objects.
pub(crate) fn verbs(kind: &Served) -> Vec<&'static str> {
    let all = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    match kind.life() {
        Life::Answered => vec!["create"],
        Life::Observed => vec!["get", "list"],
        Life::Stored => {
            let is_there = |verb: &&str| *verb != "deletecollection" || has_delete_collection(kind);
            all.into_iter().filter(is_there).collect()
        }
    }
}

/// Group, version and kind of what a subresource is, and what a client may do with it.
pub(crate) type Described<'a> = (&'a str, &'a str, &'a str, &'static [&'static str]);

pub(crate) fn describe(subresource: Subresource, kind: &Served) -> Described<'_> {
    match subresource {
        Subresource::Status | Subresource::Approval => {
            (kind.group(), kind.version(), kind.kind(), &["get", "patch", "update"])
        }
        Subresource::Scale => ("autoscaling", "v1", "Scale", &["get", "patch", "update"]),
        Subresource::Log => (kind.group(), kind.version(), kind.kind(), &["get"]),
        Subresource::Exec => (kind.group(), kind.version(), "PodExecOptions", &["create", "get"]),
        Subresource::Attach => (kind.group(), kind.version(), "PodAttachOptions", &["create", "get"]),
        Subresource::PortForward => {
            (kind.group(), kind.version(), "PodPortForwardOptions", &["create", "get"])
        }
        Subresource::Token => ("authentication.k8s.io", "v1", "TokenRequest", &["create"]),
        Subresource::Eviction => ("policy", "v1", "Eviction", &["create"]),
        Subresource::Binding => (kind.group(), kind.version(), "Binding", &["create"]),
        Subresource::EphemeralContainers | Subresource::Resize => {
            (kind.group(), kind.version(), kind.kind(), &["get", "patch", "update"])
        }
        Subresource::Proxy => {
            let of = match kind.kind() {
                "Node" => "NodeProxyOptions",
                "Service" => "ServiceProxyOptions",
                _ => "PodProxyOptions",
            };
            (kind.group(), kind.version(), of, &["create", "delete", "get", "patch", "update"])
        }
        Subresource::Finalize => (kind.group(), kind.version(), kind.kind(), &["update"]),
    }
}

fn aggregated(kinds: &Kinds, groups: &[&str]) -> Value {
    let items: Vec<Value> = groups.iter().map(|group| aggregated_group(kinds, group)).collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

fn aggregated_group(kinds: &Kinds, group: &str) -> Value {
    let versions: Vec<Value> = kinds
        .versions_of(group)
        .into_iter()
        .map(|version| {
            let kinds = kinds.of_version(group, version);
            let resources: Vec<Value> = kinds.map(aggregated_resource).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if group.is_empty() { json!({}) } else { json!({"name": group}) };
    json!({"metadata": metadata, "versions": versions})
}

fn aggregated_resource(kind: &Served) -> Value {
    let kind_of =
        |group: &str, version: &str, name: &str| json!({"group": group, "version": version, "kind": name});
    let mut row = json!({
        "resource": kind.plural(),
        "responseKind": kind_of(kind.group(), kind.version(), kind.kind()),
        "scope": if kind.scope() == Scope::Namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular(),
        "verbs": verbs(kind),
    });
    if !kind.short_names().is_empty() {
        row["shortNames"] = json!(kind.short_names());
    }
    if !kind.categories().is_empty() {
        row["categories"] = json!(kind.categories());
    }
    if !kind.subresources().is_empty() {
        let subresources = kind.subresources().iter().map(|subresource| {
            let (group, version, of, verbs) = describe(*subresource, kind);
            let name = subresource.segment();
            json!({"subresource": name, "responseKind": kind_of(group, version, of), "verbs": verbs})
        });
        row["subresources"] = subresources.collect();
    }
    row
}
