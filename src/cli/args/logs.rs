//! `spur logs`.

use std::time::Duration;

use super::output::duration;

const EXAMPLES: &str = "\
Examples:
  spur logs web-1
  spur logs deploy/web -f         follow one pod of the deployment
  spur logs web-1 -c proxy --tail 20
  spur logs web-1 -p              the run before the last restart";

/// `spur logs …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LogsArgs {
    /// Pod, or a workload such as deploy/web
    #[arg(value_name = "POD | KIND/NAME")]
    pub what: String,
    /// Namespace [default: the context's, else `default`]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Container [default: the first]
    #[arg(short, long, value_name = "CONTAINER")]
    pub container: Option<String>,
    /// Go on and print what comes
    #[arg(short, long)]
    pub follow: bool,
    /// Print only so many of the last lines
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u64>,
    /// Print only what is newer than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Print what the container's run before this one printed
    #[arg(short, long)]
    pub previous: bool,
    /// Put the time before each line
    #[arg(long)]
    pub timestamps: bool,
}
