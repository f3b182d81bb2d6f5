//! PostgreSQL: a startup message is answered with a request to authenticate, or an error,
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
//!
//! The postmaster refuses with 57P03 for as long as it starts or recovers.

use super::exchange::{Exchange, shown, told};

/// Version 3.0, then user and database that every image makes unless told otherwise.
const STARTUP: &[u8] = b"\x00\x00\x00\x29\x00\x03\x00\x00user\0postgres\0database\0postgres\0\0";

/// An error has some ten short fields; the client library's own bound for one that comes
/// before authentication is 30000 (`MAX_ERRLEN`, `fe-connect.c`).
const MESSAGE_MAX_BYTES: usize = 30_000;

/// What is shown of an error's text.
const TEXT_MAX_CHARS: usize = 300;

/// What the server says about this user and this database, which other clients need not
/// care about: invalid authorization (class 28), and no such database (3D000, 42501: no
/// right to connect). Source: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn is_about_us(sqlstate: &str) -> bool {
    sqlstate.starts_with("28") || matches!(sqlstate, "3D000" | "42501")
}

pub(super) async fn ask(server: &mut Exchange) -> Result<String, String> {
    server.send(STARTUP).await?;
    let head = server.read::<5>().await?;
    let [kind, length @ ..] = head;
    // The length counts itself.
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    match kind {
        b'R' if length >= 8 => {
            server.read_up_to(length - 4, MESSAGE_MAX_BYTES).await?;
            Ok("it asks to authenticate".to_owned())
        }
        b'E' if length >= 5 => {
            let body = server.read_up_to(length - 4, MESSAGE_MAX_BYTES).await?;
            judge(&body)
        }
        _ => Err(format!("wanted an authentication request, found {}", shown(&head))),
    }
}

fn judge(body: &[u8]) -> Result<String, String> {
    let field = |wanted: u8| {
        let fields = body.strip_suffix(b"\0\0")?.split(|byte| *byte == 0);
        let text = fields.into_iter().find(|field| field.first() == Some(&wanted))?;
        Some(told(&text[1..], TEXT_MAX_CHARS))
    };
    let (Some(severity), Some(sqlstate), Some(text)) = (field(b'S'), field(b'C'), field(b'M')) else {
        return Err(format!("wanted an error message, found {}", shown(body)));
    };
    let words = format!("{severity}: {text} ({sqlstate})");
    if is_about_us(&sqlstate) { Ok(words) } else { Err(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_startup_message_says_its_own_length() {
        let length = u32::from_be_bytes([STARTUP[0], STARTUP[1], STARTUP[2], STARTUP[3]]);
        assert_eq!(length as usize, STARTUP.len());
    }
}
