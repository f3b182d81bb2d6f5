//! What is spoken on a Service port, told by `appProtocol` or the port's name.
//!
//! Leaves to `proxy`: speaking it.

use serde::{Deserialize, Serialize};

/// The protocol of a Service port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// Not declared: HTTP of the version that the request asks for.
    #[default]
    Auto,
    /// HTTP/1.1 without TLS; WebSocket included.
    Http1,
    /// HTTP/2 without TLS, with prior knowledge (h2c); gRPC included.
    Http2,
    /// Bytes that the proxy does not read, TLS included.
    Tcp,
    /// Datagrams, which it does not read, either.
    Udp,
}

// === impl Wire ===

impl Wire {
    /// Reads the protocol of a Service port from its `appProtocol`, which wins
    /// where it is given, and otherwise from its name.
    ///
    /// `kubernetes.io/h2c`, `/ws` and `/wss` are Kubernetes' own
    /// (<https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol>);
    /// the plain words and `name: <protocol>[-<suffix>]` are Istio's
    /// (<https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/>).
    /// Upper and lower case are the same. What neither knows is [`Wire::Auto`].
    #[must_use]
    pub fn from_port(app_protocol: Option<&str>, port_name: &str) -> Self {
        match app_protocol {
            Some(app_protocol) => Self::from_word(app_protocol),
            None => Self::from_port_name(port_name),
        }
    }

    fn from_port_name(name: &str) -> Self {
        // `grpc-web` is the one protocol whose own name holds a hyphen. It has
        // the wire of `grpc`, so the word before the first hyphen is enough.
        let word = name.split_once('-').map_or(name, |(word, _)| word);
        Self::from_word(word)
    }

    fn from_word(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "http" | "kubernetes.io/ws" => Self::Http1,
            "http2" | "grpc" | "grpc-web" | "kubernetes.io/h2c" => Self::Http2,
            "tcp" | "tls" | "https" | "kubernetes.io/wss" | "mongo" | "mysql" | "redis" => Self::Tcp,
            _ => Self::Auto,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(app_protocol: Option<&str>, port_name: &str, expected: Wire) {
        let found = Wire::from_port(app_protocol, port_name);
        assert_eq!(found, expected, "{app_protocol:?} {port_name:?}");
    }

    #[test]
    fn the_port_name_tells_the_protocol() {
        check(None, "http", Wire::Http1);
        check(None, "http-admin", Wire::Http1);
        check(None, "grpc", Wire::Http2);
        check(None, "grpc-web-public", Wire::Http2);
        check(None, "http2-x", Wire::Http2);
        check(None, "GRPC", Wire::Http2);
        check(None, "tcp-db", Wire::Tcp);
        check(None, "https", Wire::Tcp);
        check(None, "mysql", Wire::Tcp);
        check(None, "", Wire::Auto);
        check(None, "httpx", Wire::Auto);
        check(None, "web", Wire::Auto);
    }

    #[test]
    fn app_protocol_wins_over_the_name() {
        check(Some("kubernetes.io/h2c"), "http", Wire::Http2);
        check(Some("kubernetes.io/ws"), "tcp", Wire::Http1);
        check(Some("kubernetes.io/wss"), "http", Wire::Tcp);
        check(Some("HTTP"), "grpc", Wire::Http1);
        check(Some("example.com/own"), "grpc", Wire::Auto);
    }
}
