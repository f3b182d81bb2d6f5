//! Events: what happened to an object, kept for an hour by the control plane.
//!
//! The same objects are served in two shapes, `v1` and `events.k8s.io/v1`. The store
//! has the first; [`SHAPES`] is what differs.

use serde_json::{Map, Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::registry::{Column, Conversion, Kind, Rules, SelectableField};

pub(crate) const CORE: Kind = Kind {
    kind: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    definition: "io.k8s.api.core.v1.Event",
    rules: Rules {
        validate: |new, _| validate_place(new, "involvedObject"),
        columns: COLUMNS,
        cells,
        fields: CORE_FIELDS,
        acted_on_by: "event sweeper, which deletes it after an hour",
        ..Rules::PLAIN
    },
    ..Kind::namespaced("", "v1")
};

pub(crate) const EVENTS: Kind = Kind {
    kind: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    definition: "io.k8s.api.events.v1.Event",
    rules: Rules {
        validate,
        columns: COLUMNS,
        cells: |object| {
            let mut stored = object.clone();
            EVENTS.to_stored(&mut stored);
            cells(&stored)
        },
        fields: EVENTS_FIELDS,
        stored_as: Some(Conversion {
            row: &CORE,
            to_stored: |object| {
                rename(object, |core, events| (events, core));
                // `v1` always has it.
                meta::map_at(object, "involvedObject");
            },
            from_stored: |object| rename(object, |core, events| (core, events)),
        }),
        acted_on_by: CORE.rules.acted_on_by,
        ..Rules::PLAIN
    },
    ..Kind::namespaced("events.k8s.io", "v1")
};

/// What the fields are called: in `v1`, in `events.k8s.io/v1`. The others have one name.
const SHAPES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

const COLUMNS: &[Column] = &[
    Column::text("Last Seen"),
    Column::text("Type"),
    Column::text("Reason"),
    Column::text("Object"),
    Column::wide("Subobject"),
    Column::wide("Source"),
    Column::text("Message"),
    Column::wide("First Seen"),
    Column::wide("Count"),
    Column { priority: 1, ..Column::NAME },
];

const CORE_FIELDS: &[SelectableField] = &[
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

const EVENTS_FIELDS: &[SelectableField] = &[
    SelectableField::new("regarding.kind", "/regarding/kind"),
    SelectableField::new("regarding.namespace", "/regarding/namespace"),
    SelectableField::new("regarding.name", "/regarding/name"),
    SelectableField::new("regarding.uid", "/regarding/uid"),
    SelectableField::new("regarding.apiVersion", "/regarding/apiVersion"),
    SelectableField::new("regarding.resourceVersion", "/regarding/resourceVersion"),
    SelectableField::new("regarding.fieldPath", "/regarding/fieldPath"),
    SelectableField::new("reason", "/reason"),
    SelectableField::new("reportingController", "/reportingController"),
    SelectableField::new("type", "/type"),
];

/// Gives the fields their other names and leaves them where they stand.
fn rename(object: &mut Value, direction: fn(&'static str, &'static str) -> (&'static str, &'static str)) {
    let Some(map) = object.as_object_mut() else { return };
    let renamed: Map<String, Value> = std::mem::take(map)
        .into_iter()
        .map(|(field, value)| {
            let pairs = SHAPES.iter().map(|(core, events)| direction(core, events));
            let other = pairs.into_iter().find(|(from, _)| *from == field);
            (other.map_or(field, |(_, to)| to.to_owned()), value)
        })
        .collect();
    *map = renamed;
}

/// An event lives in the namespace of what it is about.
///
/// Source: `pkg/apis/core/validation/events.go`, `legacyValidateEvent`.
fn validate_place(new: &Value, field: &str) -> Vec<FieldError> {
    let about = check::text(new, &format!("{field}.namespace"));
    let namespace = meta::namespace(new);
    // What has no namespace is told about in `default`.
    let is_right = if about.is_empty() {
        matches!(namespace, "default" | "kube-system" | "")
    } else {
        about == namespace
    };
    if is_right {
        return Vec::new();
    }
    let why = "does not match event.namespace";
    vec![FieldError::invalid(format!("{field}.namespace"), json!(about), why)]
}

/// The newer shape asks for more, and its facts stay.
///
/// Source: `pkg/apis/core/validation/events.go`, `ValidateEventCreate` and `…Update`.
fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(old) = old else {
        let mut faults = Vec::new();
        for field in ["eventTime", "reportingController", "reportingInstance", "action", "reason"] {
            faults.extend(check::required(new, field, ""));
        }
        for (field, max) in [("reportingInstance", 128), ("action", 128), ("reason", 128), ("note", 1024)] {
            if check::text(new, field).len() > max {
                let why = format!("can have at most {max} characters");
                faults.push(FieldError::invalid(field, json!(""), why));
            }
        }
        let types = ["Normal", "Warning"];
        if !types.contains(&check::text(new, "type")) {
            let why = "has invalid value: ";
            faults.push(FieldError::invalid("type", json!(""), format!("{why}{}", check::text(new, "type"))));
        }
        faults.extend(validate_place(new, "regarding"));
        return faults;
    };
    let fixed = [
        "regarding",
        "reason",
        "note",
        "related",
        "deprecatedSource",
        "deprecatedFirstTimestamp",
        "deprecatedLastTimestamp",
        "type",
        "eventTime",
        "action",
        "reportingController",
        "reportingInstance",
    ];
    fixed.into_iter().filter_map(|field| check::immutable(new, Some(old), field)).collect()
}

/// Source: `pkg/printers/internalversion/printers.go`, `printEvent`.
fn cells(object: &Value) -> Vec<Value> {
    let first = first_text(object, &["/firstTimestamp", "/eventTime"]);
    let last =
        first_text(object, &["/series/lastObservedTime", "/lastTimestamp", "/firstTimestamp", "/eventTime"]);
    let kind = meta::text(object, "/involvedObject/kind").to_lowercase();
    let name = meta::text(object, "/involvedObject/name");
    let count = meta::number(object, "/series/count").or(meta::number(object, "/count")).unwrap_or(1);
    let component = first_text(object, &["/source/component", "/reportingComponent"]);
    let source = match first_text(object, &["/source/host", "/reportingInstance"]) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    };
    vec![
        json!(super::since(last)),
        json!(meta::text(object, "/type")),
        json!(meta::text(object, "/reason")),
        json!(if name.is_empty() { kind } else { format!("{kind}/{name}") }),
        json!(meta::text(object, "/involvedObject/fieldPath")),
        json!(source),
        json!(meta::text(object, "/message").trim()),
        json!(super::since(first)),
        json!(count),
        json!(meta::name(object)),
    ]
}

