//! PersistentVolumes and the claims on them.

use serde_json::{Map, Value, json};
use spur_schema::FieldError;

use super::{check, quantities};
use crate::meta;
use crate::registry::{Column, Deleted, Kind, Rules, Subresource};

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// The annotation that named a class before there was a field for it.
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

pub(crate) const VOLUME: Kind = Kind {
    kind: "PersistentVolume",
    plural: "persistentvolumes",
    singular: "persistentvolume",
    short_names: &["pv"],
    definition: "io.k8s.api.core.v1.PersistentVolume",
    subresources: &[Subresource::Status],
    rules: Rules {
        default: default_volume,
        prepare_create: set_pending,
        validate: validate_volume,
        columns: &[
            Column::text("Capacity"),
            Column::text("Access Modes"),
            Column::text("Reclaim Policy"),
            Column::text("Status"),
            Column::text("Claim"),
            Column::text("StorageClass"),
            Column::text("VolumeAttributesClass"),
            Column::text("Reason"),
            Column::AGE,
            Column::wide("VolumeMode"),
        ],
        cells: volume_cells,
        deleted: Deleted::Object,
        ..Rules::PLAIN
    },
    ..Kind::cluster("", "v1")
};

pub(crate) const CLAIM: Kind = Kind {
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    singular: "persistentvolumeclaim",
    short_names: &["pvc"],
    definition: "io.k8s.api.core.v1.PersistentVolumeClaim",
    subresources: &[Subresource::Status],
    rules: Rules {
        default: |object| default_claim(meta::map_at(object, "spec")),
        prepare_create: set_pending,
        validate: validate_claim,
        columns: &[
            Column::text("Status"),
            Column::text("Volume"),
            Column::text("Capacity"),
            Column::text("Access Modes"),
            Column::text("StorageClass"),
            Column::text("VolumeAttributesClass"),
            Column::AGE,
            Column::wide("VolumeMode"),
        ],
        cells: claim_cells,
        deleted: Deleted::Object,
        ..Rules::PLAIN
    },
    ..Kind::namespaced("", "v1")
};

fn set_pending(object: &mut Value) {
    meta::map_at(object, "status").insert("phase".to_owned(), json!("Pending"));
}

/// Source: `pkg/apis/core/v1/defaults.SetDefaults_PersistentVolume`.
fn default_volume(object: &mut Value) {
    quantities::spell_out(object, "/spec/capacity");
    let spec = meta::map_at(object, "spec");
    meta::set_default(spec, "persistentVolumeReclaimPolicy", "Retain");
    meta::set_default(spec, "volumeMode", "Filesystem");
    if let Some(path) = spec.get_mut("hostPath").and_then(Value::as_object_mut) {
        meta::set_default(path, "type", "");
    }
}

/// Fills in a claim's spec, also of a template in a StatefulSet.
///
/// Source: `pkg/apis/core/v1/defaults.SetDefaults_PersistentVolumeClaimSpec`.
pub(crate) fn default_claim(spec: &mut Map<String, Value>) {
    meta::set_default(spec, "volumeMode", "Filesystem");
    if let Some(resources) = spec.get_mut("resources") {
        quantities::spell_out(resources, "/requests");
        quantities::spell_out(resources, "/limits");
    }
}

/// Source: `pkg/apis/core/validation.ValidatePersistentVolumeSpec`.
fn validate_volume(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::required(new, "spec.accessModes", ""));
    faults.extend(check::each_one_of(new, "spec.accessModes", &MODES));
    faults.extend(check::required(new, "spec.capacity", ""));
    if let Some(capacity) = check::at(new, "spec.capacity").filter(|found| found.get("storage").is_none()) {
        let known = ["storage"];
        faults.push(FieldError::not_supported("spec.capacity", capacity.clone(), known));
    }
    let policies = ["Delete", "Recycle", "Retain"];
    faults.extend(check::one_of(new, "spec.persistentVolumeReclaimPolicy", &policies));
    faults.extend(check::one_of(new, "spec.volumeMode", &["Block", "Filesystem"]));
    match sources(new).len() {
        0 => faults.push(FieldError::required("spec", "must specify a volume type")),
        1 => {}
        _ => faults.push(FieldError::forbidden("spec", "may not specify more than 1 volume type")),
    }
    if old.is_some_and(|old| sources(new) != sources(old)) {
        let why = "spec.persistentvolumesource is immutable after creation";
        faults.push(FieldError::forbidden("spec.persistentvolumesource", why));
    }
    faults.extend(check::immutable(new, old, "spec.volumeMode"));
    faults
}

/// What of a volume's spec says where it is: every map that is not about something else.
fn sources(object: &Value) -> Vec<(&String, &Value)> {
    let others = ["capacity", "claimRef", "nodeAffinity"];
    let spec = object.get("spec").and_then(Value::as_object);
    spec.into_iter()
        .flatten()
        .filter(|(field, value)| value.is_object() && !others.contains(&field.as_str()))
        .collect()
}

