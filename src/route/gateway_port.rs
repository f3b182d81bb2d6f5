//! One port of gateways: its hosts for HTTP, its servers for TLS, and whose rules take its
//! connections. Made once, then only read.
//!
//! HTTP, TLS and HTTPS may share a port: the first bytes tell them apart. Where a server takes
//! plain bytes, nothing else is served, since then there is nothing to tell.

use std::sync::Arc;

use crate::credential::{Credentials, Inside, TlsEnd, TlsServer, TlsTerms};
use crate::host_map::{HostMap, intersection};
use crate::rule_spec::{GatewaySpec, ServerHost, ServerSpec, Serves, VirtualServiceSpec};
use crate::virtual_host::Rules;

/// One port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayPort {
    http: HostMap<GatewayHost>,
    https: HostMap<GatewayHost>,
    /// By the name that is asked for; of two servers of one name the first counts.
    by_name: HostMap<Arc<TlsServer>>,
    tls_servers: Vec<Arc<TlsServer>>,
    /// The gateways that take plain bytes.
    tcp: Vec<Arc<str>>,
    connections: Vec<ConnectionSource>,
}

/// One host at one port of gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayHost {
    /// The gateways by which it is reached there.
    pub(crate) gateways: Vec<Arc<str>>,
    pub(crate) redirects_to_https: bool,
    sources: Vec<Arc<VirtualServiceSpec>>,
    /// Those of one VirtualService are shared with it.
    merged: Option<Arc<Rules>>,
}

/// What a port of gateways takes, before a byte was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortTakes {
    /// HTTP, TLS or both, which the first bytes tell.
    Told {
        /// Whether HTTP without TLS is served.
        http: bool,
    },
    /// Bytes.
    Tcp,
}

/// An object with rules for connections, and the gateway by which it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ConnectionSource {
    gateway: Arc<str>,
    spec: Arc<VirtualServiceSpec>,
}

// === impl GatewayPort ===

impl GatewayPort {
    /// The hosts of a gateway's servers are there before any VirtualService names them, so that
    /// a request for one finds no rule instead of no host.
    pub(crate) fn open(&mut self, gateway: &GatewaySpec, server: &ServerSpec, credentials: &Credentials) {
        let here = |terms: &TlsTerms, inside| TlsEnd::Here {
            terms: terms.clone(),
            inside,
            credential: credentials.get(&gateway.namespace, &terms.credential),
        };
        let end = match &server.serves {
            Serves::Http => None,
            Serves::Https(terms) => Some(here(terms, Inside::Http)),
            Serves::TcpInTls(terms) => Some(here(terms, Inside::Tcp)),
            Serves::Passthrough => Some(TlsEnd::Passthrough),
            Serves::Tcp => {
                self.tcp.push(gateway.id.clone());
                None
            }
        };
        if let Some(end) = end {
            let tls = Arc::new(TlsServer::new(&gateway.id, server, end));
            for host in &tls.hosts {
                self.by_name.entry(host, || tls.clone());
            }
            self.tls_servers.push(tls);
        }
        if let Some(hosts) = self.hosts_of(&server.serves) {
            for ServerHost { host, namespace: _ } in &server.hosts {
                hosts.entry(host, GatewayHost::default).reached_by(&gateway.id, server.redirects_to_https);
            }
        }
    }

    /// Adds the rules of an object that is bound to the gateway.
    pub(crate) fn add(
        &mut self,
        spec: &Arc<VirtualServiceSpec>,
        (gateway, server): (&GatewaySpec, &ServerSpec),
    ) {
        let wanted = server.hosts.iter().filter(|it| it.takes_from(&spec.namespace));
        let mut common =
            wanted.flat_map(|it| spec.hosts.iter().filter_map(|host| intersection(&it.host, host)));
        match self.hosts_of(&server.serves) {
            Some(hosts) => {
                for host in common {
                    let at = hosts.entry(host, GatewayHost::default);
                    at.reached_by(&gateway.id, server.redirects_to_https);
                    if !at.sources.iter().any(|other| Arc::ptr_eq(other, spec)) {
                        at.sources.push(spec.clone());
                    }
                }
            }
            None => {
                let source = ConnectionSource { gateway: gateway.id.clone(), spec: spec.clone() };
                if common.next().is_some() && !self.connections.contains(&source) {
                    self.connections.push(source);
                }
            }
        }
    }

    /// Rules of several objects for one host become one list.
    pub(crate) fn merge(&mut self) {
        self.http.values_mut().chain(self.https.values_mut()).for_each(GatewayHost::merge);
    }

    pub(crate) fn hosts(&self, is_tls: bool) -> &HostMap<GatewayHost> {
        if is_tls { &self.https } else { &self.http }
    }

    /// The server for a name in lower case. A client that names none gets the one for every name,
    /// or else the only one there is.
    pub(crate) fn tls_server(&self, name: Option<&str>) -> Option<&Arc<TlsServer>> {
        let named = match name {
            Some(name) => self.by_name.exact(name).or_else(|| self.by_name.wildcard(name)),
            None => self.by_name.wildcard(""),
        };
        named.or(match (name, &self.tls_servers[..]) {
            (None, [only]) => Some(only),
            _ => None,
        })
    }

    pub(crate) fn tls_servers(&self) -> &[Arc<TlsServer>] {
        &self.tls_servers
    }

    /// The first gateway that takes plain bytes.
    pub(crate) fn tcp_gateway(&self) -> Option<&Arc<str>> {
        self.tcp.first()
    }

    pub(crate) fn takes(&self) -> PortTakes {
        match self.tcp.is_empty() {
            true => PortTakes::Told { http: !self.http.is_empty() },
            false => PortTakes::Tcp,
        }
    }

    /// Whether there is anything but HTTP without TLS.
    pub(crate) fn wants_a_listener(&self) -> bool {
        !self.tls_servers.is_empty() || !self.tcp.is_empty()
    }

    /// The objects with rules for connections by this gateway, in order.
    pub(crate) fn connections<'t>(
        &'t self,
        gateway: &'t str,
    ) -> impl Iterator<Item = &'t Arc<VirtualServiceSpec>> {
        self.connections.iter().filter(move |it| *it.gateway == *gateway).map(|it| &it.spec)
    }

    /// `None` for servers whose connections are not read.
    fn hosts_of(&mut self, serves: &Serves) -> Option<&mut HostMap<GatewayHost>> {
        match serves {
            Serves::Http => Some(&mut self.http),
            Serves::Https(_) => Some(&mut self.https),
            Serves::TcpInTls(_) | Serves::Passthrough | Serves::Tcp => None,
        }
    }
}

// === impl GatewayHost ===

impl GatewayHost {
    /// The rules, in order.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        match (&self.merged, &self.sources[..]) {
            (Some(merged), _) => Some(merged),
            (None, [only, ..]) => Some(&only.rules),
            (None, []) => None,
        }
    }

    fn reached_by(&mut self, gateway: &Arc<str>, redirects_to_https: bool) {
        if !self.gateways.contains(gateway) {
            self.gateways.push(gateway.clone());
        }
        self.redirects_to_https |= redirects_to_https;
    }

    fn merge(&mut self) {
        if self.sources.len() > 1 {
            self.merged = Some(Arc::new(Rules::merged(self.sources.iter().map(|source| &source.rules))));
        }
    }
}
