//! The value of a series.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Point {
    Number(f64),
    Histogram(Histogram),
    Summary(Summary),
}

/// How many values were how large.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) n: u64,
    /// Absent where some values are negative, as no sum that rises can then be told.
    pub(crate) sum: Option<f64>,
    /// By bound, rising; what is above the last one is in `n` only.
    pub(crate) buckets: Vec<Bucket>,
}

/// Values up to a bound and above the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) up_to: f64,
    pub(crate) n: u64,
}

/// What its service made of its values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) n: u64,
    pub(crate) sum: f64,
    /// From 0 to 1, and the value there.
    pub(crate) quantiles: Vec<(f64, f64)>,
}

// === impl Point ===

impl Point {
    /// Adds what was counted since. Of what cannot be added the new one stands: the buckets were
    /// changed, as after a restart with another version.
    pub(crate) fn add(&mut self, more: Self) {
        match (self, more) {
            (Self::Number(number), Self::Number(more)) => *number += more,
            (Self::Histogram(histogram), Self::Histogram(more)) if histogram.has_bounds_of(&more) => {
                histogram.n += more.n;
                histogram.sum = histogram.sum.zip(more.sum).map(|(sum, more)| sum + more);
                for (bucket, more) in histogram.buckets.iter_mut().zip(more.buckets) {
                    bucket.n += more.n;
                }
            }
            (this, more) => *this = more,
        }
    }
}

// === impl Histogram ===

impl Histogram {
    fn has_bounds_of(&self, other: &Self) -> bool {
        let bounds = |histogram: &Self| {
            histogram.buckets.iter().map(|bucket| bucket.up_to.to_bits()).collect::<Vec<_>>()
        };
        bounds(self) == bounds(other)
    }
}
