//! The terminal interface: a client of the API that shows what happens while it happens.
//!
//! ```text
//!  keys ────────┐                        ┌──► draw ──► a frame (windowed, pure)
//!  sizes ───────┼─► Event ─► State ──────┤
//!  API streams ─┤   (one queue, keys     └──► Actions ─► run: API streams, clipboard,
//!  a clock ─────┘    first)                               suspend, quit
//! ```
//!
//! `state` knows no drawing and does nothing, `draw` changes nothing, `run`
//! decides nothing. It leaves to others: what a trace is (`spur-trace`), which
//! server is meant and what the environment says (`spur-cli`).

mod event;
mod keymap;
mod keys;
mod lines;
pub mod measure;
mod query;

mod state;

mod draw;

mod run;

#[cfg(test)]
mod made;
#[cfg(test)]
mod page;

pub use keymap::Keymap;
pub use lines::Lines;
pub use run::{Ended, PanicIn, Script, Settings, open, run_script, size};
pub use state::ThemeName;
