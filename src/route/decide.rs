//! The decision: one function, run with a witness that looks away (`decide`)
//! or writes down (`explain`).
//!
//! ```text
//!  host or listener ─► Target ─► rule ─► destination ─┐
//!  carriers ─► key ───────────────────────────────────┴─► version ─► Verdict
//!              (`resolve`)      (`virtual_host`) (`choose`)
//! ```
//!
//! Without rules nothing is allocated on the way, except a key that is nobody's and the words
//! of a refusal.

mod choose;
mod connection;
mod resolve;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};

use self::choose::{Candidate, Drawn, candidate, draw, survey_destinations};
use self::resolve::{HostRules, Target, resolve};
use crate::carrier::{self, Carrier, Reading};
use crate::credential::TlsServer;
use crate::explain::{Asked, Explanation, RuleFinding};
use crate::host;
use crate::host_map::bare_host;
use crate::rules::{Action, Redirect, Redirected, RequestView, WeightedDestination};
use crate::table::{RoutingTable, Sandbox};
use crate::verdict::{Applied, Outcome, Reason, RoutingKey, Rule, RuleKind, Verdict, Version};
use crate::virtual_host::Found;
use crate::witness::{Recorder, Witness};

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// It came in on the listener of a Service port.
    Service {
        /// The Service's namespace.
        namespace: &'a str,
        /// The Service's name.
        service: &'a str,
        /// The Service's port number.
        port: u16,
    },
    /// A client's datagrams, on the socket of a Service port.
    Datagrams {
        /// The Service's namespace.
        namespace: &'a str,
        /// The Service's name.
        service: &'a str,
        /// The Service's port number, of UDP.
        port: u16,
    },
    /// It came in on the entry listener: its Host, with or without a port.
    Host(&'a str),
    /// It came in on a gateway's listener.
    Gateway {
        /// The gateway's port.
        port: u16,
        /// The Host, with or without a port.
        host: &'a str,
    },
}

/// The workload that is calling.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The workload's namespace.
    pub namespace: &'a str,
    /// The workload's name.
    pub workload: &'a str,
    /// The pod's labels, where they are known.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// The sandbox that it is a fork or a member of.
    pub sandbox: Option<&'a str>,
}

/// One request, as far as it matters for where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What it asks for.
    pub destination: Destination<'a>,
    /// Who is calling, where that is known.
    pub source: Option<Source<'a>>,
    /// Its method.
    pub method: &'a Method,
    /// Its target, with a normalised path.
    pub uri: &'a Uri,
    /// The host that it names, with or without a port; empty where it names none.
    pub host: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Whether it came over TLS.
    pub is_tls: bool,
    /// The server of a gateway for which its connection of TLS was made.
    pub server: Option<&'a TlsServer>,
    /// Drawn from the whole range of numbers: which of several weighted destinations it falls to.
    pub lot: u32,
    /// Whether it is no request but a connection whose bytes are not read.
    pub is_connection: bool,
}

/// Where this request goes.
#[must_use]
pub fn decide(table: &RoutingTable, ask: &Ask<'_>) -> Verdict {
    settle(table, ask, &mut ())
}

/// Where this request would go, with everything that was looked at. The
/// verdict in it equals what [`decide`] says.
#[must_use]
pub fn explain(table: &RoutingTable, ask: &Ask<'_>) -> Explanation {
    let mut recorder = Recorder::default();
    let verdict = settle(table, ask, &mut recorder);
    let Recorder { carriers, rules, destinations, candidates } = recorder;
    let sentence = verdict.sentence();
    Explanation { asked: Asked::from(ask), carriers, rules, destinations, candidates, sentence, verdict }
}

/// A key with its owner.
struct Keyed<'t> {
    key: RoutingKey,
    owner: Option<&'t Arc<Sandbox>>,
}

