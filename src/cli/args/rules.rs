//! `spur rules`.

use clap::{Subcommand, ValueEnum};

const EXAMPLES: &str = "\
A case is a request and what is expected of it; what is left out may be anything:

  - name: jason sees v2
    request: {url: 'http://reviews.shop.localhost/', headers: {end-user: jason}}
    expect: {service: shop/reviews, subset: v2, rule: 'http[0]'}
  - request: {method: POST, url: 'http://pricing/', from: shop/cart, draw: 0.9}
    expect: {version: baseline, reason: no-key, pods: [pricing-0]}
  - request: {url: 'http://old.example.com/'}
    expect: {status: 301, location: 'http://new.example.com/'}

Examples:
  spur rules test cases.yaml              by the rules of the running server
  spur rules test cases.yaml -f rules/    by the rules in files, without a server";

/// `spur rules …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = "Examples:\n  spur rules test cases.yaml -f rules/")]
pub struct RulesArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RulesCommand,
}

/// The commands about rules.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum RulesCommand {
    /// Check where requests would go against what is expected
    Test(RulesTestArgs),
}

/// `spur rules test …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct RulesTestArgs {
    /// Files of cases
    #[arg(value_name = "CASES", required = true)]
    pub cases: Vec<String>,
    /// Ask these files or directories instead of a server (repeatable)
    #[arg(short, long, value_name = "FILE|DIR")]
    pub filename: Vec<String>,
    /// json: one object a line
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<RulesTestOutput>,
}

/// `-o` of `spur rules test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RulesTestOutput {
    /// One object a line.
    Json,
}
