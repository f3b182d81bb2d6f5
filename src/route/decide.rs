//! The decision: one function, run with a witness that looks away (`decide`)
//! or writes down (`explain`).
//!
//! Host or listener → Service and port; carriers → key; key → version. On the
//! way nothing is allocated, except a key that is nobody's and the words of a
//! refusal.

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, Method, Uri};

use crate::carrier::{self, Carrier, Reading};
use crate::explain::{Asked, CandidateFinding, CandidateOutcome, Explanation};
use crate::host::{self, HostKind, HostName};
use crate::spec::Fallback;
use crate::table::{Backends, Fork, Port, RoutingTable, Sandbox, Service};
use crate::verdict::{Outcome, Reason, RoutingKey, Verdict, Version};
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
    /// It came in on the entry listener: its Host, with or without a port.
    Host(&'a str),
}

/// The workload that is calling.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The workload's namespace.
    pub namespace: &'a str,
    /// The workload's name.
    pub workload: &'a str,
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
    /// Its target.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
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
    Explanation {
        asked: Asked::from(ask),
        carriers: recorder.carriers,
        candidates: recorder.candidates,
        sentence: verdict.sentence(),
        verdict,
    }
}

/// The Service and port that were asked for, and the sandbox that the host names.
struct Target<'t> {
    service: &'t Service,
    port: &'t Port,
    preview: Option<&'t Arc<Sandbox>>,
}

/// A key with its owner.
struct Keyed<'t> {
    key: RoutingKey,
    owner: Option<&'t Arc<Sandbox>>,
}

/// The version that takes the request, or would if it could.
struct Choice<'t> {
    version: Version,
    backends: &'t Backends,
    reason: Reason,
}

fn settle<W: Witness>(table: &RoutingTable, ask: &Ask<'_>, witness: &mut W) -> Verdict {
    let target = resolve(table, &ask.destination);
    let preview = target.as_ref().ok().and_then(|target| target.preview);
    let preview_key = preview.map(|sandbox| &*sandbox.key);
    let reading = carrier::read(ask.headers, ask.uri, table.carriers(), preview_key, witness);
    let keyed = key(table, &reading, ask.source.as_ref());
    let verdict = Verdict {
        table_revision: table.revision(),
        service: None,
        rule: None,
        version: Version::Baseline,
        n_disagreeing: reading.n_disagreeing,
        n_malformed: reading.n_malformed,
        fell_back: false,
        wants_injection: wants_injection(&reading, keyed.as_ref()),
        reason: Reason::NoKey,
        outcome: Outcome::Forward { backends: Arc::default() },
        key: keyed.as_ref().map(|keyed| keyed.key.clone()),
    };
    match target {
        Ok(target) => {
            let choice = choose(&target, keyed.as_ref());
            witness.candidates(|| survey(&target, keyed.as_ref(), &choice));
            verdict.chosen(&target, choice)
        }
        Err(reason) => verdict.refused(reason, &ask.destination),
    }
}

fn resolve<'t>(table: &'t RoutingTable, destination: &Destination<'_>) -> Result<Target<'t>, Reason> {
    match destination {
        Destination::Service { namespace, service, port } => {
            let service = table.service(namespace, service).ok_or(Reason::UnknownService)?;
            Ok(Target { service, port: service.port(*port).ok_or(Reason::UnknownPort)?, preview: None })
        }
        Destination::Host(host) => resolve_host(table, &host::normalise(host)),
    }
}

fn resolve_host<'t>(table: &'t RoutingTable, host: &str) -> Result<Target<'t>, Reason> {
    let name = HostName::parse(host).ok_or(Reason::UnknownHost)?;
    let target = |service: &'t Service, port: Option<&'t Port>, preview| {
        let port = port.or_else(|| service.default_port());
        Ok(Target { service, port: port.ok_or(Reason::UnknownPort)?, preview })
    };
    let plain = table.service(name.namespace, name.label);
    match name.kind {
        HostKind::Cluster { port } => {
            let service = plain.ok_or(Reason::UnknownHost)?;
            // A port that the Service does not have is the entry listener's own.
            target(service, port.and_then(|port| service.port(port)), None)
        }
        HostKind::Local => match resolve_preview(table, &name) {
            Ok((service, sandbox)) => target(service, None, Some(sandbox)),
            // A Service may have `--` in its name.
            Err(reason) => target(plain.ok_or(reason)?, None, None),
        },
    }
}

