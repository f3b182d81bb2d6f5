//! What hyper does not show of an HTTP/1 request: read along with it, on the bytes themselves.
//!
//! hyper drops a `Content-Length` beside `Transfer-Encoding`, merges equal ones, takes bare line
//! feeds and cuts a `#fragment`; each is a place where two parties can read one request
//! differently (RFC 9112, section 11.2). A [`Scan`] follows heads and bodies over pipelined
//! requests and tells the first head that is at fault; then it looks no more, since whoever
//! answers that head closes the connection.
//!
//! What is malformed in other ways is left to hyper, which refuses it; answering is left to the
//! service.

mod chunks;

use memchr::memchr;

use self::chunks::Chunks;

/// Bytes kept of a line that comes in pieces, and the longest line of a framing field: of
/// `transfer-encoding: chunked` and of the longest length there are fewer than 40.
const LINE_KEPT_BYTES: usize = 64;

/// What is wrong with a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// RFC 9112, section 6.3: it ought to be handled as an error.
    #[error("the request has both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    /// RFC 9112, section 6.3, allows to merge equal ones; a proxy that does hides a
    /// disagreement from whoever comes next.
    #[error("the request has several Content-Length headers")]
    ManyLengths,
    /// RFC 9110, section 8.6: digits, and nothing else.
    #[error("the Content-Length is not a number")]
    InvalidLength,
    /// RFC 9112, section 6.1.
    #[error("the transfer encoding is not exactly `chunked`")]
    TransferEncoding,
    /// RFC 9112, section 2.2: CRLF ends a line; a recipient may take the line feed alone.
    #[error("a line of the request's head ends without a carriage return")]
    BareLineFeed,
    /// RFC 9112, section 3.2: no form of a request target has a fragment.
    #[error("the request target has a fragment")]
    Fragment,
    /// The body before it has no end that can be told.
    #[error("the body of the request before was not valid")]
    AfterBadBody,
}

/// What is done with line feeds that follow no carriage return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareLineFeeds {
    /// The request is at fault.
    Reject,
    /// They end a line, as hyper has it.
    Accept,
}

/// Follows one connection's bytes.
#[derive(Debug)]
pub(crate) struct Scan {
    at: At,
    /// Heads that have ended.
    n_heads: u32,
    bare_line_feeds: BareLineFeeds,
    line: Line,
    head: Head,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The request line, or the empty lines that may come before it (RFC 9112, section 2.2).
    RequestLine {
        /// The method is over.
        is_target: bool,
    },
    Fields,
    /// As many bytes of a body.
    Body(u64),
    Chunks(Chunks),
    /// Nothing that is looked at.
    Nowhere,
}

/// What came of a line whose end has not.
#[derive(Debug)]
struct Line {
    kept: [u8; LINE_KEPT_BYTES],
    n_bytes: usize,
    last: u8,
}

/// What the fields so far say of the body.
#[derive(Debug, Clone, Copy, Default)]
struct Head {
    length: Option<u64>,
    is_chunked: bool,
}

// === impl HeadFault ===

impl HeadFault {
    /// All of them, for whoever writes one down as a number.
    pub(crate) const ALL: [Self; 7] = [
        Self::LengthAndCoding,
        Self::ManyLengths,
        Self::InvalidLength,
        Self::TransferEncoding,
        Self::BareLineFeed,
        Self::Fragment,
        Self::AfterBadBody,
    ];
}

// === impl Scan ===

impl Scan {
    /// At the beginning of a connection.
    pub(crate) fn new(bare_line_feeds: BareLineFeeds) -> Self {
        Self {
            at: At::RequestLine { is_target: false },
            n_heads: 0,
            bare_line_feeds,
            line: Line { kept: [0; LINE_KEPT_BYTES], n_bytes: 0, last: 0 },
            head: Head::default(),
        }
    }

    /// Looks at nothing.
    pub(crate) fn off() -> Self {
        let mut scan = Self::new(BareLineFeeds::Accept);
        scan.stop();
        scan
    }

    /// What comes is not HTTP any more.
    pub(crate) fn stop(&mut self) {
        self.at = At::Nowhere;
    }

