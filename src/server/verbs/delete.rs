//! DELETE of one object: preconditions, grace, finalizers, propagation.
//!
//! Source: `apiserver/pkg/registry/generic/registry/store.go`, `Delete`;
//! `registry/rest/delete.go`; for pods `pkg/registry/core/pod/strategy.go`.

use serde_json::{Value, json};
use spur_api::registry::Deleted;
use spur_api::{Status, meta, status};
use spur_store::Expect;
use tokio::time::Instant;

use super::delete_options::DeleteOptions;
use super::{Request, bury, came_between, last_try};
use crate::answer::{self, Outcome};
use crate::object::{self, Found};
use crate::{custom_definitions, namespaces, negotiate, table};

/// Holds an object until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// Holds an object until its dependents have let go of it.
const ORPHAN: &str = "orphan";

/// What is to happen with an object.
enum Fate {
    /// It goes at once.
    Gone,
    /// It stays for now, changed like this.
    Waits(Value),
}

pub(crate) async fn delete(request: &Request) -> Outcome {
    delete_with(request, &DeleteOptions::read(request)?).await
}

/// The same with options from elsewhere.
pub(crate) async fn delete_with(request: &Request, options: &DeleteOptions) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    let kind = request.kind();
    let name = request.target.object_name();
    if kind.kind() == "Namespace" && namespaces::IMMORTAL.contains(&name) {
        return Err(Status::forbidden(
            kind.group(),
            kind.plural(),
            name,
            "this namespace may not be deleted",
        ));
    }
    let last_try = last_try();
    loop {
        let old = match object::get(&request.state, kind, request.namespace(), name) {
            Err(status) if object::is_corrupt(&status) && options.has_no_preconditions() => {
                bury::bury(request, request.namespace(), name, options.is_dry_run).await?;
                return Ok(answer::ok(&status::success(kind.group(), kind.plural(), name, "")));
            }
            outcome => outcome?,
        };
        match once(request, options, &old).await {
            Err(status)
                if came_between(&status) && options.is_unconditional() && Instant::now() < last_try => {}
            Err(status) => return Err(status),
            Ok(Fate::Waits(object)) => return Ok(answer::ok(&table::in_form(form, kind, object))),
            Ok(Fate::Gone) => {
                return Ok(answer::ok(&match kind.deleted() {
                    Deleted::Object => table::in_form(form, kind, old.value),
                    Deleted::Status => {
                        status::success(kind.group(), kind.plural(), name, meta::uid(&old.value))
                    }
                }));
            }
        }
    }
}

/// Deletes an object as it was read; a write in between is a conflict.
pub(crate) async fn once_as_read(
    request: &Request,
    options: &DeleteOptions,
    old: &Found,
) -> Result<(), Status> {
    once(request, options, old).await.map(|_| ())
}

async fn once(request: &Request, options: &DeleteOptions, old: &Found) -> Result<Fate, Status> {
    let (kind, name) = (request.kind(), meta::name(&old.value));
    options.check_preconditions(request, &old.value)?;
    let fate = fate(options, &old.value);
    if options.is_dry_run {
        return Ok(fate);
    }
    let key = object::key(kind, Some(meta::namespace(&old.value)), name);
    let expect = Expect::Revision(old.revision);
    let unwritten = |error| object::unwritten(&error, kind, name);
    match fate {
        Fate::Gone => {
            request.state.store.delete(key, expect, None).await.map_err(unwritten)?;
            Ok(Fate::Gone)
        }
        Fate::Waits(object) if object == old.value => Ok(Fate::Waits(object)),
        Fate::Waits(mut object) => {
            let bytes = object::encode(kind, &object);
            let revision = request.state.store.put(key, expect, bytes).await.map_err(unwritten)?;
            object::set_resource_version(&mut object, revision);
            Ok(Fate::Waits(object))
        }
    }
}

