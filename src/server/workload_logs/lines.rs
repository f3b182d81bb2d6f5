//! From the pieces of a container's output to lines.

use std::time::SystemTime;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use spur_runtime::{LogError, LogOptions, LogStream};
use spur_trace::{LINE_MAX_BYTES, LogLine};

use super::LIMIT_MAX;
use super::source::Source;
use crate::state::State;

/// What is kept of a line that does not end: its beginning is shown, and its time stands before it.
const KEPT_MAX_BYTES: usize = LINE_MAX_BYTES + 64;

/// Pieces that are being put together to lines.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    line: Vec<u8>,
}

/// The last lines of a container; none where it has not started yet.
pub(super) async fn tail(state: State, source: Source, since: Option<SystemTime>) -> Vec<LogLine> {
    let options =
        LogOptions { tail_lines: Some(LIMIT_MAX as u64), since, timestamps: true, ..LogOptions::default() };
    match open(&state, &source, options).await {
        Ok(pieces) => of(pieces, source).collect().await,
        Err(_) => Vec::new(),
    }
}

/// A container's output.
pub(super) async fn open(state: &State, source: &Source, options: LogOptions) -> Result<LogStream, LogError> {
    let (pod, container) = (&source.pod, &*source.container);
    state.runtimes.holding(pod, container).logs(pod, container, options).await
}

/// The lines of a container's output, each with its time before it. It ends where that breaks off.
pub(super) fn of(pieces: LogStream, source: Source) -> impl Stream<Item = LogLine> {
    let pieces = pieces.map(Some).chain(stream::iter([None]));
    let lines = pieces.scan(Splitter::default(), |splitter, piece| {
        let lines = match piece {
            Some(Ok(piece)) => Some(splitter.push(&piece)),
            Some(Err(_)) => None,
            None => Some(splitter.finish().into_iter().collect()),
        };
        std::future::ready(lines)
    });
    lines.flat_map(stream::iter).map(move |printed| {
        let (time, text) = timed(&printed);
        LogLine {
            service: source.workload.clone(),
            namespace: Some(source.pod.namespace.clone()),
            pod: Some(source.pod.name.clone()),
            container: Some(source.container.clone()),
            sandbox: source.sandbox.clone(),
            ..LogLine::read(time, text)
        }
    })
}

/// The time before a line; one without is of now.
fn timed(printed: &[u8]) -> (SystemTime, &[u8]) {
    let place = printed.iter().position(|byte| *byte == b' ');
    let time = place.and_then(|place| std::str::from_utf8(&printed[..place]).ok());
    let time = time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    match (time, place) {
        (Some(time), Some(place)) => (time.into(), &printed[place + 1..]),
        _ => (SystemTime::now(), printed),
    }
}

// === impl Splitter ===

impl Splitter {
    fn push(&mut self, piece: &Bytes) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        let mut rest = &piece[..];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.keep(&rest[..end]);
            lines.push(std::mem::take(&mut self.line));
            rest = &rest[end + 1..];
        }
        self.keep(rest);
        lines
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT_MAX_BYTES.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn finish(&mut self) -> Option<Vec<u8>> {
        (!self.line.is_empty()).then(|| std::mem::take(&mut self.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines_wherever_they_are_split() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.push(&Bytes::from_static(b"a\nb")), [b"a".to_vec()]);
        assert_eq!(splitter.push(&Bytes::from_static(b"c\n\nd")), [b"bc".to_vec(), Vec::new()]);
        assert_eq!((splitter.finish(), splitter.finish()), (Some(b"d".to_vec()), None));
        assert!(splitter.push(&Bytes::from(vec![b'x'; 10 * KEPT_MAX_BYTES])).is_empty());
        assert_eq!(splitter.push(&Bytes::from_static(b"\n"))[0].len(), KEPT_MAX_BYTES);
    }

    #[test]
    fn a_line_has_the_time_before_it() {
        let (time, text) = timed(b"2026-11-30T08:00:00.5Z hello world");
        assert_eq!(
            (time, text),
            (jiff::Timestamp::new(1_796_025_600, 500_000_000).unwrap().into(), &b"hello world"[..])
        );
        assert_eq!(timed(b"hello world").1, b"hello world");
    }
}
