//! What becomes of a definition: which of its names are free, and whether it is served.
//!
//! Kubernetes has three controllers for it, one write each; here it is settled with the write of
//! the definition itself, so that whoever waits for `Established` has waited already.
//!
//! Source: `apiextensions-apiserver/pkg/controller/status/naming_controller.go`,
//! `controller/establish` and `registry/customresourcedefinition/strategy.go`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::storage_version;
use crate::meta;

/// Names that are taken in a group.
#[derive(Debug, Default)]
struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

/// Settles the names, conditions and stored versions of a definition among the `others` and the
/// bundled kinds.
pub fn settle(definition: &mut Value, others: &[Value]) {
    let taken = Taken::by(others, meta::text(definition, "/spec/group"));
    let (names, accepted) = accept_names(definition, &taken);
    let is_accepted = accepted.is_ok();
    let status = meta::map_at(definition, "status");
    status.insert("acceptedNames".to_owned(), names);
    let (reason, message) = match accepted {
        Ok(()) => ("NoConflicts", "no conflicts found".to_owned()),
        Err((reason, message)) => (reason, message),
    };
    set_condition(definition, "NamesAccepted", is_accepted, reason, &message);
    if is_accepted {
        let message = "the initial names have been accepted";
        set_condition(definition, "Established", true, "InitialNamesAccepted", message);
    } else if condition(definition, "Established").is_none() {
        set_condition(definition, "Established", false, "NotAccepted", "not all names are accepted");
    }
    let stored = storage_version(definition).to_owned();
    let status = meta::map_at(definition, "status");
    let versions = status.entry("storedVersions").or_insert_with(|| json!([]));
    if let Some(versions) = versions.as_array_mut()
        && !stored.is_empty()
        && !versions.iter().any(|version| *version == stored)
    {
        versions.push(json!(stored));
    }
}

/// Whether objects of the definition are served.
pub fn is_established(definition: &Value) -> bool {
    condition(definition, "Established").is_some_and(|condition| condition["status"] == "True")
}

/// Sets a condition; its time changes only with its status.
pub fn set_condition(definition: &mut Value, type_: &str, is_true: bool, reason: &str, message: &str) {
    let status = if is_true { "True" } else { "False" };
    let known = condition(definition, type_);
    let since =
        known.filter(|known| known["status"] == status).map(|known| known["lastTransitionTime"].clone());
    let new = json!({
        "type": type_,
        "status": status,
        "lastTransitionTime": since.unwrap_or_else(|| json!(meta::now())),
        "reason": reason,
        "message": message,
    });
    let conditions = meta::map_at(definition, "status").entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else { return };
    match conditions.iter_mut().find(|condition| condition["type"] == type_) {
        Some(known) => *known = new,
        None => conditions.push(new),
    }
}

fn condition<'a>(definition: &'a Value, type_: &str) -> Option<&'a Value> {
    meta::list(definition, "/status/conditions").iter().find(|condition| condition["type"] == type_)
}

