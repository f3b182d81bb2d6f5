//! Which fields a head has, of those that are looked for: one pass over its names.
//!
//! A search for a field costs as much where it is absent, and a request that has four fields was
//! searched for thirty: an eighth of its instructions.

use http::{HeaderMap, HeaderName};
use spur_trace::{Carried, KeyHeader};

/// A field that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Field {
    Accept,
    /// `b3`, or the trace of B3's several headers.
    B3,
    Baggage,
    ContentType,
    GrpcStatus,
    GrpcTimeout,
    Connection,
    Http2Settings,
    KeepAlive,
    ProxyConnection,
    SpurKey,
    SpurReplayOf,
    Te,
    Traceparent,
    Tracestate,
    TransferEncoding,
    Upgrade,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    /// A name with `_`.
    Underscore,
}

/// Those of one head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(u32);

// === impl Fields ===

impl Fields {
    /// Looks at all names.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let bits = headers.keys().map(bits);
        Self(bits.fold(0, |all, bits| all | bits))
    }

    /// Those that can hold a key.
    pub(crate) fn carried(self) -> Carried {
        let all = [
            (Field::Baggage, KeyHeader::Baggage),
            (Field::Tracestate, KeyHeader::Tracestate),
            (Field::SpurKey, KeyHeader::SpurKey),
        ];
        all.into_iter().filter(|(field, _)| self.has(*field)).map(|(_, header)| header).collect()
    }

    pub(crate) fn has(self, field: Field) -> bool {
        self.0 & bit(field) != 0
    }
}

fn bit(field: Field) -> u32 {
    1 << field as u32
}

fn bits(name: &HeaderName) -> u32 {
    let name = name.as_str();
    match name {
        "accept" => bit(Field::Accept),
        "b3" | "x-b3-traceid" => bit(Field::B3),
        "baggage" => bit(Field::Baggage),
        "connection" => bit(Field::Connection),
        "content-type" => bit(Field::ContentType),
        "grpc-status" => bit(Field::GrpcStatus),
        "grpc-timeout" => bit(Field::GrpcTimeout),
        "http2-settings" => bit(Field::Http2Settings),
        "keep-alive" => bit(Field::KeepAlive),
        "proxy-connection" => bit(Field::ProxyConnection),
        "spur-key" => bit(Field::SpurKey),
        "spur-replay-of" => bit(Field::SpurReplayOf),
        "te" => bit(Field::Te),
        "traceparent" => bit(Field::Traceparent),
        "tracestate" => bit(Field::Tracestate),
        "transfer-encoding" => bit(Field::TransferEncoding),
        "upgrade" => bit(Field::Upgrade),
        "x-forwarded-for" => bit(Field::XForwardedFor),
        "x-forwarded-host" => bit(Field::XForwardedHost),
        "x-forwarded-proto" => bit(Field::XForwardedProto),
        _ if name.as_bytes().contains(&b'_') => bit(Field::Underscore),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_field_is_seen_wherever_it_stands() {
        let mut headers = HeaderMap::new();
        assert_eq!(Fields::of(&headers), Fields::default());
        for name in ["x-one", "Accept", "transfer-encoding", "a_b", "grpc-timeout"] {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("x"));
        }
        let fields = Fields::of(&headers);
        let seen = |field| fields.has(field);
        assert!(seen(Field::Accept) && seen(Field::GrpcTimeout) && seen(Field::Underscore));
        assert!(seen(Field::TransferEncoding) && !seen(Field::Connection));
        assert!(!seen(Field::Te) && !seen(Field::Upgrade));
    }
}
