//! Tests of pairs: whether the mean of differences is 0.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// From so many pairs on, the t-test takes the place of the exact one.
pub(crate) const EXACT: usize = 10;

/// The two-sided p of the pairs' differences: exact by sign flips below [`EXACT`] pairs, by Student's t from there on.
pub(crate) fn p(differences: &[f64]) -> f64 {
    if differences.len() < EXACT { sign_flips(differences) } else { student(differences) }
}

/// The smallest p that the test of `n` pairs can have.
pub(crate) fn least_p(n: usize) -> f64 {
    if n < EXACT { smallest_share(n) } else { 0.0 }
}

/// Of 2ⁿ choices of signs, at least all and none of them flipped have the largest mean.
fn smallest_share(n: usize) -> f64 {
    2.0_f64.powi(1 - n as i32).min(1.0)
}

/// The share of all choices of signs in which the mean is as far from 0 as it is.
fn sign_flips(differences: &[f64]) -> f64 {
    let choices = 1_usize << differences.len();
    let sum = |choice: usize| {
        let signed = differences.iter().enumerate().map(|(bit, d)| if choice >> bit & 1 == 0 { *d } else { -d });
        signed.sum::<f64>().abs()
    };
    // Sums of the same numbers in another order are equal but for rounding.
    let rounding = 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let observed = sum(0) - rounding;
    (0..choices).filter(|&choice| sum(choice) >= observed).count() as f64 / choices as f64
}

/// Student's paired test. Of differences that are all the same it knows no p; theirs is the exact one.
fn student(differences: &[f64]) -> f64 {
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    if variance.sqrt() <= 1e-12 * mean.abs() {
        return if mean == 0.0 { 1.0 } else { smallest_share(differences.len()) };
    }
    let t = mean / (variance / n).sqrt();
    StudentsT::new(0.0, 1.0, n - 1.0).map_or(1.0, |student| 2.0 * student.cdf(-t.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_flips_agree_with_scipy() {
        // scipy.stats.permutation_test((d,), numpy.mean, permutation_type="samples", n_resamples=numpy.inf).pvalue
        let cases: [(&[f64], f64); 3] = [
            (&[1.0, -0.5, 2.0, 3.0, 0.25, 1.5], 0.09375),
            (&[0.3, 0.3, -0.3, 0.6, 0.0, 0.9, -0.1], 0.25),
            (&[5.0, 4.0, 3.0, 2.0, 1.0, 1.0, 1.0, -1.0, 2.0], 0.01953125),
        ];
        for (differences, expected) in cases {
            assert!((p(differences) - expected).abs() < 1e-12, "{differences:?}: {}", p(differences));
        }
    }

    #[test]
    fn the_t_test_agrees_with_scipy() {
        // scipy.stats.ttest_1samp(d, 0).pvalue
        let differences = [0.5, 0.1, -0.2, 0.7, 0.4, 0.3, 0.9, -0.1, 0.2, 0.6, 0.35];
        assert!((p(&differences) / 0.006739641115887843 - 1.0).abs() < 1e-9, "{}", p(&differences));
    }

    #[test]
    fn few_pairs_and_equal_differences_have_the_p_of_counting() {
        assert_eq!([1, 2, 5, 6, 9].map(least_p), [1.0, 0.5, 0.0625, 0.03125, 1.0 / 256.0]);
        assert_eq!((p(&[3.0]), p(&[1.0, 2.0, 3.0, 4.0, 5.0]), p(&[0.0; 4])), (1.0, 0.0625, 1.0));
        assert_eq!((p(&[0.1; 12]), p(&[0.0; 12])), (2.0 / 4096.0, 1.0));
    }
}
