//! How others verify service account tokens: OpenID Connect discovery.
//!
//! Source: <https://openid.net/specs/openid-connect-discovery-1_0.html>,
//! `apiserver/pkg/server/routes/openidmetadata.go`.

use http::StatusCode;
use http::request::Parts;
use serde_json::json;

use crate::access::{self, ISSUER};
use crate::answer::{self, Answer};
use crate::state::State;

/// `/.well-known/openid-configuration`. The keys are where the asker has come to: the issuer is a
/// name that only pods know (upstream's default is the server's external address).
pub(crate) fn configuration(parts: &Parts) -> Answer {
    let site = match access::authority(parts) {
        Ok(Some(authority)) => format!("https://{authority}"),
        _ => ISSUER.to_owned(),
    };
    answer::ok(&json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{site}/openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

/// `/openid/v1/jwks`.
pub(crate) fn key_set(state: &State) -> Answer {
    let keys = state.identity.key_set().to_string();
    answer::typed(StatusCode::OK, "application/jwk-set+json", keys)
}
