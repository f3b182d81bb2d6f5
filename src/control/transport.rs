//! How the ports of Services are spoken to.

use k8s_openapi::api::core::v1::ServicePort;
use spur_api::real_port::Protocol;
use spur_runtime::Transport;

/// `None` for SCTP, which does not pass the proxy.
pub(crate) fn transport(port: &ServicePort) -> Option<Transport> {
    match Protocol::of(port.protocol.as_deref())? {
        Protocol::Tcp => Some(Transport::Tcp),
        Protocol::Udp => Some(Transport::Udp),
    }
}
