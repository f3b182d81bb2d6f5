//! From a request to its handler: the few fixed paths, then the generic handler.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use http::{Method, Request as HttpRequest};
use spur_api::{Life, Scope, Status, Subresource};

use crate::access::{self, User};
use crate::answer::{self, Answer, Outcome};
use crate::in_flight::{self, Effect, InFlight};
use crate::negotiate;
use crate::path::{self, Target};
use crate::pipeline::Part;
use crate::query::Query;
use crate::request_counts::Asked;
use crate::state::{Parts, State};
use crate::verbs::{self, Request};
use crate::{
    attributes, body, component_status, custom_definitions, discovery, fixed, logs, metrics, own, reviews,
    scale, streams, token_request, unread,
};

/// The API server. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    state: State,
}

/// Where a request comes in, which tells who sends it.
#[derive(Clone)]
enum Door {
    /// From this process, as this user.
    InProcess(Arc<User>),
    /// From a network listener: credentials tell. The server's own names, besides this machine's.
    Network(Arc<[String]>),
}

// === impl Server ===

impl Server {
    /// The server of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { state: State::new(parts) }
    }

    /// From now on `/readyz` says that the end has begun. Everything else goes on until
    /// [`Parts::draining`]: until then, controllers need what they watch.
    pub fn begin_ending(&self) {
        self.state.begin_ending();
    }

    /// The API in process, as this user.
    pub fn acting_as(&self, user: User) -> Router {
        self.router(Door::InProcess(Arc::new(user)))
    }

    /// The API for network listeners: each request is authenticated. `hosts` are names of
    /// this server besides `localhost`, which `Host` may hold.
    pub fn on_network(&self, hosts: &[String]) -> Router {
        self.router(Door::Network(hosts.iter().map(|host| host.to_ascii_lowercase()).collect()))
    }

    fn router(&self, door: Door) -> Router {
        let state = self.state.clone();
        Router::new().fallback(move |request: HttpRequest<Body>| {
            let (state, door) = (state.clone(), door.clone());
            async move { unread::answer(request, |request| guarded(handle(state, door, request))).await }
        })
    }
}

/// A handler that panics fails its own request only.
async fn guarded(handler: impl Future<Output = Answer>) -> Answer {
    // What a handler shares is the parts of `State`, each of which keeps itself whole.
    AssertUnwindSafe(handler).catch_unwind().await.unwrap_or_else(|panic| {
        let what = answer::panic_text(&*panic);
        tracing::error!(panic = what, "a handler panicked: {what}");
        answer::failure(&Status::internal("the handler panicked; the server's log says where"))
    })
}

async fn handle(state: State, door: Door, request: HttpRequest<Body>) -> Answer {
    let written = negotiate::written(request.headers(), request.uri().query().unwrap_or(""));
    let is_of_api = request.uri().path().starts_with("/api");
    let answer = match dispatch(state, door, request).await {
        Ok(answer) => answer,
        Err(status) => {
            if status.code >= 500 {
                tracing::error!(code = status.code, reason = status.reason, "request failed: {status}");
            }
            answer::failure(&status)
        }
    };
    if is_of_api { answer::written(answer, written).await } else { answer }
}

async fn dispatch(state: State, door: Door, request: HttpRequest<Body>) -> Outcome {
    let (parts, body) = request.into_parts();
    let (user, slots) = match door {
        Door::InProcess(user) => (user, None),
        Door::Network(hosts) => (Arc::new(access::enter(&state, &parts, &hosts)?), Some(state.in_flight())),
    };
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or(""));
    let Some(target) = path::parse(&state.kinds(), path) else {
        access::check(&state, &user, &attributes::of_path(&parts.method, path))?;
        let own = path.strip_prefix("/spur/v1/").map(|own| own.split('/').collect::<Vec<_>>());
        if let Some(own) = own {
            return own::answer(&state, &parts, &own, body).boxed().await;
        }
        return fixed::answer(&state, &parts, path, query).unwrap_or_else(|| Err(Status::no_such_path()));
    };
    let query =
        Query::parse(query).map(|query| Query { is_watch: query.is_watch || target.is_watch, ..query });
    let asked = Asked::new(&parts, &target, query.as_ref().unwrap_or(&Query::default()));
    let began = Instant::now();
    // Who shows no credentials makes no series.
    let is_counted = !user.is_anonymous();
    let outcome = match query {
        Ok(query) => of_target(&state, (user, slots), (target, query), parts, body).await,
        Err(status) => Err(status),
    };
    let code = outcome.as_ref().map_or_else(|status| status.code, |answer| answer.status().as_u16());
    if is_counted {
        state.requests().add(asked, code, began.elapsed());
    }
    outcome
}

