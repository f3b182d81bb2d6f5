//! The log that is followed: its newest lines.

use std::collections::VecDeque;
use std::sync::Arc;

use spur_trace::{Filter, LogLine};

use super::cursor::Rows;
use super::objects::Objects;
use crate::event::LogSource;

/// Most lines that are kept: twenty screens and more; `spur logs` has them all.
const LINES_MAX: usize = 2_000;

/// Longer lines are cut: some programs write a megabyte of JSON on one
/// (lazydocker#221 froze on 90,000 characters).
pub(crate) const LINE_MAX_BYTES: usize = 8 << 10;

/// See above.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) source: Option<LogSource>,
    lines: VecDeque<LogLine>,
    /// The number of the first line that is kept; they are counted from 0.
    first: u64,
    filter: Arc<Filter>,
    /// The numbers of those that the filter wants.
    shown: VecDeque<u64>,
    /// How it ended, if it has.
    pub(crate) ended: Option<String>,
}

// === impl Log ===

impl Log {
    /// Begins with another one.
    pub(crate) fn follow(&mut self, source: LogSource) {
        *self = Self { source: Some(source), filter: std::mem::take(&mut self.filter), ..Self::default() };
    }

    pub(crate) fn push(&mut self, mut line: LogLine) {
        let text = &mut line.message;
        if text.len() > LINE_MAX_BYTES {
            let end = (0..=LINE_MAX_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
            text.push('…');
        }
        let number = self.first + self.lines.len() as u64;
        if self.filter.matches(&line) {
            self.shown.push_back(number);
        }
        self.lines.push_back(line);
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
            if self.shown.front() == Some(&self.first) {
                self.shown.pop_front();
            }
            self.first += 1;
        }
    }

    pub(crate) fn set_filter(&mut self, filter: Arc<Filter>) {
        let numbered = (self.first..).zip(&self.lines);
        self.shown = numbered.filter(|(_, line)| filter.matches(*line)).map(|(number, _)| number).collect();
        self.filter = filter;
    }

    pub(crate) fn row(&self, idx: usize) -> Option<&LogLine> {
        let number = self.shown.get(idx)?;
        self.lines.get(usize::try_from(number - self.first).ok()?)
    }

    pub(crate) fn n_kept(&self) -> usize {
        self.lines.len()
    }
}

impl Rows for Log {
    type Id = u64;

    fn n_rows(&self) -> usize {
        self.shown.len()
    }

    fn id_at(&self, idx: usize) -> Option<u64> {
        self.shown.get(idx).copied()
    }

    fn idx_of(&self, id: &u64) -> Option<usize> {
        self.shown.binary_search(id).ok()
    }
}

/// Whose logs there are: those of all workloads in the first row, then each pod's.
pub(crate) struct LogSources<'a>(pub(crate) &'a Objects);

// === impl LogSources ===

impl LogSources<'_> {
    /// The row of all workloads.
    pub(crate) const ALL: usize = 0;
}

impl Rows for LogSources<'_> {
    /// A pod's uid; empty for all workloads.
    type Id = String;

    fn n_rows(&self) -> usize {
        1 + self.0.n_rows()
    }

    fn id_at(&self, idx: usize) -> Option<String> {
        match idx.checked_sub(1) {
            None => Some(String::new()),
            Some(idx) => self.0.id_at(idx),
        }
    }

    fn idx_of(&self, id: &String) -> Option<usize> {
        if id.is_empty() { Some(Self::ALL) } else { self.0.idx_of(id).map(|idx| idx + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::log_line;

    #[test]
    fn the_oldest_lines_go_and_long_ones_are_cut() {
        let mut log = Log::default();
        log.set_filter(Arc::new(Filter::parse("7").unwrap()));
        for n in 0..=LINES_MAX {
            log.push(log_line("front", &format!("line {n}")));
        }
        let first = |log: &Log| log.row(0).unwrap().message.clone();
        assert_eq!((log.n_kept(), first(&log)), (LINES_MAX, "line 7".to_owned()));
        log.set_filter(Arc::default());
        assert_eq!((log.n_rows(), first(&log)), (LINES_MAX, "line 1".to_owned()));
        log.push(log_line("front", &"ü".repeat(LINE_MAX_BYTES)));
        let last = &log.row(log.n_rows() - 1).unwrap().message;
        assert!(last.len() <= LINE_MAX_BYTES + 3 && last.ends_with('…'), "{}", last.len());
    }
}
