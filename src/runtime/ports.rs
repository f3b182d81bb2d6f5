//! Free loopback ports for processes that cannot be handed a socket.
//!
//! A port is chosen outside the range from which the kernel takes the source
//! ports of connections (a port inside it may be taken by any connection at any
//! moment, and a connection to it while nobody listens can connect to itself).
//! It is reserved by a lock on a file of that number in a directory that all of
//! a user's Spurs share, so that two of them never give out the same one. That a
//! stranger binds the port later cannot be prevented; the pod then fails to
//! bind and says so.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Gives out ports.
#[derive(Debug)]
pub struct PortAllocator {
    dir: PathBuf,
    range: RangeInclusive<u16>,
    /// How many ports were tried so far; each try takes the next port of the range, so that
    /// a port that was just given back (connections in TIME_WAIT) is the last to come again.
    n_tried: AtomicU32,
}

/// A port that nobody else gets as long as this lives.
#[derive(Debug)]
pub struct ReservedPort {
    port: u16,
    /// Holds the lock; closing it gives the port back, also when the process is killed.
    _lock: File,
}

/// Why there is no port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The directory of the locks cannot be made or used.
    #[error("reserve ports in {}", .dir.display())]
    Dir {
        /// Which directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Somebody else made the directory first: they could take every lock.
    #[error("reserve ports in {}: it belongs to user {found}, wanted {wanted}", .dir.display())]
    Owner {
        /// Which directory.
        dir: PathBuf,
        /// The owner found.
        found: u32,
        /// Us.
        wanted: u32,
    },
    /// Every port is taken.
    #[error("no free port on 127.0.0.1 between {first} and {last}")]
    Exhausted {
        /// The first port tried.
        first: u16,
        /// The last port tried.
        last: u16,
    },
    /// The asked for port is taken.
    #[error("port {port} is in use")]
    InUse {
        /// Which port.
        port: u16,
    },
}

/// Below it stand the ports people choose for themselves: registered services up to the
/// teens of thousands (our choice).
const FIRST: u16 = 20_000;

/// The start of the kernel's own range where it cannot be read: Linux' default
/// (<https://docs.kernel.org/networking/ip-sysctl.html#ip-variables>, `ip_local_port_range`).
/// macOS begins at 49152, which is above.
const EPHEMERAL_DEFAULT: RangeInclusive<u16> = 32_768..=60_999;

/// The node ports of Services (`--service-node-port-range` of kube-apiserver), which are opened at
/// their own numbers.
const NODE_PORTS: RangeInclusive<u16> = 30_000..=32_767;

/// A smaller range than this would run out in a large environment (our choice: a pod has a
/// few ports, and a machine a few hundred processes).
const WANTED_MIN: u16 = 2_000;

// === impl PortAllocator ===

impl PortAllocator {
    /// One that shares with every other Spur of this user that is given the same `temp_dir`.
    pub fn per_user(temp_dir: &Path) -> Result<Self, PortError> {
        let uid = rustix::process::geteuid().as_raw();
        Self::at(&temp_dir.join(format!("spur-ports-{uid}")))
    }

    /// One that shares with every other that is given the same `dir`, which is made if missing.
    ///
    /// # Errors
    /// The directory cannot be made, or belongs to somebody else.
    pub fn at(dir: &Path) -> Result<Self, PortError> {
        let fail = |source| PortError::Dir { dir: dir.into(), source };
        match std::fs::DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(fail(e)),
        }
        // Not following a link: in a shared `/tmp` it could lead anywhere.
        let found = std::fs::symlink_metadata(dir).map_err(fail)?;
        if !found.is_dir() {
            return Err(fail(io::ErrorKind::NotADirectory.into()));
        }
        let wanted = rustix::process::geteuid().as_raw();
        if found.uid() != wanted {
            return Err(PortError::Owner { dir: dir.into(), found: found.uid(), wanted });
        }
        Ok(Self {
            dir: dir.into(),
            range: range_beside(&ephemeral_range()),
            // Two Spurs start at different places and rarely meet.
            n_tried: AtomicU32::new(std::process::id().wrapping_mul(97)),
        })
    }

    /// A free port.
    ///
    /// # Errors
    /// None is free, or the directory of the locks fails.
    pub fn allocate(&self) -> Result<ReservedPort, PortError> {
        let n_ports = u32::from(self.range.end() - self.range.start()) + 1;
        for _ in 0..n_ports {
            let offset = self.n_tried.fetch_add(1, Ordering::Relaxed) % n_ports;
            let offset = u16::try_from(offset).expect("it is below the number of ports");
            match self.reserve(self.range.start() + offset) {
                Err(PortError::InUse { .. }) => {}
                done => return done,
            }
        }
        Err(PortError::Exhausted { first: *self.range.start(), last: *self.range.end() })
    }

    /// This very port: one that a pod had before Spur was started again.
    ///
    /// # Errors
    /// It is taken, or the directory of the locks fails.
    pub fn reserve(&self, port: u16) -> Result<ReservedPort, PortError> {
        let fail = |source| PortError::Dir { dir: self.dir.clone(), source };
        // The files stay: deleting one that somebody is about to lock would let two hold the
        // same port. They are empty, and at most as many as there are ports.
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.dir.join(format!("{port}.lock")))
            .map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PortError::InUse { port }),
            Err(TryLockError::Error(e)) => return Err(fail(e)),
        }
        if is_bindable(port) {
            Ok(ReservedPort { port, _lock: lock })
        } else {
            Err(PortError::InUse { port })
        }
    }
}

