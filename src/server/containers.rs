//! Which container of a pod a request means, and whether it runs.
//!
//! Source: `pkg/registry/core/pod/strategy.go`, `validateContainer`.

use serde_json::Value;
use spur_api::{Status, meta};

/// The container that is named; where none is, the only one.
pub(crate) fn named(pod: &Value, container: &str) -> Result<String, Status> {
    let names = || {
        let lists = ["/spec/initContainers", "/spec/containers"];
        lists
            .into_iter()
            .flat_map(|list| meta::list(pod, list))
            .map(|container| meta::text(container, "/name"))
    };
    let pod_name = meta::name(pod);
    if !container.is_empty() {
        return match names().find(|name| *name == container) {
            Some(name) => Ok(name.to_owned()),
            None => {
                Err(Status::bad_request(format!("container {container} is not valid for pod {pod_name}")))
            }
        };
    }
    match meta::list(pod, "/spec/containers") {
        [only] => Ok(meta::text(only, "/name").to_owned()),
        _ => {
            let all: Vec<&str> = names().collect();
            let why =
                format!("a container name must be specified for pod {pod_name}, choose one of: {all:?}");
            Err(Status::bad_request(why.replace([',', '"'], "")))
        }
    }
}

/// A container that does not run, as the pod's status has it. The kubelet says no more than
/// `container not found`.
pub(crate) fn not_running(pod: &Value, container: &str) -> Status {
    let statuses = meta::list(pod, "/status/containerStatuses");
    let status = statuses.iter().find(|status| meta::text(status, "/name") == container);
    let text = |pointer| status.map_or("", |status| meta::text(status, pointer));
    let exit_code = status.and_then(|status| meta::number(status, "/state/terminated/exitCode"));
    let found = match (exit_code, text("/state/waiting/reason")) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, "") => "it has not been started yet".to_owned(),
        (None, reason) => format!("it is waiting ({reason})"),
    };
    let pod = meta::name(pod);
    Status::bad_request(format!("container \"{container}\" in pod \"{pod}\" is not running: {found}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_container_is_the_one_named_or_the_only_one() {
        let one = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}]}});
        let mut two = one.clone();
        two["spec"]["containers"] = json!([{"name": "a"}, {"name": "b"}]);
        let check = |pod: &Value, container: &str, wanted: Result<&str, &str>| {
            let found = named(pod, container).map_err(|status| status.message);
            assert_eq!(found.as_deref().map_err(String::as_str), wanted);
        };
        check(&one, "", Ok("a"));
        check(&two, "b", Ok("b"));
        check(&two, "c", Err("container c is not valid for pod p"));
        check(&two, "", Err("a container name must be specified for pod p choose one of: [a b]"));
    }

    #[test]
    fn a_container_that_does_not_run_says_what_it_does() {
        let check = |state: Value, wanted: &str| {
            let status = json!({"containerStatuses": [{"name": "a", "state": state}]});
            let pod = json!({"metadata": {"name": "p"}, "status": status});
            let message = not_running(&pod, "a").message;
            assert_eq!(message, format!("container \"a\" in pod \"p\" is not running: {wanted}"));
        };
        check(json!({"waiting": {"reason": "CrashLoopBackOff"}}), "it is waiting (CrashLoopBackOff)");
        check(json!({"terminated": {"exitCode": 3}}), "it ended with exit code 3");
        check(json!({}), "it has not been started yet");
    }
}
