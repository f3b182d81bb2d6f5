//! One loopback address per Service port, for programs on this machine that are
//! no pods: tests, browsers, `curl`. They are shown in `/spur/v1/status`.
//!
//! Requests that come in here have no caller; they carry a key or reach the baseline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};
use spur_api::labels;
use spur_net::{Callers, Destination, Inlet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::run::{Context, Failure, Parts};

/// Most listeners of this sort: as many as for pods (design section 5), since
/// each is a file descriptor.
const LISTENERS_MAX: usize = 4096;

/// Service and port.
type Place = (String, u16);

struct Open {
    url: String,
    /// Closes the listener when dropped.
    _open: DropGuard,
}

/// Opens and closes listeners as Services come and go, until stopped.
pub(crate) async fn run(ctx: Arc<Context>, parts: Parts) {
    let stop = parts.stop.clone();
    stop.run_until_cancelled(follow(&ctx, &parts)).await;
}

async fn follow(ctx: &Context, parts: &Parts) {
    let services: Api<Service> = Api::all(ctx.client.clone());
    let mut addresses = Addresses { parts, open: BTreeMap::new(), listed: BTreeSet::new() };
    let mut events = watcher(services, watcher::Config::default()).default_backoff().boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => addresses.take(event).await,
            Err(error) => {
                tracing::warn!(%error, "failed to watch Services for their addresses, trying again");
            }
        }
    }
}

/// The addresses that are open.
struct Addresses<'a> {
    parts: &'a Parts,
    open: BTreeMap<Place, Open>,
    /// The Services of a list under way.
    listed: BTreeSet<String>,
}

// === impl Addresses ===

impl Addresses<'_> {
    async fn take(&mut self, event: watcher::Event<Service>) {
        match event {
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(service) => {
                self.listed.insert(qualified(&service));
                self.apply(&service).await;
            }
            // What is not in the list has gone unseen.
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                self.open.retain(|(known, _), _| listed.contains(known));
                self.publish();
            }
            watcher::Event::Apply(service) => {
                self.apply(&service).await;
                self.publish();
            }
            watcher::Event::Delete(service) => {
                let name = qualified(&service);
                self.open.retain(|(known, _), _| *known != name);
                self.publish();
            }
        }
    }

    async fn apply(&mut self, service: &Service) {
        let name = qualified(service);
        // A fork's own Service is reached with the key, through the baseline's address.
        let is_fork = service.labels().contains_key(labels::FORK_OF_SERVICE);
        let wanted = if is_fork { Vec::new() } else { tcp_ports(service) };
        self.open.retain(|(known, port), _| *known != name || wanted.contains(port));
        for port in wanted {
            let place = (name.clone(), port);
            if self.open.contains_key(&place) {
                continue;
            }
            if self.open.len() >= LISTENERS_MAX {
                tracing::warn!(service = %name, port, "no address for `{name}`: {LISTENERS_MAX} are open already");
                continue;
            }
            match listen(self.parts, service, port).await {
                Ok(opened) => drop(self.open.insert(place, opened)),
                Err(error) => {
                    tracing::warn!(%error, service = %name, port, "no address for `{name}`: {error}");
                }
            }
        }
    }

    /// Tells the addresses where they changed.
    fn publish(&self) {
        let mut services: Map<String, Value> = Map::new();
        for ((name, port), opened) in &self.open {
            let ports = services.entry(name.clone()).or_insert_with(|| json!({}));
            ports[port.to_string()] = json!(opened.url);
        }
        self.parts.services_tx.send_if_modified(|known| {
            let is_new = *known != services;
            *known = services;
            is_new
        });
    }
}

fn tcp_ports(service: &Service) -> Vec<u16> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or(&[]);
    let tcp = ports.iter().filter(|port| port.protocol.as_deref().unwrap_or("TCP") == "TCP");
    tcp.filter_map(|port| u16::try_from(port.port).ok()).collect()
}

async fn listen(parts: &Parts, service: &Service, port: u16) -> Result<Open, Failure> {
    let listener = spur_net::bind_loopback().map_err(|error| Failure::Plain(error.to_string()))?;
    let address = listener.local_addr().map_err(|error| Failure::Plain(error.to_string()))?;
    let closed = CancellationToken::new();
    let inlet = Inlet {
        listener,
        callers: Callers::Anybody,
        destination: Destination::ServicePort {
            namespace: service.namespace().unwrap_or_default().into(),
            service: service.name_any().into(),
            port,
        },
        closed: closed.clone(),
    };
    let sent = parts.inlets_tx.send(inlet).await;
    sent.map_err(|_| Failure::plain("the proxy has ended"))?;
    Ok(Open { url: format!("http://{address}"), _open: closed.drop_guard() })
}

fn qualified(service: &Service) -> String {
    let meta = service.meta();
    format!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), service.name_any())
}
