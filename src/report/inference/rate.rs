//! Intervals of rates.

use statrs::distribution::{Beta, ContinuousCDF};

use super::{Interval, LEVEL};

/// The 95 % interval of Clopper and Pearson (1934) of the rate of which `count` of `n` were seen; all from 0 to 1 with n = 0.
pub(crate) fn interval(count: usize, n: usize) -> Interval {
    let (seen, rest) = (count as f64, (n - count) as f64);
    let end = |a: f64, b: f64, level: f64| Beta::new(a, b).map(|beta| beta.inverse_cdf(level)).ok();
    let low = if count == 0 { Some(0.0) } else { end(seen, rest + 1.0, LEVEL / 2.0) };
    let high = if count == n { Some(1.0) } else { end(seen + 1.0, rest, 1.0 - LEVEL / 2.0) };
    Interval { low: low.unwrap_or(0.0), high: high.unwrap_or(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_scipy() {
        // scipy.stats.binomtest(count, n).proportion_ci(method="exact")
        for (count, n, low, high) in RATES {
            let found = interval(count, n);
            assert!((found.low - low).abs() < 1e-6 && (found.high - high).abs() < 1e-6, "{count} of {n}: {found:?}");
        }
        assert_eq!(interval(0, 0), Interval { low: 0.0, high: 1.0 });
    }

    const RATES: [(usize, usize, f64, f64); 4] = [
        (0, 10, 0.0, 0.30849710781876294),
        (1, 12, 0.0021075932318616332, 0.38479616515094384),
        (5, 10, 0.1870860284474045, 0.8129139715525955),
        (10, 10, 0.6915028921812371, 1.0),
    ];
}
