//! Whether a user may do something: asked for every request, and by the access reviews.
//!
//! Source of the attributes: `apiserver/pkg/authorization/authorizer/interfaces.go`; of
//! the words of a refusal: `apiserver/pkg/endpoints/handlers/responsewriters/errors.go`.

use serde_json::{Value, json};
use spur_api::Status;

use super::user::{AUTHENTICATED, User};
use crate::state::State;

/// What somebody wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// `get`, `list`, `watch`, `create`, …; for paths the method in lower case.
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) version: String,
    /// The plural; empty for paths.
    pub(crate) resource: String,
    pub(crate) subresource: String,
    /// Empty for cluster-wide objects and for all namespaces.
    pub(crate) namespace: String,
    /// Empty for collections.
    pub(crate) name: String,
    /// A path that names no object, such as `/version`; empty for resources.
    pub(crate) path: String,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) is_allowed: bool,
    /// Why, for reviews; may be empty.
    pub(crate) reason: String,
}

/// Paths that anybody may read, with what is below them (bootstrap role
/// `system:public-info-viewer`).
const PUBLIC: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// Paths that every authenticated user may read, with what is below them (bootstrap roles
/// `system:discovery` and `system:service-account-issuer-discovery`).
const DISCOVERY: [&str; 5] =
    ["/api", "/apis", "/openapi", "/.well-known/openid-configuration", "/openid/v1/jwks"];

/// What every authenticated user may ask about itself (bootstrap role `system:basic-user`).
const SELF_REVIEWS: [(&str, &str); 3] = [
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
];

/// Decides. RBAC objects are stored and not evaluated yet: besides the administrators'
/// group and our own controllers, users may only discover and ask about themselves.
pub(crate) fn authorize(_state: &State, user: &User, wanted: &Attributes) -> Decision {
    let allowed = |reason: &str| Decision { is_allowed: true, reason: reason.to_owned() };
    if user.is_controller() {
        return allowed("one of spur's own controllers");
    }
    if user.is_administrator() {
        return allowed("");
    }
    let is_reading = matches!(wanted.verb.as_str(), "get" | "head");
    if is_reading && is_below(&PUBLIC, &wanted.path) {
        return allowed("health and version are public");
    }
    if user.is_in(AUTHENTICATED) {
        if is_reading && is_below(&DISCOVERY, &wanted.path) {
            return allowed("discovery is open to every authenticated user");
        }
        let is_self_review =
            SELF_REVIEWS.iter().any(|(group, plural)| wanted.group == *group && wanted.resource == *plural);
        if wanted.verb == "create" && is_self_review {
            return allowed("every authenticated user may ask about itself");
        }
    }
    Decision { is_allowed: false, reason: String::new() }
}

/// What every authenticated user may do, as a review lists it: resources and paths.
pub(crate) fn open_rules() -> (Value, Value) {
    let resources: Vec<Value> = SELF_REVIEWS
        .iter()
        .map(|(group, plural)| json!({"verbs": ["create"], "apiGroups": [group], "resources": [plural]}))
        .collect();
    let paths: Vec<String> =
        PUBLIC.iter().chain(&DISCOVERY).flat_map(|path| [(*path).to_owned(), format!("{path}/*")]).collect();
    (Value::Array(resources), json!([{"verbs": ["get"], "nonResourceURLs": paths}]))
}

/// Whether a path is one of these or below one.
fn is_below(known: &[&str], path: &str) -> bool {
    known
        .iter()
        .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// 403 unless the user may.
pub(crate) fn check(state: &State, user: &User, wanted: &Attributes) -> Result<(), Status> {
    if authorize(state, user, wanted).is_allowed { Ok(()) } else { Err(refusal(user, wanted)) }
}

fn refusal(user: &User, wanted: &Attributes) -> Status {
    let Attributes { verb, group, version: _, resource, subresource, namespace, name, path } = wanted;
    let who = &user.name;
    if !path.is_empty() {
        return Status::new(
            403,
            "Forbidden",
            format!("forbidden: User \"{who}\" cannot {verb} path \"{path}\""),
        );
    }
    let what = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
    let scope = match namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let why = format!("User \"{who}\" cannot {verb} resource \"{what}\" in API group \"{group}\" {scope}");
    Status::forbidden(group, resource, name, &why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list_pods() -> Attributes {
        Attributes {
            verb: "list".to_owned(),
            version: "v1".to_owned(),
            resource: "pods".to_owned(),
            namespace: "shop".to_owned(),
            ..Attributes::default()
        }
    }

    #[test]
    fn refusals_are_worded_as_kubernetes_words_them() {
        let user = User::named("jane".to_owned());
        assert_eq!(
            refusal(&user, &list_pods()).message,
            "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\""
        );
        let logs = Attributes {
            verb: "get".to_owned(),
            name: "web".to_owned(),
            subresource: "log".to_owned(),
            ..list_pods()
        };
        assert_eq!(
            refusal(&user, &logs).message,
            "pods \"web\" is forbidden: User \"jane\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"shop\""
        );
        let nodes = Attributes { resource: "nodes".to_owned(), namespace: String::new(), ..list_pods() };
        assert!(refusal(&user, &nodes).message.ends_with("at the cluster scope"));
        let path = Attributes { verb: "get".to_owned(), path: "/spur".to_owned(), ..Attributes::default() };
        assert_eq!(refusal(&user, &path).message, "forbidden: User \"jane\" cannot get path \"/spur\"");
    }

    #[test]
    fn a_path_below_is_not_one_that_begins_the_same() {
        assert!(is_below(&PUBLIC, "/readyz/store"));
        assert!(!is_below(&PUBLIC, "/readyzzz"));
        assert!(!is_below(&DISCOVERY, "/apis-of-mine"));
    }
}
