//! `spur demo`.

use clap::ValueEnum;

const EXAMPLES: &str = "\
On a terminal the demo stays up until Ctrl-C, so that you can try things;
otherwise, or with --exit, it ends with 0 when every step was as expected.

Examples:
  spur demo
  spur demo --exit                see it and be done
  spur demo --runtime docker      the same with containers, of an image made of this program
  spur demo --network private     the same with processes that have networks of their own (Linux)
  spur demo --keep                keep the directory with objects and logs";

/// `spur demo …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Tear down at the end, also on a terminal
    #[arg(long)]
    pub exit: bool,
    /// What runs the shop
    #[arg(long, value_name = "RUNTIME", default_value = "process")]
    pub runtime: DemoRuntime,
    /// The network of its processes; containers have one of their own anyway
    #[arg(long, value_name = "NETWORK", default_value = "shared")]
    pub network: DemoNetwork,
    /// Keep the temporary directory
    #[arg(long)]
    pub keep: bool,
}

/// What runs the demo's shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoRuntime {
    /// Plain processes.
    Process,
    /// Docker.
    Docker,
}

/// The network of the demo's processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoNetwork {
    /// This machine's own.
    Shared,
    /// One for each pod.
    Private,
}

// === impl DemoRuntime ===

impl DemoRuntime {
    /// As `spur up` takes it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
        }
    }
}
