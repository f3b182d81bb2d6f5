//! A real API server in process with the controllers under test.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Event, Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::object::HasStatus;
use kube::runtime::wait::await_condition;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use spur_api::sandbox::{Condition, Sandbox, SandboxStatus};
use spur_compile::FragmentCache;
use spur_route::{Ask, Destination, Reason, RoutingTable, Source, decide};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::sandbox::{Clock, status};

/// No wait of a test takes this long unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(20);

/// The namespace that tests use.
pub(super) const NAMESPACE: &str = "shop";

/// The server and the controllers; they end with it.
pub(super) struct World {
    pub(super) client: Client,
    pub(super) table: Arc<ArcSwap<RoutingTable>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl World {
    /// The server alone.
    pub(super) async fn server() -> Self {
        let store = Arc::new(spur_store::Store::in_memory(spur_store::Options::default()));
        spur_server::bootstrap(&store).await.expect("the first namespaces are made");
        let (collector, traces) = spur_trace::collector(vec![], spur_trace::Limits::default());
        let stop = CancellationToken::new();
        let (_, facts) = watch::channel(serde_json::Map::new());
        let server = spur_server::Server::new(spur_server::Parts {
            store,
            runtimes: spur_runtime::Runtimes::only(Arc::new(spur_runtime::FakeRuntime::new())),
            identity: Arc::new(spur_server::Identity::generate().expect("random numbers")),
            table: Arc::default(),
            traces,
            logs: spur_trace::Logs::default(),
            redaction: std::sync::Arc::default(),
            entry: ([127, 0, 0, 1], 0).into(),
            facts,
            routes: watch::channel(0).1,
            ejected: std::sync::Arc::new(Vec::new),
            telemetry: std::sync::Arc::new(|| serde_json::Value::Null),
            draining: stop.clone(),
        });
        let router = server.acting_as(spur_server::User::controller("spur"));
        drop(collector);
        let client = Client::new(router, "default");
        let world = Self { client, table: Arc::default(), stop, tasks: JoinSet::new() };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let namespaces: Api<Namespace> = Api::all(world.client.clone());
        let namespace = serde_json::from_value(namespace).expect("a namespace");
        namespaces.create(&PostParams::default(), &namespace).await.expect("a namespace is made");
        world
    }

    /// The server with the sandbox controller and the routes.
    pub(super) async fn start() -> Self {
        Self::start_ahead(SignedDuration::ZERO).await
    }

    /// The same, with the controller's clock this far ahead.
    pub(super) async fn start_ahead(ahead: SignedDuration) -> Self {
        let mut world = Self::server().await;
        let (published_tx, published_rx) = watch::channel(0);
        let (client, table, stop) = (world.client.clone(), world.table.clone(), world.stop.clone());
        let (routes_client, routes_table, routes_stop) = (client.clone(), table.clone(), stop.clone());
        world.tasks.spawn(async move {
            let keeping =
                crate::routes::keep(FragmentCache::default(), &routes_client, routes_table, published_tx);
            let _ = routes_stop.run_until_cancelled(keeping).await;
        });
        let now: Clock = Arc::new(move || Timestamp::now() + ahead);
        let events = Events::new(client.clone());
        let controller = crate::sandbox::Controller { client, table, entry_port: 8080, now, events, stop };
        world.tasks.spawn(controller.run(published_rx));
        world
    }

    /// Ends the controllers and waits until they have ended.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no controller crashes");
        }
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Creates an object, or merges into the one that is there.
    pub(super) async fn put(&self, object: Value) {
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        let types = object.types.clone().expect("a kind");
        let gvk = kube::api::GroupVersionKind::try_from(types).expect("a kind");
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), NAMESPACE, &ApiResource::from_gvk(&gvk));
        if api.get_opt(&object.name_any()).await.expect("it can be looked for").is_some() {
            let patch = Patch::Merge(&object);
            api.patch(&object.name_any(), &PatchParams::default(), &patch).await.expect("it is changed");
        } else {
            api.create(&PostParams::default(), &object).await.expect("it is made");
        }
    }

    pub(super) async fn sandbox(&self, name: &str, spec: Value) {
        self.put(json!({
            "apiVersion": "spur.dev/v1alpha1", "kind": "Sandbox", "metadata": {"name": name}, "spec": spec,
        }))
        .await;
    }

    pub(super) async fn delete<K>(&self, name: &str)
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        self.api::<K>().delete(name, &DeleteParams::default()).await.expect("it is deleted");
    }

    /// A baseline Deployment with one container, and a Service on port 80 before it.
    pub(super) async fn baseline(&self, name: &str) {
        self.put(baseline_deployment(name)).await;
        self.put(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
        }))
        .await;
        self.endpoints(name, &[4000]).await;
    }

    /// Ready endpoints of a Service on these ports of this machine.
    pub(super) async fn endpoints(&self, service: &str, ports: &[u16]) {
        for port in ports {
            self.put(json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": format!("{service}-{port}"), "labels": {"kubernetes.io/service-name": service}},
                "ports": [{"port": port}],
                "endpoints": [{"addresses": ["127.0.0.1"], "targetRef": {"kind": "Pod", "name": format!("{service}-{port}")}}],
            }))
            .await;
        }
    }

    /// Plays the deployment controller: all pods are there.
    pub(super) async fn make_available(&self, name: &str) {
        let deployment = self.until::<Deployment>(name, |found| found.is_some()).await.expect("it is there");
        let status = json!({"status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        }});
        let api = self.api::<Deployment>();
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.expect("it is written");
    }

    /// Plays everybody: a fork of `name` for the sandbox runs and has an endpoint.
    pub(super) async fn bring_up(&self, sandbox: &str, name: &str, port: u16) {
        self.until::<Service>(&format!("{sandbox}-{name}"), |service| service.is_some()).await;
        self.make_available(&format!("{sandbox}-{name}")).await;
        self.endpoints(&format!("{sandbox}-{name}"), &[port]).await;
    }

    /// Waits until the object is as wanted.
    pub(super) async fn until<K>(&self, name: &str, is_wanted: impl Fn(Option<&K>) -> bool) -> Option<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Send
            + serde::de::DeserializeOwned
            + 'static,
    {
        let condition = await_condition(self.api::<K>(), name, is_wanted);
        match tokio::time::timeout(DEADLINE, condition).await {
            Ok(found) => found.expect("it can be watched"),
            Err(_) => {
                let found = self.api::<K>().get_opt(name).await;
                panic!("`{name}` did not become what is wanted, found {found:#?}");
            }
        }
    }

    /// Waits until the sandbox's condition has this reason.
    pub(super) async fn until_reason(&self, name: &str, reason: &str) -> (SandboxStatus, Condition) {
        let has_reason = |sandbox: Option<&Sandbox>| {
            let condition = sandbox.and_then(HasStatus::status).and_then(status::ready);
            condition.is_some_and(|condition| condition.reason == reason)
        };
        let sandbox = self.until::<Sandbox>(name, has_reason).await.expect("it is there");
        let status = sandbox.status.expect("it has a status");
        let condition = status::ready(&status).expect("it has a condition").clone();
        (status, condition)
    }

    /// What a request of the sandbox's own workloads to port 80 of a Service meets.
    pub(super) fn route(&self, service: &str, sandbox: &str) -> Reason {
        let destination = Destination::Service { namespace: NAMESPACE, service, port: 80 };
        let source = Source { namespace: NAMESPACE, workload: "w", labels: None, sandbox: Some(sandbox) };
        decide(&self.table.load(), &Ask::connection(destination, Some(source))).reason
    }

    /// The reasons of the events about an object, once the last of them is there.
    pub(super) async fn events_until(&self, about: &str, last: &str) -> Vec<String> {
        let is_last = |event: &Event| {
            event.involved_object.name.as_deref() == Some(about) && event.reason.as_deref() == Some(last)
        };
        let events = watcher(self.api::<Event>(), watcher::Config::default()).touched_objects();
        let mut seen = Box::pin(events.filter(|event| std::future::ready(event.as_ref().is_ok_and(is_last))));
        tokio::time::timeout(DEADLINE, seen.next())
            .await
            .unwrap_or_else(|_| panic!("`{last}` was not told of `{about}`"));
        let events = self.api::<Event>().list(&ListParams::default()).await.expect("events are listed");
        let mut events: Vec<Event> = events
            .items
            .into_iter()
            .filter(|event| event.involved_object.name.as_deref() == Some(about))
            .collect();
        events.sort_by_key(|event| event.resource_version().and_then(|version| version.parse::<u64>().ok()));
        events.into_iter().filter_map(|event| event.reason).collect()
    }

    /// The names of all Deployments and Services.
    pub(super) async fn children(&self) -> Vec<String> {
        let all = ListParams::default();
        let deployments = self.api::<Deployment>().list(&all).await.expect("they are listed");
        let services = self.api::<Service>().list(&all).await.expect("they are listed");
        let mut names: Vec<String> =
            deployments.iter().map(|object| format!("deployment/{}", object.name_any())).collect();
        names.extend(services.iter().map(|object| format!("service/{}", object.name_any())));
        names
    }

    /// The revision of the last write to any slice, Deployment, Service or Sandbox.
    pub(super) async fn revision(&self) -> u64 {
        async fn newest<K>(world: &World) -> u64
        where
            K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
                + Clone
                + std::fmt::Debug
                + serde::de::DeserializeOwned,
        {
            let all = world.api::<K>().list(&ListParams::default()).await.expect("they are listed");
            let versions = all.iter().filter_map(|object| object.resource_version()?.parse().ok());
            versions.max().unwrap_or(0)
        }
        let newest = [
            newest::<EndpointSlice>(self).await,
            newest::<Deployment>(self).await,
            newest::<Service>(self).await,
            newest::<Sandbox>(self).await,
        ];
        newest.into_iter().max().unwrap_or(0)
    }
}

/// A baseline Deployment with one container.
pub(super) fn baseline_deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "main:1", "command": ["main"]}]},
            },
        },
    })
}

/// A spec that forks these Deployments.
pub(super) fn forks(names: &[&str]) -> Value {
    let forks: Vec<Value> =
        names.iter().map(|name| json!({"of": {"kind": "Deployment", "name": name}})).collect();
    json!({"forks": forks})
}
