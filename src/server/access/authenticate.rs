//! Who sends a request: by the client's certificate, else by a bearer token, else nobody.
//!
//! Source: `apiserver/pkg/authentication/request/{x509,bearertoken,anonymous,union}`.

use http::header::AUTHORIZATION;
use http::request::Parts;
use spur_api::{Status, meta};
use spur_net::{Client, ClientCertificate};

use super::identity::ISSUER;
use super::service_account;
use super::user::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User};
use crate::state::State;

/// The sender. Credentials that are not valid are a 401, also where anonymous requests
/// would pass: whoever shows some wants to be somebody.
pub(super) fn authenticate(state: &State, parts: &Parts) -> Result<User, Status> {
    let client = parts.extensions.get::<Client>().map(Client::named);
    if let Some(Ok(certificate)) = client
        && !certificate.common_name.is_empty()
    {
        let ClientCertificate { common_name, organizations, until: _ } = certificate.clone();
        return Ok(known(User::named(common_name).in_groups(organizations)));
    }
    let Some(value) = parts.headers.get(AUTHORIZATION) else {
        let Some(Err(why)) = client else { return Ok(anonymous()) };
        tracing::debug!(error.message = why, "refused a client's certificate: {why}");
        return Err(unauthorized());
    };
    let token = value.to_str().ok().and_then(bearer).ok_or_else(unauthorized)?;
    of_token(state, token, &[ISSUER]).map(|(user, _)| user).map_err(|why| {
        tracing::debug!(error.message = why, "refused a bearer token: {why}");
        unauthorized()
    })
}

/// Who shows no credentials.
fn anonymous() -> User {
    User::named(ANONYMOUS.to_owned()).in_groups(vec![UNAUTHENTICATED.to_owned()])
}

/// Whose token this is, and for which of these audiences; an error says why it is for none. A token
/// that names no audience is for this server (`authenticator/audagnostic.go`).
pub(crate) fn of_token<'a>(
    state: &State,
    token: &str,
    audiences: &[&'a str],
) -> Result<(User, Vec<&'a str>), String> {
    if state.identity.is_admin_token(token) {
        return Ok((User::admin(), common(audiences, |audience| audience == ISSUER)?));
    }
    let claims = state.identity.verify(token).map_err(|error| error.to_string())?;
    let named = meta::list(&claims, "/aud");
    let common = common(audiences, |audience| named.iter().any(|named| named == audience))?;
    Ok((known(service_account::user(state, &claims)?), common))
}

fn common<'a>(asked: &[&'a str], is_named: impl Fn(&str) -> bool) -> Result<Vec<&'a str>, String> {
    let common: Vec<_> = asked.iter().copied().filter(|audience| is_named(audience)).collect();
    if common.is_empty() { Err("it is for another audience".to_owned()) } else { Ok(common) }
}

fn known(mut user: User) -> User {
    if !user.is_in(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

/// The token of `Bearer <token>` (RFC 6750 2.1; the scheme in any case, RFC 9110 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn unauthorized() -> Status {
    Status::new(401, "Unauthorized", "Unauthorized")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_stands_behind_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for value in ["", "Bearer", "Bearer ", "abc", "Basic abc"] {
            assert_eq!(bearer(value), None, "{value}");
        }
    }
}
