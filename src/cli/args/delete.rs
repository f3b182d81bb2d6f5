//! `spur delete`.

use std::time::Duration;

use clap::ValueEnum;

use super::output::duration;

const EXAMPLES: &str = "\
Examples:
  spur delete pod web-1
  spur delete deploy/web svc/web
  spur delete pods -l app=web
  spur delete -f shop.yaml --ignore-not-found";

/// `spur delete …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DeleteArgs {
    /// Kind and names: `pod web-1 web-2`, `deploy/web svc/web`
    #[arg(required_unless_present = "filename", value_name = "KIND NAME | KIND/NAME")]
    pub what: Vec<String>,
    /// File, directory, or `-` for standard input with the objects to delete (repeatable)
    #[arg(short = 'f', long, value_name = "FILE|DIR|-", conflicts_with = "what")]
    pub filename: Vec<String>,
    /// Look into directories below, too
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Namespace [default: the context's, else `default`]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Labels to select by
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with_all = ["filename", "all"])]
    pub selector: Option<String>,
    /// Every object of the kind in the namespace
    #[arg(long, conflicts_with = "filename")]
    pub all: bool,
    /// Seconds that pods get to end; the pod's own when absent
    #[arg(long, value_name = "SECONDS")]
    pub grace_period: Option<u32>,
    /// Delete at once, without waiting for pods to end
    #[arg(long, conflicts_with = "grace_period")]
    pub force: bool,
    /// What becomes of the objects that this one owns
    #[arg(long, value_name = "HOW", default_value = "background")]
    pub cascade: Cascade,
    /// Return before the objects are gone
    #[arg(long)]
    pub no_wait: bool,
    /// Longest time to wait
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Exit with 0 where the object does not exist
    #[arg(long)]
    pub ignore_not_found: bool,
}

/// What becomes of owned objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cascade {
    /// They are deleted after their owner.
    Background,
    /// They are deleted before their owner.
    Foreground,
    /// They stay.
    Orphan,
}
