//! What this server serves, asked as any client asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use spur_runtime::{FakeRuntime, Runtimes};
use spur_server::{Identity, Parts, Server, User};
use spur_store::{Options, Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// What is served.
pub(crate) struct Served {
    /// Every definition of every group version.
    pub(crate) definitions: Map<String, Value>,
    /// The OpenAPI documents, by their paths in the index.
    pub(crate) documents: BTreeMap<String, Value>,
    /// The groups of the aggregated discovery documents.
    pub(crate) groups: Vec<Value>,
}

// === impl Served ===

impl Served {
    pub(crate) fn read() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Self::ask())
    }

    async fn ask() -> Self {
        let (_collector, traces) = spur_trace::collector(Vec::new(), spur_trace::Limits::default());
        let server = Server::new(Parts {
            identity: Arc::new(Identity::generate().expect("random numbers")),
            store: Arc::new(Store::in_memory(Options::default())),
            runtimes: Runtimes::only(Arc::new(FakeRuntime::new())),
            table: Arc::default(),
            traces,
            logs: spur_trace::Logs::default(),
            redaction: std::sync::Arc::default(),
            entry: ([127, 0, 0, 1], 0).into(),
            facts: watch::channel(Map::new()).1,
            routes: watch::channel(0).1,
            ejected: std::sync::Arc::new(Vec::new),
            telemetry: std::sync::Arc::new(|| serde_json::Value::Null),
            draining: CancellationToken::new(),
        });
        let router = server.acting_as(User::admin());
        let mut definitions = Map::new();
        let index = get(&router, "/openapi/v3").await;
        let mut documents = BTreeMap::new();
        for (path, entry) in index["paths"].as_object().unwrap() {
            let document = get(&router, entry["serverRelativeURL"].as_str().unwrap()).await;
            let found = document["components"]["schemas"].as_object().cloned();
            definitions.extend(found.unwrap_or_default());
            documents.insert(path.clone(), document);
        }
        let mut groups = Vec::new();
        for path in ["/api", "/apis"] {
            groups.extend(get(&router, path).await["items"].as_array().unwrap().clone());
        }
        Self { definitions, documents, groups }
    }
}

async fn get(router: &Router, path: &str) -> Value {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}
