//! `spur verify`.

use std::time::Duration;

use clap::Subcommand;

use super::output::{Structured, duration};

const EXAMPLES: &str = "\
A service that gets a request with a key has to send the key on with every call that it makes
for it, in any of the headers in which it got it. Exits with 1 where one did not, or where no
service that got a key called another.

Examples:
  spur verify propagation                          by the requests that are recorded
  spur verify propagation --key cheaper --for 30s  by those of the next 30 seconds
  spur verify propagation -o json | jq '.edges[] | select(.n_lost > 0)'";

/// `spur verify …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = "Examples:\n  spur verify propagation --for 30s")]
pub struct VerifyArgs {
    /// What to verify.
    #[command(subcommand)]
    pub command: VerifyCommand,
}

/// What can be verified.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum VerifyCommand {
    /// Whether services hand routing keys on
    Propagation(PropagationArgs),
}

/// `spur verify propagation …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PropagationArgs {
    /// Only this routing key
    #[arg(short, long, value_name = "KEY")]
    pub key: Option<String>,
    /// Watch for so long, instead of looking at what is recorded
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub watch: Option<Duration>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Structured>,
}
