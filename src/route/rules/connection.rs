//! Rules for connections whose bytes are not read: `tls` by the name that the client's first
//! message asks for, `tcp` by where it came in and from whom.
//!
//! Source: <https://istio.io/latest/docs/reference/config/networking/virtual-service/#TLSRoute>.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{WeightedDestination, WhyNot};
use crate::host_map::covers;
use crate::verdict::Rule;

/// The rules of one object for connections, each list in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionRules {
    /// For TLS that ends elsewhere.
    pub tls: Vec<Arc<ConnectionRoute>>,
    /// For everything else.
    pub tcp: Vec<Arc<ConnectionRoute>>,
}

/// One rule for connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRoute {
    /// The object and the place in it.
    pub rule: Arc<Rule>,
    /// One of them has to hold; none of them: every connection.
    pub matches: Vec<ConnectionMatch>,
    /// One of these takes it.
    pub destinations: Vec<WeightedDestination>,
}

/// Conditions that all have to hold (`TLSMatchAttributes`, `L4MatchAttributes`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionMatch {
    /// Names, or `*.suffix`, of which one has to be asked for; empty: any, also none.
    pub sni_hosts: Vec<Box<str>>,
    /// The port that was asked for.
    pub port: Option<u16>,
    /// Labels of the calling workload.
    pub source_labels: Vec<(Box<str>, Box<str>)>,
    /// The namespace of the calling workload.
    pub source_namespace: Option<Arc<str>>,
    /// Gateways in the place of the VirtualService's own; empty: those.
    pub gateways: Vec<Arc<str>>,
}

/// A connection as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionView<'a> {
    /// The name that it asks for, in lower case; empty where it asks for none.
    pub sni: &'a str,
    /// The port that was asked for: the Service's, or the gateway's.
    pub port: u16,
    /// The namespace of the caller.
    pub source_namespace: Option<&'a str>,
    /// The labels of the caller.
    pub source_labels: Option<&'a BTreeMap<String, String>>,
    /// `mesh`, or the gateway as `namespace/name`, by which it came.
    pub gateway: &'a str,
}

/// How nearly a rule names what a connection asks for: the more the nearer.
type Nearness = (bool, usize);

// === impl ConnectionRoute ===

impl ConnectionRoute {
    /// How nearly the rule, of an object bound to `own` gateways, matches; `None`: not at all.
    /// A name beats wildcards, and longer ones shorter ones, wherever they stand
    /// (Envoy, `FilterChainMatch.server_names`).
    pub(crate) fn nearness(&self, view: &ConnectionView<'_>, own: &[Arc<str>]) -> Option<Nearness> {
        let any = ConnectionMatch::default();
        let matches = if self.matches.is_empty() { std::slice::from_ref(&any) } else { &self.matches };
        matches.iter().filter(|it| it.why_not(view, own).is_none()).map(|it| it.nearness(view)).max()
    }

    /// Why none of its conditions holds; empty where one does.
    pub(crate) fn why_not(&self, view: &ConnectionView<'_>, own: &[Arc<str>]) -> Vec<String> {
        if self.nearness(view, own).is_some() {
            return Vec::new();
        }
        let any = ConnectionMatch::default();
        let matches = if self.matches.is_empty() { std::slice::from_ref(&any) } else { &self.matches };
        matches.iter().filter_map(|it| it.why_not(view, own)).map(|why| why.to_string()).collect()
    }
}

// === impl ConnectionMatch ===

impl ConnectionMatch {
    fn nearness(&self, view: &ConnectionView<'_>) -> Nearness {
        let names = self.sni_hosts.iter().filter(|host| covers(host, view.sni));
        names.map(|host| (!host.starts_with('*'), host.len())).max().unwrap_or_default()
    }

    fn why_not(&self, view: &ConnectionView<'_>, own: &[Arc<str>]) -> Option<WhyNot> {
        let Self { sni_hosts, port, source_labels, source_namespace, gateways } = self;
        let differs = |field: &str, wanted: String, found: Option<&str>| {
            Some(WhyNot { field: field.to_owned(), wanted, found: found.map(str::to_owned) })
        };
        if !sni_hosts.is_empty() && !sni_hosts.iter().any(|host| covers(host, view.sni)) {
            return differs("sniHosts", sni_hosts.join(", "), Some(view.sni).filter(|it| !it.is_empty()));
        }
        if let Some(port) = port.filter(|port| *port != view.port) {
            return differs("port", port.to_string(), Some(&view.port.to_string()));
        }
        if let Some(wanted) = source_namespace.as_deref().filter(|it| view.source_namespace != Some(it)) {
            return differs("sourceNamespace", format!("`{wanted}`"), view.source_namespace);
        }
        let label = |name: &str| view.source_labels.and_then(|all| all.get(name)).map(String::as_str);
        if let Some((name, wanted)) = source_labels.iter().find(|(name, it)| label(name) != Some(it)) {
            return differs(&format!("sourceLabels[{name}]"), format!("`{wanted}`"), label(name));
        }
        let gateways = if gateways.is_empty() { own } else { gateways };
        if !gateways.iter().any(|gateway| **gateway == *view.gateway) {
            return differs("gateways", gateways.join(", "), Some(view.gateway));
        }
        None
    }
}
