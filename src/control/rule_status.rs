//! Says in the status of Istio's objects what of them is not obeyed, so that nobody waits for a
//! fault injection that never comes.
//!
//! What that is, `spur-istio` knows. The condition is the one that Istio's own analysis writes
//! (<https://istio.io/latest/docs/reference/config/config-status/>).

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Client;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use serde_json::{Value, json};

use crate::cache;
use crate::drive::{self, Queue, Reconcile};
use crate::run::{Context, Failure, unless_gone};
use spur_compile::{Istio, IstioKind};

/// The condition's type.
const CONDITION: &str = "PassedAnalysis";

/// Fields that one message names; the object of whoever uses more needs no list but a look into
/// the documentation.
const NAMED_MAX: usize = 20;

/// Runs the controller of one kind; it never ends by itself.
pub(crate) async fn run<K: IstioKind>(ctx: Arc<Context>) {
    let (objects, news) = cache::watch::<Istio<K>>(Api::all(ctx.client.clone()));
    let store = objects.store();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, news));
    drive::drive(Teller { client: ctx.client.clone() }, store, queue).await;
}

struct Teller {
    client: Client,
}

// === impl Teller ===

impl<K: IstioKind> Reconcile<Istio<K>> for Teller {
    fn reconcile<'a>(&'a self, object: &'a Istio<K>) -> BoxFuture<'a, Result<Action, Failure>> {
        self.tell(object).boxed()
    }
}

impl Teller {
    async fn tell<K: IstioKind>(&self, object: &Istio<K>) -> Result<Action, Failure> {
        let generation = object.metadata().generation.unwrap_or(0);
        let Some(wanted) = condition(&object.as_value(), generation) else {
            return Ok(Action::await_change());
        };
        let Some(conditions) = changed(object.status(), wanted) else { return Ok(Action::await_change()) };
        let patch = json!({
            "metadata": {"uid": object.uid()},
            "status": {"conditions": conditions, "observedGeneration": generation},
        });
        let namespace = object.namespace().unwrap_or_default();
        let api: Api<Istio<K>> = Api::namespaced(self.client.clone(), &namespace);
        let name = object.name_any();
        unless_gone(api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await)?;
        Ok(Action::await_change())
    }
}

/// What the object's status should say, without a time.
fn condition(object: &Value, generation: i64) -> Option<Value> {
    let reading = spur_istio::read(object)?;
    let faults = reading.faults.iter().map(ToString::to_string);
    let unsupported = reading.unsupported.iter().map(|one| format!("{}: {}", one.path, one.why));
    let (reason, found): (&str, Vec<String>) = match reading.faults.is_empty() {
        true => ("NotSupported", unsupported.collect()),
        false => ("Invalid", faults.collect()),
    };
    let (status, reason, message) = match found.len() {
        0 => ("True", "NoErrorsFound", "everything in the object is obeyed".to_owned()),
        n => {
            let mut named = found[..n.min(NAMED_MAX)].join("; ");
            if n > NAMED_MAX {
                named = format!("{named}; and {} more", n - NAMED_MAX);
            }
            ("False", reason, named)
        }
    };
    Some(json!({
        "type": CONDITION, "status": status, "reason": reason, "message": message,
        "observedGeneration": generation,
    }))
}

/// All conditions with the wanted one in its place; `None` where it stands there already.
fn changed(status: &Value, mut wanted: Value) -> Option<Vec<Value>> {
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let known = conditions.iter().position(|one| one["type"] == CONDITION);
    let known = known.map(|place| conditions.remove(place));
    if let Some(mut known) = known {
        let since = known.as_object_mut().and_then(|known| known.shift_remove("lastTransitionTime"));
        if known == wanted {
            return None;
        }
        if known["status"] == wanted["status"] {
            wanted["lastTransitionTime"] = since.unwrap_or_default();
        }
    }
    if wanted["lastTransitionTime"].is_null() {
        wanted["lastTransitionTime"] = json!(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    }
    conditions.push(wanted);
    Some(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn virtual_service(rule: Value) -> Value {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"namespace": "shop", "name": "v"}, "spec": {"hosts": ["a"], "http": [rule]},
        })
    }

    #[test]
    fn what_is_not_obeyed_is_named() {
        let to_a = json!([{"destination": {"host": "a"}}]);
        let wanted = condition(&virtual_service(json!({"route": to_a})), 3).expect("a condition");
        assert_eq!((&wanted["status"], &wanted["reason"]), (&json!("True"), &json!("NoErrorsFound")));
        let faulty = virtual_service(json!({"route": to_a, "fault": {}, "mirror": {"host": "b"}}));
        let wanted = condition(&faulty, 3).expect("a condition");
        assert_eq!((&wanted["status"], &wanted["reason"]), (&json!("False"), &json!("NotSupported")));
        let why = "not supported yet: requests are handled as if it were not there";
        assert_eq!(
            wanted["message"],
            json!(format!("spec.http[0].fault: {why}; spec.http[0].mirror: {why}"))
        );
        assert_eq!(wanted["observedGeneration"], 3);
    }

    #[test]
    fn a_condition_that_stands_there_is_not_written_again() {
        let wanted = json!({"type": CONDITION, "status": "True", "message": "m"});
        let written = changed(&json!({"conditions": [{"type": "Other"}]}), wanted.clone()).expect("a change");
        assert_eq!(written.len(), 2);
        let status = json!({"conditions": written});
        assert_eq!(changed(&status, wanted.clone()), None);
        let since = &written[1]["lastTransitionTime"];
        let mut other = wanted.clone();
        other["message"] = json!("n");
        assert_eq!(&changed(&status, other.clone()).expect("a change")[1]["lastTransitionTime"], since);
    }
}
