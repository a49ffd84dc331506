//! Intervals of rates.

use super::Interval;

/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval of the rate of which `count` of `n` were seen; all from 0 to 1 with n = 0.
pub(crate) fn wilson(count: usize, n: usize) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (rate, n) = (count as f64 / n as f64, n as f64);
    let centre = (rate + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    Interval { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_scipy() {
        // scipy.stats.binomtest(count, n).proportion_ci(method="wilson")
        let cases = [
            (0, 10, 0.0, 0.27753279986288926),
            (1, 12, 0.014865094404917123, 0.35387991114111694),
            (5, 10, 0.236593090512564, 0.7634069094874361),
            (10, 10, 0.7224672001371109, 1.0),
        ];
        for (count, n, low, high) in cases {
            let found = wilson(count, n);
            assert!((found.low - low).abs() < 1e-12 && (found.high - high).abs() < 1e-12, "{count} of {n}: {found:?}");
        }
        assert_eq!(wilson(0, 0), Interval { low: 0.0, high: 1.0 });
    }
}
