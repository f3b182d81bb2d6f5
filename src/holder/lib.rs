//! Sockets of another network namespace, for a process that stays in its own.
//!
//! ```text
//!      the namespace of a network                          Spur's own namespace
//!   ┌───────────────────────────────┐   unix socket    ┌─────────────────────────────┐
//!   │ serve ◄── protocol::Request ──┼──────────────────┼─ client::Holder             │
//!   │   │                           │                  │    ▲                        │
//!   │   ├─ netlink: the address     │  protocol::Reply │    │ TcpListener, UdpSocket,│
//!   │   └─ sockets: bind, connect ──┼──────────────────┼────┘ TcpStream              │
//!   └───────────────────────────────┘   + descriptors  └─────────────────────────────┘
//! ```
//!
//! A socket belongs to the namespace in which it was made, wherever its descriptor goes: what the
//! holder makes is accepted from and dialled by Spur as if it were inside, with no further hop. The
//! holder keeps a copy of what listens, so that a Spur that was killed gets the very same
//! listeners again, and connections wait in their backlog meanwhile.
//!
//! A container's namespace is made by an engine; that of a pod of processes is made here ([`Pod`]),
//! without root, and its programs enter it here ([`Entrance`]):
//!
//! ```text
//!      namespace of the pod                namespace of its holder         Spur's own
//!   ┌───────────────────────────┐   ┌──────────────────────────────┐
//!   │ programs   eth0 <address> ├───┤ pod <host>, Services' addresses ──── descriptors ───► Spur
//!   └───────────────────────────┘   └──────────────────────────────┘
//! ```
//!
//! Two, since a program that listens at all addresses (`0.0.0.0:8080`) could not where a Service
//! listens at the same port of one of them.
//!
//! Which containers there are, and who starts them, is left to the runtime. Linux only: elsewhere
//! this crate is empty.

#![cfg(target_os = "linux")]

mod client;
mod command;
mod conversation;
mod descriptors;
mod enter;
mod errno;
mod holding;
mod image;
mod interface;
mod netlink;
mod pod;
mod protocol;
mod serve;
mod signals;
mod sockets;

pub use client::{CallError, ConnectError, Holder, Socket};
pub use command::{NAME as POD_COMMAND, PodCommand, run_pod};
pub use enter::{Entrance, Shown};
pub use image::{Image, ImageError};
pub use pod::{INTERFACE, Pod};
pub use protocol::{Held, Interface, Place, Protocol, Refusal};
pub use serve::{hold, hold_for, pause};
