//! What is held, and what each request does to it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Bound;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::protocol::{Held, Outcome, PAGE, Place, Refusal, Reply, Request, TAG_MAX_BYTES, VERSION};
use crate::{netlink, sockets};

/// As many as Kubernetes promises to carry in a namespace, 5,000 Services, with two ports each
/// (<https://github.com/kubernetes/community/blob/master/sig-scalability/configs-and-limits/thresholds.md>).
const HELD_MAX: usize = 10_000;

/// Descriptors that are left for clients, signals and netlink when everything else is held.
const DESCRIPTORS_LEFT: usize = 64;

/// The sockets, and the addresses that were added for them.
#[derive(Debug)]
pub(crate) struct Holding {
    held: BTreeMap<Place, Socket>,
    /// With the interface that has it.
    added: BTreeMap<Ipv4Addr, u32>,
    /// The index of the interface that gets addresses.
    interface: Option<u32>,
    held_max: usize,
}

#[derive(Debug)]
struct Socket {
    tag: String,
    descriptor: OwnedFd,
}

/// A descriptor that is passed: one that is held, or one that is the caller's alone.
#[derive(Debug)]
enum Passed {
    Held(Place),
    Own(OwnedFd),
}

// === impl Holding ===

impl Holding {
    /// Nothing, in a process that may have as many descriptors as it may now.
    pub(crate) fn new() -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
        let held_max = descriptors.unwrap_or(usize::MAX).saturating_sub(DESCRIPTORS_LEFT).min(HELD_MAX);
        Self { held: BTreeMap::new(), added: BTreeMap::new(), interface: None, held_max }
    }

    /// Does what is asked; `send` gets the answer and the descriptors that go with it.
    pub(crate) fn answer<T>(
        &mut self,
        request: Request,
        send: impl FnOnce(&Reply, &[BorrowedFd<'_>]) -> T,
    ) -> T {
        let (outcome, passed) = match self.act(request) {
            Ok(done) => done,
            Err(refusal) => (Outcome::Refused(refusal), Vec::new()),
        };
        let descriptors: Vec<BorrowedFd<'_>> = passed.iter().map(|passed| self.borrow(passed)).collect();
        send(&Reply { outcome, n_descriptors: descriptors.len() }, &descriptors)
    }

    fn act(&mut self, request: Request) -> Result<(Outcome, Vec<Passed>), Refusal> {
        match request {
            Request::Hello { version, interface } => {
                // Another version's requests may mean something else.
                if version == VERSION {
                    self.interface = Some(interface.prepare()?);
                }
                Ok((Outcome::Welcome { version: VERSION }, Vec::new()))
            }
            Request::Listen { tag, place } => {
                self.listen(tag, place)?;
                Ok((Outcome::Done, vec![Passed::Held(place)]))
            }
            Request::List { after, descriptors } => Ok(self.list(after, descriptors)),
            Request::Close { place } => {
                self.close(place)?;
                Ok((Outcome::Done, Vec::new()))
            }
            Request::Dial { address, port } => {
                let dialled = sockets::dialled(SocketAddrV4::new(address, port));
                let dialled =
                    dialled.map_err(|error| Refusal::new(format!("connect to {address}:{port}"), error))?;
                Ok((Outcome::Done, vec![Passed::Own(dialled)]))
            }
            Request::Datagram { address, port } => {
                let bound = sockets::datagram(SocketAddrV4::new(address, port));
                let bound =
                    bound.map_err(|error| Refusal::new(format!("bind udp {address}:{port}"), error))?;
                Ok((Outcome::Done, vec![Passed::Own(bound)]))
            }
        }
    }

    fn listen(&mut self, tag: String, place: Place) -> Result<(), Refusal> {
        let tried = || format!("listen at {place}");
        match self.held.get(&place) {
            Some(held) if held.tag == tag => return Ok(()),
            Some(held) => {
                let words = format!("it is held for `{}`", held.tag);
                return Err(Refusal::with_words(tried(), Errno::ADDRINUSE, words));
            }
            None => {}
        }
        if place.port == 0 {
            return Err(Refusal::with_words(tried(), Errno::INVAL, "a port has to be named".to_owned()));
        }
        if tag.len() > TAG_MAX_BYTES {
            let words = format!("its tag is longer than {TAG_MAX_BYTES} bytes");
            return Err(Refusal::with_words(tried(), Errno::MSGSIZE, words));
        }
        if self.held.len() >= self.held_max {
            let words = format!("{} sockets are held already", self.held_max);
            return Err(Refusal::with_words(tried(), Errno::NOSPC, words));
        }
        let descriptor = self.listening(place)?;
        self.held.insert(place, Socket { tag, descriptor });
        Ok(())
    }

    /// An address that is not there yet is found out by the kernel: it does not let bind it. Of a
    /// new namespace it lets bind anything until an interface is up, so one has to be named first.
    fn listening(&mut self, place: Place) -> Result<OwnedFd, Refusal> {
        let refused = |error| Refusal::new(format!("listen at {place}"), error);
        let Some(interface) = self.interface else { return Err(refused(Errno::NODEV)) };
        match sockets::listening(place) {
            Err(Errno::ADDRNOTAVAIL) => {}
            other => return other.map_err(refused),
        }
        netlink::add_address(interface, place.address)
            .map_err(|error| Refusal::new(format!("add address {}", place.address), error))?;
        self.added.insert(place.address, interface);
        sockets::listening(place).map_err(|error| {
            // What it was added for is not there.
            let _ = self.remove_address(place.address);
            refused(error)
        })
    }

    fn close(&mut self, place: Place) -> Result<(), Refusal> {
        let Some(socket) = self.held.remove(&place) else { return Ok(()) };
        sockets::end(&socket.descriptor, place.protocol);
        if self.held.keys().any(|other| other.address == place.address) {
            return Ok(());
        }
        self.remove_address(place.address)
    }

    /// What was there before stays.
    fn remove_address(&mut self, address: Ipv4Addr) -> Result<(), Refusal> {
        let Some(interface) = self.added.remove(&address) else { return Ok(()) };
        match netlink::remove_address(interface, address) {
            // Somebody else took it away, or its interface.
            Ok(()) | Err(Errno::ADDRNOTAVAIL | Errno::NODEV) => Ok(()),
            Err(error) => Err(Refusal::new(format!("remove address {address}"), error)),
        }
    }

    fn list(&self, after: Option<Place>, descriptors: bool) -> (Outcome, Vec<Passed>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.held.range((from, Bound::Unbounded));
        let held =
            rest.by_ref().take(PAGE).map(|(place, socket)| Held { tag: socket.tag.clone(), place: *place });
        let held: Vec<Held> = held.collect();
        let passed = held.iter().filter(|_| descriptors).map(|held| Passed::Held(held.place)).collect();
        (Outcome::Listed { held, more: rest.next().is_some() }, passed)
    }

    fn borrow<'a>(&'a self, passed: &'a Passed) -> BorrowedFd<'a> {
        match passed {
            Passed::Held(place) => self.held[place].descriptor.as_fd(),
            Passed::Own(descriptor) => descriptor.as_fd(),
        }
    }
}
