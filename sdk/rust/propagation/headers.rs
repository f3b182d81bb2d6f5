//! Which headers make up a request's context. Leaves their meaning to the proxy.

use http::HeaderName;

/// How an outgoing request that already has a header of the context is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Position in a W3C trace: taken whole or not at all.
    W3cTrace,
    /// Position in a B3 trace: taken whole or not at all.
    B3,
    /// A list whose members are merged by name.
    List { members_max: usize, bytes_max: usize },
    /// A header of its own: the outgoing request's value stands.
    Single,
}

/// Lists keep at most 64 members and 8,192 bytes: what every W3C Baggage
/// implementation must carry (<https://www.w3.org/TR/baggage/#limits>).
const BAGGAGE: Family = Family::List { members_max: 64, bytes_max: 8192 };

/// At most 32 members (<https://www.w3.org/TR/trace-context/#list>). The text sets
/// no upper limit in bytes, only that 512 characters should be carried; the bound
/// is baggage's, so that merging cannot grow a header without end.
const TRACESTATE: Family = Family::List { members_max: 32, bytes_max: 8192 };

/// Whether `name` belongs to a request's context, which a service passes on.
///
/// - `spur-key`: the routing key by itself.
/// - `baggage` (<https://www.w3.org/TR/baggage/>), `traceparent` and `tracestate`
///   (<https://www.w3.org/TR/trace-context/>).
/// - `b3` and `x-b3-*` (<https://github.com/openzipkin/b3-propagation>).
/// - `ot-baggage-*` and `uberctx-*`: baggage of OpenTracing and Jaeger, one
///   header per member; Signadot's older `…-sd-routing-key` come this way.
/// - `x-request-id`: the correlation id of Envoy and most ingress controllers.
///
/// ```
/// use http::HeaderName;
/// use spur_sdk::propagation::is_context_header;
///
/// assert!(is_context_header(&HeaderName::from_static("uberctx-sd-routing-key")));
/// assert!(!is_context_header(&HeaderName::from_static("authorization")));
/// ```
pub fn is_context_header(name: &HeaderName) -> bool {
    family(name).is_some()
}

/// The family of a header of the context; `None` for every other header.
pub(super) fn family(name: &HeaderName) -> Option<Family> {
    match name.as_str() {
        "spur-key" | "x-request-id" => Some(Family::Single),
        "baggage" => Some(BAGGAGE),
        "traceparent" => Some(Family::W3cTrace),
        "tracestate" => Some(TRACESTATE),
        "b3" => Some(Family::B3),
        other if other.starts_with("x-b3-") => Some(Family::B3),
        other if other.starts_with("ot-baggage-") || other.starts_with("uberctx-") => Some(Family::Single),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, expected: bool) {
        let name = HeaderName::from_static(name);
        assert_eq!(is_context_header(&name), expected, "`{name}`");
    }

    #[test]
    fn every_carrier_and_trace_header_belongs_to_the_context() {
        for name in [
            "spur-key",
            "baggage",
            "traceparent",
            "tracestate",
            "b3",
            "x-b3-traceid",
            "x-b3-spanid",
            "x-b3-parentspanid",
            "x-b3-sampled",
            "x-b3-flags",
            "ot-baggage-sd-routing-key",
            "ot-baggage-sd-sandbox",
            "uberctx-sd-routing-key",
            "uberctx-sd-sandbox",
            "x-request-id",
        ] {
            check(name, true);
        }
    }

    #[test]
    fn what_speaks_for_one_hop_only_does_not() {
        for name in [
            "authorization",
            "cookie",
            "host",
            "content-length",
            "connection",
            "te",
            "spur-reason",
            "x-b3",
            "baggage-x",
        ] {
            check(name, false);
        }
    }
}
