//! `spur demo`.

const EXAMPLES: &str = "\
On a terminal the demo stays up until Ctrl-C, so that you can try things;
otherwise, or with --exit, it ends with 0 when every step was as expected.

Examples:
  spur demo
  spur demo --exit                see it and be done
  spur demo --keep                keep the directory with objects and logs";

/// `spur demo …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Tear down at the end, also on a terminal
    #[arg(long)]
    pub exit: bool,
    /// Keep the temporary directory
    #[arg(long)]
    pub keep: bool,
}
