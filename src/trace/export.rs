//! Captured requests in the forms of other tools: a curl command, an HTTP archive.

mod curl;
mod har;

pub use self::curl::curl;
pub use self::har::har;