fn settle<W: Witness>(table: &RoutingTable, ask: &Ask<'_>, witness: &mut W) -> Verdict {
    let target = match (ask.is_connection, &ask.destination) {
        (true, Destination::Gateway { .. }) => Ok(Target::unread()),
        _ => resolve(table, ask),
    };
    let preview = target.as_ref().ok().and_then(|target| target.preview);
    let preview_key = preview.map(|sandbox| &*sandbox.key);
    let reading = carrier::read(ask.headers, ask.uri, table.carriers(), preview_key, witness);
    let keyed = key(table, &reading, ask.source.as_ref());
    let verdict = Verdict {
        table_revision: table.revision(),
        service: None,
        rule: None,
        subset: None,
        share: None,
        version: Version::Baseline,
        n_disagreeing: reading.n_disagreeing,
        n_malformed: reading.n_malformed,
        fell_back: false,
        wants_injection: wants_injection(&reading, keyed.as_ref()),
        reason: Reason::NoKey,
        outcome: Outcome::Forward { backends: Arc::default() },
        applied: None,
        policy: None,
        affinity: None,
        key: keyed.as_ref().map(|keyed| keyed.key.clone()),
    };
    let target = match target {
        Ok(target) => target,
        Err(reason) => return verdict.refused(reason, &ask.destination.to_string()),
    };
    if ask.is_connection {
        return match &ask.destination {
            Destination::Gateway { .. } => {
                connection::to_gateway(table, ask, (verdict, keyed.as_ref()), witness)
            }
            Destination::Service { .. } | Destination::Datagrams { .. } | Destination::Host(_) => {
                connection::to_service(table, (ask, &target), (verdict, keyed.as_ref()), witness)
            }
        };
    }
    if let Some(server) = ask.server
        && !server.takes(bare_host(&host::normalise(ask.host)))
    {
        return verdict.refused(Reason::Misdirected, &ask.asked_host());
    }
    match target.rules {
        Some(rules) => by_rule(table, (ask, &target, rules), (verdict, keyed.as_ref()), witness),
        None => match target.named {
            Some((service, port)) => {
                let caller = ask.source.map(|source| source.namespace);
                let candidate = Candidate::whole((service, port), caller);
                let verdict = Verdict { rule: Some(service.rule.clone()), ..verdict };
                verdict.sent_to(&candidate, keyed.as_ref(), witness)
            }
            // A host that only rules know always has some.
            None => verdict.refused(Reason::UnknownHost, &ask.destination.to_string()),
        },
    }
}

