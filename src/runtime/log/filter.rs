//! Which lines of a log are shown, and how. Lines are decided about at their
//! start, so that one in several pieces is shown whole or not at all.

use bytes::Bytes;

use super::cri::{Record, Stamp, Stream, Tag, stamp};
use crate::interface::LogOptions;

/// Which lines are shown, and how.
pub(super) struct Filter {
    skip_lines: u64,
    since: Option<Stamp>,
    with_timestamps: bool,
    left_bytes: Option<u64>,
    /// For stdout and stderr: whether a line is under way, and if so whether it is shown.
    under_way: [Option<bool>; 2],
}

// === impl Filter ===

impl Filter {
    /// Of what the options ask for; `skip_lines` is what `tail_lines` comes to.
    pub(super) fn new(options: &LogOptions, skip_lines: u64) -> Self {
        Self {
            skip_lines,
            since: options.since.map(stamp),
            with_timestamps: options.timestamps,
            left_bytes: options.limit_bytes,
            under_way: [None; 2],
        }
    }

    /// Whether the byte limit is reached.
    pub(super) fn is_done(&self) -> bool {
        self.left_bytes == Some(0)
    }

    /// Appends what of a record is shown.
    pub(super) fn show(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let slot = match record.stream {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
        };
        let is_shown = match self.under_way[slot] {
            Some(is_shown) => is_shown,
            None => self.begin(record, out),
        };
        if is_shown {
            out.extend_from_slice(record.content);
        }
        self.under_way[slot] = match record.tag {
            Tag::Partial => Some(is_shown),
            Tag::Full => {
                if is_shown {
                    out.push(b'\n');
                }
                self.skip_lines = self.skip_lines.saturating_sub(1);
                None
            }
        };
    }

    /// Decides about a line at its start, and writes its time.
    fn begin(&self, record: &Record<'_>, out: &mut Vec<u8>) -> bool {
        let is_new = self.since.is_none_or(|since| record.stamp >= &since[..]);
        let is_shown = self.skip_lines == 0 && is_new;
        if is_shown && self.with_timestamps {
            out.extend_from_slice(record.stamp);
            out.push(b' ');
        }
        is_shown
    }

    /// The line in place of lines that were rotated away.
    pub(super) fn note_missed(&mut self, n_missed: u64) -> Bytes {
        self.skip_lines = self.skip_lines.saturating_sub(n_missed);
        // Lines that were under way are among the missed.
        self.under_way = [None; 2];
        let text = format!("spur: {n_missed} lines were rotated away before they were read\n");
        self.cut(text.into_bytes())
    }

    /// Ends at the byte limit.
    pub(super) fn cut(&mut self, mut out: Vec<u8>) -> Bytes {
        if let Some(left) = &mut self.left_bytes {
            out.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= u64::try_from(out.len()).expect("a length fits");
        }
        out.into()
    }
}
