//! ComponentStatuses, made whenever they are read. There is one: the store. What else a control
//! plane has is this process.
//!
//! Source: `pkg/registry/core/componentstatus/rest.go`.

use serde_json::{Value, json};
use spur_api::Status;

use crate::answer::{self, Outcome};
use crate::selection::Selection;
use crate::state::State;
use crate::verbs::{Request, list};
use crate::{health, negotiate, table};

/// All of them, or the one that is asked for.
pub(crate) fn read(request: &Request) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    let kind = request.kind();
    let all = [store(&request.state)];
    if let Some(name) = &request.target.name {
        let found = all.into_iter().find(|one| one["metadata"]["name"] == **name);
        let found = found.ok_or_else(|| Status::not_found(kind.group(), kind.plural(), name))?;
        return Ok(answer::ok(&table::in_form(form, kind, found)));
    }
    if request.query.is_watch {
        return Ok(answer::method_not_allowed(&["GET"]));
    }
    let selection = Selection::new(kind, &request.query)?;
    let items: Vec<Value> = all.into_iter().filter(|one| selection.matches(one)).collect();
    Ok(answer::ok(&list::in_form(form, request, json!({"resourceVersion": ""}), items)))
}

fn store(state: &State) -> Value {
    let condition = match health::store_fault(state) {
        None => json!({"type": "Healthy", "status": "True", "message": "ok"}),
        Some(fault) => json!({"type": "Healthy", "status": "False", "error": fault}),
    };
    json!({
        "kind": "ComponentStatus", "apiVersion": "v1",
        "metadata": {"name": "store", "creationTimestamp": null},
        "conditions": [condition],
    })
}
