//! Which objects of a kind a list or watch is about.

use serde_json::Value;
use spur_api::selector::{FieldSelector, LabelSelector};
use spur_api::{Status, meta};

use crate::query::Query;
use crate::served::Served;

/// Label and field selectors of one request, checked against the kind.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    kind: Served,
    labels: LabelSelector,
    fields: FieldSelector,
}

// === impl Selection ===

impl Selection {
    /// Reads the selectors of a query.
    pub(crate) fn new(kind: &Served, query: &Query) -> Result<Self, Status> {
        let labels = LabelSelector::parse(&query.label_selector)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let fields = FieldSelector::parse(&query.field_selector)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        for requirement in fields.requirements() {
            if !kind.is_selectable(&requirement.field) {
                let why = format!("field label not supported: {}", requirement.field);
                return Err(Status::bad_request(why));
            }
        }
        Ok(Self { kind: kind.clone(), labels, fields })
    }

    /// The kind whose objects are selected.
    pub(crate) fn kind(&self) -> &Served {
        &self.kind
    }

    /// Whether the object is among those asked for.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels.matches(meta::labels(object))
            && self.fields.matches(|field| self.kind.field_text(object, field))
    }

    /// Whether every object is.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}
