//! CronJobs, and the schedules they go by.

use std::ops::RangeInclusive;

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{check, job, pod_spec};
use crate::meta;
use crate::registry::{Column, Kind, Rules, Subresource};

/// Longest name: a job's name adds 11 characters and must stay a label
/// (`pkg/apis/batch/validation.ValidateCronJobCreate`).
const NAME_MAX: usize = 52;

pub(crate) const KIND: Kind = Kind {
    kind: "CronJob",
    plural: "cronjobs",
    singular: "cronjob",
    short_names: &["cj"],
    categories: &["all"],
    definition: "io.k8s.api.batch.v1.CronJob",
    subresources: &[Subresource::Status],
    rules: Rules {
        default,
        validate,
        columns: &[
            Column::text("Schedule"),
            Column::text("Timezone"),
            Column::boolean("Suspend"),
            Column::integer("Active"),
            Column::text("Last Schedule"),
            Column::AGE,
            Column::wide("Containers"),
            Column::wide("Images"),
            Column::wide("Selector"),
        ],
        cells,
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::namespaced("batch", "v1")
};

/// Source of the values: `pkg/apis/batch/v1/defaults.SetDefaults_CronJob`.
fn default(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "concurrencyPolicy", "Allow");
    meta::set_default(spec, "suspend", false);
    meta::set_default(spec, "successfulJobsHistoryLimit", 3);
    meta::set_default(spec, "failedJobsHistoryLimit", 1);
    pod_spec::default_template_at(object, "/spec/jobTemplate/spec/template");
}

/// Source: `pkg/apis/batch/validation.ValidateCronJobSpec`.
fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let name = meta::name(new);
    if name.len() > NAME_MAX {
        let why = format!("must be no more than {NAME_MAX} characters");
        faults.push(FieldError::invalid("metadata.name", json!(name), why));
    }
    let schedule = meta::text(new, "/spec/schedule");
    match schedule {
        "" => faults.push(FieldError::required("spec.schedule", "")),
        schedule => {
            if let Some(why) = schedule_fault(schedule) {
                faults.push(FieldError::invalid("spec.schedule", json!(schedule), why));
            }
        }
    }
    if let Some(zone) = new.pointer("/spec/timeZone").and_then(Value::as_str) {
        faults.extend(zone_fault(zone).map(|why| FieldError::invalid("spec.timeZone", json!(zone), why)));
    }
    for field in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        faults.extend(check::not_negative(new, &format!("spec.{field}")));
    }
    let policies = ["Allow", "Forbid", "Replace"];
    faults.extend(check::required_one_of(new, "spec.concurrencyPolicy", &policies));
    faults.extend(job::validate_spec(new, "spec.jobTemplate.spec"));
    faults
}

fn zone_fault(zone: &str) -> Option<&'static str> {
    match zone {
        "" => Some("timeZone must be nil or non-empty string"),
        zone if zone.eq_ignore_ascii_case("Local") => {
            Some("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")
        }
        _ => None,
    }
}

