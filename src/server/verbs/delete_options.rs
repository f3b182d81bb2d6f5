//! What a client may say about a delete, in the body or in the query.
//!
//! Source: `apiserver/pkg/endpoints/handlers/delete.go` and
//! `apimachinery/pkg/apis/meta/v1/validation.ValidateDeleteOptions`.

use serde_json::Value;
use spur_api::{Status, definitions, meta};

use super::Request;
use crate::body;

/// What a client may say about a delete.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    /// The object must have this uid.
    pub(crate) uid: Option<String>,
    /// The object must be in this state.
    pub(crate) resource_version: Option<String>,
    /// Seconds that a pod gets to end.
    pub(crate) grace_period_seconds: Option<i64>,
    /// `Background`, `Foreground`, `Orphan`, or empty for what the object says.
    pub(crate) propagation: String,
    pub(crate) is_dry_run: bool,
}

// === impl DeleteOptions ===

impl DeleteOptions {
    /// Reads the options in the query and then those in the body, which win.
    pub(crate) fn read(request: &Request) -> Result<Self, Status> {
        let query = &request.query;
        let mut options = Self {
            uid: None,
            resource_version: None,
            grace_period_seconds: query.grace_period_seconds,
            propagation: String::new(),
            is_dry_run: query.is_dry_run,
        };
        let policy = Some(query.propagation_policy.clone()).filter(|policy| !policy.is_empty());
        options.set_propagation(policy, query.orphan_dependents)?;
        if !request.body.is_empty() {
            let decoded = body::object(&request.headers, &request.body, "v1", "DeleteOptions")?;
            options.read_body(&decoded.value)?;
        }
        options.checked()
    }

    /// The options inside an eviction.
    pub(crate) fn of_eviction(request: &Request, options: &Value) -> Result<Self, Status> {
        let mut read = Self { is_dry_run: request.query.is_dry_run, ..Self::default() };
        if !options.is_null() {
            read.read_body(options)?;
        }
        read.checked()
    }

    fn checked(self) -> Result<Self, Status> {
        let options = self;
        match options.propagation.as_str() {
            "" | "Background" | "Foreground" | "Orphan" => Ok(options),
            other => Err(invalid(&format!(
                "propagationPolicy: Unsupported value: \"{other}\": supported values: \"Background\", \"Foreground\", \"Orphan\""
            ))),
        }
    }

    fn read_body(&mut self, body: &Value) -> Result<(), Status> {
        let schema = definitions::schemas().get(definitions::DELETE_OPTIONS);
        spur_schema::typecheck(schema.expect("the definitions hold DeleteOptions"), body)
            .map_err(|mismatch| Status::bad_request(format!("DeleteOptions cannot be read: {mismatch}")))?;
        let kind = meta::text(body, "/kind");
        if !matches!(kind, "" | "DeleteOptions") {
            let why = format!("the body of a delete is a {kind}, want DeleteOptions or nothing");
            return Err(Status::bad_request(why));
        }
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        self.uid = text("/preconditions/uid");
        self.resource_version = text("/preconditions/resourceVersion");
        self.grace_period_seconds = meta::number(body, "/gracePeriodSeconds").or(self.grace_period_seconds);
        let orphans = body.get("orphanDependents").and_then(Value::as_bool);
        self.set_propagation(text("/propagationPolicy"), orphans)?;
        for stage in meta::list(body, "/dryRun") {
            if stage != "All" {
                return Err(invalid(&format!(
                    "dryRun: Unsupported value: {stage}: supported values: \"All\""
                )));
            }
            self.is_dry_run = true;
        }
        Ok(())
    }

    /// What becomes of dependents, said in the new way or the old; without a word it stays.
    fn set_propagation(&mut self, policy: Option<String>, orphans: Option<bool>) -> Result<(), Status> {
        match (policy, orphans) {
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "orphanDependents and propagationPolicy: Forbidden: they may not be set together",
                ));
            }
            (Some(policy), None) => self.propagation = policy,
            (None, Some(true)) => "Orphan".clone_into(&mut self.propagation),
            (None, Some(false)) => "Background".clone_into(&mut self.propagation),
            (None, None) => {}
        }
        Ok(())
    }

    /// Whether a write that comes between changes nothing about the delete.
    pub(crate) fn is_unconditional(&self) -> bool {
        self.resource_version.is_none()
    }

    /// Whether any state of any object of the name is meant.
    pub(crate) fn has_no_preconditions(&self) -> bool {
        self.resource_version.is_none() && self.uid.is_none()
    }

    /// Holds the preconditions against an object.
    pub(crate) fn check_preconditions(&self, request: &Request, object: &Value) -> Result<(), Status> {
        let kind = request.kind();
        let conflict = |why: String| Status::conflict(kind.group(), kind.plural(), meta::name(object), &why);
        if let Some(uid) = self.uid.as_deref().filter(|uid| *uid != meta::uid(object)) {
            let found = meta::uid(object);
            return Err(conflict(format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
            )));
        }
        let found = meta::resource_version(object);
        if let Some(version) = self.resource_version.as_deref().filter(|version| *version != found) {
            return Err(conflict(format!(
                "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {found}"
            )));
        }
        Ok(())
    }
}

fn invalid(why: &str) -> Status {
    Status::new(422, "Invalid", format!("DeleteOptions.meta.k8s.io \"\" is invalid: {why}"))
}
