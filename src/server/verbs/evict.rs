//! POST `pods/<name>/eviction`: a delete that a disruption budget may refuse (`kubectl drain`).
//!
//! Nobody keeps the status of budgets here, so that a pod that has one is refused until somebody
//! writes it, as in a cluster whose controller has not come to it yet.
//!
//! Source: `pkg/registry/core/pod/storage/eviction.go`.

use http::StatusCode;
use serde_json::{Value, json};
use spur_api::kinds::policy::EVICTION;
use spur_api::selector::LabelSelector;
use spur_api::status::Cause;
use spur_api::{Status, meta};
use spur_store::ListRange;

use super::delete_options::DeleteOptions;
use super::{Request, delete};
use crate::answer::{self, Outcome};
use crate::served::Served;
use crate::{object, reviews};

pub(crate) async fn evict(request: &Request) -> Outcome {
    let (eviction, warnings) = reviews::read(request, &Served::Bundled(&EVICTION))?;
    let options = DeleteOptions::of_eviction(request, &eviction["deleteOptions"])?;
    let name = request.target.object_name();
    let pod = object::get(&request.state, request.kind(), request.namespace(), name)?.value;
    check_budgets(&pod, &budgets(request)?)?;
    delete::delete_with(request, &options).await?;
    let done =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    let mut answer = answer::json(StatusCode::CREATED, &done);
    answer::warn(&mut answer, &warnings);
    Ok(answer)
}

fn budgets(request: &Request) -> Result<Vec<Value>, Status> {
    let kind = Served::bundled("policy", "v1", "poddisruptionbudgets");
    let range = ListRange { namespace: request.namespace(), after: None, limit: None, at: None };
    let listed = request.state.store.list(&kind.resource(), range);
    let listed = listed.map_err(|error| object::unreadable(&error))?;
    listed.items.iter().map(|stored| object::found(&kind, stored).map(|found| found.value)).collect()
}

/// Whether the budgets let a pod go.
fn check_budgets(pod: &Value, budgets: &[Value]) -> Result<(), Status> {
    // What does not serve, or goes already, disturbs nobody (`canIgnorePDB`).
    let serves = !matches!(meta::text(pod, "/status/phase"), "Succeeded" | "Failed" | "Pending");
    if !serves || meta::is_deleting(pod) {
        return Ok(());
    }
    let mut of_pod = budgets.iter().filter(|budget| selects(budget, pod));
    let Some(budget) = of_pod.next() else { return Ok(()) };
    if of_pod.next().is_some() {
        let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return Err(Status::internal(why));
    }
    let name = meta::name(budget);
    let number = |pointer: &str| meta::number(budget, pointer).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return Err(refused(format!("The disruption budget {name} is still being processed by the server.")));
    }
    if number("/status/disruptionsAllowed") > 0 {
        return Ok(());
    }
    let (needed, healthy) = (number("/status/desiredHealthy"), number("/status/currentHealthy"));
    Err(refused(format!(
        "The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
    )))
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

    #[test]
    fn a_budget_that_is_not_counted_or_used_up_refuses() {
        let pod = json!({"metadata": {"labels": {"app": "web"}}, "status": {"phase": "Running"}});
        let budget = |app: &str, observed: i64, allowed: i64| {
            json!({
                "metadata": {"name": "b", "generation": 1},
                "spec": {"selector": {"matchLabels": {"app": app}}},
                "status": {"observedGeneration": observed, "disruptionsAllowed": allowed},
            })
        };
        let check = |budgets: &[Value], expected: Option<u16>| {
            let found = check_budgets(&pod, budgets).err().map(|status| status.code);
            assert_eq!(found, expected, "{budgets:?}");
        };
        check(&[], None);
        check(&[budget("other", 0, 0)], None);
        check(&[budget("web", 0, 0)], Some(429));
        check(&[budget("web", 1, 0)], Some(429));
        check(&[budget("web", 1, 1)], None);
        check(&[budget("web", 1, 1), budget("web", 1, 1)], Some(500));
        let all = json!({"metadata": {"name": "all", "generation": 1}, "spec": {"selector": {}}});
        check(std::slice::from_ref(&all), Some(429));
        let ended = json!({"metadata": {}, "status": {"phase": "Failed"}});
        assert!(check_budgets(&ended, &[all]).is_ok());
    }
}