/// A path that names objects.
async fn of_target(
    state: &State,
    (user, slots): (Arc<User>, Option<&InFlight>),
    (target, query): (Target, Query),
    parts: http::request::Parts,
    body: Body,
) -> Outcome {
    access::check(state, &user, &attributes::of_target(&parts.method, &target, &query))?;
    if let Some(part) = target.subresource.filter(|part| part.is_streamed()) {
        // Whatever the method of the handshake, a command is made (Kubernetes 1.35,
        // `AuthorizePodWebsocketUpgradeCreatePermission`).
        access::check(state, &user, &attributes::of_target(&Method::POST, &target, &query))?;
        return streams::connect(state, (&target, part), parts).boxed().await;
    }
    let is_long_running = in_flight::is_long_running(&target, &query);
    let effect =
        if matches!(parts.method, Method::GET | Method::HEAD) { Effect::Read } else { Effect::Write };
    let slots = slots.filter(|_| !is_long_running);
    let _slot = slots.map(|slots| slots.admit(&user, effect)).transpose()?;
    let time_limit = in_flight::time_limit(&query);
    let answered = async {
        let body = body::read(body).await?;
        let (state, method, headers) = (state.clone(), parts.method, parts.headers);
        generic(&Request { state, method, user, target, query, headers, body }).await
    };
    if is_long_running {
        return answered.await;
    }
    tokio::time::timeout(time_limit, answered).await.unwrap_or_else(|_| Err(in_flight::timed_out()))
}

async fn generic(request: &Request) -> Outcome {
    let allowed = methods(&request.target);
    if !allowed.contains(&request.method.as_str()) {
        return Ok(answer::method_not_allowed(allowed));
    }
    if request.method == Method::GET || !custom_definitions::is_of(request.kind()) {
        return run(request).await;
    }
    write_definition(request.clone()).boxed().await
}

/// Writes a CustomResourceDefinition, in a task of its own: a client that goes away must not
/// leave one that is stored and not served.
async fn write_definition(request: Request) -> Outcome {
    let written = tokio::spawn(async move {
        let _turn = request.state.definitions().lock().await;
        let outcome = run(&request).await;
        custom_definitions::refresh(&request.state).await;
        outcome
    });
    match written.await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(Status::internal("the server stops")),
    }
}

async fn run(request: &Request) -> Outcome {
    let mut answer = verb(request).await?;
    if let Some(warning) = request.kind().deprecation() {
        answer::warn(&mut answer, &[warning.to_owned()]);
    }
    if let Some(warning) = nothing_comes_of(request) {
        answer::warn(&mut answer, &[warning.to_owned()]);
    }
    Ok(answer)
}

/// What to warn of where a write is stored and nothing acts on it, though clients wait for that.
fn nothing_comes_of(request: &Request) -> Option<&'static str> {
    match request.target.subresource.filter(|_| request.method != Method::GET)? {
        Subresource::EphemeralContainers => {
            Some("spec.ephemeralContainers: stored and not run: ephemeral containers are not supported yet")
        }
        Subresource::Resize => {
            Some("spec.containers[*].resources: stored and not enforced: processes run without limits")
        }
        _ => None,
    }
}

fn no_proxy(request: &Request) -> Status {
    let (plural, name) = (request.kind().plural(), request.target.object_name());
    Status::not_supported(format!(
        "{plural}/proxy is not supported yet: \"{name}\" is not reached through the API; reach Services at the entry address that `spur status` shows"
    ))
}

