//! DELETE of a collection: each object that matches, one by one.

use serde_json::Value;
use spur_api::meta;

use super::{Request, delete, list};
use crate::answer::{self, Outcome};
use crate::object::{self, Found};
use crate::selection::Selection;

pub(crate) async fn delete_collection(request: &Request) -> Outcome {
    let kind = request.kind();
    let options = delete::DeleteOptions::read(request)?;
    let selection = Selection::new(kind, &request.query)?;
    let page = list::read_page(request, &selection)?;
    let metadata = serde_json::json!({"resourceVersion": page.revision.to_string()});
    for value in &page.items {
        let found =
            Found { value: value.clone(), revision: object::revision(meta::resource_version(value))? };
        match delete::once_as_read(request, &options, &found).await {
            Ok(()) => {}
            // Gone or changed meanwhile: what is there now gets its own turn.
            Err(status) if status.code == 404 => {}
            Err(status) if status.reason == "Conflict" => again(request, &options, value).await?,
            Err(status) => return Err(status),
        }
    }
    Ok(answer::ok(&list_of(request, metadata, page.items)))
}

async fn again(
    request: &Request,
    options: &delete::DeleteOptions,
    value: &Value,
) -> Result<(), spur_api::Status> {
    let (namespace, name) = (meta::namespace(value), meta::name(value));
    let Some(found) = object::find(&request.state, request.kind(), Some(namespace), name)? else {
        return Ok(());
    };
    delete::once_as_read(request, options, &found).await
}

fn list_of(request: &Request, metadata: Value, items: Vec<Value>) -> Value {
    let kind = request.kind();
    serde_json::json!({
        "kind": kind.list_kind(),
        "apiVersion": kind.api_version(),
        "metadata": metadata,
        "items": items,
    })
}
