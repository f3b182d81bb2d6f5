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
//! Which containers there are, and who starts them, is left to the runtime. Linux only: elsewhere
//! this crate is empty.

#![cfg(target_os = "linux")]

mod client;
mod conversation;
mod descriptors;
mod errno;
mod holding;
mod image;
mod interface;
mod netlink;
mod protocol;
mod serve;
mod signals;
mod sockets;

pub use client::{CallError, ConnectError, Holder, Socket};
pub use image::{Image, ImageError};
pub use protocol::{Held, Interface, Place, Protocol, Refusal};
pub use serve::{hold, pause};
