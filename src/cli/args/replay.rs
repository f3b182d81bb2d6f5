//! `spur replay`.

use super::output::Structured;

const EXAMPLES: &str = "\
Sends a captured request again, through the entry, and shows what comes back. With several
targets their answers are compared with the first one's: status, headers, bodies (JSON by its
values). What differs from one time to the next anyway is learned by asking the first target
twice, and left out. Exits with 1 where there is a difference, or no answer.

Examples:
  spur replay 4f2a9c31                              as it was
  spur replay 4f2a9c31 --to baseline --to cheaper   to both, compared
  spur replay 4f2a9c31 --hop pricing --to cheaper   the call to one service
  spur replay 4f2a9c31 --to baseline --yes          a POST, without being asked";

/// `spur replay …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The trace id, or its first digits
    #[arg(value_name = "TRACE")]
    pub trace: String,
    /// The hop: a service's name, or a span id [default: the one that came in]
    #[arg(long, value_name = "SERVICE|SPAN")]
    pub hop: Option<String>,
    /// Where to: baseline, same, or a routing key (repeatable) [default: same]
    #[arg(long, value_name = "baseline|same|KEY")]
    pub to: Vec<String>,
    /// Compare nothing: every target is asked once
    #[arg(long)]
    pub no_diff: bool,
    /// Show differences that are there from one time to the next, too
    #[arg(long)]
    pub noise: bool,
    /// Leave Authorization and cookies out
    #[arg(long)]
    pub without_credentials: bool,
    /// Send methods that may change something without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Send nothing; show what would be sent
    #[arg(long)]
    pub dry_run: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Structured>,
}
