//! One loopback address per Service port, for programs on this machine that are
//! no pods: tests, browsers, `curl`. They are shown in `/spur/v1/status`.
//!
//! Requests that come in here have no caller; they carry a key or reach the baseline.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};
use spur_api::labels;
use spur_net::{Destination, Inlet};
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
    tokio::select! {
        () = stop.cancelled() => {}
        ended = follow(&ctx, &parts) => if let Err(error) = ended {
            tracing::error!(%error, "addresses of Services are no longer kept up to date");
        },
    }
}

async fn follow(ctx: &Context, parts: &Parts) -> Result<(), Failure> {
    let services: Api<Service> = Api::all(ctx.client.clone());
    let mut open: BTreeMap<Place, Open> = BTreeMap::new();
    let events = watcher(services, watcher::Config::default()).default_backoff();
    futures::pin_mut!(events);
    let failed = |error: watcher::Error| Failure::Plain(error.to_string());
    while let Some(event) = events.try_next().await.map_err(failed)? {
        match event {
            watcher::Event::Init => {}
            watcher::Event::InitDone => publish(parts, &open),
            watcher::Event::InitApply(service) => apply(parts, &mut open, &service).await,
            watcher::Event::Apply(service) => {
                apply(parts, &mut open, &service).await;
                publish(parts, &open);
            }
            watcher::Event::Delete(service) => {
                let name = qualified(&service);
                open.retain(|(known, _), _| *known != name);
                publish(parts, &open);
            }
        }
    }
    Ok(())
}

async fn apply(parts: &Parts, open: &mut BTreeMap<Place, Open>, service: &Service) {
    let name = qualified(service);
    // A fork's own Service is reached with the key, through the baseline's address.
    let wanted: Vec<u16> =
        if service.labels().contains_key(labels::FORK_OF_SERVICE) { Vec::new() } else { tcp_ports(service) };
    open.retain(|(known, port), _| *known != name || wanted.contains(port));
    for port in wanted {
        let place = (name.clone(), port);
        if open.contains_key(&place) || open.len() >= LISTENERS_MAX {
            continue;
        }
        match listen(parts, service, port).await {
            Ok(opened) => drop(open.insert(place, opened)),
            Err(error) => tracing::warn!(%error, service = %name, port, "no address for `{name}`: {error}"),
        }
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
        caller: None,
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

fn publish(parts: &Parts, open: &BTreeMap<Place, Open>) {
    let mut services: Map<String, Value> = Map::new();
    for ((name, port), opened) in open {
        let ports = services.entry(name.clone()).or_insert_with(|| json!({}));
        ports[port.to_string()] = json!(opened.url);
    }
    parts.services_tx.send_replace(services);
}

fn qualified(service: &Service) -> String {
    let meta = service.meta();
    format!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), service.name_any())
}
