//! `/scale`: `autoscaling/v1 Scale` over `spec.replicas` of workloads, or over what a custom kind
//! names instead.
//!
//! Source: `pkg/registry/apps/deployment/storage`, `ScaleREST`;
//! `apiextensions-apiserver/pkg/registry/customresource/etcd.go`, `ScaleREST`.

use serde_json::{Value, json};
use spur_api::column_descriptions::describe;
use spur_api::{Status, definitions, meta};
use spur_schema::FieldError;

use crate::answer::{self, Outcome};
use crate::body::{self, Media};
use crate::negotiate::{self, Form};
use crate::pipeline::Part;
use crate::served::Served;
use crate::verbs::{Request, patch as patches, update};
use crate::{incoming, object, table};

pub(crate) async fn get(request: &Request) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    table::check_include(form, &request.query.include_object)?;
    let found =
        object::get(&request.state, request.kind(), request.namespace(), request.target.object_name())?;
    let scale = scale_of(request.kind(), &found.value)?;
    Ok(answer::ok(&match form {
        Form::Whole => scale,
        Form::Metadata => table::metadata_only(&scale),
        Form::Table => as_table(&scale, &request.query.include_object),
    }))
}

/// What `kubectl get --subresource=scale` prints.
///
/// Source: `pkg/printers/internalversion/printers.go`, `printScale`.
fn as_table(scale: &Value, include: &str) -> Value {
    let column = |name: &str, type_: &str, format: &str, description: &str| json!({"name": name, "type": type_, "format": format, "description": description, "priority": 0});
    let columns = [
        column("Name", "string", "name", describe("Scale", "Name")),
        column(
            "Desired",
            "integer",
            "",
            "replicas is the desired number of instances for the scaled object.",
        ),
        column(
            "Available",
            "integer",
            "",
            "replicas is the actual number of observed instances of the scaled object.",
        ),
        column("Age", "string", "", describe("Scale", "Age")),
    ];
    let cells = [
        json!(meta::name(scale)),
        scale["spec"]["replicas"].clone(),
        scale["status"]["replicas"].clone(),
        json!(spur_api::kinds::since(meta::text(scale, "/metadata/creationTimestamp"))),
    ];
    let metadata = json!({"resourceVersion": meta::resource_version(scale)});
    table::of_rows(metadata, columns.into(), vec![table::row_of(json!(cells), scale, include)])
}

pub(crate) async fn put(request: &Request) -> Outcome {
    let scale = body::object(&request.headers, &request.body, "autoscaling/v1", "Scale")?.value;
    let written = update::change(request, Part::Main, |old| scaled(request, old, &scale)).await?;
    Ok(answer::ok(&scale_of(request.kind(), &written)?))
}

pub(crate) async fn patch(request: &Request) -> Outcome {
    let media = body::patch_media(&request.headers, request.kind().is_structural())?;
    if media == Media::Apply {
        return apply(request).await;
    }
    let patch = body::decode(media, &request.body)?.value;
    // A Scale has no lists that merge, so a strategic patch is a merge patch.
    let media = if media == Media::StrategicPatch { Media::MergePatch } else { media };
    let written = update::change(request, Part::Main, |old| {
        let mut scale = scale_of(request.kind(), old)?;
        patches::run(request, media, &mut scale, &patch)?;
        scaled(request, old, &scale)
    })
    .await?;
    Ok(answer::ok(&scale_of(request.kind(), &written)?))
}

/// A Scale that is applied is a configuration of what it scales that holds the replicas alone, and
/// its manager owns them there, by this subresource
/// (`apimachinery/pkg/util/managedfields/scalehandler.go`).
async fn apply(request: &Request) -> Outcome {
    let scale = body::decode_object(Media::Apply, &request.body)?.value;
    incoming::check_names_its_kind(&scale)?;
    if scale.pointer("/spec/replicas").is_none() {
        let fault = FieldError::required("spec.replicas", "a scale that is applied says nothing else");
        return Err(Status::invalid("autoscaling", "Scale", request.target.object_name(), &[fault]));
    }
    let kind = request.kind();
    let mut applied = json!({"apiVersion": kind.api_version(), "kind": kind.kind(), "metadata": {}});
    let metadata = meta::metadata_mut(&mut applied);
    metadata.insert("name".to_owned(), json!(request.target.object_name()));
    metadata.extend(request.namespace().map(|namespace| ("namespace".to_owned(), json!(namespace))));
    let applied = scaled(request, &applied, &scale)?;
    let written = patches::apply_to(request, &applied).await?;
    Ok(answer::ok(&scale_of(kind, &written)?))
}

fn scaled(request: &Request, old: &Value, scale: &Value) -> Result<Value, Status> {
    check_scale(request, scale)?;
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
    set_at(&mut new, &request.kind().scale_paths().spec_replicas, replicas);
    Ok(new)
}

/// A Scale has the types of its schema and the name of what it scales.
fn check_scale(request: &Request, scale: &Value) -> Result<(), Status> {
    let schema = definitions::schemas().get(definitions::SCALE).expect("the definitions hold Scale");
    spur_schema::typecheck(schema, scale).map_err(|mismatch| {
        Status::bad_request(format!("Scale in version \"v1\" cannot be handled as a Scale: {mismatch}"))
    })?;
    for (pointer, wanted) in [
        ("/kind", "Scale"),
        ("/apiVersion", "autoscaling/v1"),
        ("/metadata/name", request.target.object_name()),
    ] {
        let found = meta::text(scale, pointer);
        if !found.is_empty() && found != wanted {
            let field = pointer.rsplit('/').next().unwrap_or_default();
            let why = format!("the {field} in the data ({found}) does not match the expected one ({wanted})");
            return Err(Status::bad_request(why));
        }
    }
    Ok(())
}

/// Writes a value at a JSON pointer, making the maps on the way.
fn set_at(object: &mut Value, pointer: &str, value: Value) {
    let mut names: Vec<&str> = pointer.split('/').skip(1).collect();
    let Some(last) = names.pop() else { return };
    let mut place = object;
    for name in names {
        meta::map_at(place, name);
        place = &mut place[name];
    }
    if let Some(map) = place.as_object_mut() {
        map.insert(last.to_owned(), value);
    }
}

fn scale_of(kind: &Served, object: &Value) -> Result<Value, Status> {
    let paths = kind.scale_paths();
    let metadata = |field: &str| object.pointer(&format!("/metadata/{field}")).cloned().unwrap_or_default();
    let replicas = match meta::number(object, &paths.spec_replicas) {
        Some(replicas) => replicas,
        None if kind.is_structural() => {
            let path = paths.spec_replicas.replace('/', ".");
            return Err(Status::internal(format!("the spec replicas field \"{path}\" does not exist")));
        }
        None => 0,
    };
    let selector = match &paths.selector {
        Some(path) => meta::text(object, path).to_owned(),
        None if kind.is_structural() => String::new(),
        None => spur_api::kinds::selector_of_scale(object),
    };
    Ok(json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata("name"),
            "namespace": metadata("namespace"),
            "uid": metadata("uid"),
            "resourceVersion": metadata("resourceVersion"),
            "creationTimestamp": metadata("creationTimestamp"),
        },
        "spec": {"replicas": replicas},
        "status": {
            "replicas": meta::number(object, &paths.status_replicas).unwrap_or(0),
            "selector": selector,
        },
    }))
}
