//! Why an object is not ready: state, last probe result, exit code, the last
//! lines it printed, and what to do.

use serde_json::Value;
use spur_api::meta;

use super::snapshot::Snapshot;
use super::state::{self, State};
use super::{Awaited, Unready};
use crate::client::Client;
use crate::kinds;
use crate::logs;

/// Lines of a log in a report.
const LOG_TAIL_LINES: &str = "30";

/// Pods of one object that are explained; those of a Deployment fail alike.
const PODS_MAX: usize = 2;

/// Explains every awaited object that is not ready. What cannot be read is left out.
pub(super) async fn all(client: &Client, awaited: &[Awaited], snapshot: &Snapshot) -> Vec<Unready> {
    let events = match client.get("/api/v1/events").await {
        Ok(list) => meta::list(&list, "/items").to_vec(),
        Err(_) => Vec::new(),
    };
    let mut unready = Vec::new();
    for object in awaited {
        let State::Waiting(why) = state::of(object, snapshot) else { continue };
        let mut report = vec![why];
        // A Service waits for the pods of a workload, which is explained itself.
        let pods = if object.kind == "Service" { Vec::new() } else { snapshot.pods(object) };
        let not_done = pods.into_iter().filter(|pod| !state::is_pod_done(pod));
        for pod in not_done.take(PODS_MAX) {
            report.extend(explain_pod(client, pod, &events).await);
        }
        if report.len() == 1 {
            report.extend(last_event(object.name.as_str(), &events));
        }
        let (name, namespace) = (object.shown.clone(), object.namespace.clone());
        unready.push(Unready { name, namespace, report });
    }
    unready
}

async fn explain_pod(client: &Client, pod: &Value, events: &[Value]) -> Vec<String> {
    let mut report = facts(pod, events);
    for container in meta::list(pod, "/spec/containers") {
        let container = meta::text(container, "/name");
        let lines = last_lines(client, pod, container).await;
        if !lines.is_empty() {
            report.push(format!("  last lines of {container}:"));
            report.extend(lines.into_iter().map(|line| format!("    {line}")));
        }
    }
    report.extend(hint(pod, events).map(|hint| format!("  hint: {hint}")));
    report
}

/// What the status and events of a pod say.
fn facts(pod: &Value, events: &[Value]) -> Vec<String> {
    let mut facts = vec![format!("pod {}: {}", meta::name(pod), spur_api::kinds::pod::status(pod))];
    for status in meta::list(pod, "/status/containerStatuses") {
        let name = meta::text(status, "/name");
        let (reason, message) =
            (meta::text(status, "/state/waiting/reason"), meta::text(status, "/state/waiting/message"));
        if !reason.is_empty() {
            facts.push(format!("  container {name} waits: {reason} {message}").trim_end().to_owned());
        }
        for state in ["/state/terminated", "/lastState/terminated"] {
            if let Some(ended) = status.pointer(state) {
                let code = meta::number(ended, "/exitCode").unwrap_or(0);
                let restarts = meta::number(status, "/restartCount").unwrap_or(0);
                let reason = meta::text(ended, "/reason");
                facts.push(format!(
                    "  container {name} ended with exit code {code} ({reason}), {restarts} restarts"
                ));
                break;
            }
        }
    }
    facts.extend(probe_result(pod, events).map(|result| format!("  last probe: {result}")));
    facts
}

/// The message of the last `Unhealthy` event, which is the probe's result.
fn probe_result<'a>(pod: &Value, events: &'a [Value]) -> Option<&'a str> {
    let of_pod = events.iter().filter(|event| {
        meta::text(event, "/involvedObject/uid") == meta::uid(pod)
            && meta::text(event, "/reason") == "Unhealthy"
    });
    of_pod.max_by_key(|event| time(event)).map(|event| meta::text(event, "/message"))
}

fn last_event(name: &str, events: &[Value]) -> Option<String> {
    let of_object = events.iter().filter(|event| meta::text(event, "/involvedObject/name") == name);
    let last = of_object.max_by_key(|event| time(event))?;
    Some(format!("last event: {}: {}", meta::text(last, "/reason"), meta::text(last, "/message")))
}

/// RFC 3339 in UTC sorts as text.
fn time(event: &Value) -> &str {
    let times = ["/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
    times.into_iter().map(|pointer| meta::text(event, pointer)).find(|time| !time.is_empty()).unwrap_or("")
}

/// What to do about the state of a pod.
fn hint(pod: &Value, events: &[Value]) -> Option<String> {
    let statuses = meta::list(pod, "/status/containerStatuses");
    let waiting =
        statuses.iter().map(|status| meta::text(status, "/state/waiting/reason")).find(|r| !r.is_empty());
    let hint = match waiting {
        Some("CrashLoopBackOff") => "the process ends again and again; its last lines above say why",
        Some("CreateContainerConfigError") => {
            "apply the ConfigMap or Secret that is named, or mark it `optional`"
        }
        Some("RunContainerError" | "StartError") => {
            "check `command`, `workingDir` and that the program is installed"
        }
        Some("NotSupported") => "leave the named field out, or see which runtime supports it",
        _ if probe_result(pod, events).is_some() => {
            "check path and port of the probe; a process finds the port to listen on in $PORT"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The last lines of the run that is on, or of the one before it.
async fn last_lines(client: &Client, pod: &Value, container: &str) -> Vec<String> {
    for previous in [None, Some("true")] {
        let query = kinds::query(&[
            ("container", Some(container)),
            ("tailLines", Some(LOG_TAIL_LINES)),
            ("previous", previous),
        ]);
        let path =
            kinds::object_path(logs::pod_kind(), meta::namespace(pod), meta::name(pod)) + "/log" + &query;
        let Ok(mut lines) = client.lines(&path, "*/*").await else { continue };
        let mut last = Vec::new();
        while let Ok(Some(line)) = lines.next().await {
            last.push(logs::for_terminal(&line));
        }
        if !last.is_empty() {
            return last;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_that_crashes_is_explained() {
        let pod = json!({
            "metadata": {"name": "web-1", "uid": "1"},
            "status": {"phase": "Running", "containerStatuses": [{
                "name": "web", "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                "lastState": {"terminated": {"exitCode": 7, "reason": "Error"}},
            }]},
        });
        let mut report = facts(&pod, &[]);
        report.extend(hint(&pod, &[]));
        insta::assert_snapshot!(report.join("\n"), @"");
    }

    #[test]
    fn a_probe_that_fails_is_told_with_its_last_result() {
        let pod = json!({"metadata": {"name": "web-1", "uid": "1"}, "status": {"phase": "Running"}});
        let event = |time: &str, message: &str| json!({"reason": "Unhealthy", "message": message, "lastTimestamp": time, "involvedObject": {"uid": "1"}});
        let events = [event("2026-01-01T00:00:02Z", "second"), event("2026-01-01T00:00:01Z", "first")];
        let mut report = facts(&pod, &events);
        report.extend(hint(&pod, &events));
        insta::assert_snapshot!(report.join("\n"), @"");
    }
}
