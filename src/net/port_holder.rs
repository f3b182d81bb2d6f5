//! Who listens on a port, for the error message that people read most often.
//!
//! Linux only: `/proc/net/{tcp,udp}*` give the socket's inode, `/proc/*/fd` the process
//! that holds it. Elsewhere the answer is that it cannot be told.

use std::{fmt, fs, path::Path};

/// The owner of a listening port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortHolder {
    /// A process of this machine that we may look into.
    Process {
        /// Its process id.
        pid: u32,
        /// Its command name (`/proc/<pid>/comm`, at most 15 characters).
        command: String,
    },
    /// The socket exists but belongs to a process we may not look into, or the
    /// system does not tell.
    Unknown {
        /// Why it is not known, fit to be shown.
        why: &'static str,
    },
}

/// Finds who listens on TCP `port`. Reads all of `/proc`, so for error paths only.
pub fn port_holder(port: u16) -> PortHolder {
    holder_in(&LISTENERS, port)
}

/// Finds who is bound to UDP `port`, likewise.
pub fn datagram_port_holder(port: u16) -> PortHolder {
    holder_in(&DATAGRAMS, port)
}

/// The kernel's tables of sockets, and the state of those that hold a port.
struct Tables {
    paths: [&'static str; 2],
    /// In hexadecimal (proc_net_tcp in the kernel's documentation).
    state: &'static str,
}

/// `0A` is LISTEN.
const LISTENERS: Tables = Tables { paths: ["/proc/net/tcp", "/proc/net/tcp6"], state: "0A" };
/// `07` is CLOSE, which is what a socket of UDP is that talks to nobody in particular.
const DATAGRAMS: Tables = Tables { paths: ["/proc/net/udp", "/proc/net/udp6"], state: "07" };

fn holder_in(tables: &Tables, port: u16) -> PortHolder {
    if !cfg!(target_os = "linux") {
        return PortHolder::Unknown { why: "this system does not tell; try `lsof -i`" };
    }
    let inodes = inodes(tables, port);
    if inodes.is_empty() {
        return PortHolder::Unknown {
            why: "no listening socket is visible, so it is in another network namespace or closing",
        };
    }
    process_with_socket(&inodes).unwrap_or(PortHolder::Unknown {
        why: "its descriptors are not ours to read, so it is another user's",
    })
}

// === impl PortHolder ===

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, command } => write!(f, "process {pid} (`{command}`)"),
            Self::Unknown { why } => write!(f, "an unknown process ({why})"),
        }
    }
}

/// The inodes of sockets that hold `port`, IPv4 and IPv6.
fn inodes(tables: &Tables, port: u16) -> Vec<String> {
    let texts = tables.paths.iter().filter_map(|table| fs::read_to_string(table).ok());
    let of = |table: String| {
        table.lines().skip(1).filter_map(|line| inode(line, tables.state, port)).collect::<Vec<_>>()
    };
    texts.flat_map(of).collect()
}

/// The inode of one line if its socket is in this state at `port`.
///
/// Columns (proc_net_tcp in the kernel's documentation): slot, local `ADDR:PORT`
/// in hexadecimal, remote, state, six more, inode.
fn inode(line: &str, wanted: &str, port: u16) -> Option<String> {
    let mut columns = line.split_whitespace();
    let (_, local_port) = columns.nth(1)?.rsplit_once(':')?;
    let state = columns.nth(1)?;
    let inode = columns.nth(5)?;
    let matches = state == wanted && u16::from_str_radix(local_port, 16) == Ok(port);
    matches.then(|| inode.to_owned())
}

/// The first process that holds a descriptor of one of the sockets.
fn process_with_socket(inodes: &[String]) -> Option<PortHolder> {
    let targets: Vec<String> = inodes.iter().map(|i| format!("socket:[{i}]")).collect();
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let holds = holds_descriptor(&entry.path().join("fd"), &targets);
        holds.then(|| PortHolder::Process {
            pid,
            command: fs::read_to_string(entry.path().join("comm"))
                .map_or_else(|_| "?".to_owned(), |comm| comm.trim().to_owned()),
        })
    })
}

fn holds_descriptor(fd_folder: &Path, targets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(fd_folder) else {
        return false;
    };
    descriptors.flatten().any(|descriptor| {
        fs::read_link(descriptor.path())
            .is_ok_and(|link| link.to_str().is_some_and(|l| targets.iter().any(|t| t == l)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTENING: &str = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31415 1 0000000000000000 100 0 0 10 0";
    const CONNECTED: &str = "   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 27182 1 0000000000000000 20 4 30 10 -1";

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let listening = |line, port| inode(line, LISTENERS.state, port);
        assert_eq!(listening(LISTENING, 8080).as_deref(), Some("31415"));
        assert_eq!(listening(LISTENING, 8081), None);
        assert_eq!(listening(CONNECTED, 8080), None);
        assert_eq!(listening("", 8080), None);
    }

    #[test]
    fn an_unheld_port_has_no_known_holder() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        assert!(matches!(port_holder(port), PortHolder::Unknown { .. }));
    }
}
