//! Whether something speaks HTTP at all: any response counts, whatever its status, and so
//! does the first frame of a server that speaks only HTTP/2.

use super::exchange::{Exchange, shown, told};
use super::http2;

/// A status line; servers bound request lines at 8 KiB, and no status line comes near.
const LINE_MAX_BYTES: usize = 8 * 1024;

/// What is shown of a status line.
const TEXT_MAX_CHARS: usize = 100;

pub(super) async fn ask(server: &mut Exchange, authority: &str) -> Result<String, String> {
    let get = format!(
        "GET / HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    server.send(get.as_bytes()).await?;
    let start = server.read::<{ http2::HEAD_BYTES }>().await?;
    if http2::is_settings(start) {
        return Ok("HTTP/2".to_owned());
    }
    if !start.starts_with(b"HTTP/1.") {
        return Err(format!("wanted an HTTP response, found {}{}", shown(&start), hint(&start)));
    }
    let mut line = start.to_vec();
    line.extend(server.read_line(LINE_MAX_BYTES).await?);
    // `HTTP/1.1 200 OK`, RFC 9112 section 4; the reason may be missing.
    let status =
        line.get(8..12).filter(|status| status[0] == b' ' && status[1..].iter().all(u8::is_ascii_digit));
    match (status, line.get(12)) {
        (Some(_), None | Some(b' ')) => Ok(told(&line, TEXT_MAX_CHARS)),
        _ => Err(format!("wanted an HTTP response, found {}", shown(&line))),
    }
}

/// A TLS alert, RFC 8446 section 6: content type 21, major version 3.
fn hint(start: &[u8]) -> &'static str {
    if start.starts_with(&[21, 3]) { ": it speaks TLS; give `httpGet` with `scheme: HTTPS`" } else { "" }
}