/// What a delete makes of an object.
fn fate(options: &DeleteOptions, old: &Value) -> Fate {
    let mut object = old.clone();
    set_propagation(&mut object, &options.propagation);
    if meta::text(old, "/kind") == "CustomResourceDefinition" && !meta::is_deleting(old) {
        custom_definitions::begin_deletion(&mut object);
    }
    let grace = grace_period(options, old);
    let is_namespace = meta::text(old, "/kind") == "Namespace";
    let is_held = meta::finalizers(&object).next().is_some()
        || (is_namespace && !meta::list(old, "/spec/finalizers").is_empty());
    if grace == 0 && !is_held {
        return Fate::Gone;
    }
    let end = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(grace));
    let deadline = end.unwrap_or(jiff::Timestamp::MAX);
    let known = meta::number(old, "/metadata/deletionGracePeriodSeconds");
    let generation = meta::number(old, "/metadata/generation");
    let was_deleting = meta::is_deleting(old);
    let metadata = meta::metadata_mut(&mut object);
    // A second delete may shorten the grace, never lengthen it.
    if !was_deleting || known.is_some_and(|known| grace < known) {
        metadata.insert("deletionTimestamp".to_owned(), json!(meta::rfc3339(deadline)));
        metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(grace));
    }
    if let Some(generation) = generation.filter(|_| !was_deleting) {
        metadata.insert("generation".to_owned(), json!(generation + 1));
    }
    if is_namespace {
        meta::map_at(&mut object, "status").insert("phase".to_owned(), json!("Terminating"));
    }
    Fate::Waits(object)
}

/// Seconds that a pod gets to end; 0 for other kinds and for pods that run nothing.
fn grace_period(options: &DeleteOptions, old: &Value) -> i64 {
    if meta::text(old, "/kind") != "Pod" {
        return 0;
    }
    let is_over = matches!(meta::text(old, "/status/phase"), "Succeeded" | "Failed");
    if is_over || meta::text(old, "/spec/nodeName").is_empty() {
        return 0;
    }
    let of_spec = meta::number(old, "/spec/terminationGracePeriodSeconds");
    match options.grace_period_seconds.or(of_spec).unwrap_or(30) {
        // Less than nothing counts as one second (`registry/rest/delete.go`).
        i64::MIN..0 => 1,
        seconds => seconds,
    }
}

fn set_propagation(object: &mut Value, policy: &str) {
    let (add, remove) = match policy {
        "Foreground" => (Some(FOREGROUND), Some(ORPHAN)),
        "Orphan" => (Some(ORPHAN), Some(FOREGROUND)),
        "Background" => (None, None),
        _ => return,
    };
    let mut finalizers: Vec<String> = meta::finalizers(object).map(str::to_owned).collect();
    finalizers.retain(|finalizer| Some(finalizer.as_str()) != remove && Some(finalizer.as_str()) != add);
    finalizers.extend(add.map(str::to_owned));
    let metadata = meta::metadata_mut(object);
    if finalizers.is_empty() {
        metadata.shift_remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(finalizers));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Value {
        json!({
            "kind": "Pod", "metadata": {"name": "a"}, "status": {"phase": "Running"},
            "spec": {"nodeName": "n", "terminationGracePeriodSeconds": 30},
        })
    }

    fn waits(options: &DeleteOptions, object: &Value) -> Option<Value> {
        match fate(options, object) {
            Fate::Gone => None,
            Fate::Waits(object) => Some(object),
        }
    }

    #[test]
    fn a_running_pod_gets_its_grace_and_an_ended_one_none() {
        let waiting = waits(&DeleteOptions::default(), &pod()).expect("a running pod waits");
        assert_eq!(waiting["metadata"]["deletionGracePeriodSeconds"], 30);
        let mut over = pod();
        over["status"]["phase"] = json!("Succeeded");
        assert!(waits(&DeleteOptions::default(), &over).is_none());
    }

    #[test]
    fn a_second_delete_may_only_shorten_the_grace() {
        let ten = DeleteOptions { grace_period_seconds: Some(10), ..DeleteOptions::default() };
        let sixty = DeleteOptions { grace_period_seconds: Some(60), ..DeleteOptions::default() };
        let first = waits(&DeleteOptions::default(), &pod()).expect("waits");
        assert_eq!(waits(&sixty, &first).expect("waits")["metadata"]["deletionGracePeriodSeconds"], 30);
        assert_eq!(waits(&ten, &first).expect("waits")["metadata"]["deletionGracePeriodSeconds"], 10);
    }

    #[test]
    fn finalizers_hold_and_propagation_adds_its_own() {
        let object = json!({"kind": "ConfigMap", "metadata": {"name": "a", "finalizers": ["x/y"]}});
        let foreground = DeleteOptions { propagation: "Foreground".to_owned(), ..DeleteOptions::default() };
        let waiting = waits(&foreground, &object).expect("held");
        assert_eq!(waiting["metadata"]["finalizers"], json!(["x/y", FOREGROUND]));
        assert!(waits(&DeleteOptions::default(), &json!({"kind": "ConfigMap", "metadata": {}})).is_none());
    }
}