/// The names that the definition has from now on, and the first that it wants and does not get.
fn accept_names(definition: &Value, taken: &Taken) -> (Value, Result<(), (&'static str, String)>) {
    let wanted = definition.pointer("/spec/names").cloned().unwrap_or_default();
    let had = definition.pointer("/status/acceptedNames").cloned().unwrap_or_else(|| json!({}));
    let mut names: Map<String, Value> = had.as_object().cloned().unwrap_or_default();
    let mut outcome = Ok(());
    for (field, set, reason) in [
        ("plural", &taken.resources, "PluralConflict"),
        ("singular", &taken.resources, "SingularConflict"),
        ("shortNames", &taken.resources, "ShortNamesConflict"),
        ("kind", &taken.kinds, "KindConflict"),
        ("listKind", &taken.kinds, "ListKindConflict"),
    ] {
        let texts = |value: &Value| -> Vec<String> {
            match value {
                Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
                other => other.as_str().map(str::to_owned).into_iter().collect(),
            }
        };
        let own = texts(&had[field]);
        let lost: Vec<String> = texts(&wanted[field])
            .into_iter()
            .filter(|name| !own.contains(name) && set.contains(name))
            .map(|name| format!("\"{name}\" is already in use"))
            .collect();
        if lost.is_empty() {
            set_or_remove(&mut names, field, &wanted[field]);
        } else {
            // As upstream, the last conflict found is the one told.
            outcome = Err((reason, lost.join(", ")));
        }
    }
    set_or_remove(&mut names, "categories", &wanted["categories"]);
    // Both have to be there, whatever came of them.
    for field in ["plural", "kind"] {
        names.entry(field).or_insert_with(|| json!(""));
    }
    (Value::Object(names), outcome)
}

fn set_or_remove(map: &mut Map<String, Value>, field: &str, value: &Value) {
    match value {
        Value::Null => drop(map.shift_remove(field)),
        value => drop(map.insert(field.to_owned(), value.clone())),
    }
}

// === impl Taken ===

impl Taken {
    fn by(definitions: &[Value], group: &str) -> Self {
        let mut taken = Self::default();
        for definition in definitions.iter().filter(|other| meta::text(other, "/spec/group") == group) {
            let names = &definition["status"]["acceptedNames"];
            let short = names["shortNames"].as_array().into_iter().flatten();
            let resources = [&names["plural"], &names["singular"]].into_iter().chain(short);
            taken.resources.extend(resources.filter_map(Value::as_str).map(str::to_owned));
            let kinds = [&names["kind"], &names["listKind"]].into_iter();
            taken.kinds.extend(kinds.filter_map(Value::as_str).map(str::to_owned));
        }
        taken.resources.remove("");
        taken.kinds.remove("");
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(plural: &str, kind: &str, short: &[&str]) -> Value {
        json!({"spec": {
            "group": "example.com",
            "names": {"plural": plural, "singular": plural, "kind": kind, "listKind": format!("{kind}List"), "shortNames": short},
            "versions": [{"name": "v1", "served": true, "storage": true}],
        }})
    }

    fn conditions(definition: &Value) -> Vec<String> {
        let all = meta::list(definition, "/status/conditions").iter();
        all.map(|one| {
            format!(
                "{}={} {}",
                meta::text(one, "/type"),
                meta::text(one, "/status"),
                meta::text(one, "/message")
            )
        })
        .collect()
    }

    #[test]
    fn free_names_are_accepted_at_once() {
        let mut new = definition("widgets", "Widget", &["w"]);
        settle(&mut new, &[]);
        assert_eq!(
            conditions(&new),
            [
                "NamesAccepted=True no conflicts found",
                "Established=True the initial names have been accepted"
            ]
        );
        assert_eq!(new["status"]["acceptedNames"], new["spec"]["names"]);
        assert_eq!(new["status"]["storedVersions"], json!(["v1"]));
        assert!(is_established(&new));
    }

    #[test]
    fn taken_names_are_not_and_what_was_served_stays_served() {
        let mut first = definition("widgets", "Widget", &["w"]);
        settle(&mut first, &[]);
        let mut second = definition("gadgets", "Widget", &["w"]);
        settle(&mut second, std::slice::from_ref(&first));
        assert_eq!(
            conditions(&second),
            [
                "NamesAccepted=False \"WidgetList\" is already in use",
                "Established=False not all names are accepted"
            ]
        );
        assert_eq!(second["status"]["acceptedNames"]["plural"], "gadgets");
        let mut third = definition("things", "Thing", &["t"]);
        settle(&mut third, std::slice::from_ref(&first));
        third["spec"]["names"]["shortNames"] = json!(["t", "w"]);
        settle(&mut third, std::slice::from_ref(&first));
        assert!(is_established(&third));
        assert_eq!(third["status"]["acceptedNames"]["shortNames"], json!(["t"]));
        assert_eq!(conditions(&third)[0], "NamesAccepted=False \"w\" is already in use");
    }

    #[test]
    fn versions_that_were_stored_are_remembered() {
        let mut new = definition("widgets", "Widget", &[]);
        settle(&mut new, &[]);
        new["spec"]["versions"] = json!([{"name": "v1"}, {"name": "v2", "storage": true}]);
        settle(&mut new, &[]);
        assert_eq!(new["status"]["storedVersions"], json!(["v1", "v2"]));
    }
}
