//! Why a hop went where it went, as lines of a label and what it is.
//!
//! All from the record of the hop; what would be decided now is `spur
//! explain`'s. Texts come from requests and are cleaned where they are drawn.

use spur_route::{Carrier, Outcome, Verdict, Version};
use spur_trace::{Decision, Hop, HopError, JoinedBy, TlsFault};

/// How much attention a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Plain,
    /// Less than the rest.
    Dim,
    Fork,
    Warning,
    Failure,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) text: String,
    pub(crate) weight: Weight,
}

/// Everything that is known about the decision and its end; `now` is the
/// revision of the table that decides at present.
pub(crate) fn why(hop: &Hop, now: Option<i64>) -> Vec<Fact> {
    let decision = &hop.start.decision;
    let mut facts = Vec::new();
    let mut say = |label, weight, text: String| facts.push(Fact { label, text, weight });
    if let Some(key) = &hop.lost_key {
        let caller = hop.start.source.as_ref().map_or("the caller", |source| &source.workload);
        let advice = format!(
            "`{caller}` was called with `{key}` and called on without it: it has to forward the key's header"
        );
        say("LOST", Weight::Warning, advice);
    }
    say("reason", weight_of(hop), format!("{}: {}", decision.reason.code(), sentence(decision)));
    say("key", Weight::Plain, key(decision));
    if decision.n_disagreeing > 0 {
        say("", Weight::Warning, format!("{} further carriers hold another key", decision.n_disagreeing));
    }
    if decision.n_malformed > 0 {
        say("", Weight::Warning, format!("{} carriers hold what cannot be a key", decision.n_malformed));
    }
    say("rule", Weight::Plain, rule(decision));
    if let Some(candidate) = candidate(decision) {
        say("drawn", Weight::Plain, candidate);
    }
    let (version, weight) = version(decision);
    say("version", weight, version);
    say("fallback", if decision.fell_back { Weight::Warning } else { Weight::Plain }, fallback(decision));
    say("went to", Weight::Plain, endpoint(hop));
    say("from", Weight::Plain, caller(hop));
    if let Some((text, weight)) = end(hop) {
        say("ended", weight, text);
    }
    say("table", Weight::Plain, table(decision, now));
    facts
}

/// In words, as `spur explain` has it.
fn sentence(decision: &Decision) -> String {
    let decision = decision.clone();
    let verdict = Verdict {
        table_revision: decision.table_revision,
        service: decision.service,
        rule: decision.rule,
        subset: decision.subset,
        share: decision.share,
        version: decision.version,
        key: decision.key,
        n_disagreeing: decision.n_disagreeing,
        n_malformed: decision.n_malformed,
        fell_back: decision.fell_back,
        wants_injection: false,
        reason: decision.reason,
        // A sentence asks the outcome for nothing but the words in `asked`.
        outcome: Outcome::Refuse { status: 0, asked: decision.asked.unwrap_or_default() },
        applied: None,
        policy: None,
        affinity: None,
    };
    verdict.sentence()
}

fn weight_of(hop: &Hop) -> Weight {
    match () {
        () if hop.start.decision.reason.refusal_status().is_some() => Weight::Failure,
        () if hop.start.decision.fell_back => Weight::Warning,
        () if hop.is_forked() => Weight::Fork,
        () => Weight::Plain,
    }
}

fn key(decision: &Decision) -> String {
    match &decision.key {
        Some(key) => format!("{} from {}", key.value, carrier(key.carrier)),
        None => "none".to_owned(),
    }
}

/// Where a key was found, in words.
pub(crate) fn carrier(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Header => "header `spur-key`",
        Carrier::PreviewHost => "the preview host",
        Carrier::Baggage => "baggage, member `spur-key`",
        Carrier::BaggageSdRoutingKey => "baggage, member `sd-routing-key`",
        Carrier::Tracestate => "tracestate, member `spur`",
        Carrier::TracestateSdRoutingKey => "tracestate, member `sd-routing-key`",
        Carrier::CustomHeader => "a header that was configured",
        Carrier::OtBaggage => "header `ot-baggage-sd-routing-key`",
        Carrier::Uberctx => "header `uberctx-sd-routing-key`",
        Carrier::Cookie => "the cookie",
        Carrier::Query => "the query",
        Carrier::Implied => "no carrier: implied by who is calling",
    }
}

fn rule(decision: &Decision) -> String {
    match &decision.rule {
        Some(rule) => format!("{rule} (revision {})", rule.revision),
        None => "none".to_owned(),
    }
}

