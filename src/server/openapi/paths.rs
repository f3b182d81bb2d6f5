//! The paths of a kind, with what can be done at each: what discovery says, once more.
//!
//! Source: `apiserver/pkg/endpoints/installer.go` (`registerResourceHandlers`).

use serde_json::{Map, Value, json};
use spur_api::{Scope, Subresource};

use super::operations::{Operation, Reach, Verb};
use super::parameters;
use crate::discovery;
use crate::served::Served;

/// Paths with what can be done at each.
pub(super) type Paths = Map<String, Value>;

/// Methods that make a connection (`streams::METHODS`).
const CONNECT: [&str; 2] = ["get", "post"];
/// Methods that are passed on.
const PROXY: [&str; 7] = ["delete", "get", "head", "options", "patch", "post", "put"];

/// `/api/v1`, `/apis/apps/v1`.
pub(super) fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

/// Adds the paths of a kind.
pub(super) fn add_kind(paths: &mut Paths, kind: &Served) {
    let root = root(kind.group(), kind.version());
    let within = match kind.scope() {
        Scope::Namespaced => "/namespaces/{namespace}",
        Scope::Cluster => "",
    };
    let plural = kind.plural();
    let collection = format!("{root}{within}/{plural}");
    let object = format!("{collection}/{{name}}");
    let verbs = discovery::verbs(kind);
    let add_all = |paths: &mut Paths, path: &str, of: &[(&str, Verb)], reach: Reach| {
        let there = of.iter().filter(|(verb, _)| verbs.contains(verb));
        let operations =
            there.map(|(_, verb)| Operation { verb: *verb, kind, part: None, reach }).collect::<Vec<_>>();
        add(paths, path, &operations);
    };
    let of_collection =
        [("list", Verb::List), ("create", Verb::Create), ("deletecollection", Verb::DeleteCollection)];
    let of_object =
        [("get", Verb::Get), ("update", Verb::Update), ("patch", Verb::Patch), ("delete", Verb::Delete)];
    add_all(paths, &collection, &of_collection, Reach::Here);
    add_all(paths, &object, &of_object, Reach::Here);
    if kind.scope() == Scope::Namespaced {
        add_all(paths, &format!("{root}/{plural}"), &of_collection[..1], Reach::Everywhere);
    }
    for part in kind.subresources() {
        add_part(paths, &object, kind, *part);
    }
    // Documents of custom kinds leave the old paths of watches out, where they are served as well.
    if matches!(kind, Served::Bundled(_)) {
        let (list, one) = ([("watch", Verb::WatchList)], [("watch", Verb::Watch)]);
        add_all(paths, &format!("{root}/watch{within}/{plural}"), &list, Reach::Here);
        add_all(paths, &format!("{root}/watch{within}/{plural}/{{name}}"), &one, Reach::Here);
        if kind.scope() == Scope::Namespaced {
            add_all(paths, &format!("{root}/watch/{plural}"), &list, Reach::Everywhere);
        }
    }
}

fn add_part(paths: &mut Paths, object: &str, kind: &Served, part: Subresource) {
    let path = format!("{object}/{}", part.segment());
    let all = |verbs: &[Verb], reach: Reach| -> Vec<Operation<'_>> {
        verbs.iter().map(|verb| Operation { verb: *verb, kind, part: Some(part), reach }).collect()
    };
    if part == Subresource::Proxy {
        add(paths, &path, &all(&PROXY.map(Verb::Connect), Reach::Here));
        add(paths, &format!("{path}/{{path}}"), &all(&PROXY.map(Verb::Connect), Reach::WithPath));
        return;
    }
    if part.is_streamed() {
        return add(paths, &path, &all(&CONNECT.map(Verb::Connect), Reach::Here));
    }
    let (.., verbs) = discovery::describe(part, kind);
    let known =
        [("create", Verb::Create), ("get", Verb::Get), ("update", Verb::Update), ("patch", Verb::Patch)];
    let there: Vec<Verb> =
        known.into_iter().filter(|(verb, _)| verbs.contains(verb)).map(|(_, verb)| verb).collect();
    add(paths, &path, &all(&there, Reach::Here));
}

/// Adds a path with what can be done there; none where that is nothing.
fn add(paths: &mut Paths, path: &str, operations: &[Operation<'_>]) {
    let Some(first) = operations.first() else { return };
    let (.., subject) = first.subject();
    let mut item: Map<String, Value> =
        operations.iter().map(|operation| (operation.verb.method().to_owned(), operation.json())).collect();
    let parameters = parameters::of_path(path, subject);
    if !parameters.is_empty() {
        item.insert("parameters".to_owned(), json!(parameters));
    }
    paths.insert(path.to_owned(), Value::Object(item));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use spur_api::REGISTRY;

    use super::*;
    use crate::kinds::Kinds;
    use crate::{path, router};

    /// Generators of clients make a function of each (OpenAPI 3.0.3, "Operation Object").
    #[test]
    fn no_two_operations_share_an_id() {
        let mut paths = Paths::new();
        REGISTRY.iter().for_each(|kind| add_kind(&mut paths, &Served::Bundled(kind)));
        let operations = paths.values().filter_map(Value::as_object).flat_map(Map::values);
        let ids: Vec<&str> = operations.filter_map(|operation| operation["operationId"].as_str()).collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(unique.len(), ids.len());
    }

    #[test]
    fn what_is_written_of_a_path_is_what_the_router_takes_there() {
        let kinds = Kinds::bundled();
        let mut paths = Paths::new();
        REGISTRY.iter().for_each(|kind| add_kind(&mut paths, &Served::Bundled(kind)));
        assert!(paths.len() > 300, "{}", paths.len());
        for (template, item) in &paths {
            let path = template.replace("{namespace}", "a").replace("{name}", "b").replace("{path}", "c/d");
            let target = path::parse(&kinds, &path).unwrap_or_else(|| panic!("{template} leads nowhere"));
            let taken: BTreeSet<String> =
                router::methods(&target).iter().map(|method| method.to_string()).collect();
            let methods = item.as_object().expect("a map").keys().filter(|key| *key != "parameters");
            let written: BTreeSet<String> = methods.map(|method| method.to_ascii_uppercase()).collect();
            assert_eq!(written, taken, "{template}");
        }
    }
}
