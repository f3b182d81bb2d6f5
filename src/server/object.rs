//! Between values and the store: keys, bytes, and the resourceVersion that is
//! the revision of the last write. A kind that is stored in the shape of another
//! (`Kind::stored`) is converted here, and nowhere else.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use spur_api::{Status, meta};
use spur_store::{Key, ListRange, ReadError, Revision, Store, Stored, WriteError};

use crate::served::Served;
use crate::state::State;

/// An object with the revision that it was read at.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) revision: Revision,
    /// Whether it is stored as it would be stored now.
    pub(crate) is_current: bool,
}

/// The store's name for an object.
pub(crate) fn key(kind: &Served, namespace: Option<&str>, name: &str) -> Key {
    Key::new(&kind.stored_resource(), namespace, name)
}

/// Reads an object; 404 where there is none.
pub(crate) fn get(
    state: &State,
    kind: &Served,
    namespace: Option<&str>,
    name: &str,
) -> Result<Found, Status> {
    found(kind, &stored(state, kind, namespace, name)?)
}

/// An object as it is stored; 404 where there is none.
pub(crate) fn stored(
    state: &State,
    kind: &Served,
    namespace: Option<&str>,
    name: &str,
) -> Result<Stored, Status> {
    let stored = state.store.get(&key(kind, namespace, name)).map_err(|error| unreadable(&error))?;
    stored.ok_or_else(|| Status::not_found(kind.group(), kind.plural(), name))
}

/// Reads an object, where there is one.
pub(crate) fn find(
    state: &State,
    kind: &Served,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Found>, Status> {
    let stored = state.store.get(&key(kind, namespace, name)).map_err(|error| unreadable(&error))?;
    stored.map(|stored| found(kind, &stored)).transpose()
}

/// All objects of a kind that can be read, in the order of their keys.
pub(crate) fn all(store: &Store, kind: &Served) -> Result<Vec<Value>, ReadError> {
    all_in(store, kind, None)
}

/// The same of one namespace; `None` for all.
pub(crate) fn all_in(store: &Store, kind: &Served, namespace: Option<&str>) -> Result<Vec<Value>, ReadError> {
    let range = ListRange { namespace, after: None, limit: None, at: None };
    let listed = store.list(&kind.resource(), range)?;
    let found = listed.items.iter().filter_map(|stored| found(kind, stored).ok());
    Ok(found.map(|found| found.value).collect())
}

/// A stored object as a value of this kind with its resourceVersion.
pub(crate) fn found(kind: &Served, stored: &Stored) -> Result<Found, Status> {
    let (value, is_current) = read(kind, &stored.value, stored.revision)
        .map_err(|error| corrupt(&format!("stored value of `{}` is corrupt: {error}", stored.key)))?;
    Ok(Found { value, revision: stored.revision, is_current })
}

/// Stored bytes as a value of this kind with its resourceVersion.
pub(crate) fn decode(kind: &Served, bytes: &Bytes, revision: Revision) -> Result<Value, serde_json::Error> {
    read(kind, bytes, revision).map(|(value, _)| value)
}

fn read(kind: &Served, bytes: &Bytes, revision: Revision) -> Result<(Value, bool), serde_json::Error> {
    let map: Map<String, Value> = serde_json::from_slice(bytes)?;
    let mut value = Value::Object(map);
    let is_current = kind.is_stored_as(meta::text(&value, "/apiVersion"));
    kind.make_served(&mut value);
    set_resource_version(&mut value, revision);
    Ok((value, is_current))
}

/// A value that cannot be read again: only deleting it helps.
fn corrupt(why: &str) -> Status {
    Status::new(500, CORRUPT, format!("{why}; hint: delete the object, then make it again"))
}

/// Whether a failure says that the stored value is damaged.
pub(crate) fn is_corrupt(status: &Status) -> bool {
    status.reason == CORRUPT
}

/// The reason in a `Status` about a damaged value.
const CORRUPT: &str = "StorageCorrupt";

/// A value as it is stored: in the stored shape, without its resourceVersion, identity first.
pub(crate) fn encode(kind: &Served, value: &Value) -> Bytes {
    let reshaped = (!kind.is_sent_as_stored()).then(|| {
        let mut reshaped = value.clone();
        kind.make_stored(&mut reshaped);
        reshaped
    });
    let stored = AsStored(reshaped.as_ref().unwrap_or(value));
    Bytes::from(serde_json::to_vec(&stored).expect("a JSON value can always be written"))
}

/// An object in the stored shape, to be written without a copy of it.
struct AsStored<'a>(&'a Value);

/// Its `metadata`.
struct MetadataAsStored<'a>(&'a Value);

/// Writes the revision where clients look for it.
pub(crate) fn set_resource_version(value: &mut Value, revision: Revision) {
    meta::metadata_mut(value).insert("resourceVersion".to_owned(), json!(revision.to_string()));
}

/// What stands first in an object: some clients demand `kind` as the first key.
const FIRST: [&str; 3] = ["kind", "apiVersion", "metadata"];

