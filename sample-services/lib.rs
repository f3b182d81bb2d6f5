//! The demo shop and the test doubles: small services that behave like other
//! people's, so that a sandbox has something to fork and a test something to call.
//!
//! ```text
//!   browser ──► frontend ──► checkout ──┬──► pricing      PRICE_PERCENT, VERSION
//!                  │                    └──► inventory
//!                  └─ gRPC ─► recommendation              List, Watch
//!
//!   ws-echo: a WebSocket echo       dummy: v1 and v2 with known latency and errors
//! ```
//!
//! Every service listens on loopback, finds the others by `<SERVICE>_URL`, passes
//! the request's context on through `spur_sdk`, and answers `/health` and
//! `/metrics`. [`run`] is a service as a process; [`serve`] is the same on a
//! listener and settings of the caller's. Nothing here knows Spur's other crates.

mod args;
mod listen;
mod settings;

mod sample;
mod serve;

mod checkout;
mod dummy;
mod frontend;
mod inventory;
mod pricing;
mod recommendation;
mod ws_echo;

mod catalogue;
mod order;
pub mod shop;

mod call;
mod failure;
mod log;
mod metrics;
mod observe;

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub use crate::log::Log;
pub use args::ArgsError;
pub use sample::{SAMPLES, Sample};
pub use serve::{Setup, serve};
pub use settings::{SettingError, Settings};

use args::Command;

/// Exit code for arguments or settings that cannot be used, as clap's.
const EXIT_USAGE: u8 = 2;

/// Runs one service until SIGTERM or SIGINT: `args` are its name and flags
/// (`pricing --port 8080`), without a program name. Reads the process's
/// environment, since to its environment a sample is a program of its own.
///
/// Exits with 0 after an orderly end, 2 where arguments or settings cannot be
/// used, 1 where the service cannot run (its port is taken).
pub fn run(args: impl IntoIterator<Item = String>) -> ExitCode {
    let (sample, port) = match args::parse(args) {
        Ok(Command::Help) => {
            println!("{}", args::help());
            return ExitCode::SUCCESS;
        }
        Ok(Command::Serve { sample, port }) => (sample, port),
        Err(error) => {
            eprintln!("error: {error}\nhint: `spur sample --help` lists what there is");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    // One thread: a demo service is idle nearly always, and seven of them start
    // at once on a laptop.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(serve_until_signal(sample, port)),
        Err(error) => fail(sample, &format!("could not start a runtime: {error}")),
    }
}

async fn serve_until_signal(sample: &'static Sample, port: Option<u16>) -> ExitCode {
    let setup = Setup::new(Settings::from_environment());
    let address = match listen::address(&setup.settings, port) {
        Ok(address) => address,
        Err(error) => return refuse(sample, &error),
    };
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
        return fail(sample, "could not listen for SIGTERM and SIGINT");
    };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => return fail(sample, &format!("could not listen on `{address}`: {error}")),
    };
    let stop = setup.stop.clone();
    let mut serving = std::pin::pin!(serve(listener, sample, setup));
    let result = tokio::select! {
        result = &mut serving => result,
        _ = terminate.recv() => { stop.cancel(); serving.await }
        _ = interrupt.recv() => { stop.cancel(); serving.await }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(sample, &error),
    }
}

fn refuse(sample: &Sample, error: &SettingError) -> ExitCode {
    eprintln!("error: {}: {error}", sample.name);
    ExitCode::from(EXIT_USAGE)
}

fn fail(sample: &Sample, what: &str) -> ExitCode {
    eprintln!("error: {}: {what}", sample.name);
    ExitCode::FAILURE
}
