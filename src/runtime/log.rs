//! A container's output on disk.
//!
//! ```text
//!  stdout ─┐                                   ┌ <n-1>.log
//!          ├─► pump ─► cri (lines) ─► limit ─► files            ─► read ─► kubectl logs
//!  stderr ─┘         records       or drop+mark└ <n>.log  │ ▲
//!                                                progress ┘ └ rotate at 10 MiB
//! ```
//!
//! The pump passes what it reads to the `tap` too, for those who are attached.
//!
//! One directory per attempt. The pump never waits for a reader; a reader that
//! lags over a rotation is told how many lines it missed. Bytes are kept as
//! they came: what makes them safe to show on a terminal is the reader's reader.

mod cri;
mod files;
mod filter;
mod limit;
mod pump;
mod read;
mod tap;

pub(crate) use files::{LogFiles, Progress, progress_of_closed};
pub(crate) use pump::Pump;
pub(crate) use read::open;
pub(crate) use tap::{Tap, TapPoint};
