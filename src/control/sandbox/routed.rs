//! Whether the table that requests are routed by holds a sandbox already: a
//! client that has seen it ready must never be answered by the baseline.
//!
//! The table is asked the way the proxy asks it, as a caller of the sandbox.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use kube::runtime::reflector::Store;
use spur_route::{Ask, Destination, Reason, RoutingTable, Source, decide};

use super::caches::{Guarded, Waking};
use super::fork_service::ForkService;

/// What has to be in the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) namespace: String,
    pub(super) sandbox: String,
    pub(super) key: String,
    /// The baseline Services that have forks, with their ports.
    pub(super) services: Vec<(String, Vec<u16>)>,
    /// The preview hosts in the status.
    pub(super) hosts: Vec<String>,
}

/// What is not in the table yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// Services whose fork has no ready endpoint there.
    pub(super) services: Vec<String>,
    /// Whether the sandbox itself is not there.
    pub(super) is_sandbox_missing: bool,
}

/// What each sandbox expects of the table, and what was missing when it last
/// looked: those for which a new table is news are woken by it.
pub(super) struct Routed {
    table: Arc<ArcSwap<RoutingTable>>,
    /// Guards the expectations. One entry per sandbox that is there.
    expectations: Mutex<HashMap<Waking, (Expected, Missing)>>,
}

// === impl Expected ===

impl Expected {
    pub(super) fn of_services(services: &[ForkService]) -> Vec<(String, Vec<u16>)> {
        services
            .iter()
            // Through a Service without TCP ports nothing is routed.
            .filter(|service| !service.ports.is_empty())
            .map(|service| (service.of.clone(), service.ports.iter().map(|port| port.number).collect()))
            .collect()
    }

    /// What the table does not hold.
    pub(super) fn missing_in(&self, table: &RoutingTable) -> Missing {
        let missing = self.services.iter().filter(|(service, ports)| !self.is_forked(table, service, ports));
        Missing {
            services: missing.map(|(service, _)| service.clone()).collect(),
            is_sandbox_missing: self.hosts.iter().any(|host| {
                decide(table, &Ask::request(Destination::Host(host), None)).reason == Reason::UnknownSandbox
            }),
        }
    }

    /// Whether the fork serves at least one port, and the baseline stands in at none.
    fn is_forked(&self, table: &RoutingTable, service: &str, ports: &[u16]) -> bool {
        let reasons: Vec<Reason> = ports.iter().map(|port| self.reason(table, service, *port)).collect();
        reasons.contains(&Reason::Forked)
            && reasons.iter().all(|reason| match reason {
                Reason::Forked | Reason::ForkNotReady | Reason::NoReadyEndpoints => true,
                Reason::NoKey
                | Reason::NotForked
                | Reason::UnknownKey
                | Reason::ForkNotReadyFellBack
                | Reason::UnknownHost
                | Reason::UnknownSandbox
                | Reason::UnknownService
                | Reason::UnknownPort
                | Reason::NoRoute
                | Reason::Misdirected
                | Reason::UnknownDestination
                | Reason::Outside
                | Reason::UnresolvedHost
                | Reason::NotOutside
                | Reason::Redirected
                | Reason::Responded => false,
            })
    }

    fn reason(&self, table: &RoutingTable, service: &str, port: u16) -> Reason {
        let (namespace, sandbox) = (self.namespace.as_str(), self.sandbox.as_str());
        let destination = Destination::Service { namespace, service, port };
        let source = Source { namespace, workload: "", labels: None, sandbox: Some(sandbox) };
        let verdict = decide(table, &Ask::connection(destination, Some(source)));
        match verdict.key {
            Some(key) if *key.value == *self.key => verdict.reason,
            // It is there with the key that it had before.
            _ => Reason::NoKey,
        }
    }
}

// === impl Routed ===

impl Routed {
    pub(super) fn new(table: Arc<ArcSwap<RoutingTable>>) -> Self {
        Self { table, expectations: Mutex::default() }
    }

    /// What the table does not hold of a sandbox. From now on the sandbox is
    /// among the [`changed`](Self::changed) when that becomes another.
    pub(super) fn missing(&self, sandbox: Waking, expected: Expected) -> Missing {
        // The table is read under the lock: one that is published later finds the expectation.
        let mut expectations = self.expectations.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = expected.missing_in(&self.table.load());
        expectations.insert(sandbox, (expected, missing.clone()));
        missing
    }

    /// The sandboxes for which the present table is news.
    pub(super) fn changed(&self, sandboxes: &Store<Guarded>) -> Vec<Waking> {
        let mut expectations = self.expectations.lock().unwrap_or_else(PoisonError::into_inner);
        expectations.retain(|sandbox, _| sandboxes.get(sandbox).is_some());
        let table = self.table.load();
        let is_news = |(expected, missing): &(Expected, Missing)| expected.missing_in(&table) != *missing;
        expectations.iter().filter(|(_, known)| is_news(known)).map(|(sandbox, _)| sandbox.clone()).collect()
    }
}
