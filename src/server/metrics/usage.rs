//! From readings to a rate. Pure.

use std::time::{Duration, SystemTime};

use spur_runtime::Stats;

/// Readings that are closer together make no rate: processes' time is told in steps of 10 ms, which
/// is a hundredth of a second. A little less than [`WAIT`], since clocks are set while they run.
const WINDOW_MIN: Duration = Duration::from_millis(900);

/// After how long a second reading makes a rate with the first: what somebody who looks at a terminal
/// waits without wondering.
pub(super) const WAIT: Duration = Duration::from_secs(1);

/// A reading that is older makes no rate: as metrics-server has it by default
/// (`cmd/metrics-server/app/options`, `metric-resolution`).
const WINDOW_MAX: Duration = Duration::from_secs(60);

/// What something uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    /// When it was read.
    pub(super) at: SystemTime,
    /// Over how long, until then, its time was counted.
    pub(super) window: Duration,
    /// Billionths of a core.
    pub(super) cpu_nanos_per_second: u64,
    pub(super) memory_bytes: u64,
}

/// The readings that the next rate is made from, of one start of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Readings {
    /// Between [`WINDOW_MIN`] and [`WINDOW_MAX`] before `newer`, with no more time than that.
    older: Option<Stats>,
    newer: Stats,
}

// === impl Readings ===

impl Readings {
    pub(super) fn first(stats: Stats) -> Self {
        Self { older: None, newer: stats }
    }

    /// With one more reading. One that comes too soon after the last says nothing new.
    pub(super) fn with(self, stats: Stats) -> Self {
        // Time that falls: a process that had used some has ended unseen. A clock may be set back.
        let has_fallen = stats.cpu < self.newer.cpu;
        match stats.at.duration_since(self.newer.at) {
            Ok(gap) if has_fallen || gap > WINDOW_MAX => Self::first(stats),
            Ok(gap) if gap < WINDOW_MIN => self,
            Ok(_) => Self { older: Some(self.newer), newer: stats },
            Err(_) => Self::first(stats),
        }
    }

    /// Whether another reading would say nothing new.
    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        self.older.is_some() && now.duration_since(self.newer.at).is_ok_and(|age| age < WINDOW_MIN)
    }

    /// Whether it may still make a rate with the next reading.
    pub(super) fn is_kept(&self, now: SystemTime) -> bool {
        now.duration_since(self.newer.at).is_ok_and(|age| age <= WINDOW_MAX)
    }

    /// `None` before there are two readings.
    pub(super) fn usage(&self) -> Option<Usage> {
        let older = self.older?;
        let window = self.newer.at.duration_since(older.at).ok()?;
        let cpu = self.newer.cpu.checked_sub(older.cpu)?;
        let nanos = cpu.as_nanos().checked_mul(1_000_000_000)?.checked_div(window.as_nanos())?;
        Some(Usage {
            at: self.newer.at,
            window,
            cpu_nanos_per_second: u64::try_from(nanos).unwrap_or(u64::MAX),
            memory_bytes: self.newer.memory_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + millis)
    }

    /// Memory tells readings apart.
    fn stats(millis: u64, cpu_millis: u64, memory_bytes: u64) -> Stats {
        Stats { at: at(millis), cpu: Duration::from_millis(cpu_millis), memory_bytes }
    }

    #[test]
    fn a_rate_is_the_time_between_two_readings() {
        let check = |readings: &[(u64, u64)], wanted: Option<(u64, u64, u64)>| {
            let mut all = readings.iter().zip(1..).map(|((at, cpu), n)| stats(*at, *cpu, n));
            let first = Readings::first(all.next().expect("a first reading"));
            let usage = all.fold(first, Readings::with).usage();
            let found = usage.map(|usage| {
                let window = u64::try_from(usage.window.as_millis()).expect("a short window");
                (usage.cpu_nanos_per_second / 1_000_000, window, usage.memory_bytes)
            });
            assert_eq!(found, wanted, "{readings:?}");
        };
        // Millicores, the window, and the number of the reading.
        check(&[(0, 100)], None);
        check(&[(0, 100), (1000, 600)], Some((500, 1000, 2)));
        check(&[(0, 100), (2000, 4100)], Some((2000, 2000, 2)));
        // Too soon after the first, and after the second.
        check(&[(0, 100), (500, 600)], None);
        check(&[(0, 100), (500, 600), (1000, 1100)], Some((1000, 1000, 3)));
        check(&[(0, 100), (1000, 600), (1500, 1100)], Some((500, 1000, 2)));
        check(&[(0, 100), (1000, 600), (2000, 700)], Some((100, 1000, 3)));
        // Too late, fallen, and at a clock that was set back.
        check(&[(0, 100), (61_000, 600)], None);
        check(&[(0, 100), (1000, 600), (2000, 500)], None);
        check(&[(5000, 100), (1000, 600)], None);
        check(&[(5000, 100), (1000, 600), (2000, 700)], Some((100, 1000, 3)));
    }

    #[test]
    fn readings_are_fresh_for_a_second_and_kept_for_a_minute() {
        let one = Readings::first(stats(0, 0, 0));
        let two = one.with(stats(1000, 0, 0));
        let check = |readings: &Readings, now, wanted| {
            assert_eq!((readings.is_fresh(at(now)), readings.is_kept(at(now))), wanted, "{now}");
        };
        check(&one, 100, (false, true));
        check(&two, 1500, (true, true));
        check(&two, 2500, (false, true));
        check(&two, 62_000, (false, false));
        check(&two, 500, (false, false));
    }
}
