//! The CRI log format: records of `<RFC3339Nano> <stdout|stderr> <F|P> <content>\n`,
//! <https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md>.
//!
//! We write the time always with nine digits and in UTC, so that everything
//! before the content has one fixed width: fields are found by offset, and two
//! times compare as bytes. Files are read by us only; a reader of the format
//! finds nothing unusual in them.

use std::time::SystemTime;

use jiff::Timestamp;

/// Longer lines are written as several partial records of this many bytes: what containerd
/// uses (`max_container_log_line_size`, 16 KiB), and it bounds the buffers here and in readers.
pub(super) const PIECE_MAX_BYTES: usize = 16 * 1024;

/// `2026-11-20T21:29:00.123456789Z`.
const STAMP_LEN: usize = 30;
const STREAM_AT: usize = STAMP_LEN + 1;
const TAG_AT: usize = STREAM_AT + "stdout".len() + 1;
/// Where the content begins: time, stream and tag with a space after each.
pub(super) const CONTENT_AT: usize = TAG_AT + 2;

/// Which of the two a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// Whether a record ends its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Full,
    Partial,
}

/// A time as it stands in a record.
pub(super) type Stamp = [u8; STAMP_LEN];

/// One record without its newline, borrowed from a file's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) stamp: &'a [u8],
    pub(super) stream: Stream,
    pub(super) tag: Tag,
    pub(super) content: &'a [u8],
}

/// Cuts one stream's bytes into lines and pieces of lines.
#[derive(Default)]
pub(super) struct Splitter {
    /// The start of a line whose end has not come; below [`PIECE_MAX_BYTES`].
    pending: Vec<u8>,
}

/// A time as it is written. Times outside the years 1 to 9999 become the epoch.
pub(super) fn stamp(at: SystemTime) -> Stamp {
    let text = Timestamp::try_from(at)
        .map_or_else(|_| format!("{:.9}", Timestamp::UNIX_EPOCH), |t| format!("{t:.9}"));
    text.as_bytes().try_into().unwrap_or(*b"1970-01-01T00:00:00.000000000Z")
}

/// Appends a record to `batch`.
pub(super) fn encode(batch: &mut Vec<u8>, at: &Stamp, stream: Stream, tag: Tag, content: &[u8]) {
    batch.extend_from_slice(at);
    batch.extend_from_slice(match stream {
        Stream::Stdout => b" stdout ",
        Stream::Stderr => b" stderr ",
    });
    batch.extend_from_slice(match tag {
        Tag::Full => b"F ",
        Tag::Partial => b"P ",
    });
    batch.extend_from_slice(content);
    batch.push(b'\n');
}

/// Reads a record; `None` for what none is, such as a line torn by a crash.
pub(super) fn decode(line: &[u8]) -> Option<Record<'_>> {
    let content = line.get(CONTENT_AT..)?;
    let stream = match &line[STREAM_AT..TAG_AT] {
        b"stdout " => Stream::Stdout,
        b"stderr " => Stream::Stderr,
        _ => return None,
    };
    Some(Record { stamp: &line[..STAMP_LEN], stream, tag: tag_of(line)?, content })
}

/// How many lines end in `records`, each of which stands with its newline.
pub(super) fn count_lines(records: &[u8]) -> u64 {
    let n_full = records.split_inclusive(|b| *b == b'\n').filter(|r| tag_of(r) == Some(Tag::Full)).count();
    u64::try_from(n_full).expect("a count fits")
}

fn tag_of(record: &[u8]) -> Option<Tag> {
    match record.get(TAG_AT..CONTENT_AT)? {
        b"F " => Some(Tag::Full),
        b"P " => Some(Tag::Partial),
        _ => None,
    }
}

// === impl Splitter ===

impl Splitter {
    /// Gives each line and piece that `bytes` completes to `emit`, in order.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Tag, &[u8])) {
        while !bytes.is_empty() {
            let room = PIECE_MAX_BYTES - self.pending.len();
            let look = &bytes[..bytes.len().min(room)];
            let (piece, tag, used) = match look.iter().position(|b| *b == b'\n') {
                Some(end) => (&look[..end], Some(Tag::Full), end + 1),
                None if look.len() == room => (look, Some(Tag::Partial), room),
                None => (look, None, look.len()),
            };
            match tag {
                None => self.pending.extend_from_slice(piece),
                // Nothing pending is the common case, and needs no copy.
                Some(tag) if self.pending.is_empty() => emit(tag, piece),
                Some(tag) => {
                    self.pending.extend_from_slice(piece);
                    emit(tag, &self.pending);
                    self.pending.clear();
                }
            }
            bytes = &bytes[used..];
        }
    }

    /// At the end of the stream: the rest that no newline ended.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.pending);
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_stamp_has_nine_digits_and_its_fixed_width() {
        let at = |ns| UNIX_EPOCH + Duration::from_nanos(ns);
        let check = |time, wanted: &str| assert_eq!(stamp(time), wanted.as_bytes());
        check(at(0), "1970-01-01T00:00:00.000000000Z");
        check(at(1_500_000_000), "1970-01-01T00:00:01.500000000Z");
        check(at(1_000_000_007), "1970-01-01T00:00:01.000000007Z");
    }

    #[test]
    fn a_record_reads_back_with_any_bytes() {
        for content in [&b""[..], b"hi", b"\xff\x1b[31m \xc3", b" F x"] {
            let mut batch = Vec::new();
            let at = stamp(UNIX_EPOCH);
            encode(&mut batch, &at, Stream::Stderr, Tag::Partial, content);
            let got = decode(batch.strip_suffix(b"\n").unwrap());
            let wanted = Record { stamp: &at, stream: Stream::Stderr, tag: Tag::Partial, content };
            assert_eq!(got, Some(wanted));
        }
        assert_eq!(decode(b"2026-11-20T21:2"), None);
    }

    #[test]
    fn pieces_joined_are_the_input_however_it_is_cut() {
        let mut input = b"a\n\nbc\n".to_vec();
        input.extend(vec![b'x'; 2 * PIECE_MAX_BYTES]);
        input.extend(b"\n");
        input.extend(vec![b'y'; PIECE_MAX_BYTES + 5]);
        for step in [1, 7, PIECE_MAX_BYTES - 1, PIECE_MAX_BYTES, 1 << 20] {
            let mut splitter = Splitter::default();
            let mut joined = Vec::new();
            for chunk in input.chunks(step) {
                splitter.push(chunk, |tag, piece| {
                    assert!(piece.len() <= PIECE_MAX_BYTES);
                    joined.extend_from_slice(piece);
                    if tag == Tag::Full {
                        joined.push(b'\n');
                    }
                });
            }
            joined.extend(splitter.finish().unwrap());
            assert!(joined == input, "step {step}");
        }
    }

    #[test]
    fn only_full_records_count_as_lines() {
        let mut batch = Vec::new();
        let at = stamp(UNIX_EPOCH);
        for tag in [Tag::Partial, Tag::Full, Tag::Partial, Tag::Full] {
            encode(&mut batch, &at, Stream::Stdout, tag, b"F F");
        }
        assert_eq!(count_lines(&batch), 2);
    }
}
