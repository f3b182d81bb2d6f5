//! What a request asks leave for, in the authoriser's words.
//!
//! Source: `apiserver/pkg/endpoints/request/requestinfo.go` and
//! `endpoints/filters/authorization.go`.

use http::Method;

use crate::access::Attributes;
use crate::path::Target;
use crate::query::Query;

/// A request for a path that names no object.
pub(crate) fn of_path(method: &Method, path: &str) -> Attributes {
    Attributes { verb: method.as_str().to_ascii_lowercase(), path: path.to_owned(), ..Attributes::default() }
}

/// A request for objects.
pub(crate) fn of_target(method: &Method, target: &Target, query: &Query) -> Attributes {
    let Target { kind, namespace, name, subresource, is_watch: _ } = target;
    let of_selector =
        || query.field_selector.strip_prefix("metadata.name=").filter(|name| !name.contains(','));
    let is_collection = name.is_none();
    let is_namespace = kind.group().is_empty() && kind.plural() == "namespaces";
    let name = name.clone().or_else(|| of_selector().map(str::to_owned)).unwrap_or_default();
    Attributes {
        verb: verb(method, is_collection, query.is_watch).to_owned(),
        group: kind.group().to_owned(),
        version: kind.version().to_owned(),
        resource: kind.plural().to_owned(),
        subresource: subresource.map(|subresource| subresource.segment().to_owned()).unwrap_or_default(),
        // A namespace is asked for inside itself.
        namespace: if is_namespace { name.clone() } else { namespace.clone().unwrap_or_default() },
        name,
        path: String::new(),
    }
}

pub(crate) fn verb(method: &Method, is_collection: bool, is_watch: bool) -> &'static str {
    match (method.as_str(), is_collection) {
        ("GET" | "HEAD", _) if is_watch => "watch",
        ("GET" | "HEAD", true) => "list",
        ("GET" | "HEAD", false) => "get",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;
    use crate::path;

    fn check(method: Method, path: &str, query: &str, expected: &str) {
        let target = path::parse(&Kinds::bundled(), path).expect("a path that is served");
        let query = Query::parse(query).expect("a query");
        let Attributes { verb, group, resource, subresource, namespace, name, .. } =
            of_target(&method, &target, &query);
        assert_eq!(format!("{verb} {group}|{resource}|{subresource} {namespace}|{name}"), expected, "{path}");
    }

    #[test]
    fn requests_are_told_by_verb_resource_and_name() {
        let pods = "/api/v1/namespaces/shop/pods";
        check(Method::GET, pods, "", "list |pods| shop|");
        check(Method::GET, pods, "watch=true", "watch |pods| shop|");
        check(Method::GET, pods, "watch=1&fieldSelector=metadata.name%3Dweb", "watch |pods| shop|web");
        check(Method::DELETE, pods, "", "deletecollection |pods| shop|");
        check(Method::POST, pods, "", "create |pods| shop|");
        let web = "/api/v1/namespaces/shop/pods/web";
        check(Method::GET, web, "", "get |pods| shop|web");
        check(Method::PATCH, &format!("{web}/status"), "", "patch |pods|status shop|web");
        check(Method::PUT, "/apis/apps/v1/namespaces/a/deployments/b", "", "update apps|deployments| a|b");
        check(Method::GET, "/api/v1/namespaces/shop", "", "get |namespaces| shop|shop");
        check(Method::GET, "/api/v1/nodes", "", "list |nodes| |");
    }
}
