//! ConfigMaps and Secrets.

use serde_json::{Value, json};
use spur_schema::FieldError;

use crate::registry::{Column, Kind, Rules, Scope, SelectableField};
use crate::{meta, names};

/// All values of a ConfigMap or Secret together: 1 MiB, as Kubernetes' `MaxSecretSize`.
const MAX_BYTES: u64 = 1024 * 1024;

pub(crate) const CONFIG_MAP: Kind = Kind {
    group: "",
    version: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
    singular: "configmap",
    short_names: &["cm"],
    categories: &[],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.core.v1.ConfigMap",
    subresources: &[],
    rules: Rules {
        validate,
        columns: &[Column::text("Data"), Column::AGE],
        cells: |object| vec![json!(n_keys(object)), super::age(object)],
        acted_on_by: "pod worker, for the environment of containers",
        ..Rules::PLAIN
    },
};

pub(crate) const SECRET: Kind = Kind {
    group: "",
    version: "v1",
    kind: "Secret",
    plural: "secrets",
    singular: "secret",
    short_names: &[],
    categories: &[],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.core.v1.Secret",
    subresources: &[],
    rules: Rules {
        default: default_secret,
        validate,
        columns: &[Column::text("Type"), Column::text("Data"), Column::AGE],
        cells: |object| vec![json!(meta::text(object, "/type")), json!(n_keys(object)), super::age(object)],
        fields: &[SelectableField::new("type", "/type")],
        acted_on_by: "pod worker, for the environment of containers",
        ..Rules::PLAIN
    },
};

/// `stringData` is written into `data` as base64; the type is `Opaque`.
fn default_secret(object: &mut Value) {
    let Some(map) = object.as_object_mut() else { return };
    if let Some(Value::Object(plain)) = map.remove("stringData") {
        let data = meta::map_at(object, "data");
        for (key, value) in plain {
            let text = value.as_str().unwrap_or_default();
            data.insert(key, json!(base64(text.as_bytes())));
        }
    }
    if let Some(map) = object.as_object_mut() {
        meta::set_default(map, "type", "Opaque");
    }
}

fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    let mut total = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in new.get(field).and_then(Value::as_object).into_iter().flatten() {
            total += key.len() + value.as_str().map_or(0, str::len);
            if let Some(message) = names::config_key(key) {
                faults.push(FieldError::invalid(format!("{field}[{key}]"), json!(key), message));
            }
        }
    }
    if total as u64 > MAX_BYTES {
        faults.push(FieldError::too_long("", MAX_BYTES));
    }
    if let Some(old) = old.filter(|old| old.get("immutable") == Some(&Value::Bool(true))) {
        for field in ["data", "binaryData", "immutable"] {
            if new.get(field) != old.get(field) {
                faults.push(FieldError::forbidden(field, "field is immutable when `immutable` is set"));
            }
        }
    }
    if let Some(old) = old.filter(|old| old.get("type") != new.get("type"))
        && old.get("type").is_some()
    {
        faults.push(FieldError::invalid("type", new["type"].clone(), "field is immutable"));
    }
    faults
}

fn n_keys(object: &Value) -> usize {
    let count = |field: &str| object.get(field).and_then(Value::as_object).map_or(0, serde_json::Map::len);
    count("data") + count("binaryData")
}

/// Standard base64 with padding (RFC 4648 section 4).
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let is_padding = index > chunk.len();
            let sextet = (bits >> (18 - 6 * index)) & 0x3f;
            text.push(if is_padding { '=' } else { char::from(ALPHABET[sextet as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_secret_text_becomes_base64_data() {
        let mut secret = json!({"stringData": {"a": "f", "b": "fo", "c": "foo", "d": ""}});
        default_secret(&mut secret);
        assert_eq!(
            secret,
            json!({"data": {"a": "Zg==", "b": "Zm8=", "c": "Zm9v", "d": ""}, "type": "Opaque"})
        );
    }

    #[test]
    fn an_immutable_config_map_keeps_its_data() {
        let old = json!({"immutable": true, "data": {"a": "1"}});
        let new = json!({"immutable": true, "data": {"a": "2"}});
        assert_eq!(validate(&new, Some(&old)).len(), 1);
        assert!(validate(&old, Some(&old)).is_empty());
    }
}
