//! One series: its labels, and what is counted under them.

use std::{
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use spur_net::Caller;
use spur_route::{Reason, ServicePort, TraceId, Verdict, Version};
use spur_trace::{HopEnd, HopError};

/// Upper bounds of the duration's buckets in milliseconds: Istio's up to ten seconds
/// (`istio_request_duration_milliseconds`), beyond which everything is too slow alike.
pub(super) const BUCKETS_MS: [f64; 13] =
    [0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0];

/// What is known of a request when it is decided.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    /// Namespace and name of the calling workload.
    source: Option<(Arc<str>, Arc<str>)>,
    service: Option<Arc<ServicePort>>,
    subset: Option<Arc<str>>,
    version: Version,
    reason: Reason,
}

/// What tells series apart.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    labels: Labels,
    status: Option<u16>,
    grpc_status: Option<u32>,
    error: Option<HopError>,
}

/// What was counted. Relaxed: a scrape may see a request in one number and not yet in the next.
#[derive(Debug, Default)]
pub(crate) struct Series {
    buckets: [AtomicU64; BUCKETS_MS.len()],
    n: AtomicU64,
    sum_us: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    /// The last request, for who looks for an example. A worker that does not get it at once goes
    /// without.
    exemplar: Mutex<Option<Exemplar>>,
}

/// A request that stands for a series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exemplar {
    pub(super) trace_id: TraceId,
    pub(super) duration: Duration,
}

/// Hashes what [`Key`] gives it, which is short texts and small numbers.
#[derive(Default)]
pub(super) struct ShortHasher(u64);

pub(super) type ByShortHash = BuildHasherDefault<ShortHasher>;

// === impl Labels ===

impl Labels {
    pub(crate) fn of(verdict: &Verdict, caller: Option<&Caller>) -> Self {
        Self {
            source: caller.map(|caller| (caller.namespace.clone(), caller.workload.clone())),
            service: verdict.service.clone(),
            subset: verdict.subset.clone(),
            version: verdict.version.clone(),
            reason: verdict.reason,
        }
    }
}

// === impl Key ===

impl Key {
    pub(super) fn of(labels: &Labels, end: &HopEnd) -> Self {
        Self { labels: labels.clone(), status: end.status, grpc_status: end.grpc_status, error: end.error }
    }

    /// In Istio's words, and ours where it has none.
    pub(super) fn labels(&self) -> Vec<(&'static str, String)> {
        let Self { labels: Labels { source, service, subset, version, reason }, status, grpc_status, error } =
            self;
        let unknown = || "unknown".to_owned();
        let (namespace, workload) = source.as_ref().map_or_else(
            || (unknown(), unknown()),
            |(namespace, workload)| (namespace.to_string(), workload.to_string()),
        );
        let (host, name, service_namespace) = service.as_deref().map_or_else(
            || (unknown(), unknown(), unknown()),
            |port| {
                let host = match &*port.namespace {
                    // A host outside.
                    "" => port.name.to_string(),
                    namespace => spur_route::service_host(namespace, &port.name),
                };
                (host, port.name.to_string(), port.namespace.to_string())
            },
        );
        let mut all = vec![
            ("reporter", "source".to_owned()),
            ("source_workload", workload),
            ("source_workload_namespace", namespace),
            ("destination_service", host),
            ("destination_service_name", name),
            ("destination_service_namespace", service_namespace),
            ("destination_version", subset.as_deref().unwrap_or("unknown").to_owned()),
            ("response_code", status.map_or_else(|| "0".to_owned(), |status| status.to_string())),
            ("response_flags", error.map_or("-", HopError::code).to_owned()),
            ("request_protocol", if grpc_status.is_some() { "grpc" } else { "http" }.to_owned()),
            ("spur_version", version.to_string()),
            ("spur_reason", reason.code().to_owned()),
        ];
        if let Some(status) = grpc_status {
            all.push(("grpc_response_status", status.to_string()));
        }
        all
    }
}

/// By content, so that the keys of two tables find one series.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.labels, &other.labels);
        (self.status, self.grpc_status, self.error) == (other.status, other.grpc_status, other.error)
            && a.reason == b.reason
            && a.source == b.source
            && a.subset == b.subset
            && a.service == b.service
            && a.version == b.version
    }
}

impl Eq for Key {}

/// Of what usually differs; the rest is compared.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { labels, status, grpc_status: _, error: _ } = self;
        let service = labels.service.as_deref();
        state.write_u16(status.unwrap_or(0));
        state.write_u16(service.map_or(0, |service| service.port));
        state.write_u8(labels.reason as u8);
        state.write_usize(service.map_or(0, |service| service.name.len()));
        if let Some(service) = service {
            state.write(service.name.as_bytes());
        }
        if let Some((_, workload)) = &labels.source {
            state.write(workload.as_bytes());
        }
    }
}

// === impl ShortHasher ===

/// FxHash, as rustc has it: fast for short texts; who chooses the names of Services harms only
/// itself.
impl Hasher for ShortHasher {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u16(&mut self, n: u16) {
        self.write_u64(n.into());
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x51_7c_c1_b7_27_22_0a_95);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

// === impl Series ===

impl Series {
    pub(super) fn add(&self, end: &HopEnd, trace_id: TraceId) {
        let ms = end.duration.as_secs_f64() * 1000.0;
        if let Some(place) = BUCKETS_MS.iter().position(|bound| ms <= *bound) {
            self.buckets[place].fetch_add(1, Relaxed);
        }
        self.n.fetch_add(1, Relaxed);
        self.sum_us.fetch_add(u64::try_from(end.duration.as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.request_bytes.fetch_add(end.request_bytes, Relaxed);
        self.response_bytes.fetch_add(end.response_bytes, Relaxed);
        if let Ok(mut exemplar) = self.exemplar.try_lock() {
            *exemplar = Some(Exemplar { trace_id, duration: end.duration });
        }
    }

    pub(super) fn n(&self) -> u64 {
        self.n.load(Relaxed)
    }

    pub(super) fn sum_ms(&self) -> f64 {
        Duration::from_micros(self.sum_us.load(Relaxed)).as_secs_f64() * 1000.0
    }

    /// How many requests were at most as long as each bound.
    pub(super) fn cumulative(&self) -> Vec<u64> {
        let mut sum = 0;
        self.buckets
            .iter()
            .map(|bucket| {
                sum += bucket.load(Relaxed);
                sum
            })
            .collect()
    }

    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.request_bytes.load(Relaxed), self.response_bytes.load(Relaxed))
    }

    pub(super) fn exemplar(&self) -> Option<Exemplar> {
        self.exemplar.lock().ok().and_then(|exemplar| *exemplar)
    }
}
