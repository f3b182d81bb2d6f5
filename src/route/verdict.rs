//! The decision for one request, with its reason.
//!
//! Everything in a verdict is shared with the table by `Arc`, so making one
//! copies no text. How it comes about is in `decide`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::carrier::Carrier;
use crate::policy::Policy;
use crate::rules::HttpRoute;
use crate::wire::Wire;

/// Where one request goes, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The revision of the routing table that decided.
    pub table_revision: u64,
    /// The Service and port that was asked for; absent where nothing has that name.
    pub service: Option<Arc<ServicePort>>,
    /// The rule that matched; absent where there is none for such a host.
    pub rule: Option<Arc<Rule>>,
    /// The subset of the Service that the rule names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<Arc<str>>,
    /// The share of the destination among those of its rule, where there are several and no key
    /// chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Which version of the Service takes the request, or would have.
    pub version: Version,
    /// The request's key and where it was found.
    pub key: Option<RoutingKey>,
    /// How many further carriers hold another key than `key`.
    pub n_disagreeing: u8,
    /// How many carriers hold something that cannot be a key, which counts as absent.
    pub n_malformed: u8,
    /// Whether a fork should have taken the request and the baseline stood in.
    pub fell_back: bool,
    /// Whether `key` has to be written into the forwarded request
    /// ([`inject_key`](crate::inject_key)): the next services would otherwise not see it.
    pub wants_injection: bool,
    /// Why.
    pub reason: Reason,
    /// What to do.
    pub outcome: Outcome,
    /// What the rule does with the request, for who sends it.
    #[serde(skip)]
    pub applied: Option<Applied>,
    /// What DestinationRules say of the destination; `None`: nothing.
    #[serde(skip)]
    pub policy: Option<Arc<Policy>>,
    /// How long a client stays with the endpoint that it got, by its address; `None`: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Duration>,
}

/// A rule as it is applied to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The rule.
    pub route: Arc<HttpRoute>,
    /// The place of the condition that held; `None` where the rule has none.
    pub condition: Option<usize>,
    /// The place of the destination that was chosen; `None` where nothing is forwarded.
    pub destination: Option<usize>,
}

/// A destination's weight among those of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its own.
    pub weight: u32,
    /// All together.
    pub of: u64,
}

/// What to do with the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Send it to one of these.
    Forward {
        /// The ready endpoints, at least one.
        backends: Arc<[Endpoint]>,
    },
    /// Answer it as the rule says.
    Respond {
        /// The HTTP status.
        status: u16,
        /// Where the client is sent, if it is.
        location: Option<Arc<str>>,
    },
    /// Answer it ourselves: it cannot be forwarded.
    Refuse {
        /// The HTTP status.
        status: u16,
        /// What was asked for, in the asker's words: a host, or `namespace/service:port`.
        asked: Arc<str>,
    },
}

/// Why the verdict is as it is. The codes are stable: scripts may compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Baseline: the request carries no key, and its sender implies none.
    NoKey,
    /// The key's sandbox forks this Service and the fork is ready.
    Forked,
    /// Baseline: the key's sandbox does not fork this Service.
    NotForked,
    /// Baseline: no sandbox has this key. It is forwarded unchanged.
    UnknownKey,
    /// Baseline: the fork has no ready endpoint, and its sandbox says `fallback: baseline`.
    ForkNotReadyFellBack,
    /// Refused: the fork has no ready endpoint, and its sandbox says `fallback: fail`.
    ForkNotReady,
    /// Refused: the version that should take the request is the baseline, and it has no ready endpoint.
    NoReadyEndpoints,
    /// Refused: the Host header names nothing in the table.
    UnknownHost,
    /// Refused: a preview host names a sandbox that is not in the table.
    UnknownSandbox,
    /// Refused: the listener's Service is not in the table.
    UnknownService,
    /// Refused: the Service has no such port.
    UnknownPort,
    /// Refused: there are rules for the host, and none of them matches.
    NoRoute,
    /// Refused: the connection was made for a server that asks for certificates and does not
    /// have the request's host.
    Misdirected,
    /// Refused: the rule names a Service, a port or a subset that is not there.
    UnknownDestination,
    /// Nothing here has the host, and the caller may go outside.
    Outside,
    /// Refused: it would go outside, and the host's name has no address.
    UnresolvedHost,
    /// Refused: it would go outside, and the host's addresses mean this machine alone.
    NotOutside,
    /// Answered: the rule sends the client elsewhere.
    Redirected,
    /// Answered: the rule has the response in it.
    Responded,
}

