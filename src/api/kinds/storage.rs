//! The `storage.k8s.io` group: classes, drivers and what they have attached.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::registry::{Column, Deleted, Kind, Rules, Subresource};

const GROUP: &str = "storage.k8s.io";
/// Marks the class that claims without one get.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

pub(crate) const STORAGE_CLASS: Kind = Kind {
    kind: "StorageClass",
    plural: "storageclasses",
    singular: "storageclass",
    short_names: &["sc"],
    definition: "io.k8s.api.storage.v1.StorageClass",
    rules: Rules {
        default: |object| {
            if let Some(map) = object.as_object_mut() {
                meta::set_default(map, "reclaimPolicy", "Delete");
                meta::set_default(map, "volumeBindingMode", "Immediate");
            }
        },
        validate: validate_class,
        columns: &[
            Column::NAME,
            Column::text("Provisioner"),
            Column::text("ReclaimPolicy"),
            Column::text("VolumeBindingMode"),
            Column::text("AllowVolumeExpansion"),
            Column::AGE,
        ],
        cells: |object| {
            vec![
                json!(name_of_class(object)),
                json!(meta::text(object, "/provisioner")),
                super::text_or(object, "/reclaimPolicy", "Delete"),
                super::text_or(object, "/volumeBindingMode", "Immediate"),
                json!(super::is_true(object, "/allowVolumeExpansion")),
                super::age(object),
            ]
        },
        deleted: Deleted::Object,
        ..Rules::PLAIN
    },
    ..Kind::cluster(GROUP, "v1")
};

pub(crate) const VOLUME_ATTRIBUTES_CLASS: Kind = Kind {
    kind: "VolumeAttributesClass",
    plural: "volumeattributesclasses",
    singular: "volumeattributesclass",
    short_names: &["vac"],
    definition: "io.k8s.api.storage.v1.VolumeAttributesClass",
    rules: Rules {
        validate: |new, old| {
            let mut faults = Vec::new();
            faults.extend(check::required(new, "driverName", ""));
            let has_any = new.get("parameters").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
            if !has_any {
                let detail = "must contain at least one key/value pair";
                faults.push(FieldError::required("parameters", detail));
            }
            faults.extend(check::immutable(new, old, "driverName"));
            faults.extend(check::immutable(new, old, "parameters"));
            faults
        },
        columns: &[Column::text("DriverName"), Column::AGE],
        cells: |object| vec![json!(meta::text(object, "/driverName")), super::age(object)],
        deleted: Deleted::Object,
        ..Rules::PLAIN
    },
    ..Kind::cluster(GROUP, "v1")
};

pub(crate) const CSI_DRIVER: Kind = Kind {
    kind: "CSIDriver",
    plural: "csidrivers",
    singular: "csidriver",
    definition: "io.k8s.api.storage.v1.CSIDriver",
    rules: Rules {
        default: default_driver,
        validate: validate_driver,
        columns: &[
            Column::boolean("AttachRequired"),
            Column::boolean("PodInfoOnMount"),
            Column::boolean("StorageCapacity"),
            Column::text("TokenRequests"),
            Column::boolean("RequiresRepublish"),
            Column::text("Modes"),
            Column::AGE,
        ],
        cells: driver_cells,
        deleted: Deleted::Object,
        ..Rules::PLAIN
    },
    ..Kind::cluster(GROUP, "v1")
};

pub(crate) const CSI_NODE: Kind = Kind {
    kind: "CSINode",
    plural: "csinodes",
    singular: "csinode",
    definition: "io.k8s.api.storage.v1.CSINode",
    rules: Rules {
        validate: validate_node,
        columns: &[Column::integer("Drivers"), Column::AGE],
        cells: |object| vec![json!(meta::list(object, "/spec/drivers").len()), super::age(object)],
        deleted: Deleted::Object,
        ..Rules::PLAIN
    },
    ..Kind::cluster(GROUP, "v1")
};

pub(crate) const CSI_STORAGE_CAPACITY: Kind = Kind {
    kind: "CSIStorageCapacity",
    plural: "csistoragecapacities",
    singular: "csistoragecapacity",
    definition: "io.k8s.api.storage.v1.CSIStorageCapacity",
    rules: Rules {
        validate: |new, old| {
            let mut faults = check::selector(new, "nodeTopology");
            faults.extend(check::required(new, "storageClassName", ""));
            faults.extend(check::immutable(new, old, "nodeTopology"));
            faults.extend(check::immutable(new, old, "storageClassName"));
            faults
        },
        columns: &[Column::text("StorageClassName"), Column::text("Capacity")],
        cells: |object| {
            let class = json!(meta::text(object, "/storageClassName"));
            vec![class, super::text_or(object, "/capacity", "<unset>")]
        },
        ..Rules::PLAIN
    },
    ..Kind::namespaced(GROUP, "v1")
};

