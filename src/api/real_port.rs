//! The real ports of pods, as their annotation names them: who writes it is the pod worker, who
//! reads it makes EndpointSlices.

/// A protocol that ports of pods are reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP, which is meant where nothing is said.
    Tcp,
    /// UDP.
    Udp,
}

/// What the annotation [`PORTS`](crate::labels::PORTS) calls a container's declared port: `<container>/<port>`, with `/UDP` behind it for
/// those.
#[must_use]
pub fn key(container: &str, port: i32, protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => format!("{container}/{port}"),
        Protocol::Udp => format!("{container}/{port}/UDP"),
    }
}

// === impl Protocol ===

impl Protocol {
    /// The protocol of this name; `None` for SCTP, by which nothing is reached here.
    #[must_use]
    pub fn of(name: Option<&str>) -> Option<Self> {
        match name.unwrap_or("TCP") {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            _ => None,
        }
    }
}
