//! How fast output may come, and what is left out when it comes faster.
//!
//! A process is never slowed down for the sake of its log: above the rate its
//! lines are dropped and counted, and a line in their place says how many. What
//! is written plus what is said to be dropped is exactly what the process wrote.

use std::time::Duration;

use tokio::time::Instant;

use super::cri::{Stamp, Stream, Tag, encode};

/// 20 MiB of records a second and container: ten times what a chatty service logs, and
/// little enough that several at once leave a laptop's disk usable (our choice).
const RATE_BYTES: u64 = 20 * 1024 * 1024;

/// What may come at once, after a quiet second.
const BURST_BYTES: u64 = RATE_BYTES;

/// Once lines are dropped, this much must be free again before one is taken: a flood then
/// reads as alternating blocks of lines and markers, not as a line between two markers.
const RESUME_BYTES: u64 = RATE_BYTES / 4;

/// A token bucket with a memory of having run dry.
pub(super) struct Limit {
    free_bytes: u64,
    at: Instant,
    is_dry: bool,
}

/// One stream's way into the log.
pub(super) struct Gate {
    stream: Stream,
    line: Line,
    dropped: Dropped,
}

/// What became of the pieces of the line that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// None is under way.
    None,
    /// All so far are written.
    Written,
    /// At least one was dropped, and the rest is.
    Cut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Dropped {
    lines: u64,
    bytes: u64,
}

// === impl Limit ===

impl Limit {
    pub(super) fn new(now: Instant) -> Self {
        Self { free_bytes: BURST_BYTES, at: now, is_dry: false }
    }

    /// Brings the bucket up to `now`; called once for each read, not for each line.
    pub(super) fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_nanos();
        let more = u128::from(RATE_BYTES) * passed / 1_000_000_000;
        // What is below one byte stays in `at`, or many small steps would lose it.
        if more == 0 {
            return;
        }
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        self.free_bytes = self.free_bytes.saturating_add(more).min(BURST_BYTES);
        self.at = now;
        self.is_dry &= self.free_bytes < RESUME_BYTES;
    }

    /// When lines are taken again, if they are dropped now.
    pub(super) fn resumes_at(&self) -> Option<Instant> {
        let missing = RESUME_BYTES.saturating_sub(self.free_bytes);
        // One microsecond more makes up for both divisions rounding down.
        let wait = Duration::from_nanos(missing * 1_000_000_000 / RATE_BYTES + 1_000);
        self.is_dry.then(|| self.at + wait)
    }

    fn admits(&mut self, n_bytes: usize) -> bool {
        let n_bytes = u64::try_from(n_bytes).expect("a length fits");
        match self.free_bytes.checked_sub(n_bytes) {
            Some(left) if !self.is_dry => {
                self.free_bytes = left;
                true
            }
            _ => {
                self.is_dry = true;
                false
            }
        }
    }
}

// === impl Gate ===

