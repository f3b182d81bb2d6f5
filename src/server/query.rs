//! The query parameters of the API, read once and checked.
//!
//! Source: `apimachinery/pkg/apis/meta/v1` (ListOptions, CreateOptions, …) and
//! `apimachinery/pkg/apis/meta/internalversion/validation`.

use std::time::Duration;

use spur_api::Status;
use spur_schema::duration;

/// Everything a request may say in its query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    pub(crate) limit: Option<usize>,
    pub(crate) continue_token: String,
    pub(crate) resource_version: String,
    pub(crate) resource_version_match: String,
    pub(crate) is_watch: bool,
    pub(crate) allow_bookmarks: bool,
    pub(crate) send_initial_events: Option<bool>,
    /// How long a watch lasts.
    pub(crate) timeout: Option<Duration>,
    /// How long the client waits for an answer.
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) is_dry_run: bool,
    pub(crate) field_manager: String,
    pub(crate) field_validation: FieldValidation,
    /// Of an apply alone: take over what others own.
    pub(crate) force: Option<bool>,
    pub(crate) grace_period_seconds: Option<i64>,
    pub(crate) propagation_policy: String,
    pub(crate) orphan_dependents: Option<bool>,
    pub(crate) include_object: String,
    pub(crate) log: LogQuery,
}

/// What to do about unknown and duplicate fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// Drop them without a word.
    Ignore,
    /// Drop them and say so in a `Warning` header.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

/// The parameters of `pods/<name>/log`.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogQuery {
    pub(crate) container: String,
    pub(crate) is_follow: bool,
    pub(crate) tail_lines: Option<i64>,
    pub(crate) since_seconds: Option<i64>,
    pub(crate) since_time: String,
    pub(crate) has_timestamps: bool,
    pub(crate) is_previous: bool,
    pub(crate) limit_bytes: Option<i64>,
}

// === impl Query ===

impl Query {
    /// Reads a query string.
    pub(crate) fn parse(query: &str) -> Result<Self, Status> {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            parsed.read(&name, &value)?;
        }
        Ok(parsed)
    }

    fn read(&mut self, name: &str, value: &str) -> Result<(), Status> {
        match name {
            "labelSelector" => self.label_selector = value.to_owned(),
            "fieldSelector" => self.field_selector = value.to_owned(),
            "limit" => self.limit = limit(number(name, value)?),
            "continue" => self.continue_token = value.to_owned(),
            "resourceVersion" => self.resource_version = value.to_owned(),
            "resourceVersionMatch" => self.resource_version_match = value.to_owned(),
            "watch" => self.is_watch = flag(value),
            "allowWatchBookmarks" => self.allow_bookmarks = flag(value),
            "sendInitialEvents" => self.send_initial_events = Some(flag(value)),
            "timeoutSeconds" => self.timeout = number(name, value)?.map(Duration::from_secs),
            "timeout" => self.request_timeout = request_timeout(value)?,
            "dryRun" => self.is_dry_run |= dry_run(value)?,
            "fieldManager" => self.field_manager = field_manager(value)?,
            "fieldValidation" => self.field_validation = field_validation(value)?,
            "force" => self.force = Some(flag(value)),
            "gracePeriodSeconds" => self.grace_period_seconds = number(name, value)?,
            "propagationPolicy" => self.propagation_policy = value.to_owned(),
            "orphanDependents" => self.orphan_dependents = Some(flag(value)),
            "includeObject" => self.include_object = value.to_owned(),
            _ => self.log.read(name, value)?,
        }
        Ok(())
    }
}

// === impl LogQuery ===

impl LogQuery {
    fn read(&mut self, name: &str, value: &str) -> Result<(), Status> {
        match name {
            "container" => self.container = value.to_owned(),
            "follow" => self.is_follow = flag(value),
            "tailLines" => self.tail_lines = number(name, value)?,
            "sinceSeconds" => self.since_seconds = number(name, value)?,
            "sinceTime" => self.since_time = value.to_owned(),
            "timestamps" => self.has_timestamps = flag(value),
            "previous" => self.is_previous = flag(value),
            "limitBytes" => self.limit_bytes = number(name, value)?,
            // Unknown parameters, such as `pretty`, are ignored, as Kubernetes does.
            _ => {}
        }
        Ok(())
    }
}

/// A parameter that is on or off.
pub(crate) fn flag(value: &str) -> bool {
    // `?watch` and `?watch=` count as true, as Go's conversion has it.
    !matches!(value, "false" | "0" | "False" | "FALSE" | "f" | "F")
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<Option<T>, Status> {
    if value.is_empty() {
        return Ok(None);
    }
    value.parse().map(Some).map_err(|_| {
        Status::bad_request(format!("query parameter `{name}`: `{value}` is no whole number in range"))
    })
}

/// How many objects a page holds; zero and below are no limit (`etcd3/store.go`).
fn limit(asked: Option<i64>) -> Option<usize> {
    asked.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0)
}

/// Source of the words: `endpoints/filters/request_deadline.go`.
fn request_timeout(value: &str) -> Result<Option<Duration>, Status> {
    if value.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        let why = format!("invalid timeout specified in the request URL: `{value}`, want such as `30s`");
        Status::bad_request(why)
    };
    duration::parse(value).map(Some).ok_or_else(invalid)
}

fn dry_run(value: &str) -> Result<bool, Status> {
    match value {
        "All" => Ok(true),
        "" => Ok(false),
        other => Err(Status::bad_request(format!(
            "dryRun: Unsupported value: \"{other}\": supported values: \"All\""
        ))),
    }
}

/// At most 128 printable characters (`metav1/validation.ValidateFieldManager`).
fn field_manager(value: &str) -> Result<String, Status> {
    if value.len() > 128 || value.chars().any(char::is_control) {
        return Err(Status::bad_request(
            "fieldManager: Invalid value: must be at most 128 printable characters",
        ));
    }
    Ok(value.to_owned())
}

fn field_validation(value: &str) -> Result<FieldValidation, Status> {
    match value {
        "" | "Warn" => Ok(FieldValidation::Warn),
        "Ignore" => Ok(FieldValidation::Ignore),
        "Strict" => Ok(FieldValidation::Strict),
        other => Err(Status::bad_request(format!(
            "fieldValidation: Unsupported value: \"{other}\": supported values: \"Ignore\", \"Strict\", \"Warn\""
        ))),
    }
}
