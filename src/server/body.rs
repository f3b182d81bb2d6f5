//! Request bodies: media types, the size limit, and the step from bytes to a value.

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use spur_api::{Status, protobuf, yaml};
use spur_schema::decode::{self, Decoded};

/// Largest body: 3 MiB, as kube-apiserver's `MaxRequestBodyBytes` (`server/config.go`).
pub(crate) const BODY_MAX_BYTES: usize = 3 * 1024 * 1024;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Yaml,
    JsonPatch,
    MergePatch,
    StrategicPatch,
    Apply,
}

/// Reads the whole body.
pub(crate) async fn read(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, BODY_MAX_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let why = format!("Request entity too large: limit is {BODY_MAX_BYTES}");
            Err(Status::new(413, "RequestEntityTooLarge", why))
        }
        Err(error) => Err(Status::bad_request(format!("failed to read the request's body: {error}"))),
    }
}

/// The media type of a patch.
pub(crate) fn patch_media(headers: &HeaderMap, structural: bool) -> Result<Media, Status> {
    match essence(headers).as_str() {
        "application/json-patch+json" => Ok(Media::JsonPatch),
        "application/merge-patch+json" => Ok(Media::MergePatch),
        "application/strategic-merge-patch+json" if !structural => Ok(Media::StrategicPatch),
        "application/apply-patch+yaml" => Ok(Media::Apply),
        _ if structural => Err(unsupported(&PATCHES[..3])),
        _ => Err(unsupported(&PATCHES)),
    }
}

const OBJECTS: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
    "application/strategic-merge-patch+json",
];

/// A value with what was written twice in it.
pub(crate) fn decode(media: Media, bytes: &Bytes) -> Result<Decoded, Status> {
    match media {
        Media::Yaml | Media::Apply => {
            // kubectl sends JSON under the YAML name for apply, which is read faster as what it is. What
            // begins like JSON and is none may be YAML's flow style.
            if !looks_like_json(bytes) {
                return yaml(bytes);
            }
            decode::json(bytes).or_else(|error| {
                yaml(bytes).map_err(|_| Status::bad_request(format!("error decoding YAML: {error}")))
            })
        }
        Media::Json | Media::JsonPatch | Media::MergePatch | Media::StrategicPatch => {
            decode::json(bytes).map_err(|error| Status::bad_request(error.to_string()))
        }
    }
}

fn yaml(bytes: &Bytes) -> Result<Decoded, Status> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Status::bad_request(format!("the body is no UTF-8: {error}")))?;
    let (value, duplicate) = yaml::document_with_duplicate(text)
        .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
    if decode::is_too_deep(&value) {
        let max = decode::DEPTH_MAX;
        return Err(Status::bad_request(format!("error decoding YAML: nested more than {max} levels deep")));
    }
    Ok(Decoded { value, duplicates: duplicate.into_iter().collect() })
}

/// The object of a write that is no patch; JSON where no media type is given. A protobuf body that
/// does not say of what kind it is, is of `api_version` and `kind`.
///
/// Custom kinds have no protobuf form
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>).
pub(crate) fn object(
    headers: &HeaderMap,
    bytes: &Bytes,
    api_version: &str,
    kind: &str,
) -> Result<Decoded, Status> {
    let has_protobuf = || protobuf::has(api_version, kind);
    match essence(headers).as_str() {
        "" | "application/json" => decode_object(Media::Json, bytes),
        "application/yaml" => decode_object(Media::Yaml, bytes),
        "application/vnd.kubernetes.protobuf" if has_protobuf() => {
            let value = protobuf::decode(bytes, api_version, kind).map_err(|error| {
                let why = format!("the object provided is unrecognized (must be of type {kind}): {error}");
                Status::bad_request(why)
            })?;
            Ok(Decoded { value, duplicates: Vec::new() })
        }
        _ if has_protobuf() => Err(unsupported(&OBJECTS)),
        _ => Err(unsupported(&OBJECTS[..2])),
    }
}

/// An object: a map with what was written twice in it.
pub(crate) fn decode_object(media: Media, bytes: &Bytes) -> Result<Decoded, Status> {
    let decoded = decode(media, bytes)?;
    if decoded.value.is_object() {
        return Ok(decoded);
    }
    let found = match &decoded.value {
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Null => "null",
        Value::Object(_) => "object",
    };
    Err(Status::bad_request(format!("the body is a JSON {found}, want an object")))
}

fn looks_like_json(bytes: &Bytes) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte == b'{')
}

fn essence(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn unsupported(accepted: &[&str]) -> Status {
    let why = format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        accepted.join(", ")
    );
    Status::new(415, "UnsupportedMediaType", why)
}
