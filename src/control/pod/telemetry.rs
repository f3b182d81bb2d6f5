//! How programs with OpenTelemetry find where to report, and by which name: variables that all of its
//! libraries read (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use spur_api::labels;

use super::environment::Variables;
use crate::owner;

/// By which networks of pods' own know the listener: the Service `kube-system/telemetry`.
pub(super) const SERVICE: (&str, &str) = ("kube-system", "telemetry");

/// Where it is there.
pub(super) const URL: &str = "http://telemetry.kube-system.svc:4318";

/// The variables of a pod. A fork reports by its baseline's name, and is told apart by its sandbox.
/// No protocol is named: the listener takes all of them.
pub(super) fn variables(pod: &Pod, endpoint: Option<String>) -> Variables {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let sandbox = pod.labels().get(labels::SANDBOX);
    let facts =
        [("k8s.namespace.name", Some(&namespace)), ("k8s.pod.name", Some(&name)), ("spur.sandbox", sandbox)]
            .into_iter()
            // Names of objects hold nothing that has to be escaped here.
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    let mut variables = Variables::new();
    variables.insert("OTEL_RESOURCE_ATTRIBUTES".to_owned(), facts.collect::<Vec<_>>().join(","));
    variables.insert("OTEL_SERVICE_NAME".to_owned(), owner::workload(pod));
    if let Some(endpoint) = endpoint {
        variables.insert("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint);
    }
    variables
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fork_reports_by_its_baselines_name() {
        let pod = json!({ "metadata": { "name": "try-cart-x1", "namespace": "shop", "labels": {
            "spur.dev/sandbox": "try", "spur.dev/fork": "cart",
        } } });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let found = variables(&pod, Some("http://127.0.0.1:4318".to_owned()));
        let found: Vec<_> = found.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let wanted = [
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318",
            "OTEL_RESOURCE_ATTRIBUTES=k8s.namespace.name=shop,k8s.pod.name=try-cart-x1,spur.sandbox=try",
            "OTEL_SERVICE_NAME=cart",
        ];
        assert_eq!(found, wanted);
    }
}
