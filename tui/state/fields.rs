//! What objects of the API have to be filtered by.

use serde_json::Value;
use spur_api::meta;
use spur_trace::Severity;
use spur_trace::filter::{Field, Fields, Part, Value as FieldValue};

/// An object of the API as a filter looks at it: `msg` is all that its row shows, `level` the type
/// of an Event, `key` and `sandbox` are a Sandbox's.
pub(crate) struct ObjectFields<'a> {
    object: &'a Value,
    text: String,
}

// === impl ObjectFields ===

impl<'a> ObjectFields<'a> {
    pub(crate) fn of(object: &'a Value) -> Self {
        let fields = [
            "/metadata/namespace",
            "/metadata/name",
            "/type",
            "/reason",
            "/involvedObject/kind",
            "/involvedObject/name",
            "/message",
            "/status/phase",
            "/status/routingKey",
        ];
        Self { object, text: fields.map(|pointer| meta::text(object, pointer)).join(" ") }
    }
}

impl Fields for ObjectFields<'_> {
    fn some(&self, _: Part, field: &Field, passes: &mut dyn FnMut(FieldValue<'_>) -> bool) -> bool {
        let mut at = |pointer: &str| {
            let text = meta::text(self.object, pointer);
            !text.is_empty() && passes(FieldValue::Text(text))
        };
        match field {
            Field::Msg => passes(FieldValue::Text(&self.text)),
            Field::Level => {
                let is_warning = meta::text(self.object, "/type") == "Warning";
                let level = if is_warning { "warn" } else { "info" };
                Severity::named(level).is_some_and(|level| passes(FieldValue::Number(level.number().into())))
            }
            Field::Key => at("/status/routingKey"),
            Field::Sandbox => meta::at(self.object, "/spec/forks").is_some() && at("/metadata/name"),
            _ => false,
        }
    }

    fn words(&self) -> &[Field] {
        &[Field::Msg]
    }
}

#[cfg(test)]
mod tests {
    use spur_trace::Filter;

    use super::*;

    #[test]
    fn objects_are_asked_for_words_and_fields() {
        let event = serde_json::json!({"type": "Warning", "message": "probe failed"});
        let wants = |text: &str| Filter::parse(text).unwrap().matches(&ObjectFields::of(&event));
        assert!(wants("level=warning failed"));
        assert!(!wants("level=normal"));
    }
}
