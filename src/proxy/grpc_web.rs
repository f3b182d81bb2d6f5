//! gRPC-Web in front of a port that speaks gRPC: what a browser can send and read becomes what the
//! server does, and back.
//!
//! ```text
//!  browser: POST, HTTP/1.1 or 2, perhaps base64          server: HTTP/2
//!  content-type: application/grpc-web-text  ────────►  application/grpc, te: trailers
//!  messages, then a frame 0x80 of trailers  ◄────────  messages, then trailers
//! ```
//!
//! Messages are not looked into. A port that does not declare HTTP/2 gets such requests as they
//! are. Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};

const WEB: &[u8] = b"application/grpc-web";
const TEXT: &[u8] = b"-text";
/// The first byte of a frame that holds trailers.
const TRAILERS: u8 = 0x80;

/// How one request is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GrpcWeb {
    /// The request's body is base64.
    pub(crate) sends_text: bool,
    /// So is the response's.
    reads_text: bool,
}

/// Base64 that comes in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoder {
    /// Fewer than four characters, which are no bytes yet.
    left: Vec<u8>,
}

/// A body that is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body of a gRPC-Web request in text is not base64")]
pub(crate) struct NotBase64;

// === impl GrpcWeb ===

impl GrpcWeb {
    /// What a request's headers say; `None` where it is no gRPC-Web.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = |value: &HeaderValue| kind(value.as_bytes());
        let sends_text = headers.get(header::CONTENT_TYPE).and_then(kind)?;
        let reads_text = headers.get(header::ACCEPT).and_then(kind).unwrap_or(sends_text);
        Some(Self { sends_text, reads_text })
    }

    /// The headers of a request, as gRPC wants them.
    pub(crate) fn to_grpc(self, headers: &mut HeaderMap) {
        if let Some(format) = headers.get(header::CONTENT_TYPE).map(format) {
            headers.insert(header::CONTENT_TYPE, typed(b"application/grpc", &format));
        }
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::ACCEPT);
    }

    /// The headers of a response, as the client wants them. What is no gRPC stays as it is.
    pub(crate) fn to_web(self, headers: &mut HeaderMap) {
        headers.remove(header::CONTENT_LENGTH);
        let Some(found) = headers.get(header::CONTENT_TYPE) else { return };
        let Some(format) = found.as_bytes().strip_prefix(b"application/grpc") else { return };
        let kind: &[u8] = if self.reads_text { b"application/grpc-web-text" } else { WEB };
        let content_type = typed(kind, format);
        headers.insert(header::CONTENT_TYPE, content_type);
    }

    /// A piece of a response's body.
    pub(crate) fn data(self, data: Bytes) -> Bytes {
        // Each piece by itself: whoever reads takes padding between them.
        if self.reads_text { BASE64_STANDARD.encode(data).into() } else { data }
    }

    /// Trailers as the last piece of a body.
    pub(crate) fn trailers(self, trailers: &HeaderMap) -> Bytes {
        let mut lines = Vec::new();
        for (name, value) in trailers {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value.as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        let mut frame = BytesMut::with_capacity(5 + lines.len());
        frame.put_u8(TRAILERS);
        frame.put_u32(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        frame.put_slice(&lines);
        self.data(frame.freeze())
    }
}

/// Whether a content type of gRPC-Web is that of text; `None` of any other type.
fn kind(content_type: &[u8]) -> Option<bool> {
    let rest = content_type.strip_prefix(WEB)?;
    let (is_text, rest) = match rest.strip_prefix(TEXT) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    matches!(rest.first(), None | Some(b'+' | b';' | b' ')).then_some(is_text)
}

/// `+proto`, or nothing.
fn format(content_type: &HeaderValue) -> Vec<u8> {
    let bytes = content_type.as_bytes();
    let rest = bytes.strip_prefix(WEB).unwrap_or_default();
    rest.strip_prefix(TEXT).unwrap_or(rest).to_vec()
}

fn typed(kind: &[u8], format: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(&[kind, format].concat()).expect("parts of a header value are one")
}

// === impl Decoder ===

impl Decoder {
    /// The bytes of what has come so far; what is not complete waits for more.
    pub(crate) fn decode(&mut self, text: &[u8]) -> Result<Bytes, NotBase64> {
        self.left.extend_from_slice(text);
        let n_whole = self.left.len() / 4 * 4;
        let rest = self.left.split_off(n_whole);
        let whole = std::mem::replace(&mut self.left, rest);
        let mut bytes = Vec::with_capacity(n_whole / 4 * 3);
        // Pieces may have been encoded one by one, each with padding of its own.
        for piece in pieces(&whole) {
            BASE64_STANDARD.decode_vec(piece, &mut bytes).map_err(|_| NotBase64)?;
        }
        Ok(bytes.into())
    }

    /// Whether nothing is left over.
    pub(crate) fn is_at_end(&self) -> bool {
        self.left.is_empty()
    }
}

/// Whole groups of four, cut after each that is padded.
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let padded = rest.chunks_exact(4).position(|group| group[3] == b'=');
        let (piece, after) = rest.split_at(padded.map_or(rest.len(), |idx| 4 * (idx + 1)));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_content_type_tells_what_is_sent_and_accept_what_is_read() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            GrpcWeb::of(&headers(pairs)).map(|web| (web.sends_text, web.reads_text))
        };
        assert_eq!(of(&[("content-type", "application/grpc-web+proto")]), Some((false, false)));
        assert_eq!(of(&[("content-type", "application/grpc-web-text")]), Some((true, true)));
        let both = [("content-type", "application/grpc-web"), ("accept", "application/grpc-web-text")];
        assert_eq!(of(&both), Some((false, true)));
        for other in ["application/grpc", "application/grpc-webx", "application/json"] {
            assert_eq!(of(&[("content-type", other)]), None, "{other}");
        }
    }

    #[test]
    fn headers_are_translated_with_their_format() {
        let mut request =
            headers(&[("content-type", "application/grpc-web-text+proto"), ("content-length", "8")]);
        let web = GrpcWeb::of(&request).unwrap();
        web.to_grpc(&mut request);
        assert_eq!(request, headers(&[("content-type", "application/grpc+proto"), ("te", "trailers")]));
        let mut response = headers(&[("content-type", "application/grpc+proto")]);
        web.to_web(&mut response);
        assert_eq!(response["content-type"], "application/grpc-web-text+proto");
    }

    #[test]
    fn trailers_are_a_frame() {
        let web = GrpcWeb { sends_text: false, reads_text: false };
        let frame = web.trailers(&headers(&[("grpc-status", "0")]));
        assert_eq!(&frame[..], b"\x80\x00\x00\x00\x10grpc-status: 0\r\n");
        let web = GrpcWeb { reads_text: true, ..web };
        assert_eq!(web.trailers(&headers(&[("grpc-status", "0")])), "gAAAABBncnBjLXN0YXR1czogMA0K");
    }

    #[test]
    fn base64_comes_in_any_pieces_and_with_padding_between() {
        let text = [BASE64_STANDARD.encode("a"), BASE64_STANDARD.encode("bc"), BASE64_STANDARD.encode("def")];
        let text = text.concat();
        for at in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            let mut decoder = Decoder::default();
            let all = [decoder.decode(head).unwrap(), decoder.decode(tail).unwrap()].concat();
            assert_eq!(all, b"abcdef", "cut at {at}");
            assert!(decoder.is_at_end());
        }
        assert_eq!(Decoder::default().decode(b"a-b="), Err(NotBase64));
        let mut cut = Decoder::default();
        cut.decode(b"YWJ").unwrap();
        assert!(!cut.is_at_end());
    }
}