fn resolve_preview<'t>(
    table: &'t RoutingTable,
    host: &HostName<'_>,
) -> Result<(&'t Service, &'t Arc<Sandbox>), Reason> {
    let namespace = host.namespace;
    let (sandbox, service) = host::split_preview(host.label).ok_or(Reason::UnknownHost)?;
    // As it stands first: a short name is never written shortened.
    let service = table
        .service(namespace, service)
        .or_else(|| table.service(namespace, table.full_name(namespace, service)))
        .ok_or(Reason::UnknownHost)?;
    let sandbox = table
        .sandbox(namespace, sandbox)
        .or_else(|| table.sandbox(namespace, table.full_name(namespace, sandbox)))
        .ok_or(Reason::UnknownSandbox)?;
    Ok((service, sandbox))
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

fn choose<'t>(target: &Target<'t>, keyed: Option<&Keyed<'_>>) -> Choice<'t> {
    let baseline = |reason| Choice { version: Version::Baseline, backends: &target.port.baseline, reason };
    let Some(keyed) = keyed else {
        return baseline(Reason::NoKey);
    };
    if keyed.owner.is_none() {
        return baseline(Reason::UnknownKey);
    }
    let Some(fork) = target.service.forks.get(&keyed.key.value) else {
        return baseline(Reason::NotForked);
    };
    let backends = fork.backends(target.port);
    let reason = match fork.sandbox.fallback {
        _ if backends.is_ready() => Reason::Forked,
        Fallback::Baseline => return baseline(Reason::ForkNotReadyFellBack),
        Fallback::Fail => Reason::ForkNotReady,
    };
    Choice { version: Version::Sandbox(fork.sandbox.at.clone()), backends, reason }
}

/// Every version of the Service with why it was taken or not.
fn survey(target: &Target<'_>, keyed: Option<&Keyed<'_>>, choice: &Choice<'_>) -> Vec<CandidateFinding> {
    let key = keyed.map(|keyed| &*keyed.key.value);
    let mut forks: Vec<&Fork> = target.service.forks.values().collect();
    forks.sort_by_key(|fork| (&fork.sandbox.at.namespace, &fork.sandbox.at.name));
    let mut findings: Vec<CandidateFinding> = forks
        .into_iter()
        .map(|fork| CandidateFinding {
            version: Version::Sandbox(fork.sandbox.at.clone()),
            outcome: if key == Some(&*fork.sandbox.key) {
                fork.backends(target.port).finding()
            } else {
                CandidateOutcome::WantsKey(fork.sandbox.key.clone())
            },
        })
        .collect();
    findings.push(CandidateFinding {
        version: Version::Baseline,
        outcome: match choice.version {
            Version::Baseline => target.port.baseline.finding(),
            Version::Sandbox(_) => CandidateOutcome::NotReached,
        },
    });
    findings
}

// === impl Ask ===

impl<'a> Ask<'a> {
    /// A connection of which nothing is read, as on a port of [`Wire::Tcp`](crate::Wire::Tcp):
    /// its key can only be implied.
    #[must_use]
    pub fn connection(destination: Destination<'a>, source: Option<Source<'a>>) -> Self {
        static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
        static NO_URI: LazyLock<Uri> = LazyLock::new(Uri::default);
        Self { destination, source, method: &Method::CONNECT, uri: &NO_URI, headers: &NO_HEADERS }
    }
}

// === impl Verdict ===

impl Verdict {
    fn chosen(self, target: &Target<'_>, choice: Choice<'_>) -> Self {
        let Choice { version, backends, reason } = choice;
        let verdict = Self {
            service: Some(target.port.service_port.clone()),
            rule: Some(target.service.rule.clone()),
            version,
            fell_back: reason == Reason::ForkNotReadyFellBack,
            ..self
        };
        let reason = match reason {
            Reason::ForkNotReady => reason,
            _ if backends.is_ready() => reason,
            _ => Reason::NoReadyEndpoints,
        };
        match reason.refusal_status() {
            None => {
                Self { reason, outcome: Outcome::Forward { backends: backends.ready.clone() }, ..verdict }
            }
            Some(status) => {
                let asked = target.port.service_port.to_string().into();
                Self { reason, outcome: Outcome::Refuse { status, asked }, ..verdict }
            }
        }
    }

    fn refused(self, reason: Reason, destination: &Destination<'_>) -> Self {
        let status = reason.refusal_status().expect("what cannot be resolved is refused");
        Self { reason, outcome: Outcome::Refuse { status, asked: destination.to_string().into() }, ..self }
    }
}

// === impl Backends ===

impl Backends {
    fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn finding(&self) -> CandidateOutcome {
        if self.is_ready() { CandidateOutcome::Taken } else { CandidateOutcome::NotReady(self.n_not_ready) }
    }
}

// === impl Destination ===

impl std::fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service { namespace, service, port } => write!(f, "{namespace}/{service}:{port}"),
            Self::Host(host) => f.write_str(host),
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