// === impl ReservedPort ===

impl ReservedPort {
    /// Its number.
    pub fn get(&self) -> u16 {
        self.port
    }
}

/// Whether a process could listen on the port, on loopback and on every address, and take datagrams
/// there. All are tried, one after the other: on macOS an address and the wildcard do not exclude
/// each other.
fn is_bindable(port: u16) -> bool {
    let addrs: [SocketAddr; 3] = [
        (Ipv4Addr::LOCALHOST, port).into(),
        (Ipv4Addr::UNSPECIFIED, port).into(),
        (Ipv6Addr::UNSPECIFIED, port).into(),
    ];
    let is_free = |addr: &SocketAddr, bound: io::Result<()>| match bound {
        Ok(()) => true,
        // A machine without IPv6 answers otherwise, which says nothing about the port.
        Err(e) => addr.is_ipv6() && e.kind() != io::ErrorKind::AddrInUse,
    };
    addrs.iter().all(|addr| is_free(addr, TcpListener::bind(addr).map(drop)))
        && addrs.iter().all(|addr| is_free(addr, UdpSocket::bind(addr).map(drop)))
}

fn ephemeral_range() -> RangeInclusive<u16> {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| parse_range(&text))
        .unwrap_or(EPHEMERAL_DEFAULT)
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (low, high) = text.trim().split_once(char::is_whitespace)?;
    Some(low.parse().ok()?..=high.trim().parse().ok()?)
}

/// From [`FIRST`] up to the kernel's range, else above it, else [`FIRST`] up to where the
/// node ports begin: then a connection may take a port before its pod does. Never node ports.
fn range_beside(ephemeral: &RangeInclusive<u16>) -> RangeInclusive<u16> {
    let (low, high) = (*ephemeral.start(), *ephemeral.end());
    let last_below = NODE_PORTS.start() - 1;
    if low.saturating_sub(FIRST) >= WANTED_MIN {
        return FIRST..=last_below.min(low - 1);
    }
    let above = FIRST.max(high.saturating_add(1));
    if last_below.saturating_sub(above) >= WANTED_MIN {
        return above..=last_below;
    }
    let above = above.max(NODE_PORTS.end() + 1);
    if u16::MAX - above >= WANTED_MIN && above > high { above..=u16::MAX } else { FIRST..=last_below }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_avoids_the_kernels_own_where_there_is_room() {
        let check = |ephemeral, wanted| assert_eq!(range_beside(&ephemeral), wanted);
        check(32_768..=60_999, 20_000..=29_999);
        check(49_152..=65_535, 20_000..=29_999);
        check(1_024..=40_000, 40_001..=65_535);
        check(1_024..=10_000, 20_000..=29_999);
        check(1_024..=29_000, 32_768..=65_535);
        check(1_024..=65_535, 20_000..=29_999);
        check(20_500..=60_999, 61_000..=65_535);
    }

    #[test]
    fn the_kernels_range_is_read_with_any_whitespace() {
        assert_eq!(parse_range("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(parse_range("32768   60999"), Some(32_768..=60_999));
        assert_eq!(parse_range("x 1"), None);
    }

    #[test]
    fn a_port_is_given_once_and_again_after_drop() {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = (PortAllocator::at(dir.path()).unwrap(), PortAllocator::at(dir.path()).unwrap());
        let port = ours.allocate().unwrap();
        let again = theirs.reserve(port.get());
        assert!(matches!(again, Err(PortError::InUse { .. })), "got {again:?}");
        let number = port.get();
        drop(port);
        assert_eq!(theirs.reserve(number).unwrap().get(), number);
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_given() {
        let dir = tempfile::tempdir().unwrap();
        let ports = PortAllocator::at(dir.path()).unwrap();
        for addr in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let listener = TcpListener::bind(addr).unwrap();
            let port = listener.local_addr().unwrap().port();
            let got = ports.reserve(port);
            assert!(matches!(got, Err(PortError::InUse { .. })), "{addr}: got {got:?}");
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let got = ports.reserve(socket.local_addr().unwrap().port());
        assert!(matches!(got, Err(PortError::InUse { .. })), "got {got:?}");
    }

    #[test]
    fn a_link_in_place_of_the_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        let got = PortAllocator::at(&link);
        assert!(matches!(got, Err(PortError::Dir { .. })), "got {got:?}");
    }
}
