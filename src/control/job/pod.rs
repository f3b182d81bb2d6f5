//! A job's pods: how a new one is made, and what counts in one that is there: pure.
//!
//! Source: `pkg/controller/job/job_controller.go` (isPodFailed), `indexed_job_utils.go`
//! (addCompletionIndexEnvVariables, podGenerateNameWithIndex).

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod};
use kube::ResourceExt;
use spur_api::names::LABEL_MAX;

use super::indexes::INDEX;
use crate::pods::{self, is_deleting, is_over, phase};

/// On a job's pods until they are counted (`batch.JobTrackingFinalizer`).
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// On a pod where the limit holds per index: how often the index has failed before it
/// (`batch.JobIndexFailureCountAnnotation`).
pub(super) const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

/// A pod that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct New {
    pub(super) index: Option<i32>,
    /// How often its index has failed, where the limit holds per index.
    pub(super) n_failures: Option<i32>,
}

/// The pod that is to be made.
pub(super) fn make(job: &Job, spec: &JobSpec, new: &New) -> Pod {
    let mut pod = pods::of_template(job, &spec.template);
    let finalizers = pod.metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == TRACKING) {
        finalizers.push(TRACKING.to_owned());
    }
    let Some(index) = new.index else { return pod };
    let name = job.name_any();
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(INDEX.to_owned(), index.to_string());
    if let Some(n_failures) = new.n_failures {
        annotations.insert(INDEX_FAILURES.to_owned(), n_failures.to_string());
    }
    pod.metadata.labels.get_or_insert_default().insert(INDEX.to_owned(), index.to_string());
    pod.metadata.generate_name = Some(format!("{name}-{index}-"));
    let pod_spec = pod.spec.get_or_insert_default();
    let host = format!("{name}-{index}");
    // A longer one is no label, as a hostname must be.
    pod_spec.hostname = (host.len() <= LABEL_MAX).then_some(host);
    let init = pod_spec.init_containers.iter_mut().flatten();
    init.chain(&mut pod_spec.containers).for_each(tell_index);
    pod
}

fn tell_index(container: &mut Container) {
    const NAME: &str = "JOB_COMPLETION_INDEX";
    let env = container.env.get_or_insert_default();
    if env.iter().any(|variable| variable.name == NAME) {
        return;
    }
    let field = ObjectFieldSelector { api_version: None, field_path: format!("metadata.labels['{INDEX}']") };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    env.push(EnvVar { name: NAME.to_owned(), value: None, value_from: Some(source) });
}

/// Whether it runs or will, and nobody has asked for its end.
pub(super) fn is_active(pod: &Pod) -> bool {
    !is_over(pod) && !is_deleting(pod)
}

/// Whether the pod is still to be counted.
pub(super) fn is_tracked(pod: &Pod) -> bool {
    pod.finalizers().iter().any(|finalizer| finalizer == TRACKING)
}

/// Whether the pod counts as failed. One that is being deleted does, unless only pods whose end
/// is known are replaced.
pub(super) fn is_failed(spec: &JobSpec, pod: &Pod) -> bool {
    match phase(pod) {
        "Failed" => true,
        "Succeeded" => false,
        _ => is_deleting(pod) && !replaces_failed_only(spec),
    }
}

/// Whether a pod is replaced only when it has failed, not already when it is being deleted.
pub(super) fn replaces_failed_only(spec: &JobSpec) -> bool {
    spec.pod_failure_policy.is_some() || spec.pod_replacement_policy.as_deref() == Some("Failed")
}

/// How often the index had failed when this pod was made.
pub(super) fn n_failures_before(pod: &Pod) -> i32 {
    pod.annotations().get(INDEX_FAILURES).and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_of_an_indexed_job_knows_its_index() {
        let job: Job = serde_json::from_value(json!({
            "metadata": {"name": "load", "namespace": "a", "uid": "u"},
            "spec": {"template": {"spec": {"containers": [
                {"name": "c"}, {"name": "d", "env": [{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]},
            ]}}},
        }))
        .expect("a job");
        let spec = job.spec.clone().expect("a spec");
        let pod = make(&job, &spec, &New { index: Some(2), n_failures: Some(1) });
        let pod = serde_json::to_value(pod).expect("a pod");
        assert_eq!(pod["metadata"]["generateName"], "load-2-");
        assert_eq!(pod["metadata"]["annotations"], json!({INDEX: "2", INDEX_FAILURES: "1"}));
        assert_eq!(pod["metadata"]["labels"][INDEX], "2");
        assert_eq!(pod["metadata"]["finalizers"], json!([TRACKING]));
        assert_eq!(pod["spec"]["hostname"], "load-2");
        let containers = &pod["spec"]["containers"];
        let path = &containers[0]["env"][0]["valueFrom"]["fieldRef"]["fieldPath"];
        assert_eq!(*path, format!("metadata.labels['{INDEX}']"));
        assert_eq!(containers[1]["env"], json!([{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]));
        let plain = make(&job, &spec, &New { index: None, n_failures: None });
        assert_eq!(plain.metadata.generate_name.as_deref(), Some("load-"));
    }
}
