//! Acting as somebody else: `kubectl --as`.
//!
//! Source: `apiserver/pkg/endpoints/filters/impersonation.go`.

use std::collections::BTreeMap;

use http::HeaderMap;
use spur_api::Status;

use super::authorize::{Attributes, check};
use super::service_account;
use super::user::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User};
use crate::state::State;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// The user that the headers ask to act as, who may be asked for; else `user`.
pub(super) fn impersonate(state: &State, user: User, headers: &HeaderMap) -> Result<User, Status> {
    let Some(asked) = read(headers)? else { return Ok(user) };
    for wanted in wanted(&asked) {
        check(state, &user, &wanted)?;
    }
    Ok(completed(asked))
}

fn read(headers: &HeaderMap) -> Result<Option<User>, Status> {
    let all = |name: &str| -> Result<Vec<String>, Status> {
        headers.get_all(name).iter().map(|value| utf8(value.as_bytes())).collect()
    };
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            // Keys may hold what header names may not, percent-encoded.
            let key = form_urlencoded::parse(format!("{}=", key.replace('+', "%2B")).as_bytes())
                .next()
                .map_or_else(|| key.to_owned(), |(key, _)| key.into_owned());
            extra.entry(key).or_default().push(utf8(value.as_bytes())?);
        }
    }
    let name = all(USER)?.into_iter().next().unwrap_or_default();
    let groups = all(GROUP)?;
    let uid = all(UID)?.into_iter().next().unwrap_or_default();
    if name.is_empty() {
        if groups.is_empty() && uid.is_empty() && extra.is_empty() {
            return Ok(None);
        }
        let why = "requested impersonating groups, a uid or extra info without impersonating a user";
        return Err(Status::bad_request(why));
    }
    let mut asked = User::named(name).in_groups(groups);
    (asked.uid, asked.extra) = (uid, extra);
    Ok(Some(asked))
}

/// What the one who asks has to be allowed, item by item.
fn wanted(asked: &User) -> Vec<Attributes> {
    let impersonate = |group: &str, resource: &str, name: &str| Attributes {
        verb: "impersonate".to_owned(),
        group: group.to_owned(),
        version: "v1".to_owned(),
        resource: resource.to_owned(),
        name: name.to_owned(),
        ..Attributes::default()
    };
    let mut all = Vec::new();
    match service_account::split(&asked.name) {
        Some((namespace, name)) => all
            .push(Attributes { namespace: namespace.to_owned(), ..impersonate("", "serviceaccounts", name) }),
        None => all.push(impersonate("", "users", &asked.name)),
    }
    all.extend(asked.groups.iter().map(|group| impersonate("", "groups", group)));
    if !asked.uid.is_empty() {
        all.push(impersonate("authentication.k8s.io", "uids", &asked.uid));
    }
    for (key, values) in &asked.extra {
        all.extend(values.iter().map(|value| Attributes {
            subresource: key.clone(),
            ..impersonate("authentication.k8s.io", "userextras", value)
        }));
    }
    all
}

/// The groups that come with a name.
fn completed(mut asked: User) -> User {
    if asked.name == ANONYMOUS {
        asked.groups.push(UNAUTHENTICATED.to_owned());
        return asked;
    }
    if let (Some((namespace, _)), true) = (service_account::split(&asked.name), asked.groups.is_empty()) {
        asked.groups = service_account::groups(namespace);
    }
    if !asked.is_in(AUTHENTICATED) && !asked.is_in(UNAUTHENTICATED) {
        asked.groups.push(AUTHENTICATED.to_owned());
    }
    asked
}

fn utf8(bytes: &[u8]) -> Result<String, Status> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|_| Status::bad_request("an impersonation header is no UTF-8"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn asked(headers: &[(&str, &str)]) -> Result<Option<User>, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                name.parse::<HeaderName>().expect("a name"),
                HeaderValue::from_str(value).expect("a value"),
            );
        }
        read(&map).map_err(|status| status.code)
    }

    #[test]
    fn headers_name_user_groups_and_extras() {
        let user = asked(&[
            ("Impersonate-User", "jane"),
            ("Impersonate-Group", "dev"),
            ("Impersonate-Group", "ops"),
            ("Impersonate-Extra-acme.com%2Fproject", "a"),
            ("Impersonate-Extra-acme.com%2Fproject", "b"),
        ]);
        let user = user.unwrap().unwrap();
        assert_eq!(
            (user.name.as_str(), user.groups.as_slice()),
            ("jane", &["dev".to_owned(), "ops".to_owned()][..])
        );
        assert_eq!(user.extra["acme.com/project"], ["a", "b"]);
        assert_eq!(wanted(&user).len(), 5);
        assert_eq!(completed(user).groups, ["dev", "ops", AUTHENTICATED]);
    }

    #[test]
    fn groups_without_a_user_are_a_mistake() {
        assert_eq!(asked(&[("Impersonate-Group", "dev")]), Err(400));
        assert_eq!(asked(&[]), Ok(None));
    }

    #[test]
    fn a_service_account_brings_its_groups() {
        let user = completed(User::named("system:serviceaccount:shop:default".to_owned()));
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:shop", AUTHENTICATED]);
        let wanted = wanted(&user);
        assert_eq!((wanted[0].resource.as_str(), wanted[0].namespace.as_str()), ("serviceaccounts", "shop"));
    }
}
