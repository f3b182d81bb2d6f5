//! `/proc/PID/stat` of Linux, as far as anybody here asks.
//!
//! Source: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>; the numbers are its fields.

use std::time::Duration;

/// What the system says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// 3: `R`, `S`, …; `Z` for one that has ended and waits for its parent to take note.
    pub(super) state: char,
    /// 5: its group.
    pub(super) group: u32,
    /// 14 to 17: ticks that it has had, and those of its children that it has taken note of.
    pub(super) cpu_ticks: u64,
    /// 22: when it began, in ticks after the machine's start.
    pub(super) start_ticks: u64,
    /// 24: pages of memory that it has.
    pub(super) resident_pages: u64,
}

// === impl Stat ===

impl Stat {
    /// Of a process that is there.
    pub(super) fn read(pid: u32) -> Option<Self> {
        Self::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Field 2 is the program's name in parentheses and may itself hold anything, so fields count
    /// from the last `)`.
    fn parse(stat: &[u8]) -> Option<Self> {
        let end = stat.iter().rposition(|b| *b == b')')?;
        let fields: Vec<&str> =
            std::str::from_utf8(&stat[end + 1..]).ok()?.split_ascii_whitespace().collect();
        let text = |number: usize| fields.get(number - 3).copied();
        let number = |field: usize| text(field)?.parse::<u64>().ok();
        Some(Self {
            state: text(3)?.chars().next()?,
            group: text(5)?.parse().ok()?,
            cpu_ticks: number(14)? + number(15)? + number(16)? + number(17)?,
            start_ticks: number(22)?,
            resident_pages: number(24)?,
        })
    }
}

/// The system's ticks as time.
pub(crate) fn of_ticks(ticks: u64) -> Duration {
    // 100 a second on nearly every Linux.
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_secs(ticks / per_second)
        + Duration::from_nanos((ticks % per_second) * (1_000_000_000 / per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = b"12 (a) R 1 \xff) S 1 13 12 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 1 0 4242 999 17 0";
        let wanted = Stat { state: 'S', group: 13, cpu_ticks: 127, start_ticks: 4242, resident_pages: 17 };
        assert_eq!(Stat::parse(stat), Some(wanted));
        assert_eq!(Stat::parse(b"12 (a) S 1"), None);
    }

    #[test]
    fn ticks_are_parts_of_a_second() {
        let per_second = rustix::param::clock_ticks_per_second();
        assert_eq!(of_ticks(3 * per_second), Duration::from_secs(3));
        assert_eq!(of_ticks(per_second / 2), Duration::from_millis(500));
    }
}
