//! `spur trace`.

use clap::ValueEnum;

const EXAMPLES: &str = "\
A line is one request: when, what, how it ended, and the way it took.
◆ a fork served it   ○ the baseline stood in for a fork
▲ its caller lost the key   ✗ it failed   … not ended yet

Examples:
  spur trace                      the last 20
  spur trace -f --key cheaper     every request with this key from now on
  spur trace --filter 'svc:pricing dur>200ms'
  spur trace -f --filter 'hop:lost | status>=500 !path:/health'
  spur trace -o json | jq .hops";

/// `spur trace …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TraceArgs {
    /// Go on and print every finished request
    #[arg(short, long)]
    pub follow: bool,
    /// Only requests with this routing key
    #[arg(short, long, value_name = "KEY")]
    pub key: Option<String>,
    /// Only requests that fit: `status:5xx`, `dur>200ms`, `hop:fork`, `svc:a >> svc:b`, words (docs/filters.md)
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
    /// Print only so many of the last ones [default: 20; with -o json all]
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// json: one object a line
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<TraceOutput>,
}

/// `-o` of `spur trace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceOutput {
    /// One object a line.
    Json,
}
