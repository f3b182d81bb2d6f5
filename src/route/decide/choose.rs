//! Which destination, and which version of it, takes a request.

use std::sync::Arc;
use std::time::Duration;

use super::Keyed;
use crate::explain::{CandidateFinding, CandidateOutcome, DestinationFinding, DestinationOutcome};
use crate::policy::Policy;
use crate::rules::{DestinationRef, WeightedDestination};
use crate::service::{Backends, Fork, Port, Service};
use crate::spec::Fallback;
use crate::table::RoutingTable;
use crate::verdict::{Reason, Share, Version};

/// A Service and port that could take a request, as a whole or a subset of it.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'t> {
    pub(super) service: &'t Service,
    pub(super) port: &'t Port,
    pub(super) subset: Option<(&'t Arc<str>, &'t Backends)>,
    pub(super) policy: Option<&'t Arc<Policy>>,
}

/// The version that takes the request, or would if it could.
pub(super) struct Choice<'t> {
    pub(super) version: Version,
    pub(super) backends: &'t Backends,
    pub(super) reason: Reason,
}

/// The destination of a rule that takes a request.
pub(super) struct Drawn<'t> {
    /// Its place among the rule's.
    pub(super) place: usize,
    /// `None` where it is not there.
    pub(super) candidate: Option<Candidate<'t>>,
    /// Absent where a key chose, or there is no other.
    pub(super) share: Option<Share>,
}

/// What a rule's destination means, for a caller from this namespace. `asked` is the port that
/// the client asked for.
pub(super) fn candidate<'t>(
    table: &'t RoutingTable,
    to: &'t DestinationRef,
    (asked, caller): (u16, Option<&str>),
) -> Option<Candidate<'t>> {
    let service = match &*to.namespace {
        "" => table.service_of_host(&to.name, caller)?,
        namespace => table.service(namespace, &to.name)?,
    };
    let port = match (to.port, &service.ports[..]) {
        (Some(number), _) => service.port(number)?,
        (None, [only]) => only,
        (None, _) => service.port(asked)?,
    };
    let whole = Candidate::whole((service, port), caller);
    let Some(name) = &to.subset else { return Some(whole) };
    let destinations = service.policies.as_ref()?.for_caller(caller)?;
    let subset = destinations.port(port.service_port.port)?.subset(name)?;
    Some(Candidate { subset: Some((name, &subset.backends)), policy: Some(&subset.policy), ..whole })
}

/// The first destination whose Service the key's sandbox forks; otherwise one is drawn by weight.
pub(super) fn draw<'t>(
    candidates: &[Option<Candidate<'t>>],
    destinations: &[WeightedDestination],
    (keyed, lot): (Option<&Keyed<'_>>, u32),
) -> Drawn<'t> {
    let forks = |candidate: &Option<Candidate<'t>>| candidate.is_some_and(|it| it.fork(keyed).is_some());
    if let Some(place) = candidates.iter().position(forks) {
        return Drawn { place, candidate: candidates[place], share: None };
    }
    if destinations.len() == 1 {
        return Drawn { place: 0, candidate: candidates[0], share: None };
    }
    let of: u64 = destinations.iter().map(|it| u64::from(it.weight)).sum();
    // Which of so many equal parts the lot falls into.
    let mut left = (u64::from(lot) * of) >> 32;
    let drawn = destinations.iter().position(|it| {
        let is_in = left < u64::from(it.weight);
        left = left.saturating_sub(u64::from(it.weight));
        is_in
    });
    let place = drawn.unwrap_or(0);
    let share = Share { weight: destinations[place].weight, of };
    Drawn { place, candidate: candidates[place], share: Some(share) }
}

