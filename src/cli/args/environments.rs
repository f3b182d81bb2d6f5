//! `spur ps`, `spur down` and `spur clean`, which the binary itself runs.

use std::path::PathBuf;

use clap::ValueEnum;

const PS_EXAMPLES: &str = "\
Examples:
  spur ps
  spur ps -o json";

const DOWN_EXAMPLES: &str = "\
Objects stay in the data directory: the next `spur up` there starts them again.

Examples:
  spur down                       the environment of the usual data directory
  spur down --data DIR            another one
  spur down --volumes             and delete what its programs have stored in claims";

const CLEAN_EXAMPLES: &str = "\
Environments that run are left alone, and so are those whose data directory is there.

Examples:
  spur clean
  spur clean --dry-run            say what would go";

/// `spur ps …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = PS_EXAMPLES)]
pub struct PsArgs {
    /// What to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: PsOutput,
}

/// How `spur ps` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PsOutput {
    /// A table.
    Text,
    /// JSON.
    Json,
}

/// `spur down …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = DOWN_EXAMPLES)]
pub struct DownArgs {
    /// The environment's data directory [default: spur below the user's data directory]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Delete what its programs have stored, too
    #[arg(short = 'v', long)]
    pub volumes: bool,
}

/// `spur clean …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = CLEAN_EXAMPLES)]
pub struct CleanArgs {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}
