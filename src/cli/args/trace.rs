//! `spur trace` and what is below it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use super::output::{Structured, duration};

const EXAMPLES: &str = "\
A line is one request: when, what, how it ended, and the way it took.
◆ a fork served it   ○ the baseline stood in for a fork
▲ its caller lost the key   ✗ it failed   … not ended yet

Examples:
  spur trace                      the last 20
  spur trace -f --key cheaper     every request with this key from now on
  spur trace --filter 'svc:pricing dur>200ms'
  spur trace -f --filter 'hop:lost | status>=500 !path:/health'
  spur trace -o json | jq .hops
  spur trace show 4f2a            one request: its hops and why, heads and bodies
  spur trace assert --filter 'key:pr-421 & hop:lost' --count 0 --for 60s
  spur trace export -o har requests.har";

const SHOW_EXAMPLES: &str = "\
Examples:
  spur trace show 4f2a9c31                        its first digits are enough
  spur trace show 4f2a9c31 -o json | jq .captures
  spur trace show 4f2a9c31 --reveal               with passwords and tokens";

const ASSERT_EXAMPLES: &str = "\
Counts requests that fit: those that are recorded, those of the last while (--last), or those
that come from now on (--for). With --for, the outcome is told as soon as it is certain.
Exits with 1 where the count is another, and lists what was too much.

Examples:
  spur trace assert --filter 'key:pr-421 & hop:lost' --count 0 --for 60s
  spur trace assert --filter 'svc:payments key:pr-421' --at-least 1 --for 30s
  spur trace assert --filter 'status:5xx' --at-most 3 --last 5m -o json";

const EXPORT_EXAMPLES: &str = "\
Examples:
  spur trace export -o har requests.har           for browsers' tools, Insomnia, k6
  spur trace export --filter 'key:pr-421' -o jsonl | jq .captures
  spur trace export --limit 100 -o har --reveal > with-secrets.har";

const CURL_EXAMPLES: &str = "\
Prints the command that sends the same bytes to the entry again.

Examples:
  spur trace curl 4f2a9c31                        the request that came in
  spur trace curl 4f2a9c31 --hop checkout         the one to this service
  spur trace curl 4f2a9c31 --reveal | bash        with its passwords and tokens";

/// `spur trace …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct TraceArgs {
    /// What else to do than to list.
    #[command(subcommand)]
    pub command: Option<TraceCommand>,
    /// Which requests to list, and how.
    #[command(flatten)]
    pub list: TraceListArgs,
}

/// `spur trace` alone.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct TraceListArgs {
    /// Go on and print every finished request
    #[arg(short, long)]
    pub follow: bool,
    /// Which requests.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Print only so many of the last ones [default: 20; with -o json all]
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// json: one object a line
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<TraceOutput>,
}

/// Which requests are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct WhichArgs {
    /// Only requests with this routing key
    #[arg(short, long, value_name = "KEY")]
    pub key: Option<String>,
    /// Only requests that fit: `status:5xx`, `dur>200ms`, `hop:fork`, `svc:a >> svc:b`, words (docs/filters.md)
    #[arg(long, value_name = "FILTER")]
    pub filter: Option<String>,
}

/// What is below `spur trace`.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum TraceCommand {
    /// Show one request: its hops and why they went where they did, heads and bodies
    Show(TraceShowArgs),
    /// Check how many requests fit a filter, for CI
    Assert(TraceAssertArgs),
    /// Write requests as an HTTP archive (HAR 1.2) or as JSON lines
    Export(TraceExportArgs),
    /// Print a request as a curl command
    Curl(TraceCurlArgs),
    /// Mark a request, so that it is kept and found again
    Mark(TraceMarkArgs),
}

/// `spur trace show …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub struct TraceShowArgs {
    /// The trace id, or its first digits
    #[arg(value_name = "TRACE")]
    pub trace: String,
    /// Show secrets, too
    #[arg(long)]
    pub reveal: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Structured>,
}

/// `spur trace assert …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = ASSERT_EXAMPLES)]
#[command(group = clap::ArgGroup::new("expected").required(true).multiple(true))]
pub struct TraceAssertArgs {
    /// Which requests.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Exactly so many fit
    #[arg(long, value_name = "N", group = "expected", conflicts_with_all = ["at_least", "at_most"])]
    pub count: Option<u64>,
    /// So many fit, or more
    #[arg(long, value_name = "N", group = "expected")]
    pub at_least: Option<u64>,
    /// So many fit, or fewer
    #[arg(long, value_name = "N", group = "expected")]
    pub at_most: Option<u64>,
    /// Watch requests from now on, for so long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub watch: Option<Duration>,
    /// Only requests that began within the last while
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "watch")]
    pub last: Option<Duration>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Structured>,
}

/// `spur trace export …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub struct TraceExportArgs {
    /// File to write; standard output where none is named
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Which requests.
    #[command(flatten)]
    pub which: WhichArgs,
    /// Only so many of the last ones
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Write secrets, too
    #[arg(long)]
    pub reveal: bool,
    /// The form
    #[arg(short, long, value_name = "FORMAT", default_value = "jsonl")]
    pub output: TraceExportFormat,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceExportFormat {
    /// A trace a line, as `spur trace -o json`, with its `captures`.
    Jsonl,
    /// An HTTP archive 1.2.
    Har,
    /// Spans in OTLP's JSON, requests among them; without what was captured.
    Otlp,
}

/// `spur trace curl …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = CURL_EXAMPLES)]
pub struct TraceCurlArgs {
    /// The trace id, or its first digits
    #[arg(value_name = "TRACE")]
    pub trace: String,
    /// The hop: a service's name, or a span id [default: the one that came in]
    #[arg(long, value_name = "SERVICE|SPAN")]
    pub hop: Option<String>,
    /// Print secrets, too
    #[arg(long)]
    pub reveal: bool,
}

/// `spur trace mark …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Examples:\n  spur trace mark 4f2a9c31 'the slow one'\n  spur trace --filter mark:slow\n  spur trace mark 4f2a9c31 --clear"
)]
pub struct TraceMarkArgs {
    /// The trace id, or its first digits
    #[arg(value_name = "TRACE")]
    pub trace: String,
    /// The mark
    #[arg(value_name = "TEXT", required_unless_present = "clear")]
    pub text: Option<String>,
    /// Take the mark off
    #[arg(long, conflicts_with = "text")]
    pub clear: bool,
}

/// `-o` of `spur trace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceOutput {
    /// One object a line.
    Json,
}
