//! What is said over the unix socket: one line of JSON asks, one answers, in order. Pure.
//!
//! Text, so that what goes wrong between two versions can be read in a log; a listener is made
//! some hundred times in a namespace's life, which no encoding makes slow.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

/// What both sides speak. A Spur that was updated may find a holder that was not.
pub(crate) const VERSION: u32 = 1;

/// A tag of Spur's names a Service and a port: 253 and 63 characters at most, and some signs.
pub(crate) const TAG_MAX_BYTES: usize = 512;

/// A tag in which each byte is escaped takes six times its size, and the rest 200 bytes.
pub(crate) const REQUEST_MAX_BYTES: usize = 6 * TAG_MAX_BYTES + 1024;

/// How many sockets one answer lists: the kernel passes 253 descriptors with a message at most
/// (`SCM_MAX_FD`, unix(7)), and 32 with the longest tags make 103 KB, which fits into the 208 KB
/// that a unix socket buffers by default.
pub(crate) const PAGE: usize = 32;

/// The longest answer is a whole page.
pub(crate) const REPLY_MAX_BYTES: usize = PAGE * REQUEST_MAX_BYTES + 1024;

/// What is asked of the holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Comes first: who speaks, and where addresses are added from now on.
    Hello { version: u32, interface: Interface },
    /// Makes a socket that listens and keeps it. Of what is held under the same tag the answer is
    /// the same socket, so that a question may be repeated.
    Listen { tag: String, place: Place },
    /// The next page of what is held, in the order of the places.
    List { after: Option<Place>, descriptors: bool },
    /// Ends a socket that listens, for everybody who has a copy. What is not held is closed.
    Close { place: Place },
    /// A connection that has been begun; the caller waits for its end.
    Dial { address: Ipv4Addr, port: u16 },
    /// A UDP socket that is not kept.
    Datagram { address: Ipv4Addr, port: u16 },
}

/// An answer, and how many descriptors come with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    pub(crate) n_descriptors: usize,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The holder's own version, which may be another than the one that was named.
    Welcome {
        version: u32,
    },
    Done,
    Listed {
        held: Vec<Held>,
        more: bool,
    },
    Refused(Refusal),
}

/// The interface of the namespace that gets addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interface {
    /// The one with a route to exactly this network, such as the subnet of a container network: an
    /// engine does not promise a name. It gets a hardware address that is the same for every holder
    /// of the network.
    Of {
        /// An address of the network.
        address: Ipv4Addr,
        /// The length of its prefix.
        prefix_len: u8,
    },
    /// The one of this name, such as `lo`; it is brought up.
    Named(String),
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Where a socket listens. There is one at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The address, which the interface gets if it has it not.
    pub address: Ipv4Addr,
    /// The port; 0 is refused, since a place is found again by it.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// A socket that the holder keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The owner's own word for it.
    pub tag: String,
    /// Where it listens.
    pub place: Place,
}

/// Why the holder, or the kernel, did not do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{tried}: {words} ({errno})")]
pub struct Refusal {
    /// What was tried, on what.
    pub tried: String,
    /// The number of the error, which is the same on both sides: they have one kernel.
    pub code: i32,
    /// Its name, such as `EADDRINUSE`.
    pub errno: String,
    /// What it means.
    pub words: String,
}

/// A line that is no request, or no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("a line is longer than {max_bytes} bytes")]
    TooLong { max_bytes: usize },
    #[error("a line says nothing that is known")]
    Unknown(#[source] serde_json::Error),
}

/// Takes the first whole line out of what was received; `None` where it has not come whole.
pub(crate) fn take_line<T>(received: &mut Vec<u8>, max_bytes: usize) -> Result<Option<T>, LineError>
where
    T: for<'de> Deserialize<'de>,
{
    let end = received.iter().position(|byte| *byte == b'\n');
    if end.unwrap_or(received.len()) > max_bytes {
        return Err(LineError::TooLong { max_bytes });
    }
    let Some(end) = end else { return Ok(None) };
    let line = serde_json::from_slice(&received[..end]).map_err(LineError::Unknown)?;
    received.drain(..=end);
    Ok(Some(line))
}

/// As a line.
pub(crate) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("these have no maps and no floats");
    line.push(b'\n');
    line
}

// === impl Place ===

impl Place {
    /// A TCP port of an address.
    #[must_use]
    pub fn tcp(address: Ipv4Addr, port: u16) -> Self {
        Self { address, port, protocol: Protocol::Tcp }
    }

    /// A UDP port of an address.
    #[must_use]
    pub fn udp(address: Ipv4Addr, port: u16) -> Self {
        Self { address, port, protocol: Protocol::Udp }
    }

    /// Address and port.
    #[must_use]
    pub fn socket_addr(self) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, self.port)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{protocol} {}:{}", self.address, self.port)
    }
}

// === impl Refusal ===

impl Refusal {
    /// Of an error of the system.
    pub(crate) fn new(tried: String, error: rustix::io::Errno) -> Self {
        let (errno, words) = crate::errno::name_and_words(error);
        Self { tried, code: error.raw_os_error(), errno, words }
    }

    /// The same with words of ours, where the error alone says too little.
    pub(crate) fn with_words(tried: String, error: rustix::io::Errno, words: String) -> Self {
        Self { words, ..Self::new(tried, error) }
    }

    /// By which a caller chooses.
    #[must_use]
    pub fn kind(&self) -> std::io::ErrorKind {
        std::io::Error::from_raw_os_error(self.code).kind()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_request_and_the_longest_reply_are_within_their_bounds() {
        let place = Place::udp(Ipv4Addr::new(255, 255, 255, 255), u16::MAX);
        // Each of these bytes takes six in JSON.
        let tag = "\u{1}".repeat(TAG_MAX_BYTES);
        let longest = Request::Listen { tag: tag.clone(), place };
        assert!(line(&longest).len() <= REQUEST_MAX_BYTES, "{}", line(&longest).len());
        let held = vec![Held { tag, place }; PAGE];
        let reply = Reply { outcome: Outcome::Listed { held, more: true }, n_descriptors: PAGE };
        assert!(line(&reply).len() <= REPLY_MAX_BYTES, "{}", line(&reply).len());
        // `net.core.wmem_default`.
        const { assert!(REPLY_MAX_BYTES < 212_992) };
    }

    #[test]
    fn a_line_may_come_in_pieces_and_two_at_once() {
        let (first, second) = (
            Request::List { after: None, descriptors: true },
            Request::Dial { address: [10, 0, 0, 1].into(), port: 80 },
        );
        let both = [line(&first), line(&second)].concat();
        for cut in 0..both.len() {
            let (mut received, mut found) = (Vec::new(), Vec::new());
            for piece in [&both[..cut], &both[cut..]] {
                received.extend_from_slice(piece);
                while let Some(request) = take_line::<Request>(&mut received, REQUEST_MAX_BYTES).unwrap() {
                    found.push(request);
                }
            }
            assert_eq!((found, received), (vec![first.clone(), second.clone()], vec![]), "cut at {cut}");
        }
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut received = vec![b' '; REQUEST_MAX_BYTES + 1];
        let found = take_line::<Request>(&mut received, REQUEST_MAX_BYTES);
        assert!(matches!(found, Err(LineError::TooLong { .. })), "{found:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            while let Ok(Some(_)) = take_line::<Request>(&mut bytes, REQUEST_MAX_BYTES) {}
        }
    }
}
