//! HTTP/2 without TLS: the server's first frame has to be SETTINGS,
//! <https://www.rfc-editor.org/rfc/rfc9113#section-3.4>. That is as much as can be known of
//! a gRPC server without calling a method of it.

use super::exchange::{Exchange, shown};

/// Section 4.1.
pub(super) const HEAD_BYTES: usize = 9;

/// The client's preface, and SETTINGS without a setting.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The longest frame before anything else is agreed on (section 4.2).
const FRAME_MAX_BYTES: usize = 16 * 1024;

pub(super) async fn ask(server: &mut Exchange) -> Result<String, String> {
    server.send(PREFACE).await?;
    let head = server.read::<HEAD_BYTES>().await?;
    if !is_settings(head) {
        return Err(format!("wanted SETTINGS of HTTP/2, found {}", shown(&head)));
    }
    server.read_up_to(length(head), FRAME_MAX_BYTES).await?;
    Ok("HTTP/2".to_owned())
}

/// Whether a frame's head is that of SETTINGS: whole settings of six bytes, on stream 0, and
/// no acknowledgement (section 6.5).
pub(super) fn is_settings(head: [u8; HEAD_BYTES]) -> bool {
    let [_, _, _, kind, flags, stream @ ..] = head;
    let length = length(head);
    kind == 4 && flags & 1 == 0 && stream == [0; 4] && length <= FRAME_MAX_BYTES && length.is_multiple_of(6)
}

fn length(head: [u8; HEAD_BYTES]) -> usize {
    let [high, middle, low, ..] = head;
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}
