//! Where Services are reached on this machine by programs that are no pods: tests, browsers, `curl`.
//!
//! ```text
//!  watch Services ─► asked ─► open, close ─► Inlets ─► proxy
//!       tried again ─┘             └► /spur/v1/status, told ─► the Service's status, events
//! ```
//!
//! Every port of a Service has a free loopback port. Node ports and the ports of load balancers are
//! opened at their own numbers as well: the type of the Service asks for them. One that somebody has
//! is told with who that is, and tried again.
//!
//! Requests that come in here have no caller; they carry a key or reach the baseline.

mod asked;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Service, ServiceStatus};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};
use spur_net::{BindError, Callers, DatagramInlet, Destination, Inlet};
use spur_runtime::Transport;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::asked::{Asked, At, asked};
use self::told::{Missed, Opened};
use crate::events::EventType;
use crate::run::{Context, Failure, Parts, unless_gone};

pub use self::asked::ServicePorts;

/// Most listeners of this sort: as many as for pods (design section 5), since
/// each is a file descriptor.
const LISTENERS_MAX: usize = 4096;

/// How soon a port that could not be had is tried again: whoever has it may end.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// A Service, by namespace and name, and a port of it.
type Place = (String, Asked);

struct Open {
    address: SocketAddr,
    /// Closes the listener when dropped.
    _open: DropGuard,
}

/// Why there is no listener.
enum ListenError {
    Bind(BindError),
    /// The proxy has ended, and everything with it.
    Closed,
}

/// Opens and closes listeners as Services come and go, until stopped.
pub(crate) async fn run(ctx: Arc<Context>, parts: Parts) {
    let stop = parts.stop.clone();
    stop.run_until_cancelled(follow(&ctx, &parts)).await;
}

async fn follow(ctx: &Context, parts: &Parts) {
    let services: Api<Service> = Api::all(ctx.client.clone());
    let mut addresses = Addresses {
        ctx,
        parts,
        services: BTreeMap::new(),
        open: BTreeMap::new(),
        missed: BTreeMap::new(),
        untold: BTreeSet::new(),
        listed: BTreeSet::new(),
    };
    let mut events = watcher(services, watcher::Config::default()).default_backoff().boxed();
    loop {
        let is_waiting = !addresses.missed.is_empty() || !addresses.untold.is_empty();
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => addresses.take(event).await,
                Some(Err(error)) => {
                    tracing::warn!(%error, "failed to watch Services for their addresses, trying again");
                }
                None => return,
            },
            () = tokio::time::sleep(AGAIN_AFTER), if is_waiting => addresses.try_again().await,
        }
    }
}

