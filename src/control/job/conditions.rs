//! A job's conditions: pure.
//!
//! Source: `pkg/controller/job/job_controller.go` (ensureJobConditionStatus, newCondition).

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Whether this condition holds.
pub(super) fn holds<'a>(conditions: &'a [JobCondition], type_: &str) -> Option<&'a JobCondition> {
    conditions.iter().find(|condition| condition.type_ == type_ && condition.status == "True")
}

/// How the job ended, once it has.
pub(crate) fn finished(job: &Job) -> Option<&JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    holds(conditions, "Complete").or_else(|| holds(conditions, "Failed"))
}

/// Makes a condition hold; says whether it did not before.
pub(super) fn set(
    conditions: &mut Vec<JobCondition>,
    type_: &str,
    (reason, message): (&str, &str),
    now: Timestamp,
) -> bool {
    write(conditions, (type_, "True"), (reason, message), now)
}

/// Makes a condition that is there not hold; says whether it did before.
pub(super) fn unset(
    conditions: &mut Vec<JobCondition>,
    type_: &str,
    why: (&str, &str),
    now: Timestamp,
) -> bool {
    conditions.iter().any(|condition| condition.type_ == type_)
        && write(conditions, (type_, "False"), why, now)
}

fn write(
    conditions: &mut Vec<JobCondition>,
    (type_, status): (&str, &str),
    (reason, message): (&str, &str),
    now: Timestamp,
) -> bool {
    let now = Some(Time(now));
    let new = JobCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: now.clone(),
        last_transition_time: now,
    };
    match conditions.iter_mut().find(|condition| condition.type_ == type_) {
        Some(known) if known.status == status => false,
        Some(known) => {
            *known = new;
            true
        }
        None => {
            conditions.push(new);
            true
        }
    }
}