/// What is to be done, in a box of its own size: as one future they would all be as large as the
/// largest, and be moved with every request.
fn verb(request: &Request) -> BoxFuture<'_, Outcome> {
    let is_watch = request.query.is_watch;
    match (request.method.as_str(), request.target.name.is_some(), request.target.subresource) {
        ("GET", true, None) if request.target.is_watch => watch_one(request).boxed(),
        ("GET", ..) if request.kind().group() == "metrics.k8s.io" => metrics::read(request).boxed(),
        ("GET", ..) if request.kind().life() == Life::Observed => {
            ready(component_status::read(request)).boxed()
        }
        (_, true, Some(Subresource::Proxy)) => ready(Err(no_proxy(request))).boxed(),
        ("GET", true, part) if Part::of(part).is_some() => verbs::get::get(request).boxed(),
        ("GET", true, Some(Subresource::Log)) => logs::get(request).boxed(),
        ("GET", true, Some(Subresource::Scale)) => scale::get(request).boxed(),
        ("GET", false, _) if is_watch => verbs::watch::watch(request).boxed(),
        ("GET", false, _) => verbs::list::list(request).boxed(),
        ("POST", true, Some(Subresource::Token)) => ready(token_request::create(request)).boxed(),
        ("POST", true, Some(Subresource::Eviction)) => verbs::evict::evict(request).boxed(),
        ("POST", true, Some(Subresource::Binding)) => verbs::bind::bind(request).boxed(),
        ("POST", ..) if request.kind().kind() == "Binding" => verbs::bind::bind(request).boxed(),
        ("POST", ..) if request.kind().life() == Life::Answered => ready(reviews::create(request)).boxed(),
        ("POST", ..) => verbs::create::create(request).boxed(),
        ("PUT", _, Some(Subresource::Scale)) => scale::put(request).boxed(),
        ("PUT", ..) => verbs::update::update(request).boxed(),
        ("PATCH", _, Some(Subresource::Scale)) => scale::patch(request).boxed(),
        ("PATCH", ..) => verbs::patch::patch(request).boxed(),
        ("DELETE", true, _) => verbs::delete::delete(request).boxed(),
        ("DELETE", false, _) => verbs::delete_collection::delete_collection(request).boxed(),
        _ => ready(Err(Status::no_such_path())).boxed(),
    }
}

/// The methods that a target takes.
pub(crate) fn methods(target: &Target) -> &'static [&'static str] {
    let life = target.kind.life();
    let is_everywhere = target.kind.scope() == Scope::Namespaced && target.namespace.is_none();
    match (&target.name, target.subresource) {
        _ if target.is_watch => &["GET"],
        (None, _) if life == Life::Answered && !is_everywhere => &["POST"],
        _ if life == Life::Answered => &[],
        _ if life == Life::Observed => &["GET"],
        (None, _) if is_everywhere => &["GET"],
        (None, _) if !discovery::has_delete_collection(&target.kind) => &["GET", "POST"],
        (None, _) => &["GET", "POST", "DELETE"],
        (Some(_), None) => &["GET", "PUT", "PATCH", "DELETE"],
        (
            Some(_),
            Some(
                Subresource::Status
                | Subresource::Scale
                | Subresource::Approval
                | Subresource::EphemeralContainers
                | Subresource::Resize,
            ),
        ) => &["GET", "PUT", "PATCH"],
        (Some(_), Some(Subresource::Log)) => &["GET"],
        (Some(_), Some(Subresource::Exec | Subresource::Attach | Subresource::PortForward)) => {
            streams::METHODS
        }
        (Some(_), Some(Subresource::Finalize)) => &["PUT"],
        (Some(_), Some(Subresource::Token | Subresource::Eviction | Subresource::Binding)) => &["POST"],
        (Some(_), Some(Subresource::Proxy)) => &["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
    }
}

async fn watch_one(request: &Request) -> Outcome {
    verbs::watch::watch(&one_object(request)).await
}

/// The old `/watch/…/<name>` is a watch of one object.
fn one_object(request: &Request) -> Request {
    let mut request = request.clone();
    if let Some(name) = request.target.name.take() {
        request.query.field_selector = format!("metadata.name={name}");
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AP-18: the process lives, and the client gets a `Status`.
    #[tokio::test]
    async fn a_handler_that_panics_is_a_500_of_its_own_request() {
        let answer = guarded(async { panic!("on purpose") }).await;
        assert_eq!(answer.status(), http::StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.expect("a body");
        let status: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!((status["kind"].as_str(), status["code"].as_u64()), (Some("Status"), Some(500)));
    }
}
