//! Many durations as how many of each, exact in number and to 1/128 in time.
//!
//! The buckets are those of an `HdrHistogram` of two significant digits
//! (<https://github.com/HdrHistogram/HdrHistogram>), of which only those that hold something are
//! kept: a histogram for every series and second of a quarter of an hour would otherwise take
//! gigabytes. A property test holds both equal.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many durations there were of each length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Durations {
    /// The shortest microseconds of a bucket, rising, and how many fell into it.
    buckets: Vec<(u32, u32)>,
}

/// Bits of a number that are kept: two significant digits need 200 steps for each power of two,
/// and the next one up is 256.
const KEPT_BITS: u32 = 8;

// === impl Durations ===

impl Durations {
    /// Counts one. Those over 71 minutes, which is where 32 bits of microseconds end, count as that.
    pub fn record(&mut self, duration: Duration) {
        let low = lowest(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
        match self.buckets.binary_search_by_key(&low, |(low, _)| *low) {
            // 4,294,967,295 of one bucket are two days of 20,000 a second.
            Ok(place) => self.buckets[place].1 = self.buckets[place].1.saturating_add(1),
            Err(place) => self.buckets.insert(place, (low, 1)),
        }
    }

    /// Counts all of another's.
    pub fn merge(&mut self, other: &Self) {
        let mut mine = std::mem::take(&mut self.buckets).into_iter().peekable();
        let mut merged = Vec::with_capacity(mine.len().max(other.buckets.len()));
        for (low, n) in &other.buckets {
            while let Some(bucket) = mine.next_if(|(mine, _)| mine < low) {
                merged.push(bucket);
            }
            let n_mine = mine.next_if(|(mine, _)| mine == low).map_or(0, |(_, n)| n);
            merged.push((*low, n_mine.saturating_add(*n)));
        }
        merged.extend(mine);
        self.buckets = merged;
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.buckets.iter().map(|(_, n)| u64::from(*n)).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The duration that this share of all, from 0 to 1, does not exceed: the longest of its
    /// bucket. `None` where there is none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let n_wanted = rank(share, self.len());
        let mut n_seen = 0;
        let reached = self.buckets.iter().find(|(_, n)| {
            n_seen += u64::from(*n);
            n_seen >= n_wanted
        });
        reached.map(|(low, _)| Duration::from_micros(highest(*low).into()))
    }

    /// Each bucket that holds something: its shortest duration, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        self.buckets.iter().map(|(low, n)| (Duration::from_micros((*low).into()), u64::from(*n)))
    }

    /// What it takes, in bytes.
    #[must_use]
    pub(crate) fn n_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<(u32, u32)>()
    }
}

/// The place in order of what a share of so many does not exceed; at least the first.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of fewer than 2^52 is exact enough to be a place"
)]
fn rank(share: f64, n: u64) -> u64 {
    ((share.clamp(0.0, 1.0) * n as f64).ceil() as u64).max(1)
}

/// How many low bits a bucket of this number does not tell apart.
fn shift(micros: u32) -> u32 {
    (u32::BITS - micros.leading_zeros()).saturating_sub(KEPT_BITS)
}

fn lowest(micros: u32) -> u32 {
    (micros >> shift(micros)) << shift(micros)
}

fn highest(low: u32) -> u32 {
    low | ((1 << shift(low)) - 1)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::*;

    fn of(micros: &[u32]) -> Durations {
        let mut durations = Durations::default();
        for micros in micros {
            durations.record(Duration::from_micros((*micros).into()));
        }
        durations
    }

    #[test]
    fn what_is_empty_has_no_quantile_and_what_is_long_is_cut() {
        assert_eq!(of(&[]).quantile(0.5), None);
        let mut long = Durations::default();
        long.record(Duration::from_secs(1 << 40));
        assert_eq!(long.quantile(0.0), Some(Duration::from_micros(u32::MAX.into())));
    }

    fn micros() -> impl Strategy<Value = Vec<u32>> {
        let one = prop_oneof![0_u32..600, any::<u32>(), (0_u32..32).prop_map(|bit| 1 << bit)];
        proptest::collection::vec(one, 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_an_hdr_histogram(left in micros(), right in micros(), share in 0.0_f64..=1.0) {
            let mut ours = of(&left);
            ours.merge(&of(&right));
            let all: Vec<u32> = left.into_iter().chain(right).collect();
            prop_assert_eq!(&ours, &of(&all), "merged is recorded together");
            let mut theirs = Histogram::<u64>::new(2).unwrap();
            for micros in &all {
                theirs.record(u64::from(*micros)).unwrap();
            }
            prop_assert_eq!(ours.len(), theirs.len());
            if let Some(found) = ours.quantile(share) {
                prop_assert_eq!(found, Duration::from_micros(theirs.value_at_quantile(share)));
                let recorded = theirs.iter_recorded().map(|it| it.value_iterated_to());
                let found = ours.buckets.iter().map(|(low, _)| u64::from(highest(*low)));
                prop_assert!(found.eq(recorded));
            }
        }
    }
}
