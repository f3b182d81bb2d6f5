//! Words to people, on standard error.

use std::fmt::Display;
use std::io::Write;

/// Writes one line. Standard error may be a file on a full disk, or a pipe that nobody reads any
/// more: then the line is lost, where `eprintln!` would panic.
pub(crate) fn say(line: impl Display) {
    let _lost = writeln!(std::io::stderr().lock(), "{line}");
}
