//! Where the access log goes.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use spur_cli::args::{AccessLogArgs, AccessLogEncoding};
use spur_proxy::{AccessLog, AccessLogWriter, Encoding};

/// Opens the log that is asked for, if one is.
///
/// # Errors
/// The file cannot be opened, or the system gives no thread.
pub(crate) fn open(args: &AccessLogArgs) -> Result<Option<(AccessLog, AccessLogWriter)>> {
    let Some(path) = &args.access_log_file else { return Ok(None) };
    let encoding = match args.access_log_encoding {
        AccessLogEncoding::Text => Encoding::Text,
        AccessLogEncoding::Json => Encoding::Json,
    };
    let out: Box<dyn Write + Send> = match path.to_str() {
        Some("-") => Box::new(io::stdout()),
        _ => Box::new(append(path)?),
    };
    AccessLog::start(encoding, out).context("start the access log").map(Some)
}

/// Appending, so that whoever rotates the file may cut it off while it is written.
fn append(path: &Path) -> Result<std::fs::File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.with_context(|| format!("cannot open the access log `{}`", path.display()))
}