/// By the first rule whose conditions hold.
fn by_rule<W: Witness>(
    table: &RoutingTable,
    (ask, target, host): (&Ask<'_>, &Target<'_>, HostRules<'_>),
    (verdict, keyed): (Verdict, Option<&Keyed<'_>>),
    witness: &mut W,
) -> Verdict {
    let authority = host::normalise(ask.host);
    let scheme = if ask.is_tls { "https" } else { "http" };
    let target_of = || ask.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if host.redirects_to_https && !ask.is_tls {
        let redirect = Redirect::to_https();
        let (target_of, matched) = (target_of(), None);
        let redirected =
            Redirected { target: &target_of, scheme, authority: &authority, port: target.port, matched };
        let rule = host.gateways.first().map(|gateway| gateway_rule(gateway));
        return Verdict { rule, ..verdict }.redirected(&redirect, redirected);
    }
    let request = RequestView {
        path: ask.uri.path(),
        query: ask.uri.query(),
        method: ask.method,
        scheme,
        authority: &authority,
        headers: ask.headers,
        port: target.port,
        source_namespace: ask.source.map(|source| source.namespace),
        source_labels: ask.source.and_then(|source| source.labels),
        gateways: host.gateways,
    };
    let found = host.rules.and_then(|rules| rules.find(&request));
    witness.rules(|| host.rules.map_or_else(Vec::new, |rules| RuleFinding::all(rules, &request)));
    let verdict = Verdict { service: target.named.map(|(_, port)| port.service_port.clone()), ..verdict };
    let Some(Found { route, matched }) = found else {
        return verdict.refused(Reason::NoRoute, &ask.asked_host());
    };
    let condition = matched.and_then(|it| route.matches.iter().position(|other| std::ptr::eq(it, other)));
    let applied = Applied { route: route.clone(), condition, destination: None };
    let verdict = Verdict { rule: Some(route.rule.clone()), applied: Some(applied), ..verdict };
    match &route.action {
        Action::Redirect(redirect) => {
            let target_of = target_of();
            let (authority, port) = (&*authority, target.port);
            verdict.redirected(redirect, Redirected { target: &target_of, scheme, authority, port, matched })
        }
        Action::Respond(response) => {
            let outcome = Outcome::Respond { status: response.status, location: None };
            Verdict { reason: Reason::Responded, outcome, ..verdict }
        }
        Action::Forward(destinations) => {
            by_weight(table, (ask, target.port), destinations, (verdict, keyed), witness)
        }
    }
}

/// To the destination that the key's sandbox forks, else to one by weight.
fn by_weight<W: Witness>(
    table: &RoutingTable,
    (ask, port): (&Ask<'_>, u16),
    destinations: &[WeightedDestination],
    (verdict, keyed): (Verdict, Option<&Keyed<'_>>),
    witness: &mut W,
) -> Verdict {
    let caller = ask.source.map(|source| source.namespace);
    let candidates: Vec<_> = destinations.iter().map(|it| candidate(table, &it.to, (port, caller))).collect();
    let drawn = draw(&candidates, destinations, (keyed, ask.lot));
    witness.destinations(|| survey_destinations(&candidates, destinations, (keyed, &drawn)));
    let Drawn { place, candidate, share } = drawn;
    let to = &destinations[place].to;
    let mut verdict = Verdict { share, subset: to.subset.clone(), ..verdict };
    if let Some(applied) = &mut verdict.applied {
        applied.destination = Some(place);
    }
    match candidate {
        Some(candidate) => verdict.sent_to(&candidate, keyed, witness),
        None => verdict.refused(Reason::UnknownDestination, &to.to_string()),
    }
}

fn gateway_rule(id: &str) -> Arc<Rule> {
    let (namespace, name) = id.split_once('/').unwrap_or(("", id));
    let (namespace, name) = (namespace.into(), name.into());
    Arc::new(Rule { kind: RuleKind::Gateway, namespace, name, revision: 0, route: None })
}

/// The first carrier's key, or else the one that the calling workload implies.
fn key<'t>(table: &'t RoutingTable, reading: &Reading<'_>, source: Option<&Source<'_>>) -> Option<Keyed<'t>> {
    let Some((carrier, value)) = &reading.winner else {
        let source = source?;
        let owner = table.sandbox(source.namespace, source.sandbox?)?;
        return Some(Keyed {
            key: RoutingKey { value: owner.key.clone(), carrier: Carrier::Implied },
            owner: Some(owner),
        });
    };
    let owner = table.owner(value);
    let value = owner.map_or_else(|| Arc::from(&**value), |owner| owner.key.clone());
    Some(Keyed { key: RoutingKey { value, carrier: *carrier }, owner })
}

/// Injection is wanted where the next services would not see the key: it was
/// implied, or came by a carrier that is about this request only, or by one
/// that services with nothing but W3C propagation do not hand on, or those
/// would hand on another. A key that is nobody's is forwarded as it came.
fn wants_injection(reading: &Reading<'_>, keyed: Option<&Keyed<'_>>) -> bool {
    keyed.is_some_and(|keyed| keyed.owner.is_some()) && !reading.w3c_hands_on_winner
}

// === impl Ask ===

impl<'a> Ask<'a> {
    /// A connection of which nothing is read, as on a port of [`Wire::Tcp`](crate::Wire::Tcp):
    /// its key can only be implied.
    #[must_use]
    pub fn connection(destination: Destination<'a>, source: Option<Source<'a>>) -> Self {
        static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
        static NO_URI: LazyLock<Uri> = LazyLock::new(Uri::default);
        Self {
            destination,
            source,
            method: &Method::CONNECT,
            uri: &NO_URI,
            host: "",
            headers: &NO_HEADERS,
            is_tls: false,
            server: None,
            lot: 0,
            is_connection: true,
        }
    }

    /// The datagrams of a client, of which nothing is read: no rule is about them, and their key can
    /// only be implied.
    #[must_use]
    pub fn datagrams(
        (namespace, service, port): (&'a str, &'a str, u16),
        source: Option<Source<'a>>,
    ) -> Self {
        let destination = Destination::Datagrams { namespace, service, port };
        Self { is_connection: false, ..Self::connection(destination, source) }
    }

    /// A request of which nothing is said but where it goes.
    #[must_use]
    pub fn request(destination: Destination<'a>, source: Option<Source<'a>>) -> Self {
        Self { method: &Method::GET, is_connection: false, ..Self::connection(destination, source) }
    }

    /// The host that was asked for, in words.
    fn asked_host(&self) -> Cow<'a, str> {
        match self.host {
            "" => Cow::Owned(self.destination.to_string()),
            host => Cow::Borrowed(host),
        }
    }
}

// === impl Verdict ===

impl Verdict {
    /// Sent to the version of `candidate` that the key chooses.
    fn sent_to<W: Witness>(
        self,
        candidate: &Candidate<'_>,
        keyed: Option<&Keyed<'_>>,
        witness: &mut W,
    ) -> Self {
        let choice = candidate.choose(keyed);
        witness.candidates(|| candidate.survey(keyed, &choice));
        let reason = match choice.reason {
            Reason::ForkNotReady => choice.reason,
            reason if choice.backends.is_ready() => reason,
            _ => Reason::NoReadyEndpoints,
        };
        let verdict = Self {
            service: Some(candidate.port.service_port.clone()),
            policy: candidate.policy.cloned(),
            affinity: candidate.affinity(),
            version: choice.version,
            fell_back: choice.reason == Reason::ForkNotReadyFellBack,
            ..self
        };
        match reason.refusal_status() {
            None => {
                let outcome = Outcome::Forward { backends: choice.backends.ready.clone() };
                Self { reason, outcome, ..verdict }
            }
            Some(_) => verdict.refused(reason, &candidate.port.service_port.to_string()),
        }
    }

    fn redirected(self, redirect: &Redirect, request: Redirected<'_>) -> Self {
        let location = Some(redirect.location(request).into());
        let outcome = Outcome::Respond { status: redirect.status, location };
        Self { reason: Reason::Redirected, outcome, ..self }
    }

    pub(crate) fn refused(self, reason: Reason, asked: &str) -> Self {
        let status = reason.refusal_status().expect("the reason is one of a refusal");
        Self { reason, outcome: Outcome::Refuse { status, asked: asked.into() }, ..self }
    }
}

// === impl Destination ===

impl std::fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service { namespace, service, port } => write!(f, "{namespace}/{service}:{port}"),
            Self::Datagrams { namespace, service, port } => write!(f, "{namespace}/{service}:{port}/UDP"),
            Self::Gateway { port, host: "" } => write!(f, "port {port}"),
            Self::Host(host) | Self::Gateway { port: _, host } => f.write_str(host),
        }
    }
}

// === impl Asked ===

impl From<&Ask<'_>> for Asked {
    fn from(ask: &Ask<'_>) -> Self {
        let source = ask.source.as_ref();
        Self {
            method: ask.method.to_string(),
            target: ask.uri.to_string(),
            destination: ask.destination.to_string(),
            source: source.map(|source| format!("{}/{}", source.namespace, source.workload)),
            source_sandbox: source.and_then(|source| source.sandbox).map(str::to_owned),
        }
    }
}
