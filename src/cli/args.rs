//! What can be typed: one struct per command, with its help and examples.
//!
//! Flags carry the names they have in `kubectl` and `docker`. What the
//! arguments mean is left to the commands; `spur up` and `spur sample` are the
//! binary's.

mod access_log;
mod apply;
mod build;
mod capture;
mod completion;
mod delete;
mod demo;
mod doctor;
mod environments;
mod explain;
mod get;
mod kubeconfig;
mod logs;
mod output;
mod proxy;
mod replay;
mod rules;
mod sandbox;
mod status;
mod test;
mod trace;
mod ui;
mod up;
mod verify;
mod version;
mod wait;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use crate::wait::Condition;
pub use access_log::{AccessLogArgs, AccessLogEncoding};
pub use apply::ApplyArgs;
pub use build::BuildArgs;
pub use capture::{CaptureArgs, CaptureChoice};
pub use completion::CompletionArgs;
pub use delete::{Cascade, DeleteArgs};
pub use demo::{DemoArgs, DemoNetwork, DemoRuntime};
pub use doctor::DoctorArgs;
pub use environments::{CleanArgs, DownArgs, PsArgs, PsOutput};
pub use explain::ExplainArgs;
pub use get::GetArgs;
pub use kubeconfig::KubeconfigArgs;
pub use logs::LogsArgs;
pub use output::{Format, Structured, TextOrJson};
pub use proxy::{ProxyArgs, Tracing};
pub use replay::ReplayArgs;
pub use rules::{RulesArgs, RulesCommand, RulesTestArgs, RulesTestOutput};
pub use sandbox::{
    SandboxArgs, SandboxCommand, SandboxCreateArgs, SandboxDeleteArgs, SandboxListArgs, SandboxTtl,
};
pub use status::StatusArgs;
pub use test::TestArgs;
pub use trace::{
    TraceArgs, TraceAssertArgs, TraceCommand, TraceCurlArgs, TraceExportArgs, TraceExportFormat,
    TraceListArgs, TraceMarkArgs, TraceOutput, TraceShowArgs, WhichArgs,
};
pub use ui::{Part, Theme, UiArgs};
pub use up::{RuntimeChoice, ServicePortsChoice, UpArgs, UpOutput};
pub use verify::{PropagationArgs, VerifyArgs, VerifyCommand};
pub use version::VersionArgs;
pub use wait::WaitArgs;

use crate::error::EXIT_CODES_HELP;

/// Sandboxes for microservices: only requests with your key reach your change
#[derive(Clone, Debug, Parser)]
#[command(
    name = "spur",
    version,
    propagate_version = false,
    after_help = EXIT_CODES_HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// Which server to talk to.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which server a command talks to: `--server`, else `--kubeconfig`, else
/// `KUBECONFIG`, else the one that `spur up` wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct ConnectionArgs {
    /// Address of the API, such as https://127.0.0.1:7443
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    pub server: Option<String>,
    /// Kubeconfig file to use instead of $KUBECONFIG or the one of `spur up`
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one when absent
    #[arg(long, global = true, value_name = "NAME", help_heading = "Server")]
    pub context: Option<String>,
}

// === impl ConnectionArgs ===

impl ConnectionArgs {
    /// The first flag that was given; `up` and `proxy` ask no server, and take none of them.
    #[must_use]
    pub fn given(&self) -> Option<&'static str> {
        let Self { server, kubeconfig, context } = self;
        let all = [
            ("--server", server.is_some()),
            ("--kubeconfig", kubeconfig.is_some()),
            ("--context", context.is_some()),
        ];
        all.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }
}

/// Every command.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Start Spur here: API server, controllers, proxy and your workloads
    Up(UpArgs),
    /// Route requests by the rules in files, without a server
    Proxy(ProxyArgs),
    /// Show the environments of this machine
    Ps(PsArgs),
    /// Stop an environment and remove its containers and networks
    Down(DownArgs),
    /// Remove what environments have left that nobody owns any more
    Clean(CleanArgs),
    /// Build an image from a Dockerfile
    Build(BuildArgs),
    /// Say what can run pods here, and what is in the way
    Doctor(DoctorArgs),
    /// One of the commands that this crate runs.
    #[command(flatten)]
    Client(ClientCommand),
    /// Run one of the demo's services
    #[command(hide = true, disable_help_flag = true)]
    Sample(SampleArgs),
}

/// The commands that talk to a server, or start one of their own.
#[derive(Clone, Debug, Subcommand)]
pub enum ClientCommand {
    /// See a sandbox at work: a shop of five services, one of them forked
    Demo(DemoArgs),
    /// Run a command in a fresh environment and keep the evidence
    Test(TestArgs),
    /// Show what runs: addresses, pods, sandboxes, traces
    Status(StatusArgs),
    /// Show objects
    Get(GetArgs),
    /// Create or change objects from files
    Apply(ApplyArgs),
    /// Delete objects
    Delete(DeleteArgs),
    /// Show what a container printed
    Logs(LogsArgs),
    /// Wait until objects are as you want them
    Wait(WaitArgs),
    /// Create, list and delete sandboxes
    Sandbox(SandboxArgs),
    /// Show finished requests and the way they took
    Trace(TraceArgs),
    /// Send a captured request again, to the baseline, a sandbox, or both
    Replay(ReplayArgs),
    /// Watch requests, sandboxes, events and logs on the terminal
    Ui(UiArgs),
    /// Show where a request would go, and why
    Explain(ExplainArgs),
    /// Check rules against what is expected of them
    Rules(RulesArgs),
    /// Check that services hand routing keys on
    Verify(VerifyArgs),
    /// Print the kubeconfig for kubectl and others
    Kubeconfig(KubeconfigArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the version
    Version(VersionArgs),
}

/// `spur sample NAME …`: everything after `sample` belongs to the sample.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct SampleArgs {
    /// The sample's name and flags
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
    pub args: Vec<OsString>,
}

#[cfg(test)]
mod tests;
