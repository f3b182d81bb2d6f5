//! `spur proxy`, which the binary itself runs.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::access_log::AccessLogArgs;
use super::up::UpOutput;

const EXAMPLES: &str = "\
The folder holds Services with EndpointSlices, VirtualServices, DestinationRules,
Gateways, ServiceEntries and Sandboxes. A change is obeyed at once; a file that is
wrong is told with its line, and the rules from before stay.

Examples:
  spur proxy -f rules/                              listen on 127.0.0.1:8080
  spur proxy -f rules/ --listen 0.0.0.0:80 --workers 2
  spur proxy -f rules/ --access-log-file - --access-log-encoding json
  spur rules test cases.yaml -f rules/              check the rules first";

/// Whether requests are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tracing {
    /// Each, in a ring that forgets the oldest.
    On,
    /// None: they are counted for Prometheus and written to the access log, where there is one.
    Off,
}

/// `spur proxy …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ProxyArgs {
    /// File or directory with objects (repeatable)
    #[arg(short, long, value_name = "FILE|DIR", required = true)]
    pub filename: Vec<PathBuf>,
    /// Address for requests, told apart by host
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address for Prometheus, at /metrics; a free port of this machine unless given
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", hide_default_value = true)]
    pub metrics_listen: SocketAddr,
    /// Threads that carry traffic [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Bound of client connections, such as head-bytes=128KiB (repeatable; docs/limits.md lists them)
    #[arg(long, value_name = "NAME=VALUE")]
    pub limit: Vec<String>,
    /// Whether requests are recorded, for `spur trace` and what reads traces
    #[arg(long, value_name = "on|off", default_value = "on")]
    pub tracing: Tracing,
    /// The access log.
    #[command(flatten)]
    pub access_log: AccessLogArgs,
    /// What to print when ready: json is one line on stdout
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: UpOutput,
}
