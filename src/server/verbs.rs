//! The verbs of the generic handler: one file each, and here what they share.

pub(crate) mod bind;
pub(crate) mod bury;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod delete_collection;
pub(crate) mod delete_options;
pub(crate) mod evict;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod patch;
pub(crate) mod update;
pub(crate) mod watch;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderMap, Method};
use spur_api::{Status, Subresource, meta};
use spur_schema::apply::{Manager, Operation};
use tokio::time::Instant;

use crate::access::User;
use crate::path::Target;
use crate::query::Query;
use crate::served::Served;
use crate::state::State;

/// How long a write that names no version is tried again while others come
/// between (`endpoints/handlers/rest.go`: `requestTimeoutUpperBound`).
const TRY_FOR: Duration = Duration::from_secs(34);

/// One request on its way through a verb.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) state: State,
    pub(crate) method: Method,
    /// Who asks.
    pub(crate) user: Arc<User>,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// When to stop trying a write again.
pub(crate) fn last_try() -> Instant {
    Instant::now() + TRY_FOR
}

/// Whether a write failed because another came between reading and writing.
pub(crate) fn came_between(status: &Status) -> bool {
    status.reason == "Conflict" && status.message.contains("the object has been modified")
}

// === impl Request ===

impl Request {
    pub(crate) fn kind(&self) -> &Served {
        &self.target.kind
    }

    pub(crate) fn namespace(&self) -> Option<&str> {
        self.target.namespace.as_deref()
    }

    /// Who writes, as `metadata.managedFields` names it: the field manager, else
    /// the user agent up to its first `/` (`managedfields.DefaultManager…`).
    pub(crate) fn manager(&self, operation: Operation) -> Manager {
        let agent = self.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
        let unnamed = if self.user.is_controller() { "spur" } else { "unknown" };
        let agent = agent.split('/').next().filter(|agent| !agent.is_empty()).unwrap_or(unnamed);
        let named = Some(self.query.field_manager.as_str()).filter(|name| !name.is_empty());
        Manager {
            name: named.unwrap_or(agent).chars().take(128).collect(),
            operation,
            api_version: self.kind().api_version(),
            subresource: self.target.subresource.map(Subresource::segment).unwrap_or_default().to_owned(),
            time: meta::now(),
        }
    }
}