pub(crate) const VOLUME_ATTACHMENT: Kind = Kind {
    kind: "VolumeAttachment",
    plural: "volumeattachments",
    singular: "volumeattachment",
    definition: "io.k8s.api.storage.v1.VolumeAttachment",
    subresources: &[Subresource::Status],
    rules: Rules {
        // A typed client demands it.
        prepare_create: |object| {
            meta::map_at(object, "status").insert("attached".to_owned(), json!(false));
        },
        validate: validate_attachment,
        columns: &[
            Column::text("Attacher"),
            Column::text("PV"),
            Column::text("Node"),
            Column::boolean("Attached"),
            Column::AGE,
        ],
        cells: |object| {
            vec![
                json!(meta::text(object, "/spec/attacher")),
                json!(meta::text(object, "/spec/source/persistentVolumeName")),
                json!(meta::text(object, "/spec/nodeName")),
                json!(super::is_true(object, "/status/attached")),
                super::age(object),
            ]
        },
        deleted: Deleted::Object,
        ..Rules::PLAIN
    },
    ..Kind::cluster(GROUP, "v1")
};

/// Source: `pkg/apis/storage/validation.ValidateStorageClass` and `…Update`.
fn validate_class(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::required(new, "provisioner", ""));
    faults.extend(check::one_of(new, "reclaimPolicy", &["Delete", "Retain"]));
    let modes = ["Immediate", "WaitForFirstConsumer"];
    faults.extend(check::required_one_of(new, "volumeBindingMode", &modes));
    if let Some(old) = old {
        for field in ["parameters", "provisioner", "reclaimPolicy"] {
            if new.get(field) != old.get(field) {
                faults.push(FieldError::forbidden(field, format!("updates to {field} are forbidden.")));
            }
        }
        faults.extend(check::immutable(new, Some(old), "volumeBindingMode"));
    }
    faults
}

fn name_of_class(object: &Value) -> String {
    let annotations = object.pointer("/metadata/annotations");
    let is_default = annotations.and_then(|found| found.get(DEFAULT_CLASS)) == Some(&json!("true"));
    let name = meta::name(object);
    if is_default { format!("{name} (default)") } else { name.to_owned() }
}

/// Source of the values: `pkg/apis/storage/v1/defaults.SetDefaults_CSIDriver`.
fn default_driver(object: &mut Value) {
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "attachRequired", true);
    meta::set_default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    for field in ["podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"] {
        meta::set_default(spec, field, false);
    }
    if spec.get("volumeLifecycleModes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("volumeLifecycleModes".to_owned(), json!(["Persistent"]));
    }
}

/// Source: `pkg/apis/storage/validation.ValidateCSIDriver` and `…Update`.
fn validate_driver(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    faults.extend(check::one_of(new, "spec.fsGroupPolicy", &policies));
    faults.extend(check::each_one_of(new, "spec.volumeLifecycleModes", &["Ephemeral", "Persistent"]));
    faults.extend(check::immutable(new, old, "spec.attachRequired"));
    faults.extend(check::immutable(new, old, "spec.volumeLifecycleModes"));
    faults
}

fn driver_cells(object: &Value) -> Vec<Value> {
    let requests = meta::list(object, "/spec/tokenRequests").iter();
    let audiences: Vec<&str> = requests.map(|request| meta::text(request, "/audience")).collect();
    let or = |texts: Vec<&str>, absent: &str| {
        json!(if texts.is_empty() { absent.to_owned() } else { texts.join(",") })
    };
    vec![
        json!(object.pointer("/spec/attachRequired") != Some(&Value::Bool(false))),
        json!(super::is_true(object, "/spec/podInfoOnMount")),
        json!(super::is_true(object, "/spec/storageCapacity")),
        or(audiences, "<unset>"),
        json!(super::is_true(object, "/spec/requiresRepublish")),
        or(super::texts(object, "/spec/volumeLifecycleModes"), "<none>"),
        super::age(object),
    ]
}

/// Source: `pkg/apis/storage/validation.validateCSINodeDrivers`.
fn validate_node(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (index, driver) in meta::list(new, "/spec/drivers").iter().enumerate() {
        for field in ["name", "nodeID"] {
            if meta::text(driver, &format!("/{field}")).is_empty() {
                faults.push(FieldError::required(format!("spec.drivers[{index}].{field}"), ""));
            }
        }
    }
    faults
}

/// Source: `pkg/apis/storage/validation.ValidateVolumeAttachment` and `…Update`.
fn validate_attachment(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::required(new, "spec.attacher", ""));
    faults.extend(check::required(new, "spec.nodeName", ""));
    let has = |field: &str| check::at(new, &format!("spec.source.{field}")).is_some();
    match (has("persistentVolumeName"), has("inlineVolumeSpec")) {
        (false, false) => {
            let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
            faults.push(FieldError::required("spec.source", detail));
        }
        (true, true) => {
            let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
            faults.push(FieldError::forbidden("spec.source", why));
        }
        _ => {}
    }
    faults.extend(check::immutable(new, old, "spec"));
    faults
}

#[cfg(test)]
mod tests;
