//! A bridge for an engine of a test's own. One that is told to have none takes `docker0` away, which
//! is the usual bridge of whatever other engine runs on the machine.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A bridge of this name, as long as it lives.
pub(crate) struct Bridge(String);

// === impl Bridge ===

impl Bridge {
    pub(crate) fn new() -> Self {
        static N_MADE: AtomicU32 = AtomicU32::new(0);
        // 15 characters at most (`IFNAMSIZ`).
        let name = format!("st{:x}n{}", std::process::id(), N_MADE.fetch_add(1, Ordering::Relaxed));
        let made =
            Command::new("ip").args(["link", "add", "name", &name, "type", "bridge"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(name)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Why there can be none here; `None` where there can.
    pub(crate) fn why_not() -> Option<String> {
        let is_there = Command::new("ip").arg("-Version").output().is_ok();
        (!is_there).then(|| "`ip` (iproute2) is not on the path".to_owned())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.0]).output();
    }
}