/// `kind`, `apiVersion` and `metadata` first.
pub(crate) fn in_order(value: Value) -> Value {
    let Value::Object(mut map) = value else { return value };
    let mut ordered = Map::with_capacity(map.len());
    for field in FIRST {
        if let Some((field, value)) = map.shift_remove_entry(field) {
            ordered.insert(field, value);
        }
    }
    ordered.extend(map);
    Value::Object(ordered)
}

/// A resourceVersion that a client sent.
pub(crate) fn revision(text: &str) -> Result<Revision, Status> {
    text.parse().map(Revision).map_err(|_| {
        Status::bad_request(format!(
            "Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        ))
    })
}

/// A failed read as the API reports it.
pub(crate) fn unreadable(error: &ReadError) -> Status {
    match error {
        ReadError::Corrupt { .. } => corrupt(&error.to_string()),
        ReadError::Compacted { requested, oldest } => {
            Status::expired(format!("too old resource version: {requested} ({oldest})"))
        }
        ReadError::Future { requested, current } => {
            Status::too_large_resource_version(requested.0, current.0)
        }
        ReadError::Damaged { .. } | ReadError::Io(_) | ReadError::Closed => {
            Status::internal(error.to_string())
        }
    }
}

/// A failed write as the API reports it.
pub(crate) fn unwritten(error: &WriteError, kind: &Served, name: &str) -> Status {
    let (group, plural) = (kind.group(), kind.plural());
    match error {
        WriteError::Conflict { .. } => Status::modified(group, plural, name),
        WriteError::Exists { .. } => Status::already_exists(group, plural, name),
        WriteError::NotFound { .. } => Status::not_found(group, plural, name),
        WriteError::Corrupt { .. } => corrupt(&error.to_string()),
        WriteError::ValueTooLarge { .. } => Status::new(413, "RequestEntityTooLarge", error.to_string()),
        WriteError::KeyTooLong { .. } => Status::bad_request(error.to_string()),
        WriteError::DiskFull { .. } => Status::new(507, "InsufficientStorage", error.to_string()),
        WriteError::NotWritten { .. } | WriteError::Unknown { .. } | WriteError::Closed => {
            Status::internal(error.to_string())
        }
    }
}

// === impl AsStored ===

impl Serialize for AsStored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(object) = self.0 else { return self.0.serialize(serializer) };
        let first = FIRST.into_iter().filter_map(|field| Some((field, object.get(field)?)));
        let rest = object.iter().filter(|(field, _)| !FIRST.contains(&field.as_str()));
        let mut map = serializer.serialize_map(Some(object.len()))?;
        for (field, value) in first {
            match field {
                "metadata" => map.serialize_entry(field, &MetadataAsStored(value))?,
                _ => map.serialize_entry(field, value)?,
            }
        }
        for (field, value) in rest {
            map.serialize_entry(field, value)?;
        }
        map.end()
    }
}

impl Serialize for MetadataAsStored<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Value::Object(metadata) = self.0 else { return self.0.serialize(serializer) };
        serializer.collect_map(metadata.iter().filter(|(field, _)| *field != "resourceVersion"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was when a copy was put in order, and that written.
    #[test]
    fn an_object_is_stored_in_order_and_without_its_resource_version() {
        let kind = Served::bundled("", "v1", "configmaps");
        let object = json!({
            "data": {"b": "1", "a": "2"}, "metadata": {"uid": "u", "resourceVersion": "7", "name": "a"},
            "apiVersion": "v1", "kind": "ConfigMap", "immutable": true,
        });
        let wanted = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"uid":"u","name":"a"},"data":{"b":"1","a":"2"},"immutable":true}"#;
        assert_eq!(encode(&kind, &object), wanted);
    }

    fn told(error: &WriteError) -> (u16, &'static str, String) {
        let kind = Served::bundled("", "v1", "configmaps");
        let status = unwritten(error, &kind, "a");
        (status.code, status.reason, status.message)
    }

    /// ST-3: 507, with what has to be free and what is.
    #[test]
    fn st_3_a_full_disk_is_insufficient_storage() {
        let error = WriteError::DiskFull {
            path: "/data/store".into(),
            wanted_bytes: 16 << 20,
            available_bytes: Some(4_096),
        };
        let (code, reason, message) = told(&error);
        assert_eq!((code, reason), (507, "InsufficientStorage"));
        let wanted = "disk is full at `/data/store`: 16777216 bytes have to be free, 4096 are\nhint: ";
        assert!(message.starts_with(wanted), "{message}");
    }

    /// ST-4: 500, and whether the write may have taken place.
    #[test]
    fn st_4_a_broken_disk_says_whether_the_write_may_have_taken_place() {
        let (key, cause) = (Key::namespaced("configmaps", "default", "a"), "input/output error".into());
        let (code, reason, message) = told(&WriteError::Unknown { key, cause });
        assert_eq!((code, reason), (500, "InternalError"));
        let wanted = "outcome of writing `configmaps/default/a` is unknown, read it back before retrying";
        assert!(message.contains(wanted) && message.contains("input/output error"), "{message}");
        let (key, cause) = (Key::namespaced("configmaps", "default", "a"), "input/output error".into());
        let (code, _, message) = told(&WriteError::NotWritten { key, cause });
        assert_eq!(code, 500);
        assert!(message.contains("nothing was written"), "{message}");
    }
}
