//! Intervals for rates.

use statrs::distribution::{ContinuousCDF, Normal};

use super::{Interval, LEVEL};

/// Returns Wilson's (1927) 95 % interval for a rate, given `count` of `n`; it is [0, 1] for n = 0. With p = count/n and
/// z the normal quantile of 97.5 %, its ends are (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n).
pub(crate) fn interval(count: usize, n: usize) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (p, n) = (count as f64 / n as f64, n as f64);
    let z = Normal::standard().inverse_cdf(1.0 - LEVEL / 2.0);
    let (middle, half) = (p + z * z / (2.0 * n), z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt());
    let end = |end: f64| (end / (1.0 + z * z / n)).clamp(0.0, 1.0);
    // Rounding must not move these ends away from 0 and 1.
    let low = if p == 0.0 { 0.0 } else { end(middle - half) };
    let high = if p == 1.0 { 1.0 } else { end(middle + half) };
    Interval { low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_scipy() {
        // scipy.stats.binomtest(count, n).proportion_ci(method="wilson")
        for (count, n, low, high) in RATES {
            let found = interval(count, n);
            assert!((found.low - low).abs() < 1e-9 && (found.high - high).abs() < 1e-9, "{count} of {n}: {found:?}");
        }
        assert_eq!(interval(0, 0), Interval { low: 0.0, high: 1.0 });
        assert_eq!((interval(0, 7).low, interval(7, 7).high), (0.0, 1.0));
    }

    const RATES: [(usize, usize, f64, f64); 6] = [
        (0, 10, 0.0, 0.27753279986288926),
        (1, 12, 0.014865094404917123, 0.35387991114111694),
        (5, 10, 0.236593090512564, 0.7634069094874361),
        (10, 10, 0.7224672001371109, 1.0),
        (94, 200, 0.40204754873265425, 0.5390831708499817),
        (1, 1, 0.20654931437723745, 1.0),
    ];
}
