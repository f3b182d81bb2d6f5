//! Amounts that differ from one evaluation of an expression to the next.

/// Bounds of an amount (bytes, items) over all evaluations of one expression.
///
/// Inside a loop the largest amount times the number of items would be far too much for a list
/// with one long text and many short ones, so the sum is kept beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    /// In any one evaluation.
    pub(super) most: u64,
    /// In all of them together.
    pub(super) total: u64,
}

// === impl Amount ===

impl Amount {
    /// An amount that one evaluation has.
    pub(super) fn once(amount: usize) -> Self {
        let amount = amount as u64;
        Self { most: amount, total: amount }
    }

    /// The same amount in each of `n` evaluations.
    pub(super) fn each(amount: u64, n: u64) -> Self {
        Self { most: amount, total: amount.saturating_mul(n) }
    }

    /// Both amounts, in the same evaluation.
    pub(super) fn plus(self, other: Self) -> Self {
        Self { most: self.most.saturating_add(other.most), total: self.total.saturating_add(other.total) }
    }

    pub(super) fn times(self, factor: u64) -> Self {
        Self { most: self.most.saturating_mul(factor), total: self.total.saturating_mul(factor) }
    }

    /// The same amounts where each is met `times` as often, and `n` amounts in all.
    pub(super) fn repeated(self, times: u64, n: u64) -> Self {
        let total = self.total.saturating_mul(times).min(self.most.saturating_mul(n));
        Self { most: self.most, total }
    }

    /// How often parts of a size fit in, rounded down.
    pub(super) fn per(self, size: u64) -> Self {
        Self { most: self.most / size, total: self.total / size }
    }

    /// The product of two amounts of the same evaluation: the sum of `a * b` is at most the largest
    /// `a` times the sum of `b`.
    pub(super) fn product(self, other: Self) -> Self {
        let one = self.most.saturating_mul(other.total);
        let other_one = self.total.saturating_mul(other.most);
        Self { most: self.most.saturating_mul(other.most), total: one.min(other_one) }
    }

    /// One of the two amounts.
    pub(super) fn or(self, other: Self) -> Self {
        Self { most: self.most.max(other.most), total: self.total.saturating_add(other.total) }
    }

    /// No more than the other one.
    pub(super) fn at_most(self, other: Self) -> Self {
        Self { most: self.most.min(other.most), total: self.total.min(other.total) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bounds(amounts: &[u64]) -> Amount {
        Amount { most: amounts.iter().copied().max().unwrap_or(0), total: amounts.iter().sum() }
    }

    proptest! {
        #[test]
        fn bounds_of_a_result_follow_from_bounds_of_its_parts(
            pairs in prop::collection::vec((0..1_000_u64, 0..1_000_u64), 0..8), size in 1..9_u64
        ) {
            let (a, b): (Vec<u64>, Vec<u64>) = pairs.iter().copied().unzip();
            let each = |of: fn(u64, u64) -> u64| {
                bounds(&pairs.iter().map(|(a, b)| of(*a, *b)).collect::<Vec<_>>())
            };
            let holds = |real: Amount, bound: Amount| real.most <= bound.most && real.total <= bound.total;
            prop_assert!(holds(each(|a, b| a + b), bounds(&a).plus(bounds(&b))));
            prop_assert!(holds(each(|a, b| a * b), bounds(&a).product(bounds(&b))));
            prop_assert!(holds(each(u64::max), bounds(&a).or(bounds(&b))));
            let parts: Vec<u64> = a.iter().map(|a| a / size).collect();
            prop_assert!(holds(bounds(&parts), bounds(&a).per(size)));
        }
    }
}
