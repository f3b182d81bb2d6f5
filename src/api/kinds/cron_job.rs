//! CronJobs.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{check, job, pod_spec};
use crate::cron::{self, Schedule};
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
        acted_on_by: "cron job controller",
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
            if let Err(why) = Schedule::parse(schedule) {
                faults.push(FieldError::invalid("spec.schedule", json!(schedule), why.to_string()));
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

fn zone_fault(zone: &str) -> Option<String> {
    match zone {
        "" => Some("timeZone must be nil or non-empty string".to_owned()),
        zone if zone.eq_ignore_ascii_case("Local") => {
            let why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
            Some(why.to_owned())
        }
        zone => cron::zone(zone).is_none().then(|| format!("unknown time zone {zone}")),
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
        object["spec"]["timeZone"] = json!("Europe/Berlin");
        assert_eq!(validate(&object, None), []);
        object["spec"]["timeZone"] = json!("Middle-earth/Shire");
        assert_eq!(validate(&object, None)[0].path, "spec.timeZone");
        object["spec"]["timeZone"] = json!("UTC");
        object["metadata"]["name"] = json!("n".repeat(53));
        assert_eq!(validate(&object, None)[0].path, "metadata.name");
    }
}
