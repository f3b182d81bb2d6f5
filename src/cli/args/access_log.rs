//! The access log's flags, of `spur up` and `spur proxy`.

use std::path::PathBuf;

use clap::ValueEnum;

/// Where requests are logged, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct AccessLogArgs {
    /// File to append a line to for each request that ends; - is stdout
    #[arg(long, value_name = "FILE")]
    pub access_log_file: Option<PathBuf>,
    /// How a line is written: text in Istio's order, or json with its names
    #[arg(long, value_name = "ENCODING", default_value = "text")]
    pub access_log_encoding: AccessLogEncoding,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AccessLogEncoding {
    /// For people.
    #[default]
    Text,
    /// An object.
    Json,
}