/// What is wrong with a schedule: five fields, or a name such as `@daily`.
///
/// Source of the grammar and the words: `robfig/cron/v3`, `ParseStandard`.
fn schedule_fault(schedule: &str) -> Option<String> {
    if schedule.contains("TZ") {
        return Some("cannot use TZ or CRON_TZ in schedule, use timeZone field instead".to_owned());
    }
    if let Some(name) = schedule.strip_prefix('@') {
        let names = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
        let is_known = names.contains(&name) || name.starts_with("every ");
        return (!is_known).then(|| format!("unrecognized descriptor: {schedule}"));
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let Ok([minute, hour, day, month, weekday]) = <[&str; 5]>::try_from(fields.clone()) else {
        let shown = fields.join(" ");
        return Some(format!("expected exactly 5 fields, found {}: [{shown}]", fields.len()));
    };
    field_fault(minute, 0..=59, &[])
        .or_else(|| field_fault(hour, 0..=23, &[]))
        .or_else(|| field_fault(day, 1..=31, &[]))
        .or_else(|| field_fault(month, 1..=12, &MONTHS))
        .or_else(|| field_fault(weekday, 0..=6, &WEEKDAYS))
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What is wrong with `1,3-9/2`: steps over ranges of numbers or names.
fn field_fault(field: &str, range: RangeInclusive<u32>, names: &[&str]) -> Option<String> {
    field.split(',').find_map(|part| part_fault(part, &range, names))
}

fn part_fault(part: &str, range: &RangeInclusive<u32>, names: &[&str]) -> Option<String> {
    let number = |text: &str| -> Result<u32, String> {
        let named = names.iter().zip(*range.start()..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        match named {
            Some((_, number)) => Ok(number),
            None => text.parse().map_err(|_| format!("failed to parse int from {text}: invalid syntax")),
        }
    };
    let (span, step) = match part.split_once('/') {
        Some((span, step)) => (span, Some(step)),
        None => (part, None),
    };
    let (from, to) = match span {
        "*" | "?" => (*range.start(), *range.end()),
        span => {
            let (from, to) = span.split_once('-').unwrap_or((span, span));
            match (number(from), number(to)) {
                (Ok(from), Ok(to)) => (from, to),
                (Err(why), _) | (_, Err(why)) => return Some(why),
            }
        }
    };
    if from < *range.start() {
        return Some(format!("beginning of range ({from}) below minimum ({}): {part}", range.start()));
    }
    if to > *range.end() {
        return Some(format!("end of range ({to}) above maximum ({}): {part}", range.end()));
    }
    if from > to {
        return Some(format!("beginning of range ({from}) beyond end of range ({to}): {part}"));
    }
    match step.map(str::parse::<u32>) {
        None | Some(Ok(1..)) => None,
        Some(Ok(0)) => Some(format!("step of range should be a positive number: {part}")),
        Some(Err(_)) => {
            Some(format!("failed to parse int from {}: invalid syntax", step.unwrap_or_default()))
        }
    }
}

fn cells(object: &Value) -> Vec<Value> {
    let [names, images] = super::container_cells_at(object, "/spec/jobTemplate/spec/template");
    let suspend = match object.pointer("/spec/suspend") {
        Some(Value::Bool(true)) => "True",
        Some(Value::Bool(false)) => "False",
        _ => "<unset>",
    };
    let last = match meta::text(object, "/status/lastScheduleTime") {
        "" => "<none>".to_owned(),
        time => super::since(time),
    };
    vec![
        json!(meta::text(object, "/spec/schedule")),
        super::text_or(object, "/spec/timeZone", "<none>"),
        json!(suspend),
        json!(meta::list(object, "/status/active").len()),
        json!(last),
        super::age(object),
        names,
        images,
        super::selector_text(object.pointer("/spec/jobTemplate/spec/selector")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read_as_cron_reads_them() {
        for right in ["*/5 * * * *", "0 0 1,15 * mon-fri", "@daily", "@every 1h", "0-30/10 9-17 * JAN ?"] {
            assert_eq!(schedule_fault(right), None, "{right}");
        }
        let faults = [
            ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("9-3 * * * *", "beginning of range (9) beyond end of range (3): 9-3"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("x * * * *", "failed to parse int from x: invalid syntax"),
            ("@never", "unrecognized descriptor: @never"),
            ("TZ=UTC 0 * * * *", "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"),
        ];
        for (wrong, why) in faults {
            assert_eq!(schedule_fault(wrong).as_deref(), Some(why), "{wrong}");
        }
    }

    #[test]
    fn a_plain_cron_job_is_valid_and_shows_its_schedule() {
        let mut object = json!({
            "metadata": {"name": "nightly"},
            "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "OnFailure", "containers": [{"name": "a", "image": "a:1"}],
            }}}}},
        });
        default(&mut object);
        assert_eq!(validate(&object, None), []);
        assert_eq!(object["spec"]["concurrencyPolicy"], "Allow");
        let shown = cells(&object);
        assert_eq!(
            shown[..5],
            [json!("0 3 * * *"), json!("<none>"), json!("False"), json!(0), json!("<none>")]
        );
        object["metadata"]["name"] = json!("n".repeat(53));
        assert_eq!(validate(&object, None)[0].path, "metadata.name");
    }
}
