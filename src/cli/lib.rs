//! Arguments, commands, output, exit codes.
//!
//! ```text
//!  typed ──► args ──► cmd (one file per command) ──► client ──► the Kubernetes API, /spur/v1/…
//!                      │   │                           ▲
//!                      │   └─► demo, test ──► child ───┘   this executable as `up -o json`
//!                      ▼
//!                   console: data on stdout, talk on stderr
//!                   error:   message, hint, exit code
//! ```
//!
//! Everything goes through the public API; what a command can do, a user of
//! `kubectl` can do. It leaves to the binary: `spur up`, `spur sample`, and
//! reading the environment, which comes in as [`Environment`].

pub mod args;

mod environment;
mod error;
mod replay;
mod run;

mod apply;
mod completion;
mod delete;
mod demo;
mod explain;
mod get;
mod kubeconfig;
mod logs;
mod rules;
mod sandbox;
mod status;
mod test;
mod trace;
mod ui;
mod verify;
mod version;
mod wait;

mod child;
mod client;
mod connect;
mod facts;
mod kinds;
mod manifest;
mod ready;
mod signals;
mod watch;

mod console;
mod custom_kinds;
mod render;
mod table;

pub use args::{Args, ClientCommand, Command, ConnectionArgs};
pub use environment::Environment;
pub use error::Exit;
pub use manifest::texts_of as texts;
pub use run::{run, run_on_stderr};

#[cfg(test)]
mod sessions;
