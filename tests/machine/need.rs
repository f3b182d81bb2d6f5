//! What a test needs of the machine, and whether it is there.

use std::process::{Command, Output};

/// A need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// To make a user and a mount namespace: then a file system can be mounted in it.
    Namespaces,
    /// To make a user and a network namespace, and interfaces in it.
    Networks,
    /// To become another user, who can run the binary.
    User,
    /// The program `faketime`, and a binary that it works on.
    Faketime,
}

/// Becomes `nobody`.
pub(crate) const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

// === impl Need ===

impl Need {
    /// What `SPUR_REQUIRE` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Namespaces | Self::Networks => "namespaces",
            Self::User => "user",
            Self::Faketime => "faketime",
        }
    }

    /// Why it is not there; `None` where it is.
    pub(crate) fn absent(self) -> Option<String> {
        let spur = env!("CARGO_BIN_EXE_spur");
        match self {
            Self::Namespaces => missing(&[
                "unshare",
                "--user",
                "--map-root-user",
                "--mount",
                "mount",
                "-t",
                "tmpfs",
                "x",
                "/mnt",
            ]),
            Self::Networks => missing(&[spur, "__pod", "try", "10.211.0.0", "10.211.0.1"]),
            Self::User => missing(&[&AS_NOBODY[..], &[spur, "version"]].concat()),
            // A year that only the trick knows; a statically linked binary would not see it.
            Self::Faketime => missing(&["faketime", "-f", "+400d", "date"])
                .or_else(|| missing(&["faketime", "-f", "+400d", spur, "version"])),
        }
    }
}

fn missing(command: &[&str]) -> Option<String> {
    let shown = command[..command.len().min(2)].join(" ");
    match Command::new(command[0]).args(&command[1..]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`{shown}` does not work here: {}", said(&output))),
        Err(error) => Some(format!("`{shown}` cannot be started: {error}")),
    }
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().next().map_or_else(|| output.status.to_string(), str::to_owned)
}
