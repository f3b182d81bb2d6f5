//! Discovery: which resources there are, what they are called and what may be done.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Comparison;
use crate::documents::Documents;
use crate::served::Served;

/// Resources by group version and name.
type Resources = BTreeMap<(String, String), Value>;

pub(crate) fn compare(served: &Served, official: &Documents) -> Comparison {
    let (ours, theirs) = (resources(&served.groups), resources(&official.groups));
    let versions: BTreeSet<&String> = ours.keys().map(|(version, _)| version).collect();
    let mut found = Comparison::default();
    let is_served = |group: &str| served.groups.iter().any(|ours| text(&ours["metadata"], "name") == group);
    for group in official.groups.iter().map(|group| text(&group["metadata"], "name")) {
        found.entry(format!("{group} group"), is_served(&group), true);
    }
    let offered: BTreeSet<&String> = theirs.keys().map(|(version, _)| version).collect();
    for version in offered.into_iter().filter(|version| is_served(version.split('/').next().unwrap_or(""))) {
        found.entry(format!("{version} version"), versions.contains(version), true);
    }
    let is_known = |version: &String| theirs.keys().any(|(known, _)| known == version);
    for version in versions.into_iter().filter(|version| is_known(version)) {
        let of_version = |all: &Resources| -> BTreeMap<String, Value> {
            let found = all.iter().filter(|((found, _), _)| found == version);
            found.map(|((_, name), value)| (name.clone(), value.clone())).collect()
        };
        let (ours, theirs) = (of_version(&ours), of_version(&theirs));
        let both: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in both {
            let place = format!("{version} {name}");
            found.entry(format!("{place} resource"), ours.contains_key(name), theirs.contains_key(name));
            if let (Some(ours), Some(theirs)) = (ours.get(name), theirs.get(name)) {
                entries(&mut found, &place, ours, theirs);
            }
        }
    }
    found
}

fn entries(found: &mut Comparison, place: &str, ours: &Value, theirs: &Value) {
    found.entry(format!("{place} scope"), text(ours, "scope"), text(theirs, "scope"));
    let kind = |resource: &Value| text(&resource["responseKind"], "kind");
    found.entry(format!("{place} kind"), kind(ours), kind(theirs));
    found.entry(format!("{place} verbs"), texts(&ours["verbs"]), texts(&theirs["verbs"]));
    // What is read from paths does not tell other names.
    if theirs.get("singularResource").is_some() {
        let singular = |resource: &Value| text(resource, "singularResource");
        found.entry(format!("{place} singular"), singular(ours), singular(theirs));
        for field in ["shortNames", "categories"] {
            found.entry(format!("{place} {field}"), texts(&ours[field]), texts(&theirs[field]));
        }
    }
    let (ours, theirs) = (subresources(ours), subresources(theirs));
    let both: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in both {
        let described =
            |all: &BTreeMap<String, Value>| all.get(name).map(|one| (kind(one), texts(&one["verbs"])));
        found.entry(format!("{place}/{name} subresource"), described(&ours), described(&theirs));
    }
}

fn resources(groups: &[Value]) -> Resources {
    let mut all = Resources::new();
    for group in groups {
        let name = text(&group["metadata"], "name");
        for version in group["versions"].as_array().unwrap() {
            let of = format!("{name}/{}", text(version, "version"));
            for resource in version["resources"].as_array().unwrap() {
                all.insert((of.clone(), text(resource, "resource")), resource.clone());
            }
        }
    }
    all
}

fn subresources(resource: &Value) -> BTreeMap<String, Value> {
    let all = resource["subresources"].as_array().into_iter().flatten();
    all.map(|one| (text(one, "subresource"), one.clone())).collect()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> BTreeSet<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
