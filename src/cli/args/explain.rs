//! `spur explain`.

use super::output::Structured;

const EXAMPLES: &str = "\
Nothing is sent: the table that requests are routed by is asked.

Examples:
  spur explain GET http://cart.shop.localhost:8080/api
  spur explain -H 'spur-key: pr-421' http://cart.shop.localhost/
  spur explain http://pricing/quote --from shop/frontend
  spur explain http://reviews.shop.localhost/ -f rules/      without a server";

/// `spur explain …`
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    /// The method, GET unless given, and the URL
    #[arg(value_names = ["METHOD", "URL"], num_args = 1..=2, required = true)]
    pub request: Vec<String>,
    /// A header, as with curl (repeatable)
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// The workload that sends it; from outside when absent
    #[arg(long, value_name = "NAMESPACE/WORKLOAD")]
    pub from: Option<String>,
    /// Where among weighted destinations it falls
    #[arg(long, value_name = "0..1", default_value = "0")]
    pub draw: String,
    /// Ask these files or directories instead of a server (repeatable)
    #[arg(short, long, value_name = "FILE|DIR")]
    pub filename: Vec<String>,
    /// json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Structured>,
}
