//! `spur version`.

use super::output::Structured;

/// `spur version …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = "Examples:\n  spur version\n  spur version -o json")]
pub struct VersionArgs {
    /// json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Structured>,
}
