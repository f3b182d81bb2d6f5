//! OTLP/gRPC: one message in, one out, on the same port as HTTP.
//!
//! Written by hand rather than with a server of gRPC: three methods, all of one message each way,
//! and this way bodies have one bound and one decompression for both protocols, and zstd needs no C
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use std::fmt::Write;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use prost::Message;

use super::http::answer;
use super::{Partial, Refusal, Signal, Wire};
use crate::body::{self, Coding};
use crate::reply::{self, Reply};
use crate::serve::Intake;

/// Before each message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

/// Answers one call.
pub(crate) async fn grpc<B>(intake: &Intake, head: &Parts, body: B) -> Reply
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if head.version != Version::HTTP_2 || head.method != Method::POST {
        intake.shared.counters.refused.add(1);
        return reply::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "gRPC is a POST by HTTP/2");
    }
    match taken(intake, head, body).await {
        Ok(partial) => success(&partial),
        Err(refusal) => {
            intake.shared.counters.refused.add(1);
            refused(&refusal)
        }
    }
}

async fn taken<B>(intake: &Intake, head: &Parts, body: B) -> Result<Partial, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let path = head.uri.path();
    let signal = Signal::of_method(path).ok_or_else(|| Refusal {
        status: StatusCode::NOT_FOUND,
        code: 12,
        message: format!("method `{path}` is not supported; the export of traces, metrics and logs is"),
    })?;
    if head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc+json") {
        return Err(Refusal { code: 12, ..Refusal::unreadable("gRPC is taken with protobuf only") });
    }
    let coding = Coding::named(head.headers.get("grpc-encoding"))?;
    let _turn = intake.turn().await.ok_or_else(Refusal::busy)?;
    let (bytes, is_compressed) = message(body::read(body).await?)?;
    let coding = if is_compressed { coding } else { Coding::Identity };
    let export = intake.export(signal, Wire::Protobuf, (bytes, coding)).await?;
    Ok(intake.take(export).await)
}

/// The one message of a call, and whether it is compressed.
fn message(mut body: Bytes) -> Result<(Bytes, bool), Refusal> {
    if body.len() < PREFIX_BYTES {
        return Err(Refusal::unreadable("body holds no message of gRPC"));
    }
    let is_compressed = body.get_u8() != 0;
    let n_bytes = body.get_u32();
    if usize::try_from(n_bytes).ok() != Some(body.len()) {
        let found = body.len();
        return Err(Refusal::unreadable(format!("body holds {found} bytes, and its one message {n_bytes}")));
    }
    Ok((body, is_compressed))
}

fn success(partial: &Partial) -> Reply {
    let answer = answer(partial);
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(answer.encoded_len()).expect("an answer is some hundred bytes"));
    answer.encode(&mut framed).expect("the buffer grows");
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(framed.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    headed(Response::new(body.boxed_unsync()))
}

/// The status is in the head, where nothing else is sent (`Trailers-Only`).
fn refused(refusal: &Refusal) -> Reply {
    let mut reply = Response::new(Full::default().boxed_unsync());
    reply.headers_mut().insert("grpc-status", refusal.code.into());
    if let Ok(message) = HeaderValue::from_str(&percent_encoded(&refusal.message)) {
        reply.headers_mut().insert("grpc-message", message);
    }
    headed(reply)
}

fn headed(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-accept-encoding", Coding::ACCEPTED);
    reply
}

/// As `grpc-message` is written: what is no printable ASCII, and `%`, in hexadecimal.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_it_says() {
        let (bytes, is_compressed) = message(Bytes::from_static(b"\x01\0\0\0\x02ab")).unwrap();
        assert_eq!((&bytes[..], is_compressed), (&b"ab"[..], true));
        assert!(message(Bytes::from_static(b"\0\0\0\0\0")).is_ok());
        for broken in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x02a", b"\0\0\0\0\x01ab"] {
            assert!(message(Bytes::from_static(broken)).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn messages_of_errors_are_one_line_of_ascii() {
        assert_eq!(percent_encoded("a 100%\nü"), "a 100%25%0A%C3%BC");
    }
}