/// What each destination of a rule came to, for people.
pub(super) fn survey_destinations(
    candidates: &[Option<Candidate<'_>>],
    destinations: &[WeightedDestination],
    (keyed, drawn): (Option<&Keyed<'_>>, &Drawn<'_>),
) -> Vec<DestinationFinding> {
    let of = destinations.iter().map(|it| u64::from(it.weight)).sum();
    let all = destinations.iter().zip(candidates).enumerate();
    let finding =
        |(place, (destination, candidate)): (usize, (&WeightedDestination, &Option<Candidate<'_>>))| {
            let is_forked = candidate.is_some_and(|it| it.fork(keyed).is_some());
            let outcome = match place == drawn.place {
                true if candidate.is_none() => DestinationOutcome::NotThere,
                true if is_forked => DestinationOutcome::Forked,
                true if destinations.len() == 1 => DestinationOutcome::Only,
                true => DestinationOutcome::Drawn,
                false => DestinationOutcome::NotDrawn,
            };
            let share = Share { weight: destination.weight, of };
            DestinationFinding { destination: destination.to.to_string(), share, outcome }
        };
    all.map(finding).collect()
}

// === impl Candidate ===

impl<'t> Candidate<'t> {
    /// All endpoints of a port.
    pub(super) fn whole((service, port): (&'t Service, &'t Port), caller: Option<&str>) -> Self {
        let destinations = service.policies.as_ref().and_then(|policies| policies.for_caller(caller));
        // A port of UDP may have the number of another, whose policy is not its own.
        let destinations = destinations.filter(|_| !port.takes_datagrams());
        let policy = destinations.and_then(|it| it.port(port.service_port.port)).map(|it| &it.policy);
        Self { service, port, subset: None, policy }
    }

    /// The baseline's endpoints, those of the subset where one is named.
    pub(super) fn baseline(&self) -> &'t Backends {
        self.subset.map_or(&self.port.baseline, |(_, backends)| backends)
    }

    /// How long a client stays with one endpoint: what the Service says, where no rule says how
    /// endpoints are chosen.
    pub(super) fn affinity(&self) -> Option<Duration> {
        let is_ruled = self.policy.is_some_and(|policy| policy.load_balancer.is_some());
        self.service.affinity.filter(|_| !is_ruled)
    }

    /// The version that takes the request.
    pub(super) fn choose(&self, keyed: Option<&Keyed<'_>>) -> Choice<'t> {
        let baseline = |reason| Choice { version: Version::Baseline, backends: self.baseline(), reason };
        match keyed {
            None => return baseline(Reason::NoKey),
            Some(keyed) if keyed.owner.is_none() => return baseline(Reason::UnknownKey),
            Some(_) => {}
        }
        let Some(fork) = self.fork(keyed) else {
            return baseline(Reason::NotForked);
        };
        let backends = fork.backends(self.port);
        let reason = match fork.sandbox.fallback {
            _ if backends.is_ready() => Reason::Forked,
            Fallback::Baseline => return baseline(Reason::ForkNotReadyFellBack),
            Fallback::Fail => Reason::ForkNotReady,
        };
        Choice { version: Version::Sandbox(fork.sandbox.at.clone()), backends, reason }
    }

    /// Every version of the Service with why it was taken or not.
    pub(super) fn survey(&self, keyed: Option<&Keyed<'_>>, choice: &Choice<'_>) -> Vec<CandidateFinding> {
        let key = keyed.map(|keyed| &*keyed.key.value);
        let mut forks: Vec<&Fork> = self.service.forks.values().collect();
        forks.sort_by_key(|fork| (&fork.sandbox.at.namespace, &fork.sandbox.at.name));
        let mut findings: Vec<CandidateFinding> = forks
            .into_iter()
            .map(|fork| CandidateFinding {
                version: Version::Sandbox(fork.sandbox.at.clone()),
                outcome: if key == Some(&*fork.sandbox.key) {
                    fork.backends(self.port).finding()
                } else {
                    CandidateOutcome::WantsKey(fork.sandbox.key.clone())
                },
            })
            .collect();
        findings.push(CandidateFinding {
            version: Version::Baseline,
            outcome: match choice.version {
                Version::Baseline => self.baseline().finding(),
                Version::Sandbox(_) => CandidateOutcome::NotReached,
            },
        });
        findings
    }

    fn fork(&self, keyed: Option<&Keyed<'_>>) -> Option<&'t Fork> {
        self.service.forks.get(&keyed.filter(|keyed| keyed.owner.is_some())?.key.value)
    }
}

// === impl Backends ===

impl Backends {
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn finding(&self) -> CandidateOutcome {
        if self.is_ready() { CandidateOutcome::Taken } else { CandidateOutcome::NotReady(self.n_not_ready) }
    }
}
