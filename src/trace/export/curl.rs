//! A captured request as a command for bash, which sends the very same bytes.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TRANSFER_ENCODING, USER_AGENT};
use http::{HeaderName, Method, Version};

use crate::capture::CapturedRequest;

/// Headers that curl adds of its own where nothing is said (`man curl`, `--header`).
const ADDED: [HeaderName; 4] = [ACCEPT, CONTENT_TYPE, EXPECT, USER_AGENT];

/// The command. It goes to `site`, such as `http://127.0.0.1:8080`, and asks for `host` there.
///
/// Bytes that a command cannot hold come through a pipe. What a redacted or cut capture lacks, the
/// command lacks, too.
#[must_use]
pub fn curl(request: &CapturedRequest, site: &str, host: Option<&str>) -> String {
    let body = &request.body.bytes;
    // An argument ends at its first zero, and 128 KiB of it are all that Linux takes
    // (MAX_ARG_STRLEN), four bytes for one where each is escaped.
    let is_piped = body.contains(&0) || body.len() > 16 << 10;
    // As it is written, without brackets and dots being understood.
    let mut words: Vec<String> = ["curl", "-sS", "-i", "-g", "--path-as-is"].map(str::to_owned).to_vec();
    words.push(version(request.http_version).to_owned());
    match request.method {
        Method::GET if body.is_empty() => {}
        Method::HEAD => words.push("--head".to_owned()),
        ref method => words.extend(["-X".to_owned(), quoted(method.as_str())]),
    }
    let target = request.target.as_str();
    if target.starts_with('/') {
        words.push(quoted(format!("{site}{target}")));
    } else {
        // `*`, and what is no path.
        words.extend(["--request-target".to_owned(), quoted(target), quoted(site)]);
    }
    let host = host.map(|host| format!("host: {host}").into_bytes());
    for field in host.into_iter().chain(fields(request)) {
        words.extend(["-H".to_owned(), quoted(field)]);
    }
    match body.first() {
        _ if is_piped => words.extend(["--data-binary".to_owned(), "@-".to_owned()]),
        // Which would name a file.
        Some(b'@') => words.extend(["--data-raw".to_owned(), quoted(body)]),
        Some(_) => words.extend(["--data-binary".to_owned(), quoted(body)]),
        None => {}
    }
    let command = words.join(" ");
    if is_piped { piped(body, &command) } else { command }
}

/// The command with a body that comes through a pipe. It stands in lines: a line of a
/// here-document is no argument.
fn piped(body: &[u8], command: &str) -> String {
    let text = STANDARD.encode(body);
    let lines: Vec<_> = text.as_bytes().chunks(76).map(String::from_utf8_lossy).collect();
    format!("base64 -d <<'.' | {command}\n{}\n.", lines.join("\n"))
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "--http1.0",
        Version::HTTP_2 => "--http2-prior-knowledge",
        _ => "--http1.1",
    }
}

/// The header lines, in the words of curl's `--header`.
fn fields(request: &CapturedRequest) -> impl Iterator<Item = Vec<u8>> {
    let has_body = !request.body.bytes.is_empty();
    let own = request.headers.iter().filter(move |(name, _)| {
        // What frames the body is curl's to write; the host is said before.
        let is_framing = **name == TRANSFER_ENCODING || **name == CONTENT_LENGTH && has_body;
        !is_framing && **name != HOST
    });
    let own = own.map(|(name, value)| match value.is_empty() {
        // With a colon, curl would take the header away.
        true => format!("{name};").into_bytes(),
        false => [name.as_str().as_bytes(), b": ", value.as_bytes()].concat(),
    });
    let is_added = move |name: &&HeaderName| {
        !request.headers.contains_key(*name) && (has_body || **name == ACCEPT || **name == USER_AGENT)
    };
    own.chain(ADDED.iter().filter(is_added).map(|name| format!("{name}:").into_bytes()))
}

/// Bytes as one word of bash: `'…'`, or `$'…'` where something has to be escaped (bash(1),
/// QUOTING).
pub(super) fn quoted(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref();
    let is_plain =
        bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'\\' | b'!'));
    if is_plain {
        return format!("'{}'", String::from_utf8_lossy(bytes));
    }
    let mut word = String::from("$'");
    for byte in bytes {
        match byte {
            b'\'' => word.push_str("\\'"),
            b'\\' => word.push_str("\\\\"),
            b'\n' => word.push_str("\\n"),
            b'\r' => word.push_str("\\r"),
            b'\t' => word.push_str("\\t"),
            // An interactive bash looks it up in its history.
            b'!' => word.push_str("\\x21"),
            b' '..=b'~' => word.push(char::from(*byte)),
            _ => {
                // In octal: a hexadecimal escape takes the digits after it as its own in some shells.
                let _ = write!(word, "\\{byte:03o}");
            }
        }
    }
    word.push('\'');
    word
}
