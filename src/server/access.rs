//! Who is asking, and whether they may: before any handler sees a request.
//!
//! ```text
//!  network ─► gate ─► authenticate ─► impersonate ─► User ─┐
//!            (Host,    (certificate,   (headers)           ├─► authorize ─► handler
//!             Origin)   token)                             │
//!  in process ───────────────────────────────────► User ───┘
//! ```
//!
//! Requests in process carry their user as an extension; only network listeners
//! authenticate, and nothing that comes over the network becomes a controller.

mod authenticate;
mod authorize;
mod gate;
mod identity;
mod impersonate;
mod service_account;
mod token;
mod user;

pub(crate) use authenticate::of_token;
pub(crate) use authorize::{Attributes, authorize, check, open_rules};
pub(crate) use gate::authority;
pub(crate) use identity::ISSUER;
pub use identity::{Identity, IdentityError, Secrets};
pub(crate) use service_account::{BOUND_KINDS, Bound, Grant, claims};
pub use user::User;

use http::request::Parts;
use spur_api::Status;

use crate::state::State;

/// The user of a request that came over the network.
///
/// # Errors
/// 403 where the request comes from a foreign page or impersonates without leave, 401
/// where its credentials are not valid.
pub(crate) fn enter(state: &State, parts: &Parts, hosts: &[String]) -> Result<User, Status> {
    gate::check(parts, hosts)?;
    let user = authenticate::authenticate(state, parts)?;
    impersonate::impersonate(state, user, &parts.headers)
}
