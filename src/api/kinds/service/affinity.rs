//! Whether a client stays with one pod of a Service, and for how long.

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::meta;

/// How long a client stays where the Service does not say: three hours
/// (`core/v1`, `DefaultClientIPServiceAffinitySeconds`).
pub const TIMEOUT_SECONDS: u32 = 10_800;
/// The longest it may (`pkg/apis/core/validation`, `MaxClientIPServiceAffinitySeconds`).
const TIMEOUT_SECONDS_MAX: i64 = 86_400;

const TIMEOUT: &str = "/spec/sessionAffinityConfig/clientIP/timeoutSeconds";

/// Source: `pkg/apis/core/v1/defaults.SetDefaults_Service`.
pub(super) fn default(object: &mut Value) {
    let timeout = meta::number(object, TIMEOUT);
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "sessionAffinity", "None");
    match spec["sessionAffinity"].as_str() {
        Some("None") => drop(spec.shift_remove("sessionAffinityConfig")),
        Some("ClientIP") if timeout.is_none() => {
            let config = json!({"clientIP": {"timeoutSeconds": TIMEOUT_SECONDS}});
            spec.insert("sessionAffinityConfig".to_owned(), config);
        }
        _ => {}
    }
}

/// Source: `pkg/apis/core/validation`, `validateClientIPAffinityConfig`.
pub(super) fn faults(new: &Value) -> Option<FieldError> {
    match meta::text(new, "/spec/sessionAffinity") {
        "None" => None,
        "ClientIP" => {
            let timeout = meta::number(new, TIMEOUT).unwrap_or(0);
            let why = format!("must be greater than 0 and less than {TIMEOUT_SECONDS_MAX}");
            let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
            let is_within = (1..=TIMEOUT_SECONDS_MAX).contains(&timeout);
            (!is_within).then(|| FieldError::invalid(field, json!(timeout), why))
        }
        other => Some(FieldError::not_supported("spec.sessionAffinity", json!(other), ["ClientIP", "None"])),
    }
}
