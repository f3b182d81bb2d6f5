//! `pods/<name>/log`: what a container printed.
//!
//! Source: `pkg/registry/core/pod/rest/log.go` and `pod.LogLocation`.

use std::time::{Duration, SystemTime};

use futures::StreamExt;
use serde_json::Value;
use spur_api::{Status, meta};
use spur_runtime::{LogError, LogOptions, PodId};
use spur_schema::FieldError;

use crate::answer::{self, Outcome};
use crate::containers;
use crate::object;
use crate::query::LogQuery;
use crate::verbs::Request;

pub(crate) async fn get(request: &Request) -> Outcome {
    let faults = faults(&request.query.log);
    if !faults.is_empty() {
        return Err(Status::invalid("", "PodLogOptions", request.target.object_name(), &faults));
    }
    let pod =
        object::get(&request.state, request.kind(), request.namespace(), request.target.object_name())?.value;
    let container = containers::named(&pod, &request.query.log.container)?;
    let options = options(&request.query.log)?;
    let id = PodId::new(meta::namespace(&pod), meta::name(&pod), meta::uid(&pod));
    let logs = request.state.runtimes.holding(&id, &container).logs(&id, &container, options).await;
    let logs = logs.map_err(|error| missing(&pod, &container, &error))?;
    let until = request.state.draining.clone();
    Ok(answer::streamed("text/plain", logs.take_until(async move { until.cancelled().await })))
}

/// `ValidatePodLogOptions` of `pkg/apis/core/validation`.
fn faults(query: &LogQuery) -> Vec<FieldError> {
    let LogQuery { tail_lines, since_seconds, since_time, limit_bytes, .. } = query;
    let mut faults = Vec::new();
    let mut check = |field: &str, value: &Option<i64>, (min, why): (i64, &str)| {
        if let Some(value) = value.filter(|value| *value < min) {
            faults.push(FieldError::invalid(field, value, why));
        }
    };
    check("tailLines", tail_lines, (0, "must be greater than or equal to 0"));
    check("limitBytes", limit_bytes, (1, "must be greater than 0"));
    if since_seconds.is_some() && !since_time.is_empty() {
        let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        faults.push(FieldError::forbidden("sinceSeconds", why));
    } else {
        check("sinceSeconds", since_seconds, (1, "must be greater than 0"));
    }
    faults
}

/// Of a query without faults.
fn options(query: &LogQuery) -> Result<LogOptions, Status> {
    let since = match (query.since_seconds, query.since_time.as_str()) {
        (Some(seconds), _) => SystemTime::now().checked_sub(Duration::from_secs(seconds.unsigned_abs())),
        (None, "") => None,
        (None, time) => {
            let time = time.parse::<jiff::Timestamp>();
            let time = time.map_err(|error| Status::bad_request(format!("sinceTime: {error}")))?;
            Some(SystemTime::from(time))
        }
    };
    Ok(LogOptions {
        follow: query.is_follow,
        tail_lines: query.tail_lines.map(i64::unsigned_abs),
        since,
        timestamps: query.has_timestamps,
        previous: query.is_previous,
        limit_bytes: query.limit_bytes.map(i64::unsigned_abs),
    })
}

fn missing(pod: &Value, container: &str, error: &LogError) -> Status {
    match error {
        LogError::NotFound { .. } => {
            let all = ["/status/containerStatuses", "/status/initContainerStatuses"];
            let mut all = all.iter().flat_map(|path| meta::list(pod, path));
            let status = all.find(|status| meta::text(status, "/name") == container);
            let name = meta::name(pod);
            if status.is_some_and(|status| status.pointer("/state/terminated").is_some()) {
                return Status::bad_request(format!(
                    "container \"{container}\" in pod \"{name}\" has ended, and its log is not kept any more"
                ));
            }
            let reason =
                status.map_or("ContainerCreating", |status| meta::text(status, "/state/waiting/reason"));
            let pod = name;
            Status::bad_request(format!(
                "container \"{container}\" in pod \"{pod}\" is waiting to start: {reason}"
            ))
        }
        LogError::NoPrevious { .. } => Status::bad_request(error.to_string()),
        LogError::Read { .. } => Status::internal(error.to_string()),
    }
}