    /// Reads what has come. The index of the head that is at fault, counted from 0 on this
    /// connection, and what is wrong with it; told once.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Option<(u32, HeadFault)> {
        while !bytes.is_empty() {
            let read = match &mut self.at {
                At::Nowhere => return None,
                At::RequestLine { .. } | At::Fields => self.read_line(bytes),
                At::Body(left) => {
                    let n_bytes = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    *left -= n_bytes as u64;
                    if *left == 0 {
                        self.at = At::RequestLine { is_target: false };
                    }
                    Ok(n_bytes)
                }
                At::Chunks(chunks) => match chunks.read(bytes) {
                    Ok(chunks::Read::All) => Ok(bytes.len()),
                    Ok(chunks::Read::End { n_bytes }) => {
                        self.at = At::RequestLine { is_target: false };
                        Ok(n_bytes)
                    }
                    Err(chunks::BadChunk) => Err(HeadFault::AfterBadBody),
                },
            };
            match read {
                Ok(n_bytes) => bytes = &bytes[n_bytes..],
                Err(fault) => {
                    self.stop();
                    return Some((self.n_heads, fault));
                }
            }
        }
        None
    }

    /// One line, or the part of it that is there: how many bytes that are.
    fn read_line(&mut self, bytes: &[u8]) -> Result<usize, HeadFault> {
        let end = memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if let At::RequestLine { is_target } = &mut self.at {
            see_target(is_target, part)?;
        }
        if end.is_none() {
            self.line.keep(part);
            return Ok(part.len());
        }
        if self.line.n_bytes == 0 {
            self.end_line(part, part.len())?;
        } else {
            self.line.keep(part);
            let (kept, n_bytes) = (self.line.kept, self.line.n_bytes);
            let last = self.line.last;
            self.line.n_bytes = 0;
            // Of a long line the end is not kept, but whether it is right is.
            match (n_bytes > LINE_KEPT_BYTES, last) {
                (false, _) => self.end_line(&kept[..n_bytes], n_bytes)?,
                (true, b'\r') => self.end_whole_line(&kept, n_bytes - 1)?,
                (true, _) if self.bare_line_feeds == BareLineFeeds::Reject => {
                    return Err(HeadFault::BareLineFeed);
                }
                (true, _) => self.end_whole_line(&kept, n_bytes)?,
            }
        }
        Ok(part.len() + 1)
    }

    /// A line without its line feed.
    fn end_line(&mut self, line: &[u8], n_bytes: usize) -> Result<(), HeadFault> {
        match line.split_last() {
            Some((b'\r', line)) => self.end_whole_line(line, n_bytes - 1),
            _ if self.bare_line_feeds == BareLineFeeds::Reject => Err(HeadFault::BareLineFeed),
            _ => self.end_whole_line(line, n_bytes),
        }
    }

    /// A line without its end; of a long one only the beginning.
    fn end_whole_line(&mut self, line: &[u8], n_bytes: usize) -> Result<(), HeadFault> {
        match (self.at, line.is_empty()) {
            (At::RequestLine { .. }, true) => self.at = At::RequestLine { is_target: false },
            (At::RequestLine { .. }, false) => {
                self.head = Head::default();
                self.at = At::Fields;
            }
            (_, true) => {
                self.n_heads = self.n_heads.saturating_add(1);
                self.at = self.head.body();
            }
            (_, false) => self.head.see_field(line, n_bytes)?,
        }
        Ok(())
    }
}

/// A part of the request line: `#` after the method. (It may be part of a method.)
fn see_target(is_target: &mut bool, part: &[u8]) -> Result<(), HeadFault> {
    let target = if *is_target {
        part
    } else {
        let Some(space) = memchr(b' ', part) else {
            return Ok(());
        };
        *is_target = true;
        &part[space..]
    };
    match memchr(b'#', target) {
        Some(_) => Err(HeadFault::Fragment),
        None => Ok(()),
    }
}

// === impl Line ===

impl Line {
    fn keep(&mut self, part: &[u8]) {
        if let Some(room) = self.kept.get_mut(self.n_bytes..) {
            let n_bytes = part.len().min(room.len());
            room[..n_bytes].copy_from_slice(&part[..n_bytes]);
        }
        self.n_bytes = self.n_bytes.saturating_add(part.len());
        self.last = part.last().copied().unwrap_or(self.last);
    }
}

// === impl Head ===

impl Head {
    fn see_field(&mut self, line: &[u8], n_bytes: usize) -> Result<(), HeadFault> {
        // Most fields are told apart by their first letter.
        match line.first().map(|first| first | 0x20) {
            Some(b'c') => match value_of(line, b"content-length") {
                Some(value) => self.see_length(value, n_bytes),
                None => Ok(()),
            },
            Some(b't') => match value_of(line, b"transfer-encoding") {
                Some(value) => self.see_coding(value, n_bytes),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn see_length(&mut self, value: &[u8], n_bytes: usize) -> Result<(), HeadFault> {
        if self.is_chunked {
            return Err(HeadFault::LengthAndCoding);
        }
        if self.length.is_some() {
            return Err(HeadFault::ManyLengths);
        }
        let is_number =
            n_bytes <= LINE_KEPT_BYTES && !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| is_number).and_then(|text| text.parse().ok());
        self.length = Some(number.ok_or(HeadFault::InvalidLength)?);
        Ok(())
    }

    fn see_coding(&mut self, value: &[u8], n_bytes: usize) -> Result<(), HeadFault> {
        if self.length.is_some() {
            return Err(HeadFault::LengthAndCoding);
        }
        if self.is_chunked || n_bytes > LINE_KEPT_BYTES || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(HeadFault::TransferEncoding);
        }
        self.is_chunked = true;
        Ok(())
    }

    /// RFC 9112, section 6.3, for requests.
    fn body(self) -> At {
        match self {
            Self { is_chunked: true, .. } => At::Chunks(Chunks::new()),
            Self { length: Some(length @ 1..), .. } => At::Body(length),
            Self { .. } => At::RequestLine { is_target: false },
        }
    }
}

/// The value of a field of this name, without the white space around it.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
