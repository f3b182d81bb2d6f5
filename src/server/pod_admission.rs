//! What other objects decide about a new pod: its priority and its account; how long it stays on a
//! node that fails; and what its programs reach the API with.
//!
//! Source: `plugin/pkg/admission/{priority,serviceaccount,defaulttolerationseconds}`.

mod api_access;

use serde_json::{Value, json};
use spur_api::{Status, meta};

use crate::object;
use crate::path::Target;
use crate::served::Served;
use crate::state::State;
use crate::verbs::create::generated;

/// The account that a pod runs as unless it says otherwise. It is there a moment after its
/// namespace, so nobody waits for it.
const DEFAULT_ACCOUNT: &str = "default";
/// Taints of a node that fails, and for how long pods stay (`admission.go`: 300 s).
const NODE_FAILS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const STAYS_SECONDS: i64 = 300;

/// Fills in what a new pod gets from other objects; other kinds stay as they are.
///
/// # Errors
/// 403 where the priority class or the account does not exist, or the pod contradicts its class.
pub(crate) fn admit_create(state: &State, target: &Target, pod: &mut Value) -> Result<(), Status> {
    if target.subresource.is_some() || target.kind.plural() != "pods" || !target.kind.group().is_empty() {
        return Ok(());
    }
    let refused = |why: String| Status::forbidden("", "pods", meta::name(pod), &why);
    let namespace = target.namespace.as_deref();
    let account = match meta::text(pod, "/spec/serviceAccountName") {
        "" => DEFAULT_ACCOUNT,
        named => named,
    };
    let accounts = Served::bundled("", "v1", "serviceaccounts");
    let found = object::find(state, &accounts, namespace, account)?;
    if found.is_none() && account != DEFAULT_ACCOUNT {
        let place = namespace.unwrap_or_default();
        return Err(refused(format!(
            "error looking up service account {place}/{account}: serviceaccount \"{account}\" not found"
        )));
    }
    let class = priority_class(state, meta::text(pod, "/spec/priorityClassName")).map_err(refused)?;
    let spec = priority_fields(&pod["spec"], class.as_ref()).map_err(refused)?;
    pod["spec"] = spec;
    tolerate_failing_nodes(&mut pod["spec"]);
    if api_access::is_wanted(&pod["spec"], found.as_ref().map(|account| &account.value)) {
        api_access::add(&mut pod["spec"], &generated(api_access::VOLUME_PREFIX));
    }
    Ok(())
}

/// The class of this name, or, where there is none, the one that is the default of all.
fn priority_class(state: &State, name: &str) -> Result<Option<Value>, String> {
    let classes = Served::bundled("scheduling.k8s.io", "v1", "priorityclasses");
    if !name.is_empty() {
        let found = object::find(state, &classes, None, name).map_err(|error| error.to_string())?;
        let found = found.ok_or_else(|| format!("no PriorityClass with name {name} was found"))?;
        return Ok(Some(found.value));
    }
    let all = object::all(&state.store, &classes).map_err(|error| error.to_string())?;
    // Where several claim to be the default, the lowest is (`getDefaultPriority`).
    let defaults = all.into_iter().filter(|class| class["globalDefault"] == true);
    Ok(defaults.min_by_key(|class| meta::number(class, "/value").unwrap_or_default()))
}

/// A pod's spec with what its class says.
fn priority_fields(spec: &Value, class: Option<&Value>) -> Result<Value, String> {
    let mut spec = spec.clone();
    let priority = class.and_then(|class| meta::number(class, "/value")).unwrap_or(0);
    let policy = class.map_or("", |class| meta::text(class, "/preemptionPolicy"));
    let policy = if policy.is_empty() { "PreemptLowerPriority" } else { policy };
    if let Some(given) = meta::number(&spec, "/priority").filter(|given| *given != priority) {
        return Err(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission \
             controller computed {priority} from the given PriorityClass name"
        ));
    }
    let given = meta::text(&spec, "/preemptionPolicy");
    if !given.is_empty() && given != policy {
        return Err(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority \
             admission controller computed {policy} from the given PriorityClass name"
        ));
    }
    if let Some(class) = class {
        spec["priorityClassName"] = json!(meta::name(class));
    }
    spec["priority"] = json!(priority);
    spec["preemptionPolicy"] = json!(policy);
    Ok(spec)
}

/// Adds the tolerations that every pod has, unless it has some of its own.
fn tolerate_failing_nodes(spec: &mut Value) {
    let mut tolerations = meta::list(spec, "/tolerations").to_vec();
    for taint in NODE_FAILS {
        let is_tolerated = tolerations.iter().any(|known| {
            let (key, effect) = (meta::text(known, "/key"), meta::text(known, "/effect"));
            matches!(key, "") || key == taint && matches!(effect, "" | "NoExecute")
        });
        if !is_tolerated {
            tolerations.push(json!({
                "key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": STAYS_SECONDS,
            }));
        }
    }
    spec["tolerations"] = Value::Array(tolerations);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_decides_the_priority_and_a_pod_may_not_contradict_it() {
        let class = json!({"metadata": {"name": "high"}, "value": 7, "preemptionPolicy": "Never"});
        let check = |spec: Value, class: Option<&Value>, expected: Result<Value, &str>| {
            let found = priority_fields(&spec, class);
            match expected {
                Ok(expected) => assert_eq!(found.expect("is taken"), expected),
                Err(part) => assert!(found.expect_err("is refused").contains(part)),
            }
        };
        check(json!({}), None, Ok(json!({"priority": 0, "preemptionPolicy": "PreemptLowerPriority"})));
        let high = json!({"priorityClassName": "high", "priority": 7, "preemptionPolicy": "Never"});
        check(json!({}), Some(&class), Ok(high.clone()));
        check(high.clone(), Some(&class), Ok(high));
        check(json!({"priority": 8}), Some(&class), Err("computed 7 from the given"));
        check(json!({"preemptionPolicy": "Never"}), None, Err("computed PreemptLowerPriority"));
    }

    #[test]
    fn tolerations_of_its_own_stay_as_they_are() {
        let mut plain = json!({});
        tolerate_failing_nodes(&mut plain);
        assert_eq!(meta::list(&plain, "/tolerations").len(), 2);
        let before = plain.clone();
        tolerate_failing_nodes(&mut plain);
        assert_eq!(plain, before);
        let mut everything = json!({"tolerations": [{"operator": "Exists"}]});
        tolerate_failing_nodes(&mut everything);
        assert_eq!(meta::list(&everything, "/tolerations").len(), 1);
    }
}
