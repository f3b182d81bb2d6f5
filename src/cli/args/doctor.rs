//! `spur doctor`, which the binary itself runs.

use super::output::TextOrJson;

const EXAMPLES: &str = "\
Exits with 0 where pods can run, as processes or on Docker.

Examples:
  spur doctor
  spur doctor -o json";

/// `spur doctor …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: TextOrJson,
}
