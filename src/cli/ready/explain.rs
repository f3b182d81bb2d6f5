//! Why an object is not ready: state, last probe result, exit code, the last
//! lines it printed, and what to do.

use serde_json::Value;
use spur_api::meta;
use spur_trace::sanitize_for_terminal;

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
        let not_done: Vec<&Value> =
            snapshot.pods(object).into_iter().filter(|pod| !state::is_pod_done(pod)).collect();
        if object.kind == "Service" && !not_done.is_empty() {
            // It waits for the pods of a workload, which is explained itself.
            continue;
        }
        for pod in not_done.into_iter().take(PODS_MAX) {
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
    let has_hint = report.iter().any(|line| line.trim_start().starts_with("hint: "));
    report.extend(hint(pod, events).filter(|_| !has_hint).map(|hint| format!("  hint: {hint}")));
    report
}

/// A text of several lines below each other, each safe to print.
fn lines(first: &str, rest: &str, text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec![first.trim_end_matches([':', ' ']).to_owned()];
    }
    let lines = text.lines().enumerate().map(|(index, line)| {
        let before = if index == 0 { first } else { rest };
        format!("{before}{}", sanitize_for_terminal(line)).trim_end().to_owned()
    });
    lines.collect()
}

/// What the status and events of a pod say.
fn facts(pod: &Value, events: &[Value]) -> Vec<String> {
    let mut facts = vec![format!("pod {}: {}", meta::name(pod), spur_api::kinds::pod::status(pod))];
    for status in meta::list(pod, "/status/containerStatuses") {
        let name = meta::text(status, "/name");
        let (reason, message) =
            (meta::text(status, "/state/waiting/reason"), meta::text(status, "/state/waiting/message"));
        if !reason.is_empty() {
            facts.extend(lines(&format!("  container {name} waits: {reason}: "), "    ", message));
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
    facts.extend(unproven(pod));
    facts.extend(
        probe_result(pod, events).into_iter().flat_map(|result| lines("  last probe: ", "    ", result)),
    );
    facts
}

/// Containers that run and whose readiness probe has not succeeded, which needs no event yet.
fn unproven(pod: &Value) -> Vec<String> {
    let statuses = meta::list(pod, "/status/containerStatuses");
    let waits = |container: &&Value| {
        let name = meta::text(container, "/name");
        container.get("readinessProbe").is_some()
            && statuses.iter().any(|status| {
                meta::text(status, "/name") == name
                    && status.pointer("/state/running").is_some()
                    && status.get("ready") != Some(&Value::Bool(true))
            })
    };
    let line = |container: &Value| {
        let (name, probe) = (meta::text(container, "/name"), probe(&container["readinessProbe"]));
        format!("  container {name} runs, but its readiness probe has not succeeded: {probe}")
    };
    meta::list(pod, "/spec/containers").iter().filter(waits).map(line).collect()
}

/// `GET /health on port http`, `connect to port 80`, `exec true`.
fn probe(probe: &Value) -> String {
    let port = |pointer| match probe.pointer(pointer) {
        Some(Value::String(name)) => name.clone(),
        Some(number) => number.to_string(),
        None => "?".to_owned(),
    };
    let text = if probe.get("httpGet").is_some() {
        format!("GET {} on port {}", meta::text(probe, "/httpGet/path"), port("/httpGet/port"))
    } else if probe.get("tcpSocket").is_some() {
        format!("connect to port {}", port("/tcpSocket/port"))
    } else if probe.get("exec").is_some() {
        let command = meta::list(probe, "/exec/command").iter().filter_map(Value::as_str);
        format!("exec {}", command.collect::<Vec<_>>().join(" "))
    } else {
        probe.to_string()
    };
    sanitize_for_terminal(&text).into_owned()
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
    let text = format!("last event: {}: {}", meta::text(last, "/reason"), meta::text(last, "/message"));
    Some(sanitize_for_terminal(&text).into_owned())
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
        _ if probe_result(pod, events).is_some() || !unproven(pod).is_empty() => {
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
            last.push(spur_trace::sanitize::log_line_for_terminal(&line));
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
        insta::assert_snapshot!(report.join("\n"), @"
        pod web-1: CrashLoopBackOff
          container web waits: CrashLoopBackOff: back-off 10s
          container web ended with exit code 7 (Error), 3 restarts
        the process ends again and again; its last lines above say why
        ");
    }

    #[test]
    fn a_probe_that_fails_is_told_with_its_last_result() {
        let pod = json!({
            "metadata": {"name": "web-1", "uid": "1"},
            "spec": {"containers": [{"name": "web", "readinessProbe": {"httpGet": {"path": "/x", "port": 80}}}]},
            "status": {"phase": "Running", "containerStatuses": [{"name": "web", "ready": false, "state": {"running": {}}}]},
        });
        let event = |time: &str, message: &str| json!({"reason": "Unhealthy", "message": message, "lastTimestamp": time, "involvedObject": {"uid": "1"}});
        let events = [event("2026-01-01T00:00:02Z", "second"), event("2026-01-01T00:00:01Z", "first")];
        let mut report = facts(&pod, &events);
        report.extend(hint(&pod, &events));
        insta::assert_snapshot!(report.join("\n"), @"
        pod web-1: Running
          container web runs, but its readiness probe has not succeeded: GET /x on port 80
          last probe: second
        check path and port of the probe; a process finds the port to listen on in $PORT
        ");
    }
}
