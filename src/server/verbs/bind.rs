//! POST `pods/<name>/binding`, or `bindings` with the pod's name: what a scheduler does.
//!
//! A pod is bound to the one node when it is made, so that a scheduler always comes too late; it
//! is told so in the words of a cluster where another was faster.
//!
//! Source: `pkg/registry/core/pod/storage/storage.go`, `BindingREST` and `assignPod`.

use serde_json::{Value, json};
use spur_api::kinds::pod::BINDING;
use spur_api::{Status, meta};
use spur_schema::FieldError;

use super::Request;
use crate::answer::Outcome;
use crate::served::Served;
use crate::{object, reviews};

pub(crate) async fn bind(request: &Request) -> Outcome {
    let (binding, _) = reviews::read(request, &Served::Bundled(&BINDING))?;
    let name = request.target.name.as_deref().unwrap_or_else(|| meta::name(&binding));
    let faults = faults(&binding, name);
    if !faults.is_empty() {
        return Err(Status::invalid("", "Binding", name, &faults));
    }
    let pods = Served::bundled("", "v1", "pods");
    let pod = object::get(&request.state, &pods, request.namespace(), name)?.value;
    Err(Status::conflict("", "pods/binding", name, &why_not(&pod)))
}

/// Source: `pkg/apis/core/validation.ValidatePodBinding`.
fn faults(binding: &Value, name: &str) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if name.is_empty() {
        faults.push(FieldError::required("metadata.name", "name or generateName is required"));
    }
    let kind = meta::text(binding, "/target/kind");
    if !matches!(kind, "" | "Node") {
        faults.push(FieldError::not_supported("target.kind", json!(kind), ["Node", "<empty>"]));
    }
    if meta::text(binding, "/target/name").is_empty() {
        faults.push(FieldError::required("target.name", ""));
    }
    faults
}

fn why_not(pod: &Value) -> String {
    let name = meta::name(pod);
    match meta::is_deleting(pod) {
        true => format!("pod {name} is being deleted, cannot be assigned to a host"),
        false => {
            format!("pod {name} is already assigned to node {:?}", meta::text(pod, "/spec/nodeName"))
        }
    }
}
