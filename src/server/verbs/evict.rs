//! POST `pods/<name>/eviction`: a delete that a disruption budget may refuse (`kubectl drain`).
//!
//! ```text
//!  pod ─► of which budget ─► may it go? ─► written down in the budget ─► DisruptionTarget ─► delete
//!                                              │
//!            disruption controller ◄───────────┘  counts the pod no more
//! ```
//!
//! The budget's status is the disruption controller's (`control/disruption.rs`); what is written here
//! holds until it has seen the pod go.
//!
//! Source: `pkg/registry/core/pod/storage/eviction.go`.

use http::StatusCode;
use serde_json::{Map, Value, json};
use spur_api::kinds::policy::EVICTION;
use spur_api::selector::LabelSelector;
use spur_api::status::Cause;
use spur_api::{Status, Subresource, meta};
use spur_store::ListRange;
use tokio::time::Instant;

use super::delete_options::DeleteOptions;
use super::{Request, delete, last_try, update};
use crate::answer::{self, Outcome};
use crate::path::Target;
use crate::pipeline::Part;
use crate::served::Served;
use crate::{negotiate, object, reviews};

/// Evicted pods that a budget may hold and its controller has not seen go (`MaxDisruptedPodSize`).
const EVICTED_MAX: usize = 2_000;

/// What a budget says of an eviction.
#[derive(Debug, PartialEq, Eq)]
enum Leave<'a> {
    /// The pod may go, and nobody counts it.
    Free,
    /// It may go as it is now, since it does not serve.
    AsItIs,
    /// This budget has to let it go.
    Of(&'a Value),
}

pub(crate) async fn evict(request: &Request) -> Outcome {
    // Before anything is written down: the delete asks it last.
    negotiate::form(&request.headers)?;
    let (eviction, warnings) = reviews::read(request, &Served::Bundled(&EVICTION))?;
    let options = DeleteOptions::of_eviction(request, &eviction["deleteOptions"])?;
    let last_try = last_try();
    while !once(request, &options).await? {
        if Instant::now() > last_try {
            let why = "the pod kept changing while it was to be evicted; hint: try again";
            return Err(Status::new(504, "Timeout", why));
        }
    }
    let done =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    let mut answer = answer::json(StatusCode::CREATED, &done);
    answer::warn(&mut answer, &warnings);
    Ok(answer)
}

/// Whether the pod was evicted: `false` where it changed meanwhile, and has to be looked at again.
async fn once(request: &Request, options: &DeleteOptions) -> Result<bool, Status> {
    let name = request.target.object_name();
    let pod = object::get(&request.state, request.kind(), request.namespace(), name)?.value;
    options.check_preconditions(request, &pod)?;
    let budgets = budgets(request)?;
    let mut options = options.clone();
    let is_bound = options.resource_version.is_some();
    let as_it_is = match leave(&pod, &budgets)? {
        Leave::Free => false,
        Leave::AsItIs => true,
        Leave::Of(budget) => match spend(request, &options, meta::name(budget), name).await {
            // The budget is gone, and who is told 404 takes it for the pod (`kubectl drain`).
            Err(status) if status.code == 404 => return Ok(false),
            spent => spent.map(|()| false)?,
        },
    };
    if as_it_is && !is_bound {
        options.resource_version = Some(meta::resource_version(&pod).to_owned());
    }
    let evicted = match tell_pod(request, &mut options, &pod).await {
        Ok(()) => delete::delete_with(request, &options).await.map(|_| ()),
        Err(status) => Err(status),
    };
    match evicted {
        Err(status) if as_it_is && !is_bound && status.code == 409 => Ok(false),
        outcome => outcome.map(|()| true),
    }
}

/// The same request about something else of its namespace.
fn about(request: &Request, kind: Served, name: &str, is_dry_run: bool) -> Request {
    let mut other = request.clone();
    other.target = Target {
        kind,
        namespace: request.target.namespace.clone(),
        name: Some(name.to_owned()),
        subresource: Some(Subresource::Status),
        is_watch: false,
    };
    other.query.is_dry_run = is_dry_run;
    other
}

/// Writes down that a budget lets a pod go (`checkAndDecrement`).
async fn spend(request: &Request, options: &DeleteOptions, budget: &str, pod: &str) -> Result<(), Status> {
    let kind = Served::bundled("policy", "v1", "poddisruptionbudgets");
    let of_budget = about(request, kind, budget, options.is_dry_run);
    update::change(&of_budget, Part::Status, |budget| spent(budget, pod)).await.map(drop)
}

