//! ControllerRevisions: what a StatefulSet's or DaemonSet's template was.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::registry::{Column, Kind, Rules};

pub(crate) const KIND: Kind = Kind {
    kind: "ControllerRevision",
    plural: "controllerrevisions",
    singular: "controllerrevision",
    definition: "io.k8s.api.apps.v1.ControllerRevision",
    rules: Rules {
        validate,
        columns: &[Column::text("Controller"), Column::text("Revision"), Column::AGE],
        cells: |object| {
            let revision = meta::number(object, "/revision").unwrap_or(0);
            vec![json!(controller(object)), json!(revision), super::age(object)]
        },
        acted_on_by: "stateful set and daemon set controllers, which keep it",
        ..Rules::PLAIN
    },
    ..Kind::namespaced("apps", "v1")
};

/// Source: `pkg/apis/apps/validation.ValidateControllerRevision`.
fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::required(new, "data", "data is mandatory"));
    faults.extend(check::not_negative(new, "revision"));
    faults.extend(check::immutable(new, old, "data"));
    faults
}

/// `statefulset.apps/db`, or `<none>`.
fn controller(object: &Value) -> String {
    let owners = meta::list(object, "/metadata/ownerReferences");
    let Some(owner) = owners.iter().find(|owner| super::is_true(owner, "/controller")) else {
        return "<none>".to_owned();
    };
    let group = meta::text(owner, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let (kind, name) = (meta::text(owner, "/kind").to_lowercase(), meta::text(owner, "/name"));
    if group.is_empty() { format!("{kind}/{name}") } else { format!("{kind}.{group}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_names_its_controller_and_keeps_its_data() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "controller": true});
        let old = json!({"metadata": {"ownerReferences": [owner]}, "data": {"a": 1}, "revision": 3});
        assert_eq!(controller(&old), "statefulset.apps/db");
        assert_eq!(controller(&json!({})), "<none>");
        assert_eq!(validate(&old, Some(&old)), []);
        let mut new = old.clone();
        new["data"] = json!({"a": 2});
        assert_eq!(validate(&new, Some(&old))[0].path, "data");
    }
}
