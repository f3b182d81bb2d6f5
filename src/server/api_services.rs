//! APIServices of what this server answers itself: one for each group version.
//!
//! Those of built-in versions are made at the start where they are missing; those of definitions,
//! bundled or not, come and go with them. What a user has made or has taken the label off is left
//! as it is.
//!
//! Sources: `kube-aggregator/pkg/controllers/autoregister`, `pkg/controlplane/controller/
//! crdregistration`; the priorities are in [`crate::kinds::priority`].

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spur_api::kinds::apiextensions::status;
use spur_api::{REGISTRY, bundled, meta};
use spur_store::{Expect, ReadError, Store, WriteError};

use crate::kinds::priority;
use crate::served::Served;
use crate::{bootstrap, object};

/// Says who keeps an APIService: `onstart` for built-in versions, `true` for definitions.
const KEPT: &str = "kube-aggregator.kubernetes.io/automanaged";
const AT_THE_START: &str = "onstart";
const ALWAYS: &str = "true";

/// A group and its version.
type GroupVersion = (String, String);

/// The APIServices of built-in versions.
pub(crate) fn of_built_in() -> Vec<Value> {
    // The server of APIServices has none for itself.
    let rows = REGISTRY.iter().filter(|kind| !kind.is_structural() && kind.group != "apiregistration.k8s.io");
    let versions: BTreeSet<_> = rows.map(|kind| (kind.group.to_owned(), kind.version.to_owned())).collect();
    versions.iter().map(|version| api_service(version, AT_THE_START)).collect()
}

/// The APIServices of definitions, those that are bundled included.
pub(crate) fn of_definitions(definitions: &[Value]) -> Vec<Value> {
    let versions = defined_versions(definitions);
    versions.iter().map(|version| api_service(version, ALWAYS)).collect()
}

/// Makes what definitions need and takes away what they need no more. What fails is logged: the
/// next definition that is written tries again.
pub(crate) async fn follow(store: &Store, definitions: &[Value]) {
    let wanted = of_definitions(definitions);
    let there = match kept(store) {
        Ok(there) => there,
        Err(error) => return tracing::warn!(%error, "failed to read the APIServices: {error}"),
    };
    let is_in = |list: &[Value], one: &Value| list.iter().any(|other| meta::name(other) == meta::name(one));
    let make = wanted.iter().filter(|one| !is_in(&there, one)).map(|one| bootstrap::make(store, one.clone()));
    let drop = there.iter().filter(|one| !is_in(&wanted, one)).map(|one| delete(store, one));
    // At once, so that they share a transaction.
    let (made, dropped) = futures::join!(futures::future::join_all(make), futures::future::join_all(drop));
    for error in made.into_iter().filter_map(Result::err) {
        tracing::warn!(%error, "failed to keep an APIService: {error}: {}", error.source);
    }
    for error in dropped.into_iter().filter_map(Result::err) {
        tracing::warn!(%error, "failed to take away an APIService: {error}");
    }
}

/// The versions that definitions serve. A definition takes the place of what is bundled under its
/// name, in every version.
fn defined_versions(definitions: &[Value]) -> BTreeSet<GroupVersion> {
    let established = || definitions.iter().filter(|definition| status::is_established(definition));
    let is_replaced = |name: &str| established().any(|definition| meta::name(definition) == name);
    let structural = REGISTRY.iter().filter(|kind| kind.is_structural());
    let rows = structural
        .filter(|kind| !is_replaced(&format!("{}.{}", kind.plural, kind.group)))
        .map(|kind| (kind.group.to_owned(), kind.version.to_owned()));
    let bundled =
        bundled::all().filter(|definition| !is_replaced(&definition.name())).flat_map(|definition| {
            definition.versions.iter().map(|version| (definition.group.to_owned(), (*version).to_owned()))
        });
    let custom = established().flat_map(|definition| {
        let group = meta::text(definition, "/spec/group");
        let versions = meta::list(definition, "/spec/versions").iter();
        let served = versions.filter(|version| version["served"] == true);
        served.map(|version| (group.to_owned(), meta::text(version, "/name").to_owned()))
    });
    rows.chain(bundled).chain(custom).collect()
}

fn api_service((group, version): &GroupVersion, keeping: &str) -> Value {
    let mut spec = json!({
        "version": version,
        "groupPriorityMinimum": priority::of_group(group),
        "versionPriority": priority::of_version(group, version),
    });
    if !group.is_empty() {
        spec["group"] = json!(group);
    }
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": format!("{version}.{group}"), "labels": {KEPT: keeping}},
        "spec": spec,
    })
}

fn kind() -> Served {
    Served::bundled("apiregistration.k8s.io", "v1", "apiservices")
}

/// The APIServices that follow definitions.
fn kept(store: &Store) -> Result<Vec<Value>, ReadError> {
    let follows =
        |value: &Value| meta::labels(value).and_then(|labels| labels.get(KEPT)) == Some(&json!(ALWAYS));
    Ok(object::all(store, &kind())?.into_iter().filter(follows).collect())
}

async fn delete(store: &Store, value: &Value) -> Result<(), WriteError> {
    let Ok(revision) = object::revision(meta::resource_version(value)) else { return Ok(()) };
    let key = object::key(&kind(), None, meta::name(value));
    match store.delete(key, Expect::Revision(revision), None).await {
        // Somebody was quicker; what they made of it is theirs.
        Ok(_) | Err(WriteError::Conflict { .. } | WriteError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, versions: &Value) -> Value {
        let (_, group) = name.split_once('.').expect("a plural and a group");
        json!({
            "metadata": {"name": name},
            "spec": {"group": group, "versions": versions},
            "status": {"conditions": [{"type": "Established", "status": "True"}]},
        })
    }

    #[test]
    fn every_built_in_version_has_one_in_the_order_of_discovery() {
        let all = of_built_in();
        let names: Vec<&str> = all.iter().map(meta::name).collect();
        assert!(names.contains(&"v1.") && names.contains(&"v2.autoscaling"), "{names:?}");
        assert!(!names.contains(&"v1.apiregistration.k8s.io") && !names.contains(&"v1alpha1.spur.dev"));
        let core = all.iter().find(|one| meta::name(one) == "v1.").expect("the core group");
        assert_eq!(
            core["spec"],
            json!({"version": "v1", "groupPriorityMinimum": 18000, "versionPriority": 1})
        );
        assert_eq!(core["metadata"]["labels"][KEPT], "onstart");
    }

    #[test]
    fn versions_that_definitions_do_not_serve_have_none() {
        let versions = json!([{"name": "v1", "served": true}, {"name": "v1beta1", "served": false}]);
        let mut waiting = definition("slow.example.com", &versions);
        waiting["status"] = json!({});
        let all = of_definitions(&[definition("cars.example.org", &versions), waiting]);
        let ours: Vec<&str> = all.iter().map(meta::name).filter(|name| name.contains("example")).collect();
        assert_eq!(ours, ["v1.example.org"]);
        let names: Vec<&str> = all.iter().map(meta::name).collect();
        assert!(names.contains(&"v1alpha1.spur.dev") && names.contains(&"v1beta1.networking.istio.io"));
    }

    #[test]
    fn a_definition_that_replaces_the_last_bundled_kind_of_a_version_takes_it_away() {
        let of = |definitions: &[Value]| {
            let all = defined_versions(definitions);
            all.iter().any(|(group, version)| group == "telemetry.istio.io" && version == "v1alpha1")
        };
        assert!(of(&[]));
        let only_v1 = json!([{"name": "v1", "served": true}]);
        assert!(!of(&[definition("telemetries.telemetry.istio.io", &only_v1)]));
    }
}
