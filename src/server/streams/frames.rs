//! The frames of `v4.channel.k8s.io` and `v5.channel.k8s.io`: the first byte says
//! the channel, the rest belongs to it.
//!
//! Source: `apimachinery/pkg/util/remotecommand/constants.go`;
//! `client-go/tools/remotecommand/websocket.go`.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};
use spur_api::Status;
use spur_runtime::{OutputStream, TerminalSize};
use tokio_tungstenite::tungstenite::Message;

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    V4,
    /// Adds an end of standard input.
    V5,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Stdin(Bytes),
    EndOfStdin,
    Resize(TerminalSize),
    /// A frame that means nothing here.
    Nothing,
}

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// v5: the channel in the next byte is closed.
const CLOSE: u8 = 255;

/// What a client says with the bytes of a frame. Text counts as bytes: Python's client sends it.
pub(super) fn input(protocol: Protocol, mut frame: Bytes) -> Input {
    if frame.is_empty() {
        return Input::Nothing;
    }
    let channel = frame.split_to(1)[0];
    match (channel, protocol) {
        (STDIN, _) => Input::Stdin(frame),
        (RESIZE, _) => size(&frame).map_or(Input::Nothing, Input::Resize),
        (CLOSE, Protocol::V5) if *frame == [STDIN] => Input::EndOfStdin,
        _ => Input::Nothing,
    }
}

fn size(json: &[u8]) -> Option<TerminalSize> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let number = |name| value.get(name)?.as_u64()?.try_into().ok();
    Some(TerminalSize { columns: number("Width")?, rows: number("Height")? })
}

/// A piece of output.
pub(super) fn output(stream: OutputStream, bytes: &[u8]) -> Message {
    frame(
        match stream {
            OutputStream::Stdout => STDOUT,
            OutputStream::Stderr => STDERR,
        },
        bytes,
    )
}

/// The last word of a command that has returned `exit_code`.
pub(super) fn exited(exit_code: i32) -> Message {
    if exit_code == 0 {
        return error(&json!({"metadata": {}, "status": "Success"}));
    }
    error(&json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("command terminated with non-zero exit code: exit status {exit_code}"),
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": exit_code.to_string()}]},
    }))
}

/// The last word where there is no exit code.
pub(super) fn failed(status: &Status) -> Message {
    error(&status.to_json())
}

fn error(value: &Value) -> Message {
    frame(ERROR, &serde_json::to_vec(value).expect("a JSON value can always be written"))
}

fn frame(channel: u8, bytes: &[u8]) -> Message {
    let mut frame = BytesMut::with_capacity(1 + bytes.len());
    frame.put_u8(channel);
    frame.put_slice(bytes);
    Message::Binary(frame.freeze())
}

// === impl Protocol ===

impl Protocol {
    /// The best first.
    pub(super) const NAMES: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V5 => Self::NAMES[0],
            Self::V4 => Self::NAMES[1],
        }
    }

    /// The best of those that a client offers.
    pub(super) fn best(offered: &[&str]) -> Option<Self> {
        [Self::V5, Self::V4].into_iter().find(|protocol| offered.contains(&protocol.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_says_what_the_rest_is() {
        let check = |protocol, frame: &'static [u8], wanted: Input| {
            assert_eq!(input(protocol, Bytes::from_static(frame)), wanted, "{frame:?}");
        };
        let both = [Protocol::V4, Protocol::V5];
        for protocol in both {
            check(protocol, b"\0a\xff", Input::Stdin(Bytes::from_static(b"a\xff")));
            check(protocol, b"\0", Input::Stdin(Bytes::new()));
            let size = TerminalSize { columns: 80, rows: 24 };
            check(protocol, br#"{"Width":80,"Height":24}"#, Input::Nothing);
            check(protocol, b"\x04{\"Width\":80,\"Height\":24}", Input::Resize(size));
            check(protocol, b"\x04{\"Width\":-1,\"Height\":24}", Input::Nothing);
            check(protocol, b"\x04{\"Width\":70000,\"Height\":24}", Input::Nothing);
            check(protocol, b"\x01out", Input::Nothing);
            check(protocol, b"\xff\x01", Input::Nothing);
            check(protocol, b"", Input::Nothing);
        }
        check(Protocol::V5, b"\xff\0", Input::EndOfStdin);
        check(Protocol::V4, b"\xff\0", Input::Nothing);
    }

    #[test]
    fn the_last_word_is_a_status() {
        assert_eq!(exited(0).into_data(), &b"\x03{\"metadata\":{},\"status\":\"Success\"}"[..]);
        let failure: Value = serde_json::from_slice(&exited(2).into_data()[1..]).unwrap();
        assert_eq!(failure["reason"], "NonZeroExitCode");
        assert_eq!(failure["details"]["causes"][0], json!({"reason": "ExitCode", "message": "2"}));
    }
}
