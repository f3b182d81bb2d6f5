//! What `--for` says: `condition=Ready`, `delete`, `create`, `jsonpath={.a}=b`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use spur_api::jsonpath::JsonPath;
use spur_api::meta;

/// What an object is waited for to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A condition of the status has this status.
    Status {
        /// `Ready`; capitals do not matter, as with `kubectl`.
        type_: String,
        /// `True`; likewise.
        status: String,
    },
    /// It is there.
    There,
    /// It is gone, or another one has taken its name.
    Gone {
        /// The uid of the one that is to go.
        uid: Option<String>,
    },
    /// The text at a path is this, or there is any where it is `None`.
    Path(PathCondition),
}

/// A path and what is to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathCondition {
    path: JsonPath,
    value: Option<String>,
    shown: String,
}

// === impl Condition ===

impl Condition {
    /// `condition=Ready`.
    pub(crate) fn ready() -> Self {
        Self::Status { type_: "Ready".to_owned(), status: "True".to_owned() }
    }

    /// Whether an object, or its absence, is what is waited for.
    pub(crate) fn is_met(&self, object: Option<&Value>) -> bool {
        match (self, object) {
            (Self::Gone { .. }, None) => true,
            (_, None) => false,
            (Self::There, Some(_)) => true,
            (Self::Gone { uid }, Some(object)) => {
                uid.as_deref().is_some_and(|uid| !uid.is_empty() && uid != meta::uid(object))
            }
            (Self::Status { type_, status }, Some(object)) => {
                let found = condition(object, type_);
                found.is_some_and(|found| {
                    is_current(object, found) && meta::text(found, "/status").eq_ignore_ascii_case(status)
                })
            }
            (Self::Path(PathCondition { path, value, .. }), Some(object)) => match value {
                Some(value) => path.text(object) == *value,
                None => path.find(object).iter().any(|found| !found.is_null()),
            },
        }
    }

    /// Whether an object that is not there is waited for.
    pub(crate) fn may_be_absent(&self) -> bool {
        matches!(self, Self::There | Self::Gone { .. })
    }

    /// What an object has instead.
    pub(crate) fn found(&self, object: &Value) -> Option<String> {
        match self {
            Self::Status { type_, .. } => {
                let found = condition(object, type_)?;
                let words = ["/reason", "/message"].map(|field| meta::text(found, field));
                let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
                let status = meta::text(found, "/status");
                let words = words.join(": ").replace('\n', "; ");
                Some(format!("{type_}={status} {words}").trim_end().to_owned())
            }
            Self::Path(PathCondition { path, .. }) => Some(format!("`{}`", path.text(object))),
            Self::There | Self::Gone { .. } => None,
        }
    }
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = meta::list(object, "/status/conditions");
    conditions.iter().find(|found| meta::text(found, "/type").eq_ignore_ascii_case(type_))
}

/// Whether a condition speaks of the object as it is now and not of an older spec.
///
/// Source: `kubectl/pkg/cmd/wait/condition.go`, `checkCondition`.
fn is_current(object: &Value, condition: &Value) -> bool {
    let generation = meta::number(object, "/metadata/generation");
    let observed = meta::number(condition, "/observedGeneration")
        .or_else(|| meta::number(object, "/status/observedGeneration"));
    match (generation, observed) {
        (Some(generation), Some(observed)) => observed >= generation,
        _ => true,
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("condition=") {
            let (type_, status) = rest.split_once('=').unwrap_or((rest, "True"));
            if type_.is_empty() || status.is_empty() {
                return Err("want `condition=TYPE` or `condition=TYPE=STATUS`".to_owned());
            }
            return Ok(Self::Status { type_: type_.to_owned(), status: status.to_owned() });
        }
        if let Some(rest) = text.strip_prefix("jsonpath=") {
            return Ok(Self::Path(PathCondition::parse(rest)?));
        }
        match text {
            "delete" => Ok(Self::Gone { uid: None }),
            "create" => Ok(Self::There),
            _ => {
                Err("want `condition=TYPE[=STATUS]`, `delete`, `create` or `jsonpath={.path}[=VALUE]`"
                    .to_owned())
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { type_, status } if status == "True" => write!(f, "condition {type_}"),
            Self::Status { type_, status } => write!(f, "condition {type_}={status}"),
            Self::There => f.write_str("the creation"),
            Self::Gone { .. } => f.write_str("the deletion"),
            Self::Path(path) => f.write_str(&path.shown),
        }
    }
}

// === impl PathCondition ===

impl PathCondition {
    /// Reads `{.path}` or `{.path}=VALUE`; shells may leave quotes around either.
    fn parse(text: &str) -> Result<Self, String> {
        let (path, value) = match text.rfind('}').map(|end| text.split_at(end + 1)) {
            Some((path, "")) => (path, None),
            Some((path, rest)) => {
                let value = rest.strip_prefix('=').ok_or_else(|| format!("want `=VALUE` after `{path}`"))?;
                (path, Some(value))
            }
            None => text.split_once('=').map_or((text, None), |(path, value)| (path, Some(value))),
        };
        if value == Some("") {
            return Err(format!("want a value after `{path}=`"));
        }
        let shown = text.to_owned();
        Ok(Self { path: JsonPath::parse(path)?, value: value.map(str::to_owned), shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(condition: &str, object: &Value, expected: bool) {
        let condition: Condition = condition.parse().unwrap();
        assert_eq!(condition.is_met(Some(object)), expected, "{condition}");
    }

    #[test]
    fn conditions_are_read_from_the_status() {
        let pod = json!({"status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "x is not ready"},
        ]}});
        check("condition=Ready", &pod, false);
        check("condition=ready=false", &pod, true);
        check("condition=Initialized", &pod, false);
        check("jsonpath={.status.phase}=Running", &pod, true);
        check("jsonpath={.status.phase}=Failed", &pod, false);
        check("jsonpath={.status.phase}", &pod, true);
        check("jsonpath={.status.podIP}", &pod, false);
        check("create", &pod, true);
        check("delete", &pod, false);
        let ready = Condition::ready();
        let expected = "Ready=False ContainersNotReady: x is not ready";
        assert_eq!(ready.found(&pod).as_deref(), Some(expected));
    }

    #[test]
    fn a_status_of_an_older_spec_does_not_count() {
        let mut deployment = json!({
            "metadata": {"generation": 2},
            "status": {"observedGeneration": 1, "conditions": [{"type": "Available", "status": "True"}]},
        });
        check("condition=Available", &deployment, false);
        deployment["status"]["observedGeneration"] = json!(2);
        check("condition=Available", &deployment, true);
    }

    #[test]
    fn another_object_of_the_name_means_the_first_is_gone() {
        let gone = Condition::Gone { uid: Some("1".to_owned()) };
        assert!(gone.is_met(None));
        assert!(!gone.is_met(Some(&json!({"metadata": {"uid": "1"}}))));
        assert!(gone.is_met(Some(&json!({"metadata": {"uid": "2"}}))));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in
            ["", "Ready", "condition=", "condition=a=", "jsonpath=", "jsonpath={.a}x", "jsonpath={.a}="]
        {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
