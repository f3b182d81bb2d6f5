//! Accept loops with deadlines, and listeners that know their caller.
//!
//! ```text
//!   bind ──► Inlet { listener, caller, destination }      (handed to the proxy)
//!     │
//!     └────► serve ─► accept ─► sniff ─┬────────────► hyper http1 | http2 ─► service
//!                       │         │    └ Tls ─► sniff ─┘    │
//!                       │         │                         └ Pace: idle and half-sent heads are closed
//!                       │         └ silence and half a preface are closed
//!                       └ a full descriptor table pauses, it does not spin
//! ```
//!
//! Neither `axum::serve` nor hyper-util's automatic builder ends a connection
//! that never says anything (hyper#3756), so the first bytes are read here,
//! under a deadline, and the protocol's own builder gets the rest.
//!
//! What requests mean is left to whoever brings the service.

mod accept;
mod authority;
mod bind;
mod client_certificate;
mod dial;
mod drive;
mod framing;
mod hello;
mod inlet;
mod interim;
mod limits;
mod linger;
mod names;
mod originate;
mod pace;
mod port_holder;
mod rewind;
mod serve;
mod sniff;
mod terminate;
mod tls;

pub use accept::accept;
pub use authority::{Authority, AuthorityError, Credential};
pub use bind::{BindError, bind, bind_datagram, bind_loopback};
pub use client_certificate::{Client, ClientCertificate};
pub use dial::{Dial, Way};
pub use drive::{Ended, drive};
pub use framing::{BareLineFeeds, HeadFault};
pub use hello::{ClientHello, HelloError, read_hello};
pub use inlet::{Caller, Callers, CallersByAddress, DatagramInlet, Destination, Inlet};
pub use limits::{Connect, EscapedSlashes, LIMITS, Limit, LimitError, Limits, Of};
pub use names::{Names, Resolved};
pub use originate::{Alpn, Originate, OriginateTerms, Trust, server_name};
pub use pace::{Busy, Interim, Overdue, Pace, Paced, Passing};
pub use port_holder::{PortHolder, datagram_port_holder, port_holder};
pub use rewind::Rewind;
pub use serve::{Listening, Peer, Served, refuse_plain, serve};
pub use sniff::{Protocol, SniffError, sniff};
pub use terminate::{AskedClients, Terminate, TerminateTerms, Versions};
pub use tls::{Tls, TlsError};
