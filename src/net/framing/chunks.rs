//! Where a chunked body ends (RFC 9112, section 7.1), step by step as hyper reads it.
//!
//! The two must agree on every byte: what one takes for a head must be one for the other.

use memchr::memchr;

/// A place in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    size: u64,
}

/// How far a body was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// All of it is body.
    All,
    /// It ended after this many bytes.
    End { n_bytes: usize },
}

/// No chunk begins or ends here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadChunk;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The first digit of a size.
    Start,
    Size,
    /// White space after a size.
    SizeSpace,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The empty line at the end, or a trailer.
    EndCr,
    EndLf,
    Trailer,
    TrailerLf,
}

// === impl Chunks ===

impl Chunks {
    pub(super) fn new() -> Self {
        Self { at: At::Start, size: 0 }
    }

    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Read, BadChunk> {
        let mut n_read = 0;
        while let Some(rest) = bytes.get(n_read..).filter(|rest| !rest.is_empty()) {
            n_read += match self.at {
                At::Data => self.skip_data(rest.len()),
                At::Extension => self.skip_extension(rest)?,
                At::Trailer => self.skip_trailer(rest),
                At::EndLf if rest[0] == b'\n' => return Ok(Read::End { n_bytes: n_read + 1 }),
                _ => {
                    self.at = self.step(rest[0])?;
                    1
                }
            };
        }
        Ok(Read::All)
    }

    fn step(&mut self, byte: u8) -> Result<At, BadChunk> {
        match (self.at, byte) {
            (At::Start | At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = (byte as char).to_digit(16).ok_or(BadChunk)?;
                let size = if self.at == At::Start { 0 } else { self.size };
                self.size =
                    size.checked_mul(16).ok_or(BadChunk)?.checked_add(digit.into()).ok_or(BadChunk)?;
                Ok(At::Size)
            }
            (At::Size | At::SizeSpace, b'\t' | b' ') => Ok(At::SizeSpace),
            (At::Size | At::SizeSpace, b';') => Ok(At::Extension),
            (At::Size | At::SizeSpace, b'\r') => Ok(At::SizeLf),
            (At::SizeLf, b'\n') if self.size == 0 => Ok(At::EndCr),
            (At::SizeLf, b'\n') => Ok(At::Data),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Start),
            (At::EndCr, b'\r') => Ok(At::EndLf),
            (At::EndCr, _) => Ok(At::Trailer),
            (At::TrailerLf, b'\n') => Ok(At::EndCr),
            _ => Err(BadChunk),
        }
    }

    fn skip_data(&mut self, n_there: usize) -> usize {
        let n_bytes = usize::try_from(self.size).map_or(n_there, |size| size.min(n_there));
        self.size -= n_bytes as u64;
        if self.size == 0 {
            self.at = At::DataCr;
        }
        n_bytes
    }

    /// Up to the carriage return; a line feed before it is none.
    fn skip_extension(&mut self, rest: &[u8]) -> Result<usize, BadChunk> {
        match rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            Some(end) if rest[end] == b'\r' => {
                self.at = At::SizeLf;
                Ok(end + 1)
            }
            Some(_) => Err(BadChunk),
            None => Ok(rest.len()),
        }
    }

    fn skip_trailer(&mut self, rest: &[u8]) -> usize {
        match memchr(b'\r', rest) {
            Some(end) => {
                self.at = At::TrailerLf;
                end + 1
            }
            None => rest.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the body ends, read whole and byte by byte.
    fn check(text: &str, wanted: Result<usize, BadChunk>) {
        let bytes = text.as_bytes();
        let whole = Chunks::new().read(bytes).map(|read| match read {
            Read::All => usize::MAX,
            Read::End { n_bytes } => n_bytes,
        });
        let mut chunks = Chunks::new();
        let mut pieces = Ok(usize::MAX);
        for (idx, byte) in bytes.chunks(1).enumerate() {
            match chunks.read(byte) {
                Ok(Read::All) => {}
                Ok(Read::End { n_bytes }) => {
                    pieces = Ok(idx + n_bytes);
                    break;
                }
                Err(BadChunk) => {
                    pieces = Err(BadChunk);
                    break;
                }
            }
        }
        assert_eq!(whole, wanted, "{text:?}");
        assert_eq!(pieces, wanted, "{text:?} byte by byte");
    }

    #[test]
    fn a_body_ends_after_its_last_chunk_and_trailers() {
        check("0\r\n\r\nGET", Ok(5));
        check("5\r\nhello\r\n00\r\n\r\nGET", Ok(16));
        check("A \t;x=\"y\"\r\n0123456789\r\n0;z\r\nx-a: 1\r\nx-b: 2\r\n\r\nGET", Ok(46));
        check("5\r\nhel", Ok(usize::MAX));
    }

    #[test]
    fn what_is_no_chunk_has_no_end() {
        for text in [
            "0x5\r\nhello\r\n",
            "-1\r\n",
            "\r\n",
            "5\nhello\r\n",
            "5;a\nb\r\nhello\r\n",
            "5\r\nhello0\r\n",
            "5\r\nhello\r0\r\n",
            "11111111111111111\r\n",
            "5 5\r\nhello\r\n",
        ] {
            check(text, Err(BadChunk));
        }
    }
}
