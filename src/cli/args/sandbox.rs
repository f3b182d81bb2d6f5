//! `spur sandbox create|list|delete`.

use std::time::Duration;

use clap::Subcommand;

use super::output::{Format, duration};

const CREATE_EXAMPLES: &str = "\
Examples:
  spur sandbox create cheaper --fork deployment/pricing --env PRICE_PERCENT=90 --wait
  spur sandbox create pr-421 --fork pricing --image shop/pricing:pr-421 --ttl 8h
  spur sandbox create -f sandbox.yaml --wait
Then send requests with the key it prints:
  curl -H 'spur-key: KEY' http://frontend.default.localhost:8080/";

/// `spur sandbox …`
#[derive(Clone, Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct SandboxArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SandboxCommand,
}

/// What to do with sandboxes.
#[derive(Clone, Debug, Subcommand)]
pub enum SandboxCommand {
    /// Fork workloads for requests with a key
    Create(Box<SandboxCreateArgs>),
    /// List sandboxes with their keys
    #[command(visible_alias = "ls")]
    List(SandboxListArgs),
    /// Delete sandboxes and everything of theirs
    #[command(visible_alias = "rm")]
    Delete(SandboxDeleteArgs),
}

/// `spur sandbox create …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub struct SandboxCreateArgs {
    /// Name of the sandbox
    #[arg(required_unless_present = "filename", conflicts_with = "filename")]
    pub name: Option<String>,
    /// File with the sandbox, or `-` for standard input
    #[arg(short = 'f', long, value_name = "FILE|-", conflicts_with_all = ["fork", "env", "image", "key", "ttl", "endpoint"])]
    pub filename: Option<String>,
    /// Workload to fork, such as deployment/pricing (repeatable)
    #[arg(long, value_name = "KIND/NAME", required_unless_present = "filename")]
    pub fork: Vec<String>,
    /// Variable to set in the fork, K=V, or to take away, K- (repeatable)
    #[arg(short, long, value_name = "K=V")]
    pub env: Vec<String>,
    /// Image for the fork's container, or CONTAINER=IMAGE (repeatable)
    #[arg(long, value_name = "IMAGE")]
    pub image: Vec<String>,
    /// Routing key [default: 12 random characters]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Delete itself after this time, such as 30m, 8h or 2d
    #[arg(long, value_name = "DURATION")]
    pub ttl: Option<SandboxTtl>,
    /// Service whose preview address to print, forked or not (repeatable)
    #[arg(long, value_name = "SERVICE")]
    pub endpoint: Vec<String>,
    /// Namespace [default: the context's, else `default`]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Return only when every fork takes requests
    #[arg(long)]
    pub wait: bool,
    /// Longest time to wait
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
    /// json, yaml or name
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// `spur sandbox list …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct SandboxListArgs {
    /// Namespace [default: the context's, else `default`]
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    pub namespace: Option<String>,
    /// Sandboxes of every namespace
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// json, yaml, wide, name or jsonpath={.path}
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
}

/// `spur sandbox delete …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub struct SandboxDeleteArgs {
    /// Names of the sandboxes
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Namespace [default: the context's, else `default`]
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Return before they are gone
    #[arg(long)]
    pub no_wait: bool,
    /// Exit with 0 where the sandbox does not exist
    #[arg(long)]
    pub ignore_not_found: bool,
}

/// A time to live as it was written; it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxTtl(String);

// === impl SandboxTtl ===

impl SandboxTtl {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SandboxTtl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        duration(text).map(|_| Self(text.to_owned()))
    }
}
