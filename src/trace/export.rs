//! Captured requests in the forms of other tools: a curl command, an HTTP archive.

mod curl;
mod har;
mod httpie;

use serde_json::json;

use crate::capture::Capture;
use crate::trace::Trace;

pub use self::curl::curl;
pub use self::har::har;
pub use self::httpie::httpie;

/// A trace and what was captured of it as a line of JSON.
#[must_use]
pub fn json_line(trace: &Trace, captures: &[Capture]) -> String {
    let mut value = json!(trace);
    value["captures"] = json!(captures);
    format!("{value}\n")
}
