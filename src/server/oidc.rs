//! How others verify service account tokens: OpenID Connect discovery.
//!
//! Source: <https://openid.net/specs/openid-connect-discovery-1_0.html>,
//! `apiserver/pkg/server/routes/openidmetadata.go`.

use http::StatusCode;
use serde_json::json;

use crate::access::ISSUER;
use crate::answer::{self, Answer};
use crate::state::State;

/// `/.well-known/openid-configuration`.
pub(crate) fn configuration() -> Answer {
    answer::ok(&json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/openid/v1/jwks"),
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
