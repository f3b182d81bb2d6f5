//! Which objects of a kind a list or watch is about.

use serde_json::Value;
use spur_api::selector::{FieldRequirement, FieldSelector, LabelSelector};
use spur_api::{Status, meta};
use spur_store::Key;

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

    /// The same by the object's key alone, without reading it; `None` where that does not tell.
    /// Watches of one object by its name are common, and each sees every change of its kind.
    pub(crate) fn matches_key(&self, key: &Key) -> Option<bool> {
        let tells = |requirement: &FieldRequirement| {
            matches!(requirement.field.as_str(), "metadata.name" | "metadata.namespace")
        };
        if !self.labels.is_empty() || !self.fields.requirements().iter().all(tells) {
            return None;
        }
        Some(self.fields.matches(|field| match field {
            "metadata.name" => key.name.to_string(),
            _ => key.namespace.as_deref().unwrap_or_default().to_owned(),
        }))
    }

    /// Whether every object is.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_as_much_as_the_object_where_it_tells() {
        let kind = Served::bundled("", "v1", "pods");
        let key = Key::namespaced("pods", "shop", "web");
        let object = serde_json::json!({"metadata": {"name": "web", "namespace": "shop"}});
        let check = |query: &str, expected: Option<bool>| {
            let query = Query::parse(query).expect("a query");
            let selection = Selection::new(&kind, &query).expect("selectors");
            assert_eq!(selection.matches_key(&key), expected, "{query:?}");
            if let Some(expected) = expected {
                assert_eq!(selection.matches(&object), expected, "{query:?}");
            }
        };
        check("", Some(true));
        check("fieldSelector=metadata.name%3Dweb", Some(true));
        check("fieldSelector=metadata.name%3Dweb,metadata.namespace!%3Dshop", Some(false));
        check("fieldSelector=metadata.namespace%3Dother", Some(false));
        check("fieldSelector=status.phase%3DRunning", None);
        check("labelSelector=a%3Db", None);
    }
}
