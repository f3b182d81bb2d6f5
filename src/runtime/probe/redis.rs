//! Redis and its kin: `PING` as an inline command,
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands>.

use super::exchange::{Exchange, shown, told};

/// `+PONG` has seven bytes and an error is one line; Redis' own bound for an inline
/// command is 64 KiB (`PROTO_INLINE_MAX_SIZE`), and no error comes near a hundredth of it.
const LINE_MAX_BYTES: usize = 640;

/// Errors of a server that works and wants to know first who we are. Every other one
/// (`LOADING`, `MASTERDOWN`, `BUSY`, `DENIED`, …) would be the client's answer, too.
const WANTS_TO_KNOW_US: [&str; 2] = ["NOAUTH", "NOPERM"];

pub(super) async fn ask(server: &mut Exchange) -> Result<String, String> {
    server.send(b"PING\r\n").await?;
    let line = server.read_line(LINE_MAX_BYTES).await?;
    match line.split_first() {
        Some((b'+', b"PONG")) => Ok("PONG".to_owned()),
        Some((b'-', error)) => {
            let text = told(error, LINE_MAX_BYTES);
            let code = text.split(' ').next().unwrap_or_default();
            if WANTS_TO_KNOW_US.contains(&code) { Ok(text) } else { Err(text) }
        }
        _ => Err(format!("wanted PONG, found {}", shown(&line))),
    }
}
