//! MySQL and MariaDB: the server speaks first, with a greeting or an error,
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html>.
//!
//! Whoever leaves after the greeting is counted as a failed connection, and a server blocks an
//! address after a hundred of them in a row (`max_connect_errors`), loopback aside: who asks
//! often should stop once it was told yes.

use super::exchange::{Exchange, shown, told};

/// A greeting is a hundred bytes, an error at most 512 of text (`MYSQL_ERRMSG_SIZE`).
const PACKET_MAX_BYTES: usize = 4096;

/// What is shown of a version or an error.
const TEXT_MAX_CHARS: usize = 300;

const PROTOCOL_10: u8 = 10;
const ERROR: u8 = 0xff;
/// `ER_HOST_NOT_PRIVILEGED`: no user may come from our address.
const HOST_NOT_PRIVILEGED: u16 = 1130;

/// What follows the version's NUL at least: thread (4), first part of the challenge (8), a
/// zero byte, and the lower half of the capabilities (2).
const AFTER_VERSION_MIN_BYTES: usize = 15;

pub(super) async fn ask(server: &mut Exchange) -> Result<String, String> {
    let head = server.read::<4>().await?;
    let [low, middle, high, sequence] = head;
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    if sequence != 0 || length == 0 {
        return Err(format!("wanted a greeting, found {}", shown(&head)));
    }
    let packet = server.read_up_to(length, PACKET_MAX_BYTES).await?;
    match packet.split_first() {
        Some((&PROTOCOL_10, rest)) => greeting(rest),
        Some((&ERROR, [low, high, text @ ..])) => Err(refusal(u16::from_le_bytes([*low, *high]), text)),
        _ => Err(format!("wanted a greeting, found {}", shown(&packet))),
    }
}

fn greeting(rest: &[u8]) -> Result<String, String> {
    let end = rest.iter().position(|byte| *byte == 0);
    let parts = end.map(|end| (&rest[..end], &rest[end + 1..]));
    match parts {
        Some((version, after)) if after.len() >= AFTER_VERSION_MIN_BYTES && after[12] == 0 => {
            // MariaDB puts a version in front of its own that old replicas can read:
            // <https://mariadb.com/kb/en/connection/#initial-handshake-packet>.
            let version = version.strip_prefix(b"5.5.5-").unwrap_or(version);
            Ok(format!("version {}", told(version, TEXT_MAX_CHARS)))
        }
        Some(_) | None => Err(format!("wanted a greeting, found {}", shown(rest))),
    }
}

fn refusal(code: u16, text: &[u8]) -> String {
    // A SQLSTATE of five characters behind `#`, which servers leave out before the handshake.
    let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or_default() } else { text };
    let words = format!("{} ({code})", told(text, TEXT_MAX_CHARS));
    match code {
        HOST_NOT_PRIVILEGED => format!(
            "{words}: the server is up, and no user may come from this address; grant one, as with `CREATE USER app@'%'`"
        ),
        _ => words,
    }
}
