//! `spur test`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::output::duration;

const EXAMPLES: &str = "\
CMD finds the environment in its own environment variables:
  <SERVICE>_URL   address of each service, such as FRONTEND_URL
  SPUR_ENTRY      address of the entry, which tells services apart by host
  SPUR_API        address of the API
  SPUR_KEY        the sandbox's routing key (with --sandbox)
  KUBECONFIG      for kubectl and others

Logs, traces, events and objects are kept below --artifacts before everything
is torn down, however the run ends. CMD's exit code becomes spur's own, except:
124 timed out, 125 the environment failed, 126 CMD cannot be run, 127 CMD not
found, 130 interrupted.

Examples:
  spur test -f manifests/ -- pytest tests/
  spur test -f shop.yaml --sandbox cheaper.yaml -- \\
    sh -c 'curl -H \"spur-key: $SPUR_KEY\" \"$FRONTEND_URL/api/cart\"'";

/// `spur test …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TestArgs {
    /// File or directory with the environment's objects (repeatable)
    #[arg(short = 'f', long, value_name = "FILE|DIR", required = true)]
    pub filename: Vec<PathBuf>,
    /// File with a sandbox whose key CMD gets in SPUR_KEY
    #[arg(long, value_name = "FILE")]
    pub sandbox: Option<PathBuf>,
    /// Longest time CMD may take
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = duration)]
    pub timeout: Duration,
    /// Longest time until everything is ready
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub ready_timeout: Duration,
    /// Directory to keep logs, traces, events and objects in [default: artifacts/TIME-PID]
    #[arg(long, value_name = "DIR")]
    pub artifacts: Option<PathBuf>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD ARGS")]
    pub command: Vec<OsString>,
}
