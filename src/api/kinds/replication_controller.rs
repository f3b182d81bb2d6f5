//! What else of the core group makes pods: ReplicationControllers, and PodTemplates,
//! which only describe them.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::{check, pod_spec};
use crate::meta;
use crate::registry::{Column, Deleted, Kind, Rules, SelectableField, Subresource};
use crate::selector::LabelSelector;

pub(crate) const KIND: Kind = Kind {
    kind: "ReplicationController",
    plural: "replicationcontrollers",
    singular: "replicationcontroller",
    short_names: &["rc"],
    categories: &["all"],
    definition: "io.k8s.api.core.v1.ReplicationController",
    subresources: &[Subresource::Status, Subresource::Scale],
    rules: Rules {
        default,
        validate,
        columns: &[
            Column::integer("Desired"),
            Column::integer("Current"),
            Column::integer("Ready"),
            Column::AGE,
            Column::wide("Containers"),
            Column::wide("Images"),
            Column::wide("Selector"),
        ],
        cells,
        fields: &[SelectableField { label: "status.replicas", pointer: "/status/replicas", absent: "0" }],
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::namespaced("", "v1")
};

pub(crate) const POD_TEMPLATE: Kind = Kind {
    kind: "PodTemplate",
    plural: "podtemplates",
    singular: "podtemplate",
    definition: "io.k8s.api.core.v1.PodTemplate",
    rules: Rules {
        default: |object| pod_spec::default_template_at(object, "/template"),
        validate: |new, _| pod_spec::validate_template_at(new, "template", &["Always", "OnFailure", "Never"]),
        columns: &[Column::text("Containers"), Column::text("Images"), Column::text("Pod Labels")],
        cells: |object| {
            let [names, images] = super::container_cells_at(object, "/template");
            vec![names, images, super::pairs(object.pointer("/template/metadata/labels"))]
        },
        deleted: Deleted::Object,
        has_generation: true,
        ..Rules::PLAIN
    },
    ..Kind::namespaced("", "v1")
};

/// Selector and labels are those of the template where they are left out.
///
/// Source: `pkg/apis/core/v1/defaults.SetDefaults_ReplicationController`.
fn default(object: &mut Value) {
    let labels = object.pointer("/spec/template/metadata/labels").cloned();
    let is_empty =
        |found: Option<&Value>| found.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty);
    if let Some(labels) = labels.filter(|labels| !is_empty(Some(labels))) {
        if is_empty(object.pointer("/spec/selector")) {
            meta::map_at(object, "spec").insert("selector".to_owned(), labels.clone());
        }
        if is_empty(object.pointer("/metadata/labels")) {
            meta::metadata_mut(object).insert("labels".to_owned(), labels);
        }
    }
    meta::set_default(meta::map_at(object, "spec"), "replicas", 1);
    pod_spec::default_template(object);
}

/// Source: `pkg/apis/core/validation.ValidateReplicationControllerSpec`.
fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::not_negative(new, "spec.minReadySeconds"));
    match LabelSelector::from_object(new.pointer("/spec/selector")) {
        None => faults.push(FieldError::required("spec.selector", "")),
        Some(selector) => {
            let labels = new.pointer("/spec/template/metadata/labels");
            if !selector.matches(labels.and_then(Value::as_object)) {
                let shown = labels.cloned().unwrap_or_else(|| json!({}));
                let why = "`selector` does not match template `labels`";
                faults.push(FieldError::invalid("spec.template.metadata.labels", shown, why));
            }
        }
    }
    faults.extend(check::not_negative(new, "spec.replicas"));
    if check::at(new, "spec.template").is_none() {
        faults.push(FieldError::required("spec.template", ""));
        return faults;
    }
    faults.extend(pod_spec::validate_template(new));
    faults
}

fn cells(object: &Value) -> Vec<Value> {
    let [names, images] = super::container_cells(object);
    vec![
        super::count(object, "/spec/replicas"),
        super::count(object, "/status/replicas"),
        super::count(object, "/status/readyReplicas"),
        super::age(object),
        names,
        images,
        super::pairs(object.pointer("/spec/selector")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_left_out_is_the_labels_of_the_template() {
        let mut object = json!({
            "metadata": {"name": "web"},
            "spec": {"template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            }},
        });
        default(&mut object);
        assert_eq!(object["spec"]["selector"], json!({"app": "web"}));
        assert_eq!(object["metadata"]["labels"], json!({"app": "web"}));
        assert_eq!(object["spec"]["replicas"], 1);
        assert_eq!(validate(&object, None), []);
        assert_eq!(cells(&object)[6], "app=web");
        object["spec"]["selector"] = json!({"app": "other"});
        assert_eq!(validate(&object, None)[0].path, "spec.template.metadata.labels");
    }

    #[test]
    fn a_template_shows_what_it_would_make() {
        let object = json!({"template": {
            "metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }});
        assert_eq!((POD_TEMPLATE.rules.cells)(&object), [json!("c"), json!("i"), json!("app=a")]);
    }
}
