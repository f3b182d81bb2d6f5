//! Bodies of exports: read whole, and decompressed, within one bound.

use std::io::Read;

use bytes::{Buf, Bytes};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::HeaderValue;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use ruzstd::decoding::StreamingDecoder;

/// Bytes of one body, before and after decompression: what the collector of OpenTelemetry takes at
/// most (`max_request_body_size`, 20 MiB by default) three times over, and what OTLP's own
/// specification names as a bound of good sense
/// (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>).
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    /// In the format of zlib, as HTTP and gRPC mean it (RFC 9110, 8.4.1.2).
    Deflate,
    Zstd,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("body is over {MAX_BYTES} bytes, decompressed")]
    TooLarge,
    #[error("body cannot be decompressed: {0}")]
    Broken(String),
    #[error("body broke off: {0}")]
    Incomplete(String),
    #[error("content coding `{0}` is not supported; gzip, deflate and zstd are")]
    UnknownCoding(String),
}

// === impl Coding ===

impl Coding {
    /// What is taken, as `Accept-Encoding` and `grpc-accept-encoding` say it.
    pub(crate) const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip,deflate,zstd,identity");

    pub(crate) fn named(name: Option<&HeaderValue>) -> Result<Self, BodyError> {
        match name.map(HeaderValue::as_bytes) {
            None | Some(b"" | b"identity") => Ok(Self::Identity),
            Some(b"gzip" | b"x-gzip") => Ok(Self::Gzip),
            Some(b"deflate") => Ok(Self::Deflate),
            Some(b"zstd") => Ok(Self::Zstd),
            Some(other) => Err(BodyError::UnknownCoding(String::from_utf8_lossy(other).into_owned())),
        }
    }
}

/// Reads a body whole.
pub(crate) async fn read<B>(body: B) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, MAX_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(error) => Err(BodyError::Incomplete(error.to_string())),
    }
}

/// What it holds.
pub(crate) fn decompress(bytes: Bytes, coding: Coding) -> Result<Bytes, BodyError> {
    match coding {
        Coding::Identity => Ok(bytes),
        Coding::Gzip => bounded(MultiGzDecoder::new(bytes.reader()), MAX_BYTES).map(Bytes::from),
        Coding::Deflate => bounded(ZlibDecoder::new(bytes.reader()), MAX_BYTES).map(Bytes::from),
        Coding::Zstd => unzstd(&bytes, MAX_BYTES).map(Bytes::from),
    }
}

/// Several frames may follow each other (RFC 8878, 3).
fn unzstd(mut bytes: &[u8], max: usize) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let frame =
            StreamingDecoder::new(&mut bytes).map_err(|error| BodyError::Broken(error.to_string()))?;
        all.append(&mut bounded(frame, max - all.len())?);
    }
    Ok(all)
}

/// One byte more than is allowed is enough to know.
fn bounded(reader: impl Read, max: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    let read = reader.take(max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| BodyError::Broken(error.to_string()))?;
    if bytes.len() > max { Err(BodyError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn deflate(bytes: &[u8]) -> Bytes {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn zstd(bytes: &[u8]) -> Bytes {
        compress_to_vec(bytes, CompressionLevel::Fastest).into()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let text = b"hello ".repeat(10_000);
        for (body, coding) in
            [(gzip(&text), Coding::Gzip), (deflate(&text), Coding::Deflate), (zstd(&text), Coding::Zstd)]
        {
            assert!(body.len() < text.len());
            assert_eq!(decompress(body, coding).unwrap(), text, "{coding:?}");
        }
        let two = [zstd(b"a"), zstd(b"b")].concat();
        assert_eq!(decompress(two.into(), Coding::Zstd).unwrap(), "ab");
    }

    #[test]
    fn a_small_body_that_is_large_inside_is_refused() {
        let text = vec![0; MAX_BYTES + 1];
        for (body, coding) in
            [(gzip(&text), Coding::Gzip), (deflate(&text), Coding::Deflate), (zstd(&text), Coding::Zstd)]
        {
            assert!(body.len() < MAX_BYTES / 100);
            assert_eq!(decompress(body, coding), Err(BodyError::TooLarge), "{coding:?}");
        }
        assert!(decompress(gzip(&text[1..]), Coding::Gzip).is_ok());
    }

    #[test]
    fn broken_bodies_are_told_and_no_coding_is_guessed() {
        for coding in [Coding::Gzip, Coding::Deflate, Coding::Zstd] {
            assert!(matches!(decompress("no".into(), coding), Err(BodyError::Broken(_))), "{coding:?}");
        }
        let cut = gzip(b"hello").slice(..12);
        assert!(matches!(decompress(cut, Coding::Gzip), Err(BodyError::Broken(_))));
        let name = HeaderValue::from_static("br");
        assert_eq!(Coding::named(Some(&name)), Err(BodyError::UnknownCoding("br".into())));
        assert_eq!(Coding::named(None), Ok(Coding::Identity));
    }
}