fn first_text<'a>(object: &'a Value, pointers: &[&str]) -> &'a str {
    let texts = pointers.iter().map(|pointer| meta::text(object, pointer));
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": "web.1", "namespace": "shop"},
            "involvedObject": {"kind": "Pod", "name": "web", "namespace": "shop"},
            "reason": "Started", "message": "Started container web", "type": "Normal",
            "source": {"component": "kubelet", "host": "spur"}, "count": 2,
            "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:01:00Z",
            "eventTime": null, "reportingComponent": "kubelet", "reportingInstance": "spur",
            "series": {"count": 3, "lastObservedTime": "2026-01-01T00:02:00.000000Z"},
        })
    }

    #[test]
    fn an_event_reads_in_both_shapes_and_comes_back_as_it_was() {
        let stored = core();
        let mut shown = stored.clone();
        EVENTS.from_stored(&mut shown);
        assert_eq!(shown["apiVersion"], "events.k8s.io/v1");
        assert_eq!(shown["regarding"]["name"], "web");
        assert_eq!(shown["note"], "Started container web");
        assert_eq!(shown["deprecatedCount"], 2);
        assert_eq!(shown["deprecatedSource"]["component"], "kubelet");
        assert_eq!(shown["reportingController"], "kubelet");
        assert_eq!(shown["series"]["count"], 3);
        assert_eq!(shown.get("involvedObject"), None);
        EVENTS.to_stored(&mut shown);
        assert_eq!(shown, stored);
    }

    #[test]
    fn both_shapes_show_the_same_row() {
        let mut shown = core();
        let row = cells(&shown);
        EVENTS.from_stored(&mut shown);
        assert_eq!((EVENTS.rules.cells)(&shown), row);
        assert_eq!(row[3], "pod/web");
        assert_eq!(row[5], "kubelet, spur");
        assert_eq!(row[8], 3);
    }

    #[test]
    fn an_event_is_in_the_namespace_of_what_it_is_about() {
        assert_eq!(validate_place(&core(), "involvedObject"), []);
        let mut elsewhere = core();
        elsewhere["metadata"]["namespace"] = json!("other");
        assert_eq!(validate_place(&elsewhere, "involvedObject")[0].path, "involvedObject.namespace");
    }

    #[test]
    fn the_newer_shape_asks_for_more_and_keeps_it() {
        let places = |new: &Value, old: Option<&Value>| -> Vec<String> {
            validate(new, old).into_iter().map(|fault| fault.path).collect()
        };
        let mut event = json!({
            "metadata": {"namespace": "default"}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal",
            "reportingController": "c", "reportingInstance": "i", "action": "Run", "reason": "Why",
        });
        assert_eq!(places(&event, None), [""; 0]);
        let old = event.clone();
        event["reason"] = json!("Because");
        assert_eq!(places(&event, Some(&old)), ["reason"]);
        assert_eq!(places(&json!({"metadata": {"namespace": "default"}}), None).len(), 6);
    }
}
