//! What of the peers and of the load generators is installed here.

use std::path::PathBuf;

use crate::installed::find;
use crate::peers::Peer;

/// Programs by their paths.
pub(crate) struct Tools {
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) haproxy: Option<PathBuf>,
    /// Of `$SPUR_ENVOY`, or on the path.
    pub(crate) envoy: Option<PathBuf>,
    /// Of `$SPUR_BEFORE`: another build of Spur, which a change is compared with.
    pub(crate) before: Option<PathBuf>,
    pub(crate) wrk: Option<PathBuf>,
    pub(crate) h2load: Option<PathBuf>,
}

// === impl Tools ===

impl Tools {
    /// Looks for all of them, and says what is not there.
    pub(crate) fn find() -> Self {
        let tools = Self {
            nginx: find("nginx"),
            haproxy: find("haproxy"),
            envoy: std::env::var_os("SPUR_ENVOY").map(PathBuf::from).or_else(|| find("envoy")),
            before: std::env::var_os("SPUR_BEFORE").map(PathBuf::from),
            wrk: find("wrk"),
            h2load: find("h2load"),
        };
        let Self { nginx, haproxy, envoy, before: _, wrk, h2load } = &tools;
        let all =
            [("nginx", nginx), ("haproxy", haproxy), ("envoy", envoy), ("wrk", wrk), ("h2load", h2load)];
        for (name, path) in all {
            if path.is_none() {
                println!("left out: `{name}` is not installed");
            }
        }
        tools
    }

    /// The peers that can be started, Spur first.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let is_there = |peer: &Peer| match peer {
            Peer::Spur | Peer::Untraced | Peer::Relay => true,
            Peer::Before => self.before.is_some(),
            Peer::Nginx => self.nginx.is_some(),
            Peer::Haproxy => self.haproxy.is_some(),
            Peer::Envoy => self.envoy.is_some(),
        };
        Peer::ALL.into_iter().filter(is_there).collect()
    }
}
