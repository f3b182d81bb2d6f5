//! Objects that hold rules, as the table is made from them: plain data with everything in them
//! read and named in full.

use std::sync::Arc;

use crate::credential::{CredentialSpec, Credentials, TlsTerms};
use crate::policy::Policy;
use crate::rules::{ConnectionRules, HttpMatch, HttpRoute};
use crate::verdict::Rule;
use crate::virtual_host::Rules;

/// The root namespace, whose DestinationRules count where no nearer one does (Istio's default).
pub(crate) const ROOT_NAMESPACE: &str = "istio-system";

/// Every object that holds rules. Of two that say something about one host, the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSpecs {
    /// VirtualServices, the older first.
    pub virtual_services: Vec<Arc<VirtualServiceSpec>>,
    /// DestinationRules, the older first.
    pub destination_rules: Vec<Arc<DestinationRuleSpec>>,
    /// Gateways, the older first.
    pub gateways: Vec<Arc<GatewaySpec>>,
    /// Secrets with certificates.
    pub credentials: Vec<CredentialSpec>,
}

/// A VirtualService.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServiceSpec {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// In lower case; a name without a dot is one in its namespace, written as
    /// [`service_host`] does.
    pub hosts: Vec<Box<str>>,
    /// `mesh`, or `namespace/name`.
    pub gateways: Vec<Arc<str>>,
    /// Who sees it.
    pub export_to: Visibility,
    /// Its rules for connections.
    pub connections: ConnectionRules,
    pub(crate) rules: Rules,
}

/// Which namespaces see an object (`exportTo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// All of them.
    #[default]
    Everyone,
    /// These.
    Namespaces(Vec<Arc<str>>),
}

/// A DestinationRule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationRuleSpec {
    /// The object.
    pub rule: Arc<Rule>,
    /// The host that it is about, as in [`VirtualServiceSpec::hosts`].
    pub host: Box<str>,
    /// Who sees it.
    pub export_to: Visibility,
    /// What it says of the host.
    pub policy: PortPolicies,
    /// Its subsets.
    pub subsets: Vec<SubsetSpec>,
}

/// Policies of a host or a subset, by port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortPolicies {
    /// For ports without their own.
    pub all: Policy,
    /// For these ports, whole: what one of them leaves out is Istio's default.
    pub by_port: Vec<(u16, Policy)>,
}

/// Some of a host's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubsetSpec {
    /// Its name.
    pub name: Arc<str>,
    /// What the endpoints' labels have to be.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// What it says otherwise than its host's.
    pub policy: PortPolicies,
}

/// A Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewaySpec {
    /// `namespace/name`, as VirtualServices name it.
    pub id: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its servers.
    pub servers: Vec<ServerSpec>,
}

/// A server of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// Its port.
    pub port: u16,
    /// Which hosts of which VirtualServices it serves.
    pub hosts: Vec<ServerHost>,
    /// Whether every request is sent to `https` (`tls.httpsRedirect`).
    pub redirects_to_https: bool,
    /// What it takes.
    pub serves: Serves,
}

/// What a server of a Gateway takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serves {
    /// HTTP without TLS.
    Http,
    /// HTTP inside TLS that ends here.
    Https(TlsTerms),
    /// Bytes inside TLS that ends here.
    TcpInTls(TlsTerms),
    /// TLS that ends elsewhere.
    Passthrough,
    /// Bytes.
    Tcp,
}

/// Hosts that a server takes, and from whose VirtualServices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHost {
    /// The namespace of the VirtualServices; `None`: any.
    pub namespace: Option<Arc<str>>,
    /// A name, `*.suffix`, or `*`.
    pub host: Box<str>,
}

/// The host of a Service, in full.
#[must_use]
pub fn service_host(namespace: &str, name: &str) -> String {
    format!("{name}.{namespace}.svc.cluster.local")
}

/// The namespace and the name of the Service whose [`service_host`] this is.
pub(crate) fn split_service_host(host: &str) -> Option<(&str, &str)> {
    let (name, namespace) = host.strip_suffix(".svc.cluster.local")?.split_once('.')?;
    Some((namespace, name))
}

// === impl VirtualServiceSpec ===

impl VirtualServiceSpec {
    /// A VirtualService with its rules for HTTP in their order.
    #[must_use]
    pub fn new(
        (namespace, name): (Arc<str>, Arc<str>),
        hosts: Vec<Box<str>>,
        gateways: Vec<Arc<str>>,
        http: Vec<Arc<HttpRoute>>,
    ) -> Self {
        let export_to = Visibility::Everyone;
        let rules = Rules::new(bound(http, &gateways));
        let connections = ConnectionRules::default();
        Self { namespace, name, hosts, gateways, export_to, connections, rules }
    }

    /// The rules for HTTP, in order.
    #[must_use]
    pub fn http(&self) -> &[Arc<HttpRoute>] {
        self.rules.routes()
    }
}

/// Conditions that name gateways do so in the place of the VirtualService's; where one does, the
/// others have to say which theirs are.
fn bound(http: Vec<Arc<HttpRoute>>, gateways: &[Arc<str>]) -> Vec<Arc<HttpRoute>> {
    let names_some = |route: &Arc<HttpRoute>| route.matches.iter().any(|it| !it.gateways.is_empty());
    if !http.iter().any(names_some) {
        return http;
    }
    let bind = |route: Arc<HttpRoute>| {
        let mut route = (*route).clone();
        if route.matches.is_empty() {
            route.matches.push(HttpMatch::default());
        }
        for condition in route.matches.iter_mut().filter(|condition| condition.gateways.is_empty()) {
            condition.gateways = gateways.to_vec();
        }
        Arc::new(route)
    };
    http.into_iter().map(bind).collect()
}

// === impl Visibility ===

impl Visibility {
    /// Whether this namespace sees the object; who comes from outside sees what everyone sees.
    pub(crate) fn includes(&self, namespace: Option<&str>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Namespaces(all) => {
                namespace.is_some_and(|namespace| all.iter().any(|it| **it == *namespace))
            }
        }
    }
}

// === impl PortPolicies ===

impl PortPolicies {
    /// What holds for a port.
    pub(crate) fn of(&self, port: u16) -> &Policy {
        self.own(port).unwrap_or(&self.all)
    }

    /// What a subset says, over what its host says, for a port (`MergeTrafficPolicy` in Istio's
    /// `cluster_traffic_policy.go`).
    pub(crate) fn of_subset(&self, host: &Self, port: u16) -> Policy {
        match self.own(port) {
            Some(own) => own.clone(),
            None => self.all.over(host.of(port)),
        }
    }

    pub(crate) fn names_credentials(&self) -> bool {
        let mut all = std::iter::once(&self.all).chain(self.by_port.iter().map(|(_, policy)| policy));
        all.any(|policy| policy.tls.as_ref().is_some_and(|tls| tls.credential.is_some()))
    }

    /// Looks up what the Secrets hold that are named, in this namespace.
    pub(crate) fn look_up(&mut self, credentials: &Credentials, namespace: &str) {
        let all = std::iter::once(&mut self.all).chain(self.by_port.iter_mut().map(|(_, policy)| policy));
        for policy in all {
            policy.look_up(credentials, namespace);
        }
    }

    fn own(&self, port: u16) -> Option<&Policy> {
        self.by_port.iter().find(|(number, _)| *number == port).map(|(_, policy)| policy)
    }
}
