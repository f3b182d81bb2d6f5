//! The `spur` binary: parse, configure, dispatch.

mod access_log;
mod addresses;
mod alone;
mod build;
mod config;
mod docker;
mod doctor;
mod environments;
mod folder;
mod gateways;
mod identity;
mod inside;
mod interface;
mod recording;
mod say;
mod scrape;
mod shutdown;
mod status;
mod up;

use std::process::ExitCode;

use clap::Parser;
use spur_cli::{Args, ClientCommand, Command};
use tokio::runtime::{Builder, Runtime};

use crate::config::Config;

/// glibc's allocator keeps one arena per thread and gives little back; the proxy
/// has a thread per core.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Threads of the control plane: it waits for the disk and for peers, while the
/// proxy's own threads carry the traffic.
const CONTROL_THREADS: usize = 2;

fn main() -> ExitCode {
    if let Some(ended) = inside::run(std::env::args_os().skip(1)) {
        return ended;
    }
    let mut words = std::env::args_os().skip(1);
    if let (Some(word), Some(record)) = (words.next(), words.next())
        && word == "__reap"
    {
        let reap = |runtime: &Runtime| runtime.block_on(environments::reap(&Config::read(), record.as_ref()));
        return run_on(control_threads(), reap);
    }
    let args = Args::parse();
    if let Command::Sample(sample) = args.command {
        let args = sample.args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
        return sample_services::run(args);
    }
    if let (Command::Up(_) | Command::Proxy(_), Some(flag)) = (&args.command, args.connection.given()) {
        say::say(format_args!(
            "error: `{flag}` says which server to ask, and this command asks none\nhint: `spur up` writes its kubeconfig below `--data`; `spur kubeconfig --path` prints where"
        ));
        return ExitCode::from(2);
    }
    let config = Config::read();
    let is_interface = matches!(args.command, Command::Client(ClientCommand::Ui(_)));
    let threads = if is_interface { one_thread() } else { control_threads() };
    run_on(threads, |runtime| dispatch(args, config, runtime))
}

fn dispatch(args: Args, config: Config, runtime: &Runtime) -> ExitCode {
    match args.command {
        Command::Up(up) => {
            config::start_log(&config);
            spur_store::quiet_caught_panics();
            runtime.block_on(up::up(up, config))
        }
        Command::Proxy(proxy) => {
            config::start_log(&config);
            runtime.block_on(alone::proxy(proxy))
        }
        Command::Ps(ps) => runtime.block_on(environments::ps(&ps, &config)),
        Command::Down(down) => runtime.block_on(environments::down(&down, &config)),
        Command::Clean(clean) => runtime.block_on(environments::clean(&clean, &config)),
        Command::Build(build) => runtime.block_on(build::build(build, &config)),
        Command::Doctor(doctor) => runtime.block_on(doctor::doctor(&doctor, &config)),
        Command::Client(command) => {
            runtime.block_on(spur_cli::run(args.connection, command, config.environment))
        }
        Command::Sample(_) => unreachable!("samples were run above, before any thread"),
    }
}

/// The threads of the control plane.
fn control_threads() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(CONTROL_THREADS).thread_name("spur-control");
    builder
}

/// For the terminal interface: it draws what it has just read, and waking another thread for each trace
/// took a fifth of its time (perf, 2,000 traces a second, 30 Nov 2026).
fn one_thread() -> Builder {
    Builder::new_current_thread()
}

fn run_on(mut threads: Builder, run: impl FnOnce(&Runtime) -> ExitCode) -> ExitCode {
    match threads.enable_all().build() {
        Ok(runtime) => run(&runtime),
        Err(error) => {
            eprintln!("error: failed to start threads: {error}");
            ExitCode::FAILURE
        }
    }
}
