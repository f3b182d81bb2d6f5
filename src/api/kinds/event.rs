//! Events: what happened to an object, kept for an hour by the control plane.

use serde_json::{Value, json};

use crate::meta;
use crate::registry::{Column, Kind, Rules, Scope, SelectableField};

pub(crate) const CORE: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    categories: &[],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.core.v1.Event",
    subresources: &[],
    rules: Rules {
        columns: &[
            Column::text("Last Seen"),
            Column::text("Type"),
            Column::text("Reason"),
            Column::text("Object"),
            Column::wide("Source"),
            Column::text("Message"),
            Column::wide("First Seen"),
            Column { name: "Count", type_: "integer", priority: 1 },
        ],
        cells,
        fields: FIELDS,
        ..Rules::PLAIN
    },
};

const FIELDS: &[SelectableField] = &[
    SelectableField::new("involvedObject.kind", "/involvedObject/kind"),
    SelectableField::new("involvedObject.namespace", "/involvedObject/namespace"),
    SelectableField::new("involvedObject.name", "/involvedObject/name"),
    SelectableField::new("involvedObject.uid", "/involvedObject/uid"),
    SelectableField::new("involvedObject.apiVersion", "/involvedObject/apiVersion"),
    SelectableField::new("involvedObject.resourceVersion", "/involvedObject/resourceVersion"),
    SelectableField::new("involvedObject.fieldPath", "/involvedObject/fieldPath"),
    SelectableField::new("reason", "/reason"),
    SelectableField::new("reportingComponent", "/reportingComponent"),
    SelectableField::new("source", "/source/component"),
    SelectableField::new("type", "/type"),
];

fn cells(object: &Value) -> Vec<Value> {
    let first = first_text(object, &["/firstTimestamp", "/eventTime"]);
    let last =
        first_text(object, &["/series/lastObservedTime", "/lastTimestamp", "/firstTimestamp", "/eventTime"]);
    let kind = meta::text(object, "/involvedObject/kind").to_lowercase();
    let count = meta::number(object, "/series/count").or(meta::number(object, "/count")).unwrap_or(1);
    vec![
        json!(super::since(last)),
        json!(meta::text(object, "/type")),
        json!(meta::text(object, "/reason")),
        json!(format!("{kind}/{}", meta::text(object, "/involvedObject/name"))),
        json!(first_text(object, &["/source/component", "/reportingComponent"])),
        json!(meta::text(object, "/message").trim()),
        json!(super::since(first)),
        json!(count),
    ]
}

fn first_text<'a>(object: &'a Value, pointers: &[&str]) -> &'a str {
    let texts = pointers.iter().map(|pointer| meta::text(object, pointer));
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or("")
}
