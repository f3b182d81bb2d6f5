//! Destinations with several endpoints, or with a policy: what one worker knows of each, and what
//! all workers share.
//!
//! ```text
//!  Verdict ─► Clusters (a worker's) ─► Cluster ─┬─ turns, requests at each endpoint (the worker's own)
//!                                               └─ Shared (all workers'): bounds, ejections
//! ```
//!
//! Which endpoint is chosen is `balance`'s decision, whether one is left out `outlier`'s. A
//! destination with one endpoint and no policy has no cluster: there is nothing to choose.

mod balance;
mod bounds;
mod outlier;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
};

use spur_route::{
    Endpoint, Verdict, Version,
    policy::{LoadBalancer, OutlierDetection, Policy},
};
use tokio::time::Instant;

pub use self::outlier::Ejected;
pub(crate) use self::{
    balance::{HashInput, hash_key, hash_of},
    bounds::{Admitted, Overflow, RetryTicket},
    outlier::Outcome,
};
use self::{bounds::Bounds, outlier::Health};

/// Which destination, whatever the table: its state outlives tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClusterKey {
    pub(crate) service: Arc<str>,
    pub(crate) namespace: Arc<str>,
    pub(crate) port: u16,
    pub(crate) subset: Option<Arc<str>>,
    /// The sandbox whose fork it is.
    pub(crate) sandbox: Option<Arc<str>>,
}

/// What all workers of a proxy share of their clusters. Asked once for each table, never for a
/// request.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    /// Guards the entries; those that no worker holds any more are swept with each new one.
    shared: Mutex<HashMap<ClusterKey, Arc<Shared>>>,
}

/// What all workers share of one cluster.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) bounds: Bounds,
    /// Guards the entries; workers hold those of their endpoints.
    health: Mutex<HashMap<SocketAddr, Arc<Health>>>,
}

/// A worker's clusters.
#[derive(Debug)]
pub(crate) struct Clusters {
    /// Workers begin at different endpoints, so that little traffic is spread, too.
    first: usize,
    registry: Arc<Registry>,
    known: RefCell<Known>,
}

#[derive(Debug, Default)]
struct Known {
    table_revision: u64,
    /// By the place in memory of the list of endpoints, which holds for one table. As many entries
    /// as the table has lists that were asked for; a new table empties it.
    by_list: HashMap<*const Endpoint, Rc<Cluster>>,
    /// Those of the table before, whose state goes on.
    before: HashMap<ClusterKey, Rc<Cluster>>,
}

/// One destination as a worker sees it.
#[derive(Debug)]
pub(crate) struct Cluster {
    key: ClusterKey,
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) shared: Arc<Shared>,
    endpoints: Vec<Member>,
    turn: Rc<Cell<usize>>,
}

/// One endpoint of a cluster.
#[derive(Clone, Debug)]
struct Member {
    address: SocketAddr,
    /// Requests of this worker that are on their way there.
    n_active: Rc<Cell<usize>>,
    health: Arc<Health>,
}

/// Indices of endpoints; usually all, for which no list is made.
enum Candidates {
    All(usize),
    Some(Vec<usize>),
}

/// A request at an endpoint, until it is dropped.
#[derive(Debug)]
pub(crate) struct Active(Rc<Cell<usize>>);

// === impl Clusters ===

impl Clusters {
    pub(crate) fn new(first: usize, registry: Arc<Registry>) -> Self {
        Self { first, registry, known: RefCell::default() }
    }

    /// The cluster of a verdict that forwards; `None` where there is nothing to choose and
    /// nothing to count.
    pub(crate) fn of(&self, verdict: &Verdict) -> Option<Rc<Cluster>> {
        let backends = verdict.backends();
        let first = backends.first()?;
        if backends.len() == 1 && verdict.policy.is_none() {
            return None;
        }
        let mut known = self.known.borrow_mut();
        if known.table_revision != verdict.table_revision {
            known.renew(verdict.table_revision);
        }
        let place = std::ptr::from_ref(first);
        if let Some(cluster) = known.by_list.get(&place) {
            return Some(Rc::clone(cluster));
        }
        let key = ClusterKey::of(verdict)?;
        let before = known.before.remove(&key);
        let cluster = Rc::new(self.cluster(key, verdict, before.as_deref()));
        known.by_list.insert(place, Rc::clone(&cluster));
        Some(cluster)
    }

    fn cluster(&self, key: ClusterKey, verdict: &Verdict, before: Option<&Cluster>) -> Cluster {
        let shared = before.map_or_else(|| self.registry.shared(&key), |before| Arc::clone(&before.shared));
        let endpoints = verdict.backends().iter().map(|endpoint| {
            let old =
                before.and_then(|before| before.endpoints.iter().find(|old| old.address == endpoint.address));
            old.cloned().unwrap_or_else(|| Member {
                address: endpoint.address,
                n_active: Rc::default(),
                health: shared.health(endpoint.address),
            })
        });
        let endpoints: Vec<Member> = endpoints.collect();
        let turn = before.map_or_else(|| Rc::new(Cell::new(self.first)), |before| Rc::clone(&before.turn));
        shared.forget_all_but(&endpoints);
        shared.bounds.set(verdict.policy.as_deref().and_then(|policy| policy.connection_pool.as_ref()));
        Cluster { key, policy: verdict.policy.clone(), shared, endpoints, turn }
    }
}

