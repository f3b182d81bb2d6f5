//! From a request to its handler: the few fixed paths, then the generic handler.

use axum::Router;
use axum::body::Body;
use http::{Method, Request as HttpRequest, StatusCode};
use spur_api::{Scope, Status};

use crate::answer::{self, Answer, Outcome};
use crate::path::{self, Target};
use crate::query::Query;
use crate::state::{Parts, State};
use crate::verbs::{self, Request};
use crate::{body, discovery, health, logs, openapi, scale, traces};

/// The API as a service, for a listener and for the embedded client alike.
pub fn router(parts: Parts) -> Router {
    let state = State::new(parts);
    Router::new().fallback(move |request: HttpRequest<Body>| {
        let state = state.clone();
        async move { handle(state, request).await }
    })
}

async fn handle(state: State, request: HttpRequest<Body>) -> Answer {
    match dispatch(state, request).await {
        Ok(answer) => answer,
        Err(status) => {
            if status.code >= 500 {
                tracing::error!(code = status.code, reason = status.reason, "request failed: {status}");
            }
            answer::failure(&status)
        }
    }
}

async fn dispatch(state: State, request: HttpRequest<Body>) -> Outcome {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or("");
    if let Some(outcome) = fixed(&state, &parts, path, query).await {
        return outcome;
    }
    let target = path::parse(path).ok_or_else(Status::no_such_path)?;
    let mut query = Query::parse(query)?;
    query.is_watch |= target.is_watch;
    let body = body::read(body).await?;
    let request = Request { state, target, query, headers: parts.headers, body };
    generic(&parts.method, &request).await
}

/// Paths that name no objects.
async fn fixed(state: &State, parts: &http::request::Parts, path: &str, query: &str) -> Option<Outcome> {
    let headers = &parts.headers;
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let outcome = match segments.as_slice() {
        ["livez" | "healthz"] => Ok(health::livez()),
        ["readyz"] => Ok(health::readyz(state)),
        ["version"] => Ok(health::version()),
        ["api"] => Ok(discovery::core(headers)),
        ["api", version] => discovery::resources(headers, "", version),
        ["apis"] => Ok(discovery::groups(headers)),
        ["apis", group] => discovery::group(headers, group),
        ["apis", group, version] => discovery::resources(headers, group, version),
        ["openapi", "v3"] => Ok(openapi::index(headers)),
        ["openapi", "v3", rest @ ..] => openapi::document(headers, &rest.join("/"), query),
        ["spur", "v1", "traces"] => traces::traces(state, query).await,
        ["spur", "v1", "status"] => traces::status(state).await,
        [] => Ok(roots()),
        _ => return None,
    };
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Some(Err(Status::method_not_allowed()));
    }
    Some(outcome)
}

fn roots() -> Answer {
    let paths = [
        "/api",
        "/apis",
        "/healthz",
        "/livez",
        "/openapi/v3",
        "/readyz",
        "/spur/v1/status",
        "/spur/v1/traces",
        "/version",
    ];
    answer::json(StatusCode::OK, &serde_json::json!({"paths": paths}))
}

async fn generic(method: &Method, request: &Request) -> Outcome {
    let Target { kind, namespace, name, subresource, .. } = &request.target;
    let is_object = name.is_some();
    let needs_namespace = kind.scope == Scope::Namespaced && namespace.is_none();
    match (method.as_str(), is_object, subresource.as_deref()) {
        ("GET", true, None) if request.query.is_watch => verbs::watch::watch(&one_object(request)).await,
        ("GET", true, None) => verbs::get::get(request).await,
        ("GET", true, Some("log")) => logs::get(request).await,
        ("GET", true, Some("scale")) => scale::get(request).await,
        ("GET", true, Some("status")) => {
            verbs::update::part(request)?;
            verbs::get::get(request).await
        }
        ("GET", false, _) if request.query.is_watch => verbs::watch::watch(request).await,
        ("GET", false, _) => verbs::list::list(request).await,
        ("POST", false, _) if !needs_namespace => verbs::create::create(request).await,
        ("PUT", true, _) => verbs::update::update(request).await,
        ("PATCH", true, Some("finalize")) => Err(Status::method_not_allowed()),
        ("PATCH", true, _) => verbs::patch::patch(request).await,
        ("DELETE", true, None) => verbs::delete::delete(request).await,
        ("DELETE", false, _) if !needs_namespace => {
            verbs::delete_collection::delete_collection(request).await
        }
        (_, true, Some(subresource)) if !is_subresource(subresource) => Err(Status::no_such_path()),
        _ => Err(Status::method_not_allowed()),
    }
}

fn is_subresource(name: &str) -> bool {
    matches!(name, "status" | "scale" | "log" | "finalize")
}

/// The old `/watch/…/<name>` is a watch of one object.
fn one_object(request: &Request) -> Request {
    let mut request = request.clone();
    if let Some(name) = request.target.name.take() {
        request.query.field_selector = format!("metadata.name={name}");
    }
    request
}
