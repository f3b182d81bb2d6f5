//! `spur status`.

use super::output::Structured;

/// `spur status …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = "Examples:\n  spur status\n  spur status -o json | jq -r .entry")]
pub struct StatusArgs {
    /// json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Structured>,
}
