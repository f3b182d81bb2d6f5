//! `spur logs`: of one container, or of all workloads.

use std::time::Duration;

use super::output::duration;
use super::trace::TraceOutput;

const EXAMPLES: &str = "\
Without a pod, or with --filter or --trace, it shows the lines of all workloads in one stream, those
that applications report by OTLP among them.

Examples:
  spur logs -f                    everything, as it comes
  spur logs --filter 'svc:checkout & level>=warn' -f
  spur logs --trace 4f2a9c31      what was written while a request was answered
  spur logs web-1
  spur logs deploy/web -f         follow one pod of the deployment
  spur logs web-1 -c proxy --tail 20
  spur logs web-1 -p              the run before the last restart";

/// `spur logs …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LogsArgs {
    /// Pod, or a workload such as deploy/web
    #[arg(value_name = "POD | KIND/NAME", conflicts_with_all = ["filter", "trace", "all_namespaces", "output"])]
    pub what: Option<String>,
    /// Only lines that fit: `svc:checkout`, `level>=warn`, words (docs/filters.md)
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Only lines of this trace: those that name it, and those that name none and were written by
    /// its pods while they answered
    #[arg(long, value_name = "TRACE")]
    pub trace: Option<String>,
    /// Of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Namespace [default: the context's, else `default`]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Container [default: the first]
    #[arg(short, long, value_name = "CONTAINER", requires = "what")]
    pub container: Option<String>,
    /// Go on and print what comes
    #[arg(short, long)]
    pub follow: bool,
    /// Print only so many of the last lines [default: all of a pod's; 200 of all workloads']
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u64>,
    /// Print only what is newer than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Print what the container's run before this one printed
    #[arg(short, long, requires = "what")]
    pub previous: bool,
    /// Put the time before each line; of all workloads it stands there anyway
    #[arg(long)]
    pub timestamps: bool,
    /// json: one object a line
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<TraceOutput>,
}
