//! Says in the status of Istio's objects what of them is not obeyed, so that nobody waits for a
//! fault injection that never comes.
//!
//! What that is, `spur-istio` knows. The condition is the one that Istio's own analysis writes
//! (<https://istio.io/latest/docs/reference/config/config-status/>).

mod certificates;
mod surroundings;

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kube::Client;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use serde_json::{Value, json};

pub use self::certificates::certificate_faults;
pub use self::surroundings::GatewayPorts;
pub(crate) use self::surroundings::Surroundings;
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
    drive_with::<K>(ctx, None).await;
}

/// The same for Gateways, whose servers may lack a certificate or a port that can be used.
pub(crate) async fn run_gateways(ctx: Arc<Context>, surroundings: Surroundings) {
    drive_with::<spur_compile::Gateway>(ctx, Some(surroundings)).await;
}

async fn drive_with<K: IstioKind>(ctx: Arc<Context>, surroundings: Option<Surroundings>) {
    let (objects, news) = cache::watch::<Istio<K>>(Api::all(ctx.client.clone()));
    let store = objects.store();
    let mut queue = Queue::new();
    queue.push(drive::itself(&store, news));
    if let Some(surroundings) = &surroundings {
        let all = store.clone();
        let woken = move |()| {
            let objects = all.state();
            let refs: Vec<_> = objects.iter().map(|object| Ok(ObjectRef::from_obj(&**object))).collect();
            futures::stream::iter(refs)
        };
        queue.push(surroundings.changes().flat_map(woken).boxed());
    }
    drive::drive(Teller { client: ctx.client.clone(), surroundings }, store, queue).await;
}

struct Teller {
    client: Client,
    /// Where they matter.
    surroundings: Option<Surroundings>,
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
        let namespace = object.namespace().unwrap_or_default();
        let name = object.name_any();
        let id = format!("{namespace}/{name}");
        let value = object.as_value();
        let faults = self.surroundings.as_ref().map(|around| around.faults(&id, &value)).unwrap_or_default();
        let Some(wanted) = condition(&value, (generation, faults)) else {
            return Ok(Action::await_change());
        };
        let Some(conditions) = changed(object.status(), wanted) else { return Ok(Action::await_change()) };
        let patch = json!({
            "metadata": {"uid": object.uid()},
            "status": {"conditions": conditions, "observedGeneration": generation},
        });
        let api: Api<Istio<K>> = Api::namespaced(self.client.clone(), &namespace);
        unless_gone(api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await)?;
        Ok(Action::await_change())
    }
}

/// What the object's status should say, without a time. `faults` are those of its surroundings.
fn condition(object: &Value, (generation, faults): (i64, Vec<String>)) -> Option<Value> {
    let reading = spur_istio::read(object)?;
    let not_served = faults;
    let faults = reading.faults.iter().map(ToString::to_string);
    let unsupported = reading.unsupported.iter().map(|one| format!("{}: {}", one.path, one.why));
    let (reason, found): (&str, Vec<String>) = match reading.faults.is_empty() {
        true if !not_served.is_empty() => ("NotServed", not_served.into_iter().chain(unsupported).collect()),
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
        let wanted =
            condition(&virtual_service(json!({"route": to_a})), (3, Vec::new())).expect("a condition");
        assert_eq!((&wanted["status"], &wanted["reason"]), (&json!("True"), &json!("NoErrorsFound")));
        let faulty = virtual_service(json!({"route": to_a, "fault": {}, "mirror": {"host": "b"}}));
        let wanted = condition(&faulty, (3, Vec::new())).expect("a condition");
        assert_eq!((&wanted["status"], &wanted["reason"]), (&json!("False"), &json!("NotSupported")));
        let why = "not supported yet: requests are handled as if it were not there";
        assert_eq!(
            wanted["message"],
            json!(format!("spec.http[0].fault: {why}; spec.http[0].mirror: {why}"))
        );
        assert_eq!(wanted["observedGeneration"], 3);
        let wanted = condition(&faulty, (3, vec!["it is not served".to_owned()])).expect("a condition");
        assert_eq!(wanted["reason"], "NotServed");
        assert!(wanted["message"].as_str().is_some_and(|text| text.starts_with("it is not served; spec.")));
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