// === impl Known ===

impl Known {
    fn renew(&mut self, table_revision: u64) {
        self.table_revision = table_revision;
        self.before = self.by_list.drain().map(|(_, cluster)| (cluster.key.clone(), cluster)).collect();
    }
}

// === impl ClusterKey ===

impl ClusterKey {
    fn of(verdict: &Verdict) -> Option<Self> {
        let port = verdict.service.as_deref()?;
        let sandbox = match &verdict.version {
            Version::Baseline => None,
            Version::Sandbox(sandbox) => Some(sandbox.name.clone()),
        };
        Some(Self {
            service: port.name.clone(),
            namespace: port.namespace.clone(),
            port: port.port,
            subset: verdict.subset.clone(),
            sandbox,
        })
    }
}

// === impl Registry ===

impl Registry {
    fn shared(&self, key: &ClusterKey) -> Arc<Shared> {
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, shared| Arc::strong_count(shared) > 1);
        Arc::clone(all.entry(key.clone()).or_default())
    }

    /// The endpoints that are left out now.
    pub(crate) fn ejected(&self) -> Vec<Ejected> {
        let all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut ejected: Vec<Ejected> =
            all.iter().flat_map(|(key, shared)| shared.ejected(key, now)).collect();
        ejected.sort_by(|a, b| (&a.service, a.address).cmp(&(&b.service, b.address)));
        ejected
    }
}

// === impl Shared ===

impl Shared {
    fn health(&self, address: SocketAddr) -> Arc<Health> {
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(address).or_default())
    }

    fn forget_all_but(&self, members: &[Member]) {
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|address, health| {
            Arc::strong_count(health) > 1 || members.iter().any(|member| member.address == *address)
        });
    }

    fn ejected(&self, key: &ClusterKey, now: Instant) -> Vec<Ejected> {
        let all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let out = all.iter().filter_map(|(address, health)| Some((*address, health.out_for(now)?)));
        out.map(|(address, left)| Ejected {
            service: format!("{}/{}:{}", key.namespace, key.service, key.port),
            subset: key.subset.clone(),
            address,
            left,
        })
        .collect()
    }
}

// === impl Cluster ===

impl Cluster {
    /// The endpoint for the next try, among those that are in and, if there is one, not in
    /// `tried`; `None` where all are left out.
    pub(crate) fn choose(&self, hash: Option<u64>, tried: &[usize]) -> Option<usize> {
        let n = self.endpoints.len();
        let mut candidates = Candidates::All(n);
        if let Some(outlier) = self.outlier() {
            let now = Instant::now();
            let is_in = |index: &usize| self.endpoints[*index].health.is_in(now);
            let all_in: Vec<usize> = (0..n).filter(is_in).collect();
            if all_in.len() < n && !outlier::is_panicking(outlier, all_in.len(), n) {
                candidates = Candidates::Some(all_in);
            }
        }
        if !tried.is_empty() {
            let untried = candidates.iter().filter(|index| !tried.contains(index));
            let untried: Vec<usize> = untried.collect();
            if !untried.is_empty() {
                candidates = Candidates::Some(untried);
            }
        }
        balance::choose(self.load_balancer(), &candidates, hash, self)
    }

    /// The same of what is not tried again: the endpoint at which the client stays, where it is in.
    /// Where every endpoint is left out, it is tried all the same.
    pub(crate) fn first(&self, stays_at: Option<usize>) -> usize {
        stays_at.filter(|index| self.is_in(*index)).or_else(|| self.choose(None, &[])).unwrap_or(0)
    }

    /// Whether an endpoint is not left out.
    pub(crate) fn is_in(&self, index: usize) -> bool {
        self.outlier().is_none() || self.endpoints[index].health.is_in(Instant::now())
    }

    /// Counts a request at an endpoint.
    pub(crate) fn begin(&self, index: usize) -> Active {
        let n_active = Rc::clone(&self.endpoints[index].n_active);
        n_active.set(n_active.get() + 1);
        Active(n_active)
    }

    /// How a try at an endpoint ended.
    pub(crate) fn report(&self, index: usize, outcome: Outcome) {
        if let Some(outlier) = self.outlier() {
            let now = Instant::now();
            let n_out = self.endpoints.iter().filter(|member| !member.health.is_in(now)).count();
            self.endpoints[index].health.record(outlier, outcome, (n_out, self.endpoints.len()), now);
        }
    }

    fn outlier(&self) -> Option<&OutlierDetection> {
        self.policy.as_deref()?.outlier_detection.as_ref()
    }

    pub(crate) fn load_balancer(&self) -> &LoadBalancer {
        const USUAL: &LoadBalancer = &LoadBalancer::LeastRequest;
        self.policy.as_deref().and_then(|policy| policy.load_balancer.as_ref()).unwrap_or(USUAL)
    }

    fn next_turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }
}

// === impl Candidates ===

impl Candidates {
    fn len(&self) -> usize {
        match self {
            Self::All(n) => *n,
            Self::Some(indices) => indices.len(),
        }
    }

    fn at(&self, place: usize) -> usize {
        match self {
            Self::All(_) => place,
            Self::Some(indices) => indices[place],
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).map(|place| self.at(place))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
