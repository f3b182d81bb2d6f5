//! What the query of an exec or attach asks for.
//!
//! Source: `PodExecOptions` and `PodAttachOptions` of the core group;
//! `kubelet/pkg/cri/streaming/remotecommand/httpstream.go`, `NewOptions`.

use spur_api::Status;
use spur_runtime::Streams;

use crate::query::flag;

/// The parameters of `exec` and `attach`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) command: Vec<String>,
    pub(super) container: String,
    /// Without the terminal, whose first size comes later.
    pub(super) streams: Streams,
    pub(super) has_tty: bool,
}

// === impl Asked ===

impl Asked {
    pub(super) fn parse(query: &str) -> Result<Self, Status> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                // One for each word, in order.
                "command" => asked.command.push(value.into_owned()),
                "container" => asked.container = value.into_owned(),
                "stdin" => asked.streams.stdin = flag(&value),
                "stdout" => asked.streams.stdout = flag(&value),
                "stderr" => asked.streams.stderr = flag(&value),
                "tty" => asked.has_tty = flag(&value),
                // Unknown parameters are ignored, as everywhere.
                _ => {}
            }
        }
        // A terminal has one output.
        asked.streams.stderr &= !asked.has_tty;
        let Streams { stdin, stdout, stderr, terminal: _ } = asked.streams;
        if !(stdin || stdout || stderr) {
            return Err(Status::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_command_is_a_parameter_of_its_own() {
        let asked = Asked::parse("command=sh&command=-c&command=echo+a%26b&container=c&stdout=true").unwrap();
        assert_eq!(asked.command, ["sh", "-c", "echo a&b"]);
        assert_eq!(asked.container, "c");
        assert_eq!(asked.streams, Streams { stdout: true, ..Streams::default() });
    }

    #[test]
    fn a_terminal_has_no_error_output_and_some_stream_is_needed() {
        let asked = Asked::parse("command=sh&stdin=1&stdout=1&stderr=1&tty=1").unwrap();
        assert!(asked.has_tty);
        assert_eq!(asked.streams, Streams { stdin: true, stdout: true, ..Streams::default() });
        for query in ["command=sh", "command=sh&stderr=true&tty=true", "stdin=false"] {
            assert!(Asked::parse(query).is_err(), "{query}");
        }
    }
}
