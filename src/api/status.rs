//! `Status`: how the API says what went wrong.
//!
//! Reasons, codes and wording follow Kubernetes' `apimachinery/pkg/api/errors`,
//! since clients compare them.

use serde_json::{Map, Value, json};
use spur_schema::FieldError;

/// A failure as the API reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, such as `NotFound`.
    pub reason: &'static str,
    /// What went wrong, for people.
    pub message: String,
    /// Which object and which fields.
    pub details: Box<Details>,
}

/// The `details` of a [`Status`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The object's name.
    pub name: String,
    /// API group of the resource, empty for the core group.
    pub group: String,
    /// The resource (plural) or, for validation errors, the kind.
    pub kind: String,
    /// The object's uid.
    pub uid: String,
    /// One cause per field at fault.
    pub causes: Vec<Cause>,
    /// When to try again, in seconds.
    pub retry_after_seconds: Option<u32>,
    /// Where a list whose token is too old can go on, as `metadata.continue`; else empty.
    pub continue_token: String,
}

/// One field's fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Kind of fault, such as `FieldValueRequired`.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// Path of the field.
    pub field: String,
}

impl std::error::Error for Status {}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

// === impl Status ===

impl Status {
    /// A failure without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Box::default() }
    }

    /// 404 for an object: `pods "x" not found`.
    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let resource = qualified(group, plural);
        Self::new(404, "NotFound", format!("{resource} \"{name}\" not found")).about(group, plural, name)
    }

    /// 404 for a path that leads nowhere.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// 501 for what is not built yet; `why` says what works in its place.
    pub fn not_supported(why: impl Into<String>) -> Self {
        Self::new(501, "NotImplemented", why)
    }

    /// 409 for a create of what exists.
    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let resource = qualified(group, plural);
        Self::new(409, "AlreadyExists", format!("{resource} \"{name}\" already exists"))
            .about(group, plural, name)
    }

    /// 409 for a write against an old state.
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let resource = qualified(group, plural);
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}"))
            .about(group, plural, name)
    }

    /// 409 for a write whose resourceVersion is not the latest.
    pub fn modified(group: &str, plural: &str, name: &str) -> Self {
        Self::conflict(
            group,
            plural,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 403 for an object.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let resource = qualified(group, plural);
        let object = if name.is_empty() { resource } else { format!("{resource} \"{name}\"") };
        Self::new(403, "Forbidden", format!("{object} is forbidden: {why}")).about(group, plural, name)
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// 410 for a version or a continue token that is too old.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 422 with one cause per field.
    pub fn invalid(group: &str, kind: &str, name: &str, faults: &[FieldError]) -> Self {
        let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let list = match shown.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let kind_name = qualified(group, kind);
        let mut status = Self::new(422, "Invalid", format!("{kind_name} \"{name}\" is invalid: {list}"))
            .about(group, kind, name);
        status.details.causes = faults
            .iter()
            .map(|fault| Cause {
                reason: fault.kind.cause().to_owned(),
                message: fault.body(),
                field: fault.path.clone(),
            })
            .collect();
        status
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {}", message.into()))
    }

    /// 504 for a version that does not exist yet.
    pub fn too_large_resource_version(asked: u64, current: u64) -> Self {
        let mut status =
            Self::new(504, "Timeout", format!("Too large resource version: {asked}, current: {current}"));
        status.details.retry_after_seconds = Some(1);
        status.details.causes.push(Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        });
        status
    }

    /// The same failure with the object it is about.
    #[must_use]
    pub fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        self.details.group = group.to_owned();
        self.details.kind = kind.to_owned();
        self.details.name = name.to_owned();
        self
    }

    /// The same failure with the object's uid.
    #[must_use]
    pub fn with_uid(mut self, uid: &str) -> Self {
        self.details.uid = uid.to_owned();
        self
    }

    /// The failure as the API sends it.
    pub fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        });
        if !self.details.continue_token.is_empty() {
            status["metadata"]["continue"] = json!(self.details.continue_token);
        }
        let details = self.details.to_json();
        // kubectl looks into the details of what was not found, and crashes where there are none
        // (`kubectl debug`, where `pods/ephemeralcontainers` is not served).
        if !details.is_empty() || self.reason == "NotFound" {
            status["details"] = Value::Object(details);
        }
        status["code"] = json!(self.code);
        status
    }
}

/// The answer to a delete that is done: `Success` with the object's identity.
pub fn success(group: &str, plural: &str, name: &str, uid: &str) -> Value {
    let details = Details {
        name: name.to_owned(),
        group: group.to_owned(),
        kind: plural.to_owned(),
        uid: uid.to_owned(),
        ..Details::default()
    };
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details.to_json(),
    })
}

// === impl Details ===

impl Details {
    fn to_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        for (field, text) in
            [("name", &self.name), ("group", &self.group), ("kind", &self.kind), ("uid", &self.uid)]
        {
            if !text.is_empty() {
                map.insert(field.to_owned(), json!(text));
            }
        }
        if !self.causes.is_empty() {
            let causes: Vec<Value> = self.causes.iter().map(Cause::to_json).collect();
            map.insert("causes".to_owned(), Value::Array(causes));
        }
        if let Some(seconds) = self.retry_after_seconds {
            map.insert("retryAfterSeconds".to_owned(), json!(seconds));
        }
        map
    }
}

// === impl Cause ===

impl Cause {
    fn to_json(&self) -> Value {
        let mut cause = json!({"reason": self.reason, "message": self.message});
        if !self.field.is_empty() {
            cause["field"] = json!(self.field);
        }
        cause
    }
}

fn qualified(group: &str, name: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}
