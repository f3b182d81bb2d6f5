//! The value types that several commands share.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

/// `-o` of commands that show objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The objects as JSON.
    Json,
    /// The objects as YAML.
    Yaml,
    /// A table with every column.
    Wide,
    /// `deployment.apps/web` per object.
    Name,
    /// The text at a path, such as `jsonpath={.status.phase}`.
    JsonPath(String),
}

/// `-o` of commands whose output is no list of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Structured {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// A duration such as `90s`, `2m` or `1h30m`.
///
/// # Errors
/// When the text is no duration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    spur_api::duration::parse(text).map_err(|error| error.to_string())
}

/// A size such as `256MiB` or `1GB`, in bytes.
///
/// # Errors
/// When the text is no size.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    spur_trace::bytes(text).ok_or_else(|| format!("`{text}` is no size, want one such as `256MiB` or `1GB`"))
}

// === impl Format ===

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            "wide" => Ok(Self::Wide),
            "name" => Ok(Self::Name),
            _ => match text.strip_prefix("jsonpath=") {
                Some(path) => Ok(Self::JsonPath(path.to_owned())),
                None => Err("want `json`, `yaml`, `wide`, `name` or `jsonpath={.path}`".to_owned()),
            },
        }
    }
}

/// What commands without objects print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people.
    Text,
    /// JSON.
    Json,
}