impl Gate {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, line: Line::None, dropped: Dropped::default() }
    }

    /// Writes a piece to `batch`, after the marker for what was dropped before it, or drops it.
    pub(super) fn pass(
        &mut self,
        limit: &mut Limit,
        batch: &mut Vec<u8>,
        at: &Stamp,
        (tag, piece): (Tag, &[u8]),
    ) {
        let is_written = self.line != Line::Cut && limit.admits(super::cri::CONTENT_AT + piece.len() + 1);
        if is_written {
            self.mark(batch, at);
            encode(batch, at, self.stream, tag, piece);
        } else {
            if self.line == Line::Written {
                // The part that stands ends here; the marker gets a line of its own.
                encode(batch, at, self.stream, Tag::Full, b"");
            }
            self.dropped.bytes += u64::try_from(piece.len()).expect("a length fits");
            self.dropped.lines += u64::from(tag == Tag::Full);
        }
        self.line = match (tag, is_written) {
            (Tag::Full, _) => Line::None,
            (Tag::Partial, true) => Line::Written,
            (Tag::Partial, false) => Line::Cut,
        };
    }

    /// At the end of the stream: closes what no newline ended, and tells what was dropped.
    pub(super) fn finish(&mut self, batch: &mut Vec<u8>, at: &Stamp) {
        match self.line {
            Line::None => {}
            Line::Written => encode(batch, at, self.stream, Tag::Full, b""),
            Line::Cut => self.dropped.lines += 1,
        }
        self.line = Line::None;
        self.mark(batch, at);
    }

    /// Writes the marker, if something was dropped since the last one. A line that is being
    /// dropped is counted where it ends.
    pub(super) fn mark(&mut self, batch: &mut Vec<u8>, at: &Stamp) {
        let Dropped { lines, bytes } = std::mem::take(&mut self.dropped);
        if lines == 0 && bytes == 0 {
            return;
        }
        let text = format!(
            "spur: {lines} lines ({bytes} bytes) dropped: output came faster than {} MiB/s",
            RATE_BYTES / (1024 * 1024)
        );
        encode(batch, at, self.stream, Tag::Full, text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::super::cri::{decode, stamp};
    use super::*;

    fn contents(batch: &[u8]) -> Vec<(Tag, String)> {
        batch
            .split_terminator(|b| *b == b'\n')
            .map(|line| decode(line).unwrap())
            .map(|r| (r.tag, String::from_utf8(r.content.to_vec()).unwrap()))
            .collect()
    }

    trait SplitTerminator {
        fn split_terminator(&self, f: fn(&u8) -> bool) -> impl Iterator<Item = &[u8]>;
    }

    impl SplitTerminator for [u8] {
        fn split_terminator(&self, f: fn(&u8) -> bool) -> impl Iterator<Item = &[u8]> {
            self.strip_suffix(b"\n").unwrap_or(self).split(f)
        }
    }

    #[test]
    fn written_and_dropped_lines_add_up_in_a_flood() {
        let start = Instant::now();
        let (mut limit, mut gate) = (Limit::new(start), Gate::new(Stream::Stdout));
        let at = stamp(UNIX_EPOCH);
        let (mut batch, n_lines) = (Vec::new(), 200_000_u64);
        for n in 0..n_lines {
            // 200,000 lines of 241 bytes within half a second: 46 MiB where 30 fit.
            limit.refill(start + Duration::from_micros(n * 5 / 2));
            gate.pass(&mut limit, &mut batch, &at, (Tag::Full, &[b'x'; 200]));
        }
        gate.finish(&mut batch, &at);
        let (mut n_written, mut n_dropped, mut n_markers) = (0, 0, 0);
        for (tag, text) in contents(&batch) {
            assert_eq!(tag, Tag::Full);
            match text.strip_prefix("spur: ") {
                None => n_written += 1,
                Some(marker) => {
                    n_markers += 1;
                    let (lines, rest) = marker.split_once(" lines (").unwrap();
                    let lines: u64 = lines.parse().unwrap();
                    assert!(rest.starts_with(&format!("{} bytes) dropped", lines * 200)));
                    n_dropped += lines;
                }
            }
        }
        assert_eq!(n_written + n_dropped, n_lines);
        assert!(n_dropped > 50_000, "dropped {n_dropped}");
        assert!((1..=4).contains(&n_markers), "{n_markers} markers");
    }

    #[test]
    fn a_line_cut_in_its_middle_is_closed_and_counted_as_dropped() {
        let now = Instant::now();
        let (mut limit, mut gate) = (Limit::new(now), Gate::new(Stream::Stdout));
        let at = stamp(UNIX_EPOCH);
        let mut batch = Vec::new();
        gate.pass(&mut limit, &mut batch, &at, (Tag::Partial, b"start"));
        limit.free_bytes = 0;
        gate.pass(&mut limit, &mut batch, &at, (Tag::Partial, b"middle"));
        limit.refill(now + Duration::from_secs(9));
        // The bucket is full again, but half a line would read as a whole one.
        gate.pass(&mut limit, &mut batch, &at, (Tag::Full, b"end"));
        gate.pass(&mut limit, &mut batch, &at, (Tag::Full, b"next"));
        let marker = "spur: 1 lines (9 bytes) dropped: output came faster than 20 MiB/s";
        let wanted = [(Tag::Partial, "start"), (Tag::Full, ""), (Tag::Full, marker), (Tag::Full, "next")];
        assert_eq!(contents(&batch), wanted.map(|(t, s)| (t, s.to_owned())));
    }

    #[test]
    fn the_bucket_resumes_when_it_says() {
        let now = Instant::now();
        let mut limit = Limit::new(now);
        assert_eq!(limit.resumes_at(), None);
        limit.free_bytes = 10;
        assert!(!limit.admits(11));
        assert!(!limit.admits(1), "dry until a quarter is free");
        let at = limit.resumes_at().unwrap();
        limit.refill(at);
        assert!(limit.admits(11));
        assert_eq!(limit.resumes_at(), None);
    }
}
