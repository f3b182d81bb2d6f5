//! Weights and shares: pure numbers.

/// A share of what was counted, and between which shares it lies in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Observed {
    pub(crate) share: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// The standard normal deviate of 95 %.
const Z: f64 = 1.96;

/// The score interval of Wilson (1927), which holds for few and for lopsided counts too; `None`
/// where nothing was counted.
pub(crate) fn observed(n: u64, of: u64) -> Option<Observed> {
    if of == 0 {
        return None;
    }
    let (count, share) = (of as f64, n as f64 / of as f64);
    let z2 = Z * Z / count;
    let middle = (share + z2 / 2.0) / (1.0 + z2);
    let half = Z / (1.0 + z2) * (share * (1.0 - share) / count + z2 / count / 4.0).sqrt();
    Some(Observed { share, from: (middle - half).max(0.0), to: (middle + half).min(1.0) })
}

/// The weights with one of them changed; the others keep their proportions, and all together stay
/// what they were. Where the others are nothing, the first of them takes what is left.
pub(crate) fn moved(weights: &[u32], idx: usize, to: u32) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let to = u64::from(to).min(sum);
    let rest = sum - to;
    let others: u64 =
        weights.iter().enumerate().filter(|(at, _)| *at != idx).map(|(_, it)| u64::from(*it)).sum();
    let exact = |weight: u32| match others {
        0 => 0,
        others => u64::from(weight) * rest / others,
    };
    let mut moved: Vec<u64> =
        weights.iter().enumerate().map(|(at, weight)| if at == idx { to } else { exact(*weight) }).collect();
    // What rounding left goes to those that it took most from.
    let mut places: Vec<usize> = (0..weights.len()).filter(|at| *at != idx).collect();
    places.sort_by_key(|at| {
        (std::cmp::Reverse((u64::from(weights[*at]) * rest).checked_rem(others).unwrap_or(0)), *at)
    });
    let mut left = sum - moved.iter().sum::<u64>();
    if others == 0 {
        match places.first() {
            Some(first) => moved[*first] += left,
            // The only one keeps all.
            None => moved.iter_mut().for_each(|weight| *weight = sum),
        }
        left = 0;
    }
    for at in places.into_iter().cycle().take(usize::try_from(left).unwrap_or(0)) {
        moved[at] += 1;
    }
    moved.into_iter().map(|weight| u32::try_from(weight).unwrap_or(u32::MAX)).collect()
}

/// Weights that sum to less than a hundred as hundredths, in which they can be changed finely; those
/// that are fine already stay as they are.
pub(crate) fn hundredths(weights: &[u32]) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    match sum {
        0 => evenly(100, weights.len()),
        1..100 => {
            let mut scaled: Vec<u32> = weights
                .iter()
                .map(|weight| u32::try_from(u64::from(*weight) * 100 / sum).unwrap_or(0))
                .collect();
            // What rounding left goes to the heaviest, where it is seen least.
            let left = 100 - scaled.iter().sum::<u32>();
            if let Some(heaviest) = scaled.iter_mut().max() {
                *heaviest += left;
            }
            scaled
        }
        _ => weights.to_vec(),
    }
}

/// The same to each; all together stay what they were.
pub(crate) fn balanced(weights: &[u32]) -> Vec<u32> {
    evenly(weights.iter().fold(0, |sum, weight| sum.saturating_add(*weight)), weights.len())
}

/// The first ones take what is left.
fn evenly(sum: u32, n: usize) -> Vec<u32> {
    let n = u32::try_from(n).unwrap_or(u32::MAX);
    (0..n).map(|at| sum / n + u32::from(at < sum % n)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_interval_is_that_of_the_books() {
        // Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        let check = |n, of, from: f64, to: f64| {
            let found = observed(n, of).unwrap();
            assert!((found.from - from).abs() < 5e-5 && (found.to - to).abs() < 5e-5, "{found:?}");
        };
        check(81, 263, 0.2553, 0.3662);
        check(15, 148, 0.0624, 0.1605);
        check(0, 20, 0.0, 0.1611);
        check(1, 29, 0.0061, 0.1718);
        assert_eq!(observed(0, 0), None);
    }

    #[test]
    fn others_give_way_in_proportion() {
        assert_eq!(moved(&[90, 10], 1, 15), [85, 15]);
        assert_eq!(moved(&[90, 10], 0, 200), [100, 0]);
        assert_eq!(moved(&[60, 30, 10], 2, 20), [53, 27, 20]);
        assert_eq!(moved(&[100, 0, 0], 0, 50), [50, 50, 0]);
        assert_eq!(moved(&[100], 0, 50), [100]);
        assert_eq!(balanced(&[100, 0, 0]), [34, 33, 33]);
        assert_eq!(hundredths(&[1, 1]), [50, 50]);
        assert_eq!(hundredths(&[1, 1, 1]), [33, 33, 34]);
        assert_eq!(hundredths(&[900, 100]), [900, 100]);
        assert_eq!(hundredths(&[0, 0]), [50, 50]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_sum_stays(weights in prop::collection::vec(0u32..1_000, 1..8), idx in 0usize..8, to in 0u32..9_000) {
            let idx = idx % weights.len();
            let sum: u32 = weights.iter().sum();
            let after = moved(&weights, idx, to);
            prop_assert_eq!(after.iter().sum::<u32>(), sum);
            prop_assert!(weights.len() == 1 || after[idx] == to.min(sum));
            prop_assert_eq!(balanced(&weights).iter().sum::<u32>(), sum);
            prop_assert_eq!(hundredths(&weights).iter().sum::<u32>(), sum.max(100));
        }

        #[test]
        fn an_interval_holds_its_share(n in 0u64..10_000, more in 0u64..10_000) {
            let Some(found) = observed(n, n + more) else { return Ok(()) };
            prop_assert!(found.from <= found.share + 1e-9 && found.share <= found.to + 1e-9);
            prop_assert!(found.from >= 0.0 && found.to <= 1.0);
        }
    }
}
