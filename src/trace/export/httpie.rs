//! A captured request as a command of HTTPie, where that is simple.

use http::Version;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};

use super::curl::quoted;
use crate::capture::CapturedRequest;

/// Longer bodies are no line to paste.
const BODY_MAX_BYTES: usize = 2 << 10;

/// The command; `None` where HTTPie would understand something in it otherwise, or its bytes are
/// not printable: [`curl`](super::curl) sends those. HTTPie adds headers of its own (`Accept`,
/// `User-Agent`) where the request has none.
#[must_use]
pub fn httpie(request: &CapturedRequest, site: &str, host: Option<&str>) -> Option<String> {
    let target = request.target.as_str();
    let body = std::str::from_utf8(&request.body.bytes).ok()?;
    let is_simple = target.starts_with('/')
        && request.http_version == Version::HTTP_11
        && request.body.is_whole()
        && body.len() <= BODY_MAX_BYTES
        && !body.contains(|character: char| character.is_control() && character != '\n');
    if !is_simple {
        return None;
    }
    let mut words: Vec<String> = ["http", "--ignore-stdin", "--path-as-is"].map(str::to_owned).to_vec();
    if !body.is_empty() {
        words.extend(["--raw".to_owned(), quoted(body)]);
    }
    words.push(quoted(request.method.as_str()));
    words.push(quoted(format!("{site}{target}")));
    words.extend(host.map(|host| quoted(format!("Host:{host}"))));
    for (name, value) in &request.headers {
        if [HOST, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
            continue;
        }
        // After the colon `=` begins JSON and `@` names a file; a backslash escapes, and without a
        // value the header is taken away (https://httpie.io/docs/cli/request-items).
        let value = value.to_str().ok()?;
        if value.is_empty() || value.starts_with(['=', '@']) || value.contains('\\') {
            return None;
        }
        words.push(quoted(format!("{name}:{value}")));
    }
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(header: &str, body: &str) -> CapturedRequest {
        serde_json::from_value(json!({
            "method": "POST", "authority": "shop", "target": "/a?b=c", "http_version": "HTTP/1.1",
            "headers": [{"name": "x-a", "text": header}, {"name": "content-length", "text": "1"}],
            "body": {"text": body, "n_bytes": body.len(), "has_ended": true},
        }))
        .unwrap()
    }

    #[test]
    fn simple_requests_are_a_command_and_others_are_none() {
        let command = |header, body| httpie(&request(header, body), "http://127.0.0.1:8080", Some("shop"));
        assert_eq!(
            command("it's", r#"{"n":1}"#).unwrap(),
            r#"http --ignore-stdin --path-as-is --raw '{"n":1}' 'POST' 'http://127.0.0.1:8080/a?b=c' 'Host:shop' $'x-a:it\'s'"#
        );
        for (header, body) in [("@/etc/passwd", ""), ("=1", ""), ("a\\b", ""), ("a", "\u{1b}")] {
            assert_eq!(command(header, body), None, "{header} {body}");
        }
    }
}
