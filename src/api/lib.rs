//! Resource kinds and their rules; no IO.
//!
//! ```text
//!  REGISTRY ──► Kind { names, scope, subresources, Rules }      one row per kind
//!                 │                        │
//!                 ▼                        ▼
//!  definitions (k8s-openapi + our     kinds/*.rs: defaults, validation,
//!  own merge keys and list types)     printer columns, selectable fields
//! ```
//!
//! The kinds of Istio and Gateway API are definitions of their own ([`bundled`]), all schema and no
//! rules in code.
//!
//! Everything works on ordered `serde_json::Value`s: typed structs would drop
//! the fields they do not know. Typed structs exist for our own kind only
//! ([`sandbox`]). HTTP, storage and admission are the server's.

pub mod bundled;
pub mod column_descriptions;
pub mod cron;
pub mod definitions;
pub mod duration;
pub mod jsonpath;
pub mod kinds;
pub mod labels;
mod merge_keys;
pub mod meta;
pub mod names;
pub mod protobuf;
pub mod quantity;
pub mod real_port;
pub mod registry;
pub mod sandbox;
pub mod selector;
pub mod status;
pub mod workload;
pub mod yaml;

pub use registry::{Kind, Life, REGISTRY, Rules, Scope, Subresource};
pub use status::Status;
