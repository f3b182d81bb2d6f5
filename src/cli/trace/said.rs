//! What was printed lately: a trace whose spans come late is told again, and its line is the same.

use std::collections::VecDeque;

use spur_route::TraceId;

/// Lines that are remembered: spans come some seconds late, and nobody reads faster.
const MAX_LINES: usize = 1_024;

/// See above.
#[derive(Debug, Default)]
pub(super) struct Said(VecDeque<(TraceId, String)>);

// === impl Said ===

impl Said {
    /// Whether a line of this trace is new; from now on it is not.
    pub(super) fn is_new(&mut self, trace: TraceId, line: &str) -> bool {
        if self.0.iter().any(|(said, text)| *said == trace && text == line) {
            return false;
        }
        self.0.push_back((trace, line.to_owned()));
        if self.0.len() > MAX_LINES {
            self.0.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_once_and_another_of_the_same_trace_is_said() {
        let (mut said, one, two) = (Said::default(), TraceId::new(1).unwrap(), TraceId::new(2).unwrap());
        assert!(said.is_new(one, "a") && said.is_new(two, "a") && said.is_new(one, "b"));
        assert!(!said.is_new(one, "a") && !said.is_new(two, "a"));
    }
}
