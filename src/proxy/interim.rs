//! Interim responses (1xx) of upstreams, passed on from HTTP/1.1 to HTTP/1.1 (RFC 9110 15.2).
//!
//! Not `100 Continue`, which we say ourselves as soon as the body is wanted. hyper's server has no
//! way to write them into streams of HTTP/2, and its client reads none from there.

use http::{HeaderMap, Request, StatusCode, header};
use spur_net::{Interim, Pace, Passing};

use crate::{body::RequestBody, fields::Fields, sanitise::strip_response};

/// Sees to it that the client gets the interim responses to this try, until what is returned is
/// dropped.
pub(crate) fn pass_on(pace: &Pace, req: &mut Request<RequestBody>) -> Passing {
    let passing = pace.pass_interims();
    let interim = passing.interim();
    hyper::ext::on_informational(req, move |rsp| pass(&interim, rsp.status(), rsp.headers()));
    passing
}

fn pass(interim: &Interim, status: StatusCode, headers: &HeaderMap) {
    if status == StatusCode::CONTINUE {
        return;
    }
    let mut headers = headers.clone();
    let fields = Fields::of(&headers);
    strip_response(&mut headers, fields);
    // It has no body (RFC 9110 8.6, 15.2).
    headers.remove(header::CONTENT_LENGTH);
    let _may_be_left_out = interim.pass(&head(status, &headers));
}

fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_head_is_written_as_it_stands_on_the_wire() {
        let mut headers = HeaderMap::new();
        headers.append("link", HeaderValue::from_static("</a.css>; rel=preload"));
        headers.append("link", HeaderValue::from_static("</b.js>; rel=preload"));
        let written = head(StatusCode::EARLY_HINTS, &headers);
        let wanted = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\
                      link: </b.js>; rel=preload\r\n\r\n";
        assert_eq!(String::from_utf8(written).unwrap(), wanted);
    }
}
