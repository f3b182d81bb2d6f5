//! The network of one pod of processes, made by this process for itself: a namespace of users in which
//! it is who it was, one for the pod, one for the holder, and a wire between them.
//!
//! Nothing of it needs root, and nothing is left when the last process in it has ended
//! (user_namespaces(7), network_namespaces(7)).

use std::fs::File;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{getgid, getuid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::protocol::Refusal;
use crate::serve::hold_for;
use crate::{enter, interface, netlink};

/// The holder's end of the wire, which gets the addresses of Services.
pub const INTERFACE: &str = "pod";

/// The pod's end of the wire, as containers have it.
const PODS_INTERFACE: &str = "eth0";

/// The namespace that the caller is in.
const OWN_NETWORK: &str = "/proc/self/ns/net";

/// From which port on everybody may listen: for a pod from the first, as in a container
/// (`net.ipv4.ip_unprivileged_port_start` of ip_sysctl; Docker sets the same).
const FIRST_PORT: (&str, &str) = ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");

/// What is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The pod's address.
    pub address: Ipv4Addr,
    /// The holder's, from which it is called.
    pub host: Ipv4Addr,
    /// Where Services' addresses are; no other address can be reached.
    pub services: Vec<(Ipv4Addr, u8)>,
}

// === impl Pod ===

impl Pod {
    /// Makes the namespaces, says on stdout which descriptor is the pod's network, and holds
    /// sockets for who is at the other end of stdin. To be called before there is a second thread.
    ///
    /// # Errors
    /// The kernel does not let it, with what was tried; or it fails to wait.
    pub fn hold(&self) -> io::Result<()> {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        let inside = self.make().map_err(io::Error::other)?;
        // So that it is told apart in lists; its program is everything else, too.
        let _ = std::fs::write("/proc/self/comm", "spur-pod");
        writeln!(io::stdout(), "{}", inside.as_raw_fd())?;
        hold_for(UnixStream::from(stdin))
    }

    /// Makes everything that a pod needs, for nobody.
    ///
    /// # Errors
    /// The kernel does not let it, with what was tried.
    pub fn try_out(&self) -> Result<(), Refusal> {
        self.make()?;
        enter::mount_namespace()
    }

    /// Leaves the caller in the holder's namespace, and gives the pod's.
    fn make(&self) -> Result<File, Refusal> {
        let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
        unshare("a user namespace", UnshareFlags::NEWUSER)?;
        // Without this nobody may say which groups there are (CVE-2014-8989); old kernels have none.
        let _ = std::fs::write("/proc/self/setgroups", "deny");
        write("/proc/self/uid_map", &format!("{uid} {uid} 1"))?;
        write("/proc/self/gid_map", &format!("{gid} {gid} 1"))?;
        unshare("a network namespace", UnshareFlags::NEWNET)?;
        bring_up("lo")?;
        // Where the system's settings cannot be written its usual bound holds.
        let _ = std::fs::write(FIRST_PORT.0, FIRST_PORT.1);
        let inside = open(OWN_NETWORK)?;
        unshare("a second network namespace", UnshareFlags::NEWNET)?;
        let outside = open(OWN_NETWORK)?;
        netlink::add_wire(INTERFACE, (PODS_INTERFACE, &inside))
            .map_err(|error| Refusal::new("make a wire between two namespaces (veth)".to_owned(), error))?;
        bring_up(INTERFACE)?;
        self.connect(INTERFACE, self.host, &[(self.address, 32)])?;
        move_into(&inside)?;
        let reached = [&[(self.host, 32)], self.services.as_slice()].concat();
        self.connect(PODS_INTERFACE, self.address, &reached)?;
        move_into(&outside)?;
        Ok(inside)
    }

    /// Gives an end of the wire its address, and routes to what is at the other.
    fn connect(&self, name: &str, address: Ipv4Addr, reached: &[(Ipv4Addr, u8)]) -> Result<(), Refusal> {
        let interface = bring_up(name)?;
        netlink::add_address(interface, address)
            .map_err(|error| Refusal::new(format!("add address {address}"), error))?;
        for (network, prefix_len) in reached {
            let tried = || format!("add a route to {network}/{prefix_len}");
            netlink::add_route(interface, (*network, *prefix_len), address)
                .map_err(|error| Refusal::new(tried(), error))?;
        }
        Ok(())
    }
}

/// Makes namespaces for the caller alone.
pub(crate) fn unshare(what: &str, flags: UnshareFlags) -> Result<(), Refusal> {
    #[expect(deprecated, reason = "it is unsafe with `UnshareFlags::FILES` only, which nobody here asks for")]
    let made = rustix::thread::unshare(flags);
    made.map_err(|error| Refusal::new(format!("make {what}"), error))
}

fn bring_up(name: &str) -> Result<u32, Refusal> {
    let interface = interface::index(name)?;
    netlink::bring_up(interface)
        .map_err(|error| Refusal::new(format!("bring up interface `{name}`"), error))?;
    Ok(interface)
}

fn move_into(network: &File) -> Result<(), Refusal> {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| Refusal::new("move into a network namespace".to_owned(), error))
}

pub(crate) fn open(path: impl AsRef<Path>) -> Result<File, Refusal> {
    let path = path.as_ref();
    File::open(path).map_err(|error| refused(format!("open `{}`", path.display()), &error))
}

fn write(path: &str, text: &str) -> Result<(), Refusal> {
    std::fs::write(path, text).map_err(|error| refused(format!("write `{path}`"), &error))
}

fn refused(tried: String, error: &io::Error) -> Refusal {
    Refusal::new(tried, Errno::from_io_error(error).unwrap_or(Errno::IO))
}
