//! What a job's policies say of its failed pods and finished indexes: pure.
//!
//! Source: `pkg/controller/job/pod_failure_policy.go` and `success_policy.go`.

use k8s_openapi::api::batch::v1::{JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

use super::indexes::Indexes;

/// What a failed pod means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// It counts towards the limit.
    Count,
    /// It does not count.
    Ignore,
    /// Its index fails for good.
    FailIndex,
    /// The job fails for good, for this reason.
    FailJob(String),
}

/// What a failed pod means: what the first rule that matches it says.
pub(super) fn of_failed(spec: &JobSpec, pod: &Pod) -> Action {
    let rules = spec.pod_failure_policy.iter().flat_map(|policy| &policy.rules).enumerate();
    for (idx, rule) in rules {
        let Some(why) = matched(rule, pod) else { continue };
        return match rule.action.as_str() {
            "Ignore" => Action::Ignore,
            "FailIndex" if spec.backoff_limit_per_index.is_some() => Action::FailIndex,
            "FailJob" => Action::FailJob(format!("{why} matching FailJob rule at index {idx}")),
            _ => Action::Count,
        };
    }
    Action::Count
}

/// Why a rule matches a pod, where it does.
fn matched(rule: &PodFailurePolicyRule, pod: &Pod) -> Option<String> {
    let place = || format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
    if let Some(codes) = &rule.on_exit_codes {
        let (container, code) = ended(pod).find(|(container, code)| {
            codes.container_name.as_ref().is_none_or(|name| *name == container.name) && matches(codes, *code)
        })?;
        return Some(format!(
            "Container {} for pod {} failed with exit code {code}",
            container.name,
            place()
        ));
    }
    let patterns = rule.on_pod_conditions.iter().flatten();
    let conditions = || pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut met = patterns.filter(|pattern| {
        let status = pattern.status.as_deref().unwrap_or("True");
        conditions().any(|condition| condition.type_ == pattern.type_ && condition.status == status)
    });
    met.next().map(|pattern| format!("Pod {} has condition {}", place(), pattern.type_))
}

/// The containers that have ended with another code than 0.
fn ended(pod: &Pod) -> impl Iterator<Item = (&ContainerStatus, i32)> {
    let statuses = pod.status.iter().flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        status.container_statuses.iter().flatten().chain(init)
    });
    statuses.filter_map(|container| {
        let code = container.state.as_ref()?.terminated.as_ref()?.exit_code;
        (code != 0).then_some((container, code))
    })
}

fn matches(codes: &PodFailurePolicyOnExitCodesRequirement, code: i32) -> bool {
    match codes.operator.as_str() {
        "In" => codes.values.contains(&code),
        "NotIn" => !codes.values.contains(&code),
        _ => false,
    }
}

/// Why so many indexes are enough, where they are.
pub(super) fn success(spec: &JobSpec, succeeded: &Indexes) -> Option<String> {
    let completions = spec.completions.unwrap_or(0);
    let rules = spec.success_policy.iter().flat_map(|policy| &policy.rules).enumerate();
    for (idx, rule) in rules {
        let wanted = rule.succeeded_indexes.as_ref().map(|text| Indexes::parse(text, completions));
        let n_done = wanted.as_ref().map_or(succeeded.count(), |wanted| wanted.count_in(succeeded));
        let is_met = match (rule.succeeded_count, &wanted) {
            (Some(count), _) => n_done >= count,
            (None, Some(wanted)) => n_done >= wanted.count(),
            (None, None) => false,
        };
        if is_met {
            return Some(format!("Matched rules at index {idx}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(fields: Value) -> JobSpec {
        let mut spec = json!({"template": {}, "completions": 10});
        spec.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
        serde_json::from_value(spec).expect("a spec")
    }

    fn check(rules: Value, expected: Action) {
        let spec = spec(json!({"podFailurePolicy": {"rules": rules}, "backoffLimitPerIndex": 1}));
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "a"},
            "status": {
                "conditions": [{"type": "DisruptionTarget", "status": "True"}],
                "containerStatuses": [
                    {"name": "fine", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                     "state": {"terminated": {"exitCode": 0}}},
                    {"name": "main", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                     "state": {"terminated": {"exitCode": 42}}},
                ],
            },
        }))
        .expect("a pod");
        assert_eq!(of_failed(&spec, &pod), expected, "{rules}");
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let codes = |action: &str, operator: &str, values: Value| json!({"action": action, "onExitCodes": {"operator": operator, "values": values}});
        let why = "Container main for pod a/p failed with exit code 42 matching FailJob rule at index 1";
        check(json!([]), Action::Count);
        check(json!([codes("FailJob", "In", json!([1]))]), Action::Count);
        check(
            json!([codes("Ignore", "NotIn", json!([42])), codes("FailJob", "In", json!([1, 42]))]),
            Action::FailJob(why.to_owned()),
        );
        check(json!([codes("FailIndex", "NotIn", json!([0]))]), Action::FailIndex);
        let disrupted = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]});
        check(json!([disrupted, codes("FailJob", "In", json!([42]))]), Action::Ignore);
        let mut elsewhere = codes("FailJob", "In", json!([42]));
        elsewhere["onExitCodes"]["containerName"] = json!("fine");
        check(json!([elsewhere]), Action::Count);
    }

    #[test]
    fn success_is_a_count_or_a_list_or_both() {
        let check = |rules: Value, done: &str, expected: Option<&str>| {
            let spec = spec(json!({"successPolicy": {"rules": rules}}));
            assert_eq!(success(&spec, &Indexes::parse(done, 10)).as_deref(), expected, "{rules} {done}");
        };
        check(json!([{"succeededCount": 2}]), "7", None);
        check(json!([{"succeededCount": 2}]), "5,7", Some("Matched rules at index 0"));
        check(json!([{"succeededIndexes": "0-1"}]), "0", None);
        check(
            json!([{"succeededCount": 9}, {"succeededIndexes": "0-1"}]),
            "0,1",
            Some("Matched rules at index 1"),
        );
        check(json!([{"succeededIndexes": "0-3", "succeededCount": 1}]), "4", None);
        check(
            json!([{"succeededIndexes": "0-3", "succeededCount": 1}]),
            "3",
            Some("Matched rules at index 0"),
        );
    }
}
