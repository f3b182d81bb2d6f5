//! ComponentStatuses: how the parts of the control plane are, found out when they are asked for.

use serde_json::{Value, json};

use crate::meta;
use crate::names::NameRule;
use crate::registry::{Column, Kind, Life, Rules};

pub(crate) const KIND: Kind = Kind {
    kind: "ComponentStatus",
    plural: "componentstatuses",
    singular: "componentstatus",
    short_names: &["cs"],
    definition: "io.k8s.api.core.v1.ComponentStatus",
    rules: Rules {
        name: NameRule::PathSegment,
        columns: &[Column::text("Status"), Column::text("Message"), Column::text("Error")],
        cells,
        life: Life::Observed,
        acted_on_by: "answered by the server, never kept",
        ..Rules::PLAIN
    },
    ..Kind::cluster("", "v1")
};

/// Source: `pkg/printers/internalversion/printers.go`, `printComponentStatus`.
fn cells(object: &Value) -> Vec<Value> {
    let healthy = |condition: &&Value| meta::text(condition, "/type") == "Healthy";
    let found = meta::list(object, "/conditions").iter().find(healthy);
    let status = match found.map(|condition| meta::text(condition, "/status")) {
        Some("True") => "Healthy",
        Some("False") => "Unhealthy",
        _ => "Unknown",
    };
    let text = |field: &str| found.map(|condition| meta::text(condition, field)).unwrap_or_default();
    vec![json!(status), json!(text("/message")), json!(text("/error"))]
}
