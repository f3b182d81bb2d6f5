//! A server over a store in memory, and a client that says what it wants.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, BodyDataStream};
use futures::StreamExt;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Map, Value, json};
use spur_net::ClientCertificate;
use spur_runtime::{FakeRuntime, Runtime, Runtimes};
use spur_store::{Options, Store};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::{Identity, Parts, Server, User, bootstrap};

/// How long a test waits for what has to come.
const DEADLINE: Duration = Duration::from_secs(10);

pub(super) struct World {
    router: Router,
    pub(super) server: Server,
    pub(super) store: Arc<Store>,
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// A watch that is being read.
pub(super) struct Events {
    body: BodyDataStream,
    buffer: Vec<u8>,
}

pub(super) async fn world() -> World {
    world_with(Options::default()).await
}

pub(super) async fn world_with(options: Options) -> World {
    over(Arc::new(Store::in_memory(options))).await
}

/// A server over a store that is there already.
pub(super) async fn over(store: Arc<Store>) -> World {
    with(store, Arc::new(FakeRuntime::new()), CancellationToken::new()).await
}

/// A server over a store and a runtime, until it drains.
pub(super) async fn with(store: Arc<Store>, runtime: Arc<dyn Runtime>, draining: CancellationToken) -> World {
    bootstrap(&store).await.expect("the first namespaces can be made");
    let (_collector, traces) = spur_trace::collector(Vec::new(), spur_trace::Limits::default());
    let (_facts_tx, facts) = tokio::sync::watch::channel(Map::new());
    let server = Server::new(Parts {
        store: store.clone(),
        runtimes: Runtimes::only(runtime),
        identity: Arc::new(Identity::generate().expect("random numbers")),
        table: Arc::default(),
        traces,
        logs: spur_trace::Logs::default(),
        redaction: Arc::default(),
        entry: ([127, 0, 0, 1], 0).into(),
        facts,
        routes: tokio::sync::watch::channel(0).1,
        ejected: std::sync::Arc::new(Vec::new),
        telemetry: std::sync::Arc::new(|| serde_json::Value::Null),
        draining,
    });
    World { router: server.acting_as(User::admin()), server, store }
}

/// A certificate of our authority that holds for an hour.
pub(super) fn certificate(name: &str, groups: &[&str]) -> ClientCertificate {
    ClientCertificate {
        common_name: name.to_owned(),
        organizations: groups.iter().map(|group| (*group).to_owned()).collect(),
        until: SystemTime::now() + Duration::from_secs(3600),
    }
}

pub(super) fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

pub(super) fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]},
            },
        },
    })
}

/// A pod that asks for seven seconds of grace.
pub(super) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "a", "image": "a"}], "terminationGracePeriodSeconds": 7},
    })
}

pub(super) fn sandbox(spec: Value) -> Value {
    json!({"apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": "s"}, "spec": spec})
}

/// A definition of `widgets.example.com` whose spec has this schema.
pub(super) fn widgets(spec: Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": spec,
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }],
        },
    })
}

pub(super) fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

pub(super) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub(super) const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
pub(super) const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub(super) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
pub(super) const PODS: &str = "/api/v1/namespaces/default/pods";
pub(super) const SANDBOXES: &str = "/apis/spur.dev/v1alpha1/namespaces/default/sandboxes";

// === impl World ===

impl World {
    /// What a listener serves.
    pub(super) fn router(&self) -> Router {
        self.router.clone()
    }

    /// A kube-rs client of this server.
    pub(super) fn client(&self) -> kube::Client {
        kube::Client::new(self.router.clone(), "default")
    }

    pub(super) async fn send(&self, method: Method, path: &str, media: &str, body: impl Into<Body>) -> Reply {
        let request = Request::builder().method(method).uri(path).header("content-type", media);
        self.call(request.body(body.into()).expect("a request")).await
    }

    pub(super) async fn call(&self, request: Request<Body>) -> Reply {
        Reply::read(self.router.clone().oneshot(request).await.expect("the router answers")).await
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "", Body::empty()).await
    }

    pub(super) async fn get_as(&self, path: &str, accept: &str) -> Reply {
        let request = Request::builder().uri(path).header("accept", accept);
        self.call(request.body(Body::empty()).expect("a request")).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, "application/json", body.to_string()).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, "application/json", body.to_string()).await
    }

    pub(super) async fn patch(&self, path: &str, media: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, path, &format!("application/{media}"), body.to_string()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "application/json", Body::empty()).await
    }

    pub(super) async fn watch(&self, path: &str) -> Events {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("the router answers");
        assert_eq!(answer.status(), StatusCode::OK);
        Events { body: answer.into_body().into_data_stream(), buffer: Vec::new() }
    }
}

// === impl Reply ===

impl Reply {
    /// Reads an answer to its end.
    pub(super) async fn read(answer: Response<Body>) -> Self {
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        Self { code: parts.status, headers: parts.headers, body }
    }

    /// The body of an answer that has to have this code.
    #[track_caller]
    pub(super) fn expect(self, code: u16) -> Value {
        assert_eq!(self.code.as_u16(), code, "{}", self.body);
        self.body
    }

    #[track_caller]
    pub(super) fn message(self, code: u16) -> String {
        self.expect(code)["message"].as_str().expect("a message").to_owned()
    }
}

// === impl Events ===

impl Events {
    /// The next event as `TYPE name`.
    pub(super) async fn next(&mut self) -> String {
        let event = self.next_raw().await.expect("an event");
        let name = event["object"]["metadata"]["name"].as_str().unwrap_or("-");
        format!("{} {name}", event["type"].as_str().unwrap_or("?"))
    }

    /// The next event; `None` when the watch has ended.
    pub(super) async fn next_raw(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line of JSON"));
            }
            let piece = tokio::time::timeout(DEADLINE, self.body.next()).await.expect("news in time")?;
            self.buffer.extend_from_slice(&piece.expect("a piece of the body"));
        }
    }
}