/// A pod says why it goes (`addConditionAndDeletePod`).
async fn tell_pod(request: &Request, options: &mut DeleteOptions, pod: &Value) -> Result<(), Status> {
    if meta::is_deleting(pod) || options.is_dry_run {
        return Ok(());
    }
    let of_pod = about(request, request.kind().clone(), meta::name(pod), false);
    let written = update::change(&of_pod, Part::Status, |pod| {
        // Another may have its name by now.
        options.check_preconditions(request, pod)?;
        let mut told = pod.clone();
        say_why(&mut told);
        Ok(told)
    })
    .await?;
    if options.resource_version.is_some() {
        options.resource_version = Some(meta::resource_version(&written).to_owned());
    }
    Ok(())
}

fn say_why(pod: &mut Value) {
    let conditions = meta::map_at(pod, "status").entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    conditions.retain(|condition| condition["type"] != "DisruptionTarget");
    conditions.push(json!({
        "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting", "lastProbeTime": null, "lastTransitionTime": meta::now(),
    }));
}

fn budgets(request: &Request) -> Result<Vec<Value>, Status> {
    let kind = Served::bundled("policy", "v1", "poddisruptionbudgets");
    let range = ListRange { namespace: request.namespace(), after: None, limit: None, at: None };
    let listed = request.state.store.list(&kind.resource(), range);
    let listed = listed.map_err(|error| object::unreadable(&error))?;
    listed.items.iter().map(|stored| object::found(&kind, stored).map(|found| found.value)).collect()
}

/// What the budgets have to say about a pod's end.
fn leave<'a>(pod: &Value, budgets: &'a [Value]) -> Result<Leave<'a>, Status> {
    // What does not serve, or goes already, disturbs nobody (`canIgnorePDB`); what has not begun to
    // serve might do so meanwhile.
    match meta::text(pod, "/status/phase") {
        _ if meta::is_deleting(pod) => return Ok(Leave::Free),
        "Succeeded" | "Failed" => return Ok(Leave::Free),
        "Pending" => return Ok(Leave::AsItIs),
        _ => {}
    }
    let mut of_pod = budgets.iter().filter(|budget| selects(budget, pod));
    let Some(budget) = of_pod.next() else { return Ok(Leave::Free) };
    if of_pod.next().is_some() {
        let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return Err(Status::internal(why));
    }
    let always = meta::text(budget, "/spec/unhealthyPodEvictionPolicy") == "AlwaysAllow";
    let [needed, healthy] = ["desiredHealthy", "currentHealthy"].map(|field| count(budget, field));
    if !is_ready(pod) && (always || healthy >= needed && needed > 0) {
        return Ok(Leave::AsItIs);
    }
    Ok(Leave::Of(budget))
}

/// A budget that has let one more pod go, or why it does not.
fn spent(budget: &Value, pod: &str) -> Result<Value, Status> {
    let name = meta::name(budget);
    if count(budget, "observedGeneration") < meta::number(budget, "/metadata/generation").unwrap_or(0) {
        return Err(refused(format!("The disruption budget {name} is still being processed by the server.")));
    }
    let forbidden = |why| Err(Status::forbidden("policy", "poddisruptionbudgets", name, why));
    if budget.pointer("/status/disruptedPods").and_then(Value::as_object).map_or(0, Map::len) > EVICTED_MAX {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    let [needed, healthy] = ["desiredHealthy", "currentHealthy"].map(|field| count(budget, field));
    let left = match count(budget, "disruptionsAllowed") {
        ..0 => return forbidden("pdb disruptions allowed is negative"),
        0 => {
            return Err(refused(format!(
                "The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
            )));
        }
        allowed => allowed - 1,
    };
    let mut spent = budget.clone();
    let status = meta::map_at(&mut spent, "status");
    status.insert("disruptionsAllowed".to_owned(), json!(left));
    let evicted = status.entry("disruptedPods").or_insert_with(|| json!({}));
    evicted[pod] = json!(meta::now());
    if left == 0 {
        forbid_more(status);
    }
    Ok(spent)
}

/// The condition says what the number says, before the controller does.
fn forbid_more(status: &mut Map<String, Value>) {
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        if condition["type"] == "DisruptionAllowed" && condition["status"] == "True" {
            condition["status"] = json!("False");
            condition["reason"] = json!("InsufficientPods");
            condition["lastTransitionTime"] = json!(meta::now());
        }
    }
}

