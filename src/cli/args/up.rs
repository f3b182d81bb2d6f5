//! `spur up`, which the binary itself runs.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::ValueEnum;

use super::access_log::AccessLogArgs;
use super::capture::CaptureArgs;
use super::proxy::Tracing;

const EXAMPLES: &str = "\
Examples:
  spur up                         start here and stay in the foreground
  spur up -f manifests/           and apply these files once it is ready
  spur up -o json                 for scripts: one line of JSON when ready,
                                  free ports where the usual ones are taken
  KUBECONFIG=$(spur kubeconfig --path) kubectl get pods";

/// `spur up …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct UpArgs {
    /// Directory for objects, logs and the kubeconfig [default: spur below the user's data directory]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// File or directory to apply once ready (repeatable)
    #[arg(short = 'f', long, value_name = "FILE|DIR")]
    pub filename: Vec<PathBuf>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// Port of the API; 0 takes a free one [default: 7443]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Port for requests from outside, told apart by host; 0 takes a free one [default: 8080]
    #[arg(long, value_name = "PORT")]
    pub entry_port: Option<u16>,
    /// Address for Prometheus, at /metrics; a free port of this machine unless given
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", hide_default_value = true)]
    pub metrics_listen: SocketAddr,
    /// Address for telemetry of applications (OTLP over HTTP and gRPC, Zipkin) and queries of it
    /// (Jaeger, Zipkin), without credentials; a free port of this machine unless given
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0", hide_default_value = true)]
    pub otlp_listen: SocketAddr,
    /// Collector to which finished traces are sent by OTLP over HTTP, as http://localhost:4318; with the
    /// headers of OTEL_EXPORTER_OTLP_HEADERS
    #[arg(long, value_name = "URL")]
    pub otlp_export: Option<String>,
    /// What runs pods that do not say by the annotation spur.dev/runtime
    #[arg(long, value_name = "RUNTIME", default_value = "auto")]
    pub runtime: RuntimeChoice,
    /// At which ports of this machine NodePort and LoadBalancer Services listen
    #[arg(long, value_name = "own|free", default_value = "own")]
    pub service_ports: ServicePortsChoice,
    /// What to print on stdout when ready
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: UpOutput,
    /// Do not open the terminal interface, as is done on a terminal
    #[arg(long)]
    pub no_ui: bool,
    /// Threads that carry traffic [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Bound of client connections, such as head-bytes=128KiB (repeatable; docs/limits.md lists them)
    #[arg(long, value_name = "NAME=VALUE")]
    pub limit: Vec<String>,
    /// Whether requests are recorded, for `spur trace` and what reads traces
    #[arg(long, value_name = "on|off", default_value = "on")]
    pub tracing: Tracing,
    /// What is captured.
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// The access log.
    #[command(flatten)]
    pub access_log: AccessLogArgs,
    /// Remove its containers, networks and volumes when it ends, however it ends
    #[arg(long)]
    pub rm: bool,
    /// Stop when standard input ends, so that nothing is left when the starter dies
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// What runs the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeChoice {
    /// Docker for pods whose containers all name an image, where an engine answers; else processes.
    Auto,
    /// Plain processes.
    Process,
    /// Docker.
    Docker,
}

/// At which ports of this machine Services listen that ask for it by their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServicePortsChoice {
    /// At their own numbers, where those are free.
    Own,
    /// At free ones, which `/spur/v1/status` tells.
    Free,
}

/// What `spur up` prints on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UpOutput {
    /// Lines for people.
    Text,
    /// One line of JSON when ready; free ports where the usual ones are taken.
    Json,
}

// === impl UpArgs ===

impl UpArgs {
    /// The API's port where none is given. Not 6443, where other Kubernetes
    /// distributions for one machine (k3s, Docker Desktop) listen.
    pub const PORT_USUAL: u16 = 7443;
    /// The entry's port where none is given; it stands in preview addresses.
    pub const ENTRY_PORT_USUAL: u16 = 8080;
}