fn candidate(decision: &Decision) -> Option<String> {
    let subset = decision.subset.as_ref().map(|subset| format!("subset `{subset}`"));
    let share = decision.share.map(|share| format!("by weight, {} of {}", share.weight, share.of));
    let parts: Vec<String> = subset.into_iter().chain(share).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn version(decision: &Decision) -> (String, Weight) {
    match &decision.version {
        Version::Baseline => ("baseline".to_owned(), Weight::Plain),
        Version::Sandbox(sandbox) => {
            let (namespace, name) = (&sandbox.namespace, &sandbox.name);
            let text = format!("fork of sandbox {namespace}/{name} (revision {})", sandbox.revision);
            (text, Weight::Fork)
        }
    }
}

fn fallback(decision: &Decision) -> String {
    if decision.fell_back { "used: the baseline stood in for the fork" } else { "not used" }.to_owned()
}

fn endpoint(hop: &Hop) -> String {
    let tried = hop.start.endpoint.as_ref();
    let served = hop.end.as_ref().and_then(|end| end.served_by.as_ref());
    match (tried, served) {
        (Some(tried), Some(served)) if tried != served => {
            format!("{} ({}), after {}", served.pod, served.address, tried.address)
        }
        (_, Some(served)) => format!("{} ({})", served.pod, served.address),
        (Some(tried), None) => match hop.is_open() {
            true => format!("{} ({})", tried.pod, tried.address),
            false => format!("nowhere; {} ({}) was tried", tried.pod, tried.address),
        },
        (None, None) => "nowhere".to_owned(),
    }
}

fn caller(hop: &Hop) -> String {
    let joined = match hop.joined_by {
        JoinedBy::Root => "",
        JoinedBy::Span => ", joined by its traceparent",
        JoinedBy::Caller => ", joined by who was calling",
        JoinedBy::OneOfSeveral => ", joined by who was calling: one of several that fit",
    };
    match &hop.start.source {
        Some(source) => format!("{}/{} (pod {}){joined}", source.namespace, source.workload, source.pod),
        None => format!("outside, by the entry{joined}"),
    }
}

fn end(hop: &Hop) -> Option<(String, Weight)> {
    let end = hop.end.as_ref()?;
    let mut parts = Vec::new();
    parts.push(end.status.map_or_else(|| "without a status".to_owned(), |status| status.to_string()));
    parts.extend(end.grpc_status.map(|code| format!("grpc-status {code}")));
    parts.extend(end.error.map(error));
    parts.push(format!("{} bytes in, {} out", end.request_bytes, end.response_bytes));
    let weight = if hop.is_failed() { Weight::Failure } else { Weight::Plain };
    Some((parts.join(", "), weight))
}

fn error(error: HopError) -> String {
    let fault = match error {
        HopError::TlsFailed(fault) => fault,
        other => return other.code().to_owned(),
    };
    let fault = match fault {
        TlsFault::Expired => "the certificate has expired",
        TlsFault::NotValidYet => "the certificate does not hold yet",
        TlsFault::UnknownIssuer => "the certificate's authority is not trusted",
        TlsFault::OtherName => "the certificate is for another name",
        TlsFault::BadCertificate => "the certificate is wrong",
        TlsFault::Refused => "it refused the handshake",
        TlsFault::NoTls => "it does not speak TLS",
        TlsFault::Credential => "our certificates cannot be used",
        TlsFault::Broken => "the connection broke",
    };
    format!("{}: {fault}", error.code())
}

fn table(decision: &Decision, now: Option<i64>) -> String {
    let then = decision.table_revision;
    match now {
        Some(now) if u64::try_from(now).is_ok_and(|now| now > then) => {
            format!("revision {then}, now {now}: `spur explain` says where it would go now")
        }
        Some(_) => format!("revision {then}, which still holds"),
        None => format!("revision {then}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{hop, trace};

    fn said(hop: &Hop, now: Option<i64>) -> String {
        let lines = why(hop, now).into_iter().map(|fact| format!("{:<8} {}", fact.label, fact.text));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_fork_is_explained_from_key_to_table() {
        let trace = trace(1, vec![hop("cart", "pricing").fork("pr-421")]);
        insta::assert_snapshot!(said(&trace.hops[0], Some(121)), @r"
        reason   forked: key `pr-421` forks this service
        key      pr-421 from baggage, member `spur-key`
        rule     Service shop/pricing (revision 7)
        version  fork of sandbox shop/pr-421 (revision 42)
        fallback not used
        went to  pricing-1 (127.0.0.1:32771)
        from     shop/cart (pod cart-1)
        ended    200, 0 bytes in, 1024 out
        table    revision 118, now 121: `spur explain` says where it would go now
        ");
    }

    #[test]
    fn a_lost_key_names_the_culprit() {
        let trace = trace(1, vec![hop("cart", "stock").lost("pr-421").status(503).error("connect-refused")]);
        insta::assert_snapshot!(said(&trace.hops[0], None), @r"
        LOST     `cart` was called with `pr-421` and called on without it: it has to forward the key's header
        reason   no-key: baseline: no key
        key      none
        rule     Service shop/stock (revision 7)
        version  baseline
        fallback not used
        went to  stock-1 (127.0.0.1:32771)
        from     shop/cart (pod cart-1)
        ended    503, connect-refused, 0 bytes in, 1024 out
        table    revision 118
        ");
    }
}