fn count(budget: &Value, field: &str) -> i64 {
    budget.pointer(&format!("/status/{field}")).and_then(Value::as_i64).unwrap_or(0)
}

fn is_ready(pod: &Value) -> bool {
    let is_it = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    meta::list(pod, "/status/conditions").iter().any(is_it)
}

/// An empty selector selects every pod of the namespace (policy/v1).
fn selects(budget: &Value, pod: &Value) -> bool {
    let selector = budget.pointer("/spec/selector");
    let is_empty = selector.and_then(Value::as_object).is_some_and(serde_json::Map::is_empty);
    is_empty || LabelSelector::from_object(selector).is_some_and(|it| it.matches(meta::labels(pod)))
}

fn refused(why: String) -> Status {
    let message = "Cannot evict pod as it would violate the pod's disruption budget.";
    let mut status = Status::new(429, "TooManyRequests", message);
    let reason = "DisruptionBudget".to_owned();
    status.details.causes.push(Cause { reason, message: why, field: String::new() });
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(phase: &str, is_ready: bool) -> Value {
        let status = if is_ready { "True" } else { "False" };
        let conditions = json!([{"type": "Ready", "status": status}]);
        json!({"metadata": {"labels": {"app": "web"}}, "status": {"phase": phase, "conditions": conditions}})
    }

    fn budget(app: &str, observed: i64, allowed: i64) -> Value {
        json!({
            "metadata": {"name": "b", "generation": 1},
            "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": {
                "observedGeneration": observed, "disruptionsAllowed": allowed, "desiredHealthy": 1, "currentHealthy": 1,
                "conditions": [{"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods"}],
            },
        })
    }

    #[test]
    fn a_budget_is_asked_about_what_serves() {
        let (ours, others) = (budget("web", 1, 1), budget("other", 1, 1));
        let check = |pod: Value, budgets: &[Value], wanted: Leave<'_>| {
            assert_eq!(leave(&pod, budgets).unwrap(), wanted, "{pod}");
        };
        check(pod("Running", true), &[], Leave::Free);
        check(pod("Running", true), std::slice::from_ref(&others), Leave::Free);
        check(pod("Failed", true), std::slice::from_ref(&ours), Leave::Free);
        check(pod("Pending", false), std::slice::from_ref(&ours), Leave::AsItIs);
        check(pod("Running", true), &[others, ours.clone()], Leave::Of(&ours));
        let everything = json!({"metadata": {"name": "all", "generation": 1}, "spec": {"selector": {}}});
        check(pod("Running", true), std::slice::from_ref(&everything), Leave::Of(&everything));
        let two = [ours.clone(), ours];
        assert_eq!(leave(&pod("Running", true), &two).unwrap_err().code, 500);
    }

    #[test]
    fn what_is_not_ready_goes_where_enough_is_healthy() {
        let unready = pod("Running", false);
        let mut of_pod = budget("web", 1, 0);
        assert_eq!(leave(&unready, std::slice::from_ref(&of_pod)).unwrap(), Leave::AsItIs);
        of_pod["status"]["currentHealthy"] = json!(0);
        assert_eq!(leave(&unready, std::slice::from_ref(&of_pod)).unwrap(), Leave::Of(&of_pod));
        of_pod["spec"]["unhealthyPodEvictionPolicy"] = json!("AlwaysAllow");
        assert_eq!(leave(&unready, std::slice::from_ref(&of_pod)).unwrap(), Leave::AsItIs);
    }

    #[test]
    fn a_budget_that_is_not_counted_or_used_up_refuses() {
        for (observed, allowed, code) in [(0, 1, 429), (1, 0, 429), (1, -1, 403)] {
            assert_eq!(spent(&budget("web", observed, allowed), "p").unwrap_err().code, code);
        }
    }

    #[test]
    fn a_budget_knows_whom_it_let_go_and_when_it_has_none_left() {
        let first = spent(&budget("web", 1, 2), "p").unwrap();
        assert_eq!(first["status"]["disruptionsAllowed"], 1);
        assert!(first["status"]["disruptedPods"]["p"].is_string());
        assert_eq!(first["status"]["conditions"][0]["status"], "True");
        let last = spent(&first, "q").unwrap();
        assert_eq!(last["status"]["conditions"][0]["reason"], "InsufficientPods");
        assert_eq!(spent(&last, "r").unwrap_err().code, 429);
    }
}