/// A key and the carrier that brought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingKey {
    /// The key.
    pub value: Arc<str>,
    /// Where it was found.
    pub carrier: Carrier,
}

/// Which version of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// The one that everybody shares.
    Baseline,
    /// A sandbox's fork.
    Sandbox(Arc<SandboxRef>),
}

/// A sandbox as a verdict names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxRef {
    /// The sandbox's namespace.
    pub namespace: Arc<str>,
    /// The sandbox's name.
    pub name: Arc<str>,
    /// The resourceVersion of the Sandbox.
    pub revision: u64,
}

/// A Service port as a verdict names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePort {
    /// The Service's namespace.
    pub namespace: Arc<str>,
    /// The Service's name.
    pub name: Arc<str>,
    /// The Service's port number.
    pub port: u16,
    /// What is spoken on the port.
    pub wire: Wire,
}

/// The rule that led to the Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which kind of object the rule is.
    pub kind: RuleKind,
    /// The object's namespace.
    pub namespace: Arc<str>,
    /// The object's name.
    pub name: Arc<str>,
    /// The object's resourceVersion.
    pub revision: u64,
    /// The place in the object, and the name that the rule has there: `http[2]`, "http[2] `canary`".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Arc<str>>,
}

/// The kinds of objects that can be a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleKind {
    /// The Service itself: everything for it goes to it.
    Service,
    /// A ServiceEntry, likewise.
    ServiceEntry,
    /// A rule of a VirtualService.
    VirtualService,
    /// A DestinationRule, which says how a Service is reached and never which.
    DestinationRule,
    /// A Gateway that sends everything to `https`.
    Gateway,
}

/// One place to send a request to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Where to connect.
    pub address: SocketAddr,
    /// The pod's name.
    pub pod: Arc<str>,
    /// The name of the workload that owns the pod.
    pub workload: Arc<str>,
}

// === impl Verdict ===

impl Verdict {
    /// The ready endpoints; empty where the request is refused.
    #[must_use]
    pub fn backends(&self) -> &[Endpoint] {
        match &self.outcome {
            Outcome::Forward { backends } => backends,
            Outcome::Respond { .. } | Outcome::Refuse { .. } => &[],
        }
    }

    /// The key to inject into the forwarded request, where that is wanted.
    #[must_use]
    pub fn key_to_inject(&self) -> Option<&str> {
        self.wants_injection.then_some(self.key.as_ref()).flatten().map(|key| &*key.value)
    }

    /// The reason as a sentence fragment for people, with the names filled in.
    /// It holds text from the request; print it through the terminal sanitiser.
    #[must_use]
    pub fn sentence(&self) -> String {
        let key = self.key.as_ref().map_or("", |key| &*key.value);
        let service = self.service.as_deref();
        let name = service.map_or_else(String::new, ToString::to_string);
        let asked = match &self.outcome {
            Outcome::Refuse { asked, .. } => &**asked,
            Outcome::Respond { location, .. } => location.as_deref().unwrap_or_default(),
            Outcome::Forward { .. } => "",
        };
        let rule = self.rule.as_deref().map_or_else(String::new, ToString::to_string);
        match self.reason {
            Reason::NoKey => "baseline: no key".to_owned(),
            Reason::Forked => format!("key `{key}` forks this service"),
            Reason::NotForked => format!("baseline: key `{key}` does not fork this service"),
            Reason::UnknownKey => format!("baseline: key `{key}` is nobody's"),
            Reason::ForkNotReadyFellBack => {
                format!("baseline: the fork of key `{key}` has no ready endpoint, fallback")
            }
            Reason::ForkNotReady => format!(
                "the fork of service `{name}` for key `{key}` has no ready endpoint, and its sandbox says `fallback: fail`"
            ),
            Reason::NoReadyEndpoints => format!("service `{name}` has no ready endpoint"),
            Reason::UnknownHost => format!(
                "no service has the host `{asked}`; wanted `<service>.<namespace>.localhost` or `<sandbox>--<service>.<namespace>.localhost`"
            ),
            Reason::UnknownSandbox => format!("the host `{asked}` names a sandbox that is not there"),
            Reason::UnknownService => format!("there is no service `{asked}`"),
            Reason::UnknownPort => format!("the service has no such port: `{asked}`"),
            Reason::NoRoute => format!("no rule for `{asked}` matches the request"),
            Reason::Misdirected => {
                format!(
                    "the connection was made for another server than that of `{asked}`, and shows a certificate to it alone"
                )
            }
            Reason::UnknownDestination => format!("{rule} sends it to `{asked}`, which is not there"),
            Reason::Outside => "outside: no service and no rule has the host".to_owned(),
            Reason::UnresolvedHost => {
                format!("no service and no rule has the host `{asked}`, and the name has no address outside")
            }
            Reason::NotOutside => {
                format!("the addresses of `{asked}` mean this machine alone, where no private pod leads")
            }
            Reason::Redirected => format!("{rule} sends the client to `{asked}`"),
            Reason::Responded => format!("{rule} has the response in it"),
        }
    }
}