/// Source: `pkg/apis/core/validation.ValidatePersistentVolumeClaimSpec`.
fn validate_claim(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = check::selector(new, "spec.selector");
    faults.extend(check::required(new, "spec.accessModes", "at least 1 access mode is required"));
    faults.extend(check::each_one_of(new, "spec.accessModes", &MODES));
    let modes = super::texts(new, "/spec/accessModes");
    if modes.contains(&"ReadWriteOncePod") && modes.len() > 1 {
        let why = "may not use ReadWriteOncePod with other access modes";
        faults.push(FieldError::forbidden("spec.accessModes", why));
    }
    faults.extend(check::required(new, "spec.resources.requests.storage", ""));
    faults.extend(check::one_of(new, "spec.volumeMode", &["Block", "Filesystem"]));
    if old.is_some_and(|old| fixed(old) != fixed(new)) {
        let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        faults.push(FieldError::forbidden("spec", why));
    }
    faults
}

/// What of a claim stays: all but its size and class of attributes, and a volume it gets.
fn fixed(object: &Value) -> Value {
    let mut spec = object.get("spec").cloned().unwrap_or_default();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("volumeAttributesClassName");
        spec.remove("volumeName");
        spec.remove("storageClassName");
        if let Some(resources) = spec.get_mut("resources").and_then(Value::as_object_mut) {
            resources.remove("requests");
        }
    }
    spec
}

fn volume_cells(object: &Value) -> Vec<Value> {
    let claim = match meta::text(object, "/spec/claimRef/name") {
        "" => String::new(),
        name => format!("{}/{name}", meta::text(object, "/spec/claimRef/namespace")),
    };
    vec![
        json!(quantities::amount(object, "/spec/capacity", "storage")),
        json!(modes(object, "/spec/accessModes")),
        json!(meta::text(object, "/spec/persistentVolumeReclaimPolicy")),
        json!(phase(object)),
        json!(claim),
        json!(class(object)),
        super::text_or(object, "/spec/volumeAttributesClassName", "<unset>"),
        json!(meta::text(object, "/status/reason")),
        super::age(object),
        super::text_or(object, "/spec/volumeMode", "<unset>"),
    ]
}

fn claim_cells(object: &Value) -> Vec<Value> {
    let volume = meta::text(object, "/spec/volumeName");
    let is_bound = !volume.is_empty();
    let if_bound = |text: String| if is_bound { text } else { String::new() };
    vec![
        json!(phase(object)),
        json!(volume),
        json!(if_bound(quantities::amount(object, "/status/capacity", "storage"))),
        json!(if_bound(modes(object, "/status/accessModes"))),
        json!(class(object)),
        super::text_or(object, "/spec/volumeAttributesClassName", "<unset>"),
        super::age(object),
        super::text_or(object, "/spec/volumeMode", "<unset>"),
    ]
}

fn phase(object: &Value) -> &str {
    if meta::is_deleting(object) { "Terminating" } else { meta::text(object, "/status/phase") }
}

fn class(object: &Value) -> &str {
    let annotations = object.pointer("/metadata/annotations");
    let named = annotations.and_then(|found| found.get(BETA_CLASS)).and_then(Value::as_str);
    named.unwrap_or_else(|| meta::text(object, "/spec/storageClassName"))
}

/// `RWO,ROX`, each once and in this order (`pkg/apis/core/v1/helper.GetAccessModesAsString`).
fn modes(object: &Value, pointer: &str) -> String {
    let found = super::texts(object, pointer);
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let shown: Vec<&str> =
        short.iter().filter(|(mode, _)| found.contains(mode)).map(|(_, short)| *short).collect();
    shown.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Value {
        let mut claim = json!({"spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "fast",
            "resources": {"requests": {"storage": "1Gi"}},
        }});
        (CLAIM.rules.default)(&mut claim);
        set_pending(&mut claim);
        claim
    }

    #[test]
    fn a_claim_keeps_its_spec_but_for_its_size() {
        let old = claim();
        assert_eq!(validate_claim(&old, None), []);
        let mut new = claim();
        new["spec"]["resources"]["requests"]["storage"] = json!("2Gi");
        assert_eq!(validate_claim(&new, Some(&old)), []);
        new["spec"]["accessModes"] = json!(["ReadWriteMany"]);
        assert_eq!(validate_claim(&new, Some(&old))[0].path, "spec");
    }

    #[test]
    fn a_claim_shows_what_it_has_once_it_is_bound() {
        let mut object = claim();
        object["status"] = json!({
            "phase": "Pending", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        });
        let shown = |object: &Value| -> Vec<String> {
            claim_cells(object)[..6].iter().map(|cell| cell.as_str().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(shown(&object), ["Pending", "", "", "", "fast", "<unset>"]);
        object["spec"]["volumeName"] = json!("pv-1");
        object["status"]["phase"] = json!("Bound");
        assert_eq!(shown(&object), ["Bound", "pv-1", "1Gi", "RWO", "fast", "<unset>"]);
    }

    #[test]
    fn a_volume_has_one_source_and_a_size() {
        let mut volume = json!({"spec": {
            "capacity": {"storage": 1024}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/d"},
            "claimRef": {"name": "c", "namespace": "shop"},
        }});
        default_volume(&mut volume);
        assert_eq!(volume["spec"]["capacity"]["storage"], "1024");
        assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
        assert_eq!(validate_volume(&volume, None), []);
        assert_eq!(volume_cells(&volume)[4], "shop/c");
        volume["spec"]["nfs"] = json!({"server": "s", "path": "/"});
        assert_eq!(validate_volume(&volume, None)[0].path, "spec");
    }
}