/// The addresses that are open.
struct Addresses<'a> {
    ctx: &'a Context,
    parts: &'a Parts,
    services: BTreeMap<String, Arc<Service>>,
    open: BTreeMap<Place, Open>,
    /// The ports that could not be had the last time.
    missed: BTreeMap<Place, Missed>,
    /// The Services whose status could not be written.
    untold: BTreeSet<String>,
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
                self.apply(Arc::new(service)).await;
            }
            // What is not in the list has gone unseen.
            watcher::Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone = self.services.keys().filter(|known| !listed.contains(*known));
                for gone in gone.cloned().collect::<Vec<_>>() {
                    self.forget(&gone);
                }
                self.publish();
            }
            watcher::Event::Apply(service) => {
                self.apply(Arc::new(service)).await;
                self.publish();
            }
            // Whoever waits for a port of it tries again when the proxy has closed it.
            watcher::Event::Delete(service) => {
                self.forget(&qualified(&service));
                self.publish();
            }
        }
    }

    fn forget(&mut self, name: &str) {
        self.services.remove(name);
        self.untold.remove(name);
        self.open.retain(|(known, _), _| known != name);
        self.missed.retain(|(known, _), _| known != name);
    }

    /// Looks again at the Services that lack something.
    async fn try_again(&mut self) {
        let lacking = self.missed.keys().map(|(name, _)| name.clone()).chain(self.untold.iter().cloned());
        for name in lacking.collect::<BTreeSet<_>>() {
            if let Some(service) = self.services.get(&name).cloned() {
                self.apply(service).await;
            }
        }
        self.publish();
    }

    async fn apply(&mut self, service: Arc<Service>) {
        let name = qualified(&service);
        self.services.insert(name.clone(), service.clone());
        let wanted = asked(&service, self.parts.service_ports);
        self.open.retain(|(known, asked), _| *known != name || wanted.contains(asked));
        self.missed.retain(|(known, asked), _| *known != name || wanted.contains(asked));
        for asked in &wanted {
            let place = (name.clone(), *asked);
            if !self.open.contains_key(&place) {
                self.open(place, &service).await;
            }
        }
        self.tell(&name, &service, &wanted).await;
    }

    async fn open(&mut self, place: Place, service: &Service) {
        let (name, asked) = (&place.0, place.1);
        if self.open.len() >= LISTENERS_MAX {
            let port = asked.port;
            tracing::warn!(service = %name, port, "no address for `{name}`: {LISTENERS_MAX} are open already");
            return;
        }
        match listen(self.parts, service, asked).await {
            Ok(opened) => {
                if self.missed.remove(&place).is_some() {
                    let message = format!("{} is open now", opened.address);
                    self.record(service, EventType::Normal, ("PortOpened", &message)).await;
                }
                self.open.insert(place, opened);
            }
            Err(ListenError::Closed) => {}
            Err(ListenError::Bind(error)) => {
                let missed = self.missed(&place, &error);
                let is_news = self.missed.get(&place) != Some(&missed);
                if is_news {
                    tracing::warn!(service = %name, port = asked.port, "no address for `{name}`: {}", missed.why);
                    let told = (missed.reason, &*missed.why);
                    self.record(service, EventType::Warning, told).await;
                    self.missed.insert(place, missed);
                }
            }
        }
    }

    /// Why a port could not be had: another Service has it, or another process.
    fn missed(&self, place: &Place, error: &BindError) -> Missed {
        let number = place.1.at.number();
        let is_same = |asked: &Asked| asked.at.number() == number && asked.transport == place.1.transport;
        let holder = self.open.keys().find(|(_, asked)| number.is_some() && is_same(asked));
        match (holder, error) {
            (Some((holder, _)), BindError::InUse { address, .. }) => {
                Missed { reason: "PortTaken", why: format!("{address} is held by service `{holder}`") }
            }
            (None, BindError::InUse { address, holder }) => {
                Missed { reason: "PortTaken", why: format!("{address} is held by {holder}") }
            }
            (_, BindError::Refused { address, source }) => {
                Missed { reason: "PortForbidden", why: format!("{address} cannot be listened on: {source}") }
            }
        }
    }

    /// Has the Service's status say what is so.
    async fn tell(&mut self, name: &str, service: &Service, wanted: &[Asked]) {
        let own = wanted.iter().filter(|asked| asked.at != At::Free).map(|asked| (name.to_owned(), *asked));
        let mut opened = Opened::default();
        for place in own {
            match self.missed.get(&place) {
                Some(missed) => opened.missed.push(missed.clone()),
                None => opened.n_open += usize::from(self.open.contains_key(&place)),
            }
        }
        let status = told::status(service, &opened);
        if told::is_same(service.status.as_ref(), &status) {
            self.untold.remove(name);
            return;
        }
        match self.write(service, &status).await {
            Ok(()) => drop(self.untold.remove(name)),
            Err(error) => {
                tracing::warn!(%error, service = %name, "failed to write the status of `{name}`, trying again");
                self.untold.insert(name.to_owned());
            }
        }
    }

    async fn write(&self, service: &Service, status: &ServiceStatus) -> Result<(), Failure> {
        let namespace = service.namespace().unwrap_or_default();
        let api: Api<Service> = Api::namespaced(self.ctx.client.clone(), &namespace);
        // Not of another of its name.
        let patch = json!({"metadata": {"uid": service.uid()}, "status": told::patch(status)});
        let params = PatchParams::default();
        unless_gone(api.patch_status(&service.name_any(), &params, &Patch::Merge(&patch)).await)
    }

    async fn record(&self, service: &Service, type_: EventType, (reason, message): (&str, &str)) {
        self.ctx.events.record(&service.object_ref(&()), type_, reason, message).await;
    }

    /// Tells the addresses where they changed.
    fn publish(&self) {
        let mut services: Map<String, Value> = Map::new();
        // In the order of `At`: what was asked for by number counts more than what was free.
        for ((name, asked), opened) in &self.open {
            let ports = services.entry(name.clone()).or_insert_with(|| json!({}));
            let (port, address) = (asked.port, opened.address);
            match asked.transport {
                Transport::Tcp => ports[port.to_string()] = json!(format!("http://{address}")),
                Transport::Udp => ports[format!("{port}/UDP")] = json!(format!("udp://{address}")),
            }
        }
        self.parts.services_tx.send_if_modified(|known| {
            let is_new = *known != services;
            *known = services;
            is_new
        });
    }
}

async fn listen(parts: &Parts, service: &Service, asked: Asked) -> Result<Open, ListenError> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, asked.at.number().unwrap_or(0)));
    let unknown = |source| ListenError::Bind(BindError::Refused { address: wanted, source });
    let closed = CancellationToken::new();
    let (callers, token) = (Callers::Anybody, closed.clone());
    let destination = Destination::ServicePort {
        namespace: service.namespace().unwrap_or_default().into(),
        service: service.name_any().into(),
        port: asked.port,
    };
    let address = match asked.transport {
        Transport::Tcp => {
            let listener = spur_net::bind(wanted).map_err(ListenError::Bind)?;
            let address = listener.local_addr().map_err(unknown)?;
            let inlet = Inlet { listener, callers, destination, closed: token };
            parts.inlets_tx.send(inlet).await.map_err(|_| ListenError::Closed)?;
            address
        }
        Transport::Udp => {
            let socket = spur_net::bind_datagram(wanted).map_err(ListenError::Bind)?;
            let address = socket.local_addr().map_err(unknown)?;
            let inlet = DatagramInlet { socket, callers, destination, closed: token };
            parts.datagrams_tx.send(inlet).await.map_err(|_| ListenError::Closed)?;
            address
        }
    };
    Ok(Open { address, _open: closed.drop_guard() })
}

fn qualified(service: &Service) -> String {
    let meta = service.meta();
    format!("{}/{}", meta.namespace.as_deref().unwrap_or_default(), service.name_any())
}
