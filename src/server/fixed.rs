//! Paths that name no objects: health, version, discovery, OpenAPI, keys, metrics.

use http::request::Parts;
use http::{Method, StatusCode};

use crate::answer::{self, Answer, Outcome};
use crate::state::State;
use crate::{discovery, health, oidc, openapi, own};

/// What stands at a path; `None` where nothing does.
pub(crate) fn answer(state: &State, parts: &Parts, path: &str, query: &str) -> Option<Outcome> {
    let headers = &parts.headers;
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let outcome = match segments.as_slice() {
        [endpoint @ ("livez" | "healthz" | "readyz"), rest @ ..] if rest.len() < 2 => {
            health::answer(state, endpoint, rest.first().copied(), query)?
        }
        ["metrics"] => Ok(metrics_of_requests(state)),
        ["version"] => Ok(health::version()),
        ["api"] => Ok(discovery::core(&state.kinds(), headers)),
        ["api", version] => discovery::resources(&state.kinds(), headers, "", version),
        ["apis"] => Ok(discovery::groups(&state.kinds(), headers)),
        ["apis", group] => discovery::group(&state.kinds(), headers, group),
        ["apis", group, version] => discovery::resources(&state.kinds(), headers, group, version),
        [".well-known", "openid-configuration"] => Ok(oidc::configuration(parts)),
        ["openid", "v1", "jwks"] => Ok(oidc::key_set(state)),
        ["openapi", "v2"] => Ok(openapi::swagger::document(&state.kinds(), headers)),
        ["openapi", "v3"] => Ok(openapi::index(&state.kinds(), headers)),
        ["openapi", "v3", rest @ ..] => openapi::document(&state.kinds(), headers, &rest.join("/"), query),
        [] => Ok(roots()),
        _ => return None,
    };
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Some(Ok(answer::method_not_allowed(&["GET", "HEAD"])));
    }
    Some(outcome)
}

fn metrics_of_requests(state: &State) -> Answer {
    let text = state.requests().text(state.in_flight().under_way(), state.store.stats());
    answer::typed(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
}

fn roots() -> Answer {
    let kubernetes = [
        "/.well-known/openid-configuration",
        "/api",
        "/apis",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openid/v1/jwks",
        "/readyz",
        "/version",
    ];
    let paths: Vec<&str> = kubernetes.into_iter().chain(own::PATHS).collect();
    answer::json(StatusCode::OK, &serde_json::json!({"paths": paths}))
}
