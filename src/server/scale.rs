//! `/scale` of workloads: `autoscaling/v1 Scale` over `spec.replicas`.
//!
//! Source: `pkg/registry/apps/deployment/storage`, `ScaleREST`.

use serde_json::{Value, json};
use spur_api::{Status, Subresource, meta};
use spur_schema::FieldError;

use crate::answer::{self, Outcome};
use crate::body::Media;
use crate::object;
use crate::pipeline::Part;
use crate::verbs::{Request, patch as patches, update};

pub(crate) async fn get(request: &Request) -> Outcome {
    check_served(request)?;
    let found =
        object::get(&request.state, request.kind(), request.namespace(), request.target.object_name())?;
    Ok(answer::ok(&scale_of(&found.value)))
}

pub(crate) async fn put(request: &Request, scale: &Value) -> Outcome {
    check_served(request)?;
    let written = update::change(request, Part::Main, |old| scaled(request, old, scale)).await?;
    Ok(answer::ok(&scale_of(&written)))
}

pub(crate) async fn patch(request: &Request, media: Media, patch: &Value) -> Outcome {
    check_served(request)?;
    if !matches!(media, Media::MergePatch | Media::JsonPatch | Media::StrategicPatch) {
        let why = "server-side apply of `scale` is not supported: send a merge patch";
        return Err(Status::new(415, "UnsupportedMediaType", why));
    }
    // A Scale has no lists that merge, so a strategic patch is a merge patch.
    let media = if media == Media::StrategicPatch { Media::MergePatch } else { media };
    let written = update::change(request, Part::Main, |old| {
        let mut scale = scale_of(old);
        patches::run(request, media, &mut scale, patch)?;
        scaled(request, old, &scale)
    })
    .await?;
    Ok(answer::ok(&scale_of(&written)))
}

fn check_served(request: &Request) -> Result<(), Status> {
    if request.kind().has(Subresource::Scale) { Ok(()) } else { Err(Status::no_such_path()) }
}

fn scaled(request: &Request, old: &Value, scale: &Value) -> Result<Value, Status> {
    let replicas = scale.pointer("/spec/replicas").cloned().unwrap_or_else(|| json!(0));
    if replicas.as_u64().is_none_or(|count| count > i32::MAX as u64) {
        let fault = FieldError::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
        return Err(Status::invalid("autoscaling", "Scale", request.target.object_name(), &[fault]));
    }
    let mut new = old.clone();
    let version = meta::resource_version(scale);
    if !version.is_empty() {
        meta::metadata_mut(&mut new).insert("resourceVersion".to_owned(), json!(version));
    }
    meta::map_at(&mut new, "spec").insert("replicas".to_owned(), replicas);
    Ok(new)
}

fn scale_of(object: &Value) -> Value {
    let metadata = |field: &str| object.pointer(&format!("/metadata/{field}")).cloned().unwrap_or_default();
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let mut selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    selector.sort();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata("name"),
            "namespace": metadata("namespace"),
            "uid": metadata("uid"),
            "resourceVersion": metadata("resourceVersion"),
            "creationTimestamp": metadata("creationTimestamp"),
        },
        "spec": {"replicas": meta::number(object, "/spec/replicas").unwrap_or(0)},
        "status": {
            "replicas": meta::number(object, "/status/replicas").unwrap_or(0),
            "selector": selector.join(","),
        },
    })
}
