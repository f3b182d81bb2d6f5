//! Service accounts as users: what their tokens claim, and whether it still holds.
//!
//! Source: `pkg/serviceaccount/{claims,util}.go`,
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use spur_api::meta;

use super::identity::ISSUER;
use super::user::User;
use crate::object;
use crate::served::Served;
use crate::state::State;

/// A token to be made.
#[derive(Clone, Debug)]
pub(crate) struct Grant<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) audiences: Vec<String>,
    /// What the token lives and dies with.
    pub(crate) bound: Option<Bound>,
    /// Seconds since 1970.
    pub(crate) issued: i64,
    pub(crate) expires: i64,
}

/// The object that a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    /// `pod`, `secret` or `node`, as the claim is called.
    pub(crate) claim: &'static str,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// The node of a pod.
    pub(crate) node: Option<(String, String)>,
}

/// Where what a token may be bound to is kept: the claim, and the kind's name in paths.
pub(crate) const BOUND_KINDS: [(&str, &str); 3] = [("pod", "pods"), ("secret", "secrets"), (NODE, "nodes")];

/// A claim that stands beside that of a pod, too, whose node it then names.
const NODE: &str = "node";

const PREFIX: &str = "system:serviceaccount:";

/// Namespace and name in a service account's user name.
pub(super) fn split(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix(PREFIX)?
        .split_once(':')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
}

/// The groups of every service account of a namespace.
pub(super) fn groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

/// The user whose claims these are, if they hold now; else why not.
pub(super) fn user(state: &State, claims: &Value) -> Result<User, String> {
    check_times(claims, jiff::Timestamp::now().as_second())?;
    if claims["iss"] != ISSUER {
        return Err("it is of another issuer".to_owned());
    }
    let text = |pointer: &str| meta::text(claims, pointer).to_owned();
    let namespace = text("/kubernetes.io/namespace");
    let (name, uid) = (text("/kubernetes.io/serviceaccount/name"), text("/kubernetes.io/serviceaccount/uid"));
    check_there(state, "serviceaccounts", (&namespace, &name), &uid)?;
    let mut extra = BTreeMap::new();
    let mut tell = |key: &str, value: String| {
        extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
    };
    tell("credential-id", format!("JTI={}", text("/jti")));
    let is_of_pod = claims["kubernetes.io"].get("pod").is_some();
    for (claim, plural) in BOUND_KINDS {
        let Some(bound) = claims["kubernetes.io"].get(claim) else { continue };
        let (name, uid) = (meta::text(bound, "/name"), meta::text(bound, "/uid"));
        // Of a pod's node the pod answers.
        if claim != NODE || !is_of_pod {
            check_there(state, plural, (&namespace, name), uid)?;
        }
        if claim != "secret" {
            tell(&format!("{claim}-name"), name.to_owned());
            tell(&format!("{claim}-uid"), uid.to_owned());
        }
    }
    let name = format!("{PREFIX}{namespace}:{name}");
    let mut user = User::named(name).in_groups(groups(&namespace));
    (user.uid, user.extra) = (uid, extra);
    Ok(user)
}

/// The claims of a token (`pkg/serviceaccount/claims.go`, `Claims`).
pub(crate) fn claims(grant: &Grant<'_>) -> Value {
    let Grant { namespace, name, uid, audiences, bound, issued, expires } = grant;
    let mut private = json!({"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}});
    if let Some(Bound { claim, name, uid, node }) = bound {
        private[*claim] = json!({"name": name, "uid": uid});
        if let Some((name, uid)) = node {
            private[NODE] = json!({"name": name, "uid": uid});
        }
    }
    json!({
        "aud": audiences,
        "exp": expires,
        "iat": issued,
        "iss": ISSUER,
        "jti": uuid::Uuid::new_v4().to_string(),
        "kubernetes.io": private,
        "nbf": issued,
        "sub": format!("{PREFIX}{namespace}:{name}"),
    })
}

fn check_times(claims: &Value, now: i64) -> Result<(), String> {
    let time = |claim: &str| claims[claim].as_i64();
    match (time("nbf"), time("exp")) {
        (Some(from), _) if now < from => Err("it is not valid yet".to_owned()),
        (_, Some(until)) if now >= until => Err("it has expired".to_owned()),
        (_, None) => Err("it does not say when it expires".to_owned()),
        (_, Some(_)) => Ok(()),
    }
}

/// An object made anew under the same name is another, and one that is being deleted has
/// lost its tokens for the time its deletion was asked for (`pkg/serviceaccount/claims.go`).
fn check_there(
    state: &State,
    plural: &str,
    (namespace, name): (&str, &str),
    uid: &str,
) -> Result<(), String> {
    let kind = Served::bundled("", "v1", plural);
    let found = object::find(state, &kind, kind.within(namespace), name).map_err(|status| status.message)?;
    match found {
        Some(found) if meta::text(&found.value, "/metadata/uid") == uid => Ok(()),
        Some(_) => Err(format!("{plural} `{namespace}/{name}` was made anew since")),
        None => Err(format!("{plural} `{namespace}/{name}` is gone")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_the_right_place() {
        assert_eq!(split("system:serviceaccount:shop:default"), Some(("shop", "default")));
        for user in
            ["jane", "system:serviceaccount:", "system:serviceaccount:shop", "system:serviceaccount::x"]
        {
            assert_eq!(split(user), None, "{user}");
        }
    }

    /// ST-11: a token's times are the clock's (RFC 7519), whatever made it jump.
    #[test]
    fn a_token_holds_from_its_first_to_its_last_second() {
        let claims = json!({"nbf": 10, "exp": 20});
        assert!(check_times(&claims, 9).is_err());
        assert!(check_times(&claims, 10).is_ok());
        assert!(check_times(&claims, 19).is_ok());
        assert!(check_times(&claims, 20).is_err());
        assert!(check_times(&json!({}), 20).is_err());
    }
}
