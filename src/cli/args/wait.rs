//! `spur wait`.

use std::time::Duration;

use super::output::duration;
use crate::wait::Condition;

const EXAMPLES: &str = "\
Exits with 124 when the time is up.

Examples:
  spur wait --for=condition=Available deploy/web
  spur wait --for=condition=Ready pods -l app=web --timeout 2m
  spur wait --for=delete pod/web-1
  spur wait --for=jsonpath='{.status.phase}'=Ready sandbox/cheaper";

/// `spur wait …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WaitArgs {
    /// Kind and names: `pod web-1`, `deploy/web`
    #[arg(required = true, value_name = "KIND NAME | KIND/NAME")]
    pub what: Vec<String>,
    /// condition=TYPE[=STATUS], delete, create or jsonpath='{.path}'[=VALUE]
    #[arg(long = "for", value_name = "CONDITION")]
    pub condition: Condition,
    /// Namespace [default: the context's, else `default`]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Labels to select by
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "all")]
    pub selector: Option<String>,
    /// Every object of the kind in the namespace
    #[arg(long)]
    pub all: bool,
    /// Longest time to wait
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
}
