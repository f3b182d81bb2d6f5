//! POST to a collection.

use bytes::Bytes;
use http::StatusCode;
use rand::RngExt;
use serde_json::{Value, json};
use spur_api::{Status, meta};
use spur_schema::apply::{self, Operation};
use spur_store::{Expect, Revision, WriteError};

use super::Request;
use crate::answer::{self, Answer, Outcome};
use crate::negotiate::{self, Form};
use crate::pipeline::Part;
use crate::served::Served;
use crate::splice::Splice;
use crate::{body, custom_definitions, incoming, namespaces, object, pipeline, pod_admission, table};

/// How often a generated name that is taken is drawn again (`registry/store.go`: 8).
const NAME_TRIES: usize = 8;
/// Longest base of a generated name: 63 less the 5 characters added (`storage/names/generate.go`).
const NAME_BASE_MAX: usize = 58;

pub(crate) async fn create(request: &Request) -> Outcome {
    let form = negotiate::form(&request.headers)?;
    let kind = request.kind();
    let mut decoded = body::object(&request.headers, &request.body, &kind.api_version(), kind.kind())?;
    incoming::check_kind(kind, &mut decoded.value)?;
    let mut accepted = incoming::check_fields(kind, decoded, request.query.field_validation)?;
    incoming::check_identity(&request.target, &mut accepted.value)?;
    let sent_version = meta::resource_version(&accepted.value);
    if !matches!(sent_version, "" | "0") {
        return Err(Status::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let created = store_new(request, accepted.value, Operation::Update).await?;
    let mut answer = created.answer(form, kind);
    answer::warn(&mut answer, &accepted.warnings);
    Ok(answer)
}

/// A new object, and what of it was written.
pub(crate) struct Created {
    /// With its resourceVersion, where it was written.
    value: Value,
    /// As it is stored, and the revision of that; `None` after a dry run.
    stored: Option<(Bytes, Revision)>,
}

/// Completes, validates and stores a new object; also how an apply makes one.
pub(crate) async fn store_new(
    request: &Request,
    mut value: Value,
    operation: Operation,
) -> Result<Created, Status> {
    let kind = request.kind();
    pipeline::identify(kind, &mut value);
    if (kind.group(), kind.plural()) == ("certificates.k8s.io", "certificatesigningrequests") {
        say_who_asks(request, &mut value);
    }
    // Nobody owns what the server decides beyond that.
    if operation == Operation::Update {
        value = apply::update(kind.written(), None, value, &request.manager(operation))
            .map_err(|error| Status::bad_request(error.to_string()))?;
    }
    kind.prepare_create(&mut value);
    namespaces::admit_create(&request.state, &request.target, meta::name(&value))?;
    custom_definitions::admit_create(&request.state, kind)?;
    pod_admission::admit_create(&request.state, &request.target, &mut value)?;
    let base = meta::text(&value, "/metadata/generateName").to_owned();
    if !meta::name(&value).is_empty() || base.is_empty() {
        return put_new(request, kind, value).await;
    }
    for _ in 0..NAME_TRIES {
        let mut named = value.clone();
        meta::metadata_mut(&mut named).insert("name".to_owned(), json!(generated(&base)));
        kind.default(&mut named);
        kind.prepare_create(&mut named);
        match put_new(request, kind, named).await {
            Err(status) if status.reason == "AlreadyExists" => {}
            outcome => return outcome,
        }
    }
    let why = format!("unable to generate a unique name from `{base}` in {NAME_TRIES} tries");
    Err(Status::new(409, "AlreadyExists", why))
}

/// A signing request says who made it, whatever was sent (`certificates/strategy.go`,
/// `PrepareForCreate`).
fn say_who_asks(request: &Request, value: &mut Value) {
    let asker = request.user.to_json();
    let Some(spec) = value["spec"].as_object_mut() else { return };
    for field in ["username", "uid", "groups", "extra"] {
        match asker.get(field) {
            Some(known) => spec.insert(field.to_owned(), known.clone()),
            None => spec.remove(field),
        };
    }
}

/// Validates and stores an object that has a name.
async fn put_new(request: &Request, kind: &Served, mut value: Value) -> Result<Created, Status> {
    let state = &request.state;
    pipeline::validate(kind, Part::Main, &value, None)?;
    custom_definitions::settle(state, kind, &mut value);
    let _address = state.addresses().fill_in(&state.store, kind, &mut value)?;
    let _ports = state.node_ports().fill_in(&state.store, kind, &mut value)?;
    let name = meta::name(&value).to_owned();
    if request.query.is_dry_run {
        return match object::find(state, kind, request.namespace(), &name)? {
            Some(_) => Err(Status::already_exists(kind.group(), kind.plural(), &name)),
            None => Ok(Created { value: object::in_order(value), stored: None }),
        };
    }
    custom_definitions::foretell(state, kind, &value, custom_definitions::Fate::Stays);
    let (key, bytes) = (object::key(kind, request.namespace(), &name), object::encode(kind, &value));
    let written = state.store.put(key, Expect::Absent, bytes.clone()).await;
    let revision = written.map_err(|error: WriteError| object::unwritten(&error, kind, &name))?;
    object::set_resource_version(&mut value, revision);
    Ok(Created { value, stored: Some((bytes, revision)) })
}

// === impl Created ===

impl Created {
    /// 201 with the object.
    pub(crate) fn answer(self, form: Form, kind: &Served) -> Answer {
        let sent = |(stored, revision): &(Bytes, Revision)| Splice::new(kind).object(stored, *revision);
        if form == Form::Whole
            && let Some(sent) = self.stored.as_ref().and_then(sent)
        {
            return answer::typed(StatusCode::CREATED, "application/json", sent);
        }
        let value = object::in_order(self.value);
        answer::json(StatusCode::CREATED, &table::in_form(form, kind, value))
    }
}

/// Five characters that spell nothing (`apimachinery/pkg/util/rand`).
pub(crate) fn generated(base: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut name: String = base.chars().take(NAME_BASE_MAX).collect();
    let mut random = rand::rng();
    for _ in 0..5 {
        name.push(char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    }
    name
}
