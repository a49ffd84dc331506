//! The expected best of n scores.

/// Returns the expected largest of `n` of the `scores`, drawn at random without replacement: Σ C(k − 1, n − 1) / C(N,
/// n) times the k-th smallest, for k from n to N. It is the unbiased estimate of the expected best of n new scores
/// (Tang et al. 2020, arXiv:2004.13705; Dodge et al. 2019, arXiv:1909.03004, draw with replacement, which is biased
/// downwards). `scores` must be in ascending order; `None` unless 1 ≤ n ≤ N.
pub(crate) fn expected_largest(scores: &[f64], n: usize) -> Option<f64> {
    if n == 0 || n > scores.len() {
        return None;
    }
    // The weight of the largest is n / N, and each is (k − n) / (k − 1) times the one above it.
    let mut weight = n as f64 / scores.len() as f64;
    let mut expected = 0.0;
    for k in (n..=scores.len()).rev() {
        expected += weight * scores[k - 1];
        weight *= (k - n) as f64 / (k - 1).max(1) as f64;
    }
    Some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the mean, over all subsets, of their largest score.
    fn by_subsets(scores: &[f64], n: usize) -> f64 {
        let subsets = (0_usize..1 << scores.len()).filter(|subset| subset.count_ones() as usize == n);
        let largest = |subset: usize| {
            (0..scores.len())
                .filter(|index| subset >> index & 1 == 1)
                .map(|index| scores[index])
                .fold(f64::MIN, f64::max)
        };
        let all: Vec<f64> = subsets.map(largest).collect();
        all.iter().sum::<f64>() / all.len() as f64
    }

    #[test]
    fn it_is_the_mean_over_all_subsets() {
        let scores = [-2.0, 0.5, 0.5, 1.0, 3.0, 3.5, 7.0, 20.0, 21.0];
        for n in 1..=scores.len() {
            let found = expected_largest(&scores, n).unwrap();
            assert!((found - by_subsets(&scores, n)).abs() < 1e-12, "{n}: {found}");
        }
        assert_eq!((expected_largest(&scores, 0), expected_largest(&scores, 10)), (None, None));
    }

    #[test]
    fn one_is_the_mean_and_all_is_the_best_however_many() {
        let many: Vec<f64> = (0..40_000).map(f64::from).collect();
        assert!((expected_largest(&many, 1).unwrap() - 19_999.5).abs() < 1e-6);
        assert_eq!(expected_largest(&many, 40_000), Some(39_999.0));
        // n (N + 1) / (n + 1) − 1
        assert!((expected_largest(&many, 4).unwrap() - (4.0 * 40_001.0 / 5.0 - 1.0)).abs() < 1e-6);
    }
}
