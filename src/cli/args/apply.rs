//! `spur apply`.

use super::output::Format;

const EXAMPLES: &str = "\
Namespaces and what workloads need come first, then workloads, then sandboxes,
whatever the order in the files. Fields that somebody else owns are left alone;
--force-conflicts takes them over.

Examples:
  spur apply -f shop.yaml
  spur apply -f manifests/ -R
  helm template shop | spur apply -f -";

/// `spur apply …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ApplyArgs {
    /// File, directory, or `-` for standard input (repeatable)
    #[arg(short = 'f', long, value_name = "FILE|DIR|-", required = true)]
    pub filename: Vec<String>,
    /// Look into directories below, too
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Take over fields that another manager owns
    #[arg(long)]
    pub force_conflicts: bool,
    /// Check on the server, but change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// json, yaml or name
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}