// === impl Reason ===

impl Reason {
    /// The stable code, as in the `spur-reason` header and in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoKey => "no-key",
            Self::Forked => "forked",
            Self::NotForked => "not-forked",
            Self::UnknownKey => "unknown-key",
            Self::ForkNotReadyFellBack => "fork-not-ready-fell-back",
            Self::ForkNotReady => "fork-not-ready",
            Self::NoReadyEndpoints => "no-ready-endpoints",
            Self::UnknownHost => "unknown-host",
            Self::UnknownSandbox => "unknown-sandbox",
            Self::UnknownService => "unknown-service",
            Self::UnknownPort => "unknown-port",
            Self::NoRoute => "no-route",
            Self::Misdirected => "misdirected",
            Self::UnknownDestination => "unknown-destination",
            Self::Outside => "outside",
            Self::UnresolvedHost => "unresolved-host",
            Self::NotOutside => "not-outside",
            Self::Redirected => "redirected",
            Self::Responded => "responded",
        }
    }

    /// The status of the answer where the reason is a refusal.
    ///
    /// Nothing of that name is 404; something of that name that cannot answer
    /// now is 503 (RFC 9110, sections 15.5.5 and 15.6.4).
    #[must_use]
    pub fn refusal_status(self) -> Option<u16> {
        match self {
            Self::NoKey
            | Self::Forked
            | Self::NotForked
            | Self::UnknownKey
            | Self::ForkNotReadyFellBack
            | Self::Outside
            | Self::Redirected
            | Self::Responded => None,
            // As a proxy says it whose next server cannot be found (RFC 9110, section 15.6.3).
            Self::UnresolvedHost => Some(502),
            // RFC 9110, section 15.5.4.
            Self::NotOutside => Some(403),
            // An unknown cluster is 503 in Envoy (`cluster_not_found_response_code`).
            Self::ForkNotReady | Self::NoReadyEndpoints | Self::UnknownDestination => Some(503),
            // RFC 9110, section 15.5.20.
            Self::Misdirected => Some(421),
            Self::UnknownHost
            | Self::UnknownSandbox
            | Self::UnknownService
            | Self::UnknownPort
            | Self::NoRoute => Some(404),
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code())
    }
}

// === impl Rule ===

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name, revision: _, route } = self;
        write!(f, "{kind:?} {namespace}/{name}")?;
        match route {
            Some(route) => write!(f, " {route}"),
            None => Ok(()),
        }
    }
}

// === impl Version ===

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Baseline => f.write_str("baseline"),
            Self::Sandbox(sandbox) => {
                write!(f, "sandbox {}/{}", sandbox.namespace, sandbox.name)
            }
        }
    }
}

// === impl ServicePort ===

impl std::fmt::Display for ServicePort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.namespace {
            // A host outside.
            "" => write!(f, "{}:{}", self.name, self.port),
            namespace => write!(f, "{namespace}/{}:{}", self.name, self.port),
        }
    }
}
