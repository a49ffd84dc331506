//! 95 % bootstrap intervals for an interquartile mean, over seeds, with expanded percentiles.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::arrangement::{below, seed};
use super::sample::Sample;
use super::{Interval, LEVEL};

/// Least seeds for an interval.
pub(crate) const SEEDS: usize = 8;

/// Number of resamples. With this many, the ends of an interval vary by about 2 % of its length between sets of
/// resamples.
const RESAMPLES: usize = 4_000;

/// Returns the interval, which is always the same for the same sample; `None` with too few seeds.
pub(crate) fn interval(sample: &Sample) -> Option<Interval> {
    let n = sample.seeds();
    if n < SEEDS {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed(sample.order()));
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let mut times = vec![0; n];
            (0..n).for_each(|_| times[below(&mut random, n)] += 1);
            sample.resampled(&times)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let level = expanded(LEVEL / 2.0, n)?;
    Some(Interval { low: quantile(&values, level), high: quantile(&values, 1.0 - level) })
}

/// Returns the percentile to use instead of `level` with `n` values: Φ(√(n / (n − 1)) · t), where t is Student's
/// quantile.
fn expanded(level: f64, n: usize) -> Option<f64> {
    let degrees = (n - 1) as f64;
    let t = StudentsT::new(0.0, 1.0, degrees).ok()?.inverse_cdf(level);
    Some(Normal::standard().cdf((n as f64 / degrees).sqrt() * t))
}

/// Interpolates linearly between the order statistics around it. If one of them is infinite, so is the result.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let at = level * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    if low == high || at.fract() == 0.0 { low } else { low + (high - low) * at.fract() }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::RngCore;

    use super::*;

    /// Scores with the seeds 0, 1, ….
    fn sample(scores: &[f64]) -> Sample {
        Sample::new((0..).zip(scores.iter().copied()))
    }

    /// Deterministic values of a standard normal distribution.
    fn normal(random: &mut ChaCha8Rng) -> f64 {
        Normal::standard().inverse_cdf((f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0)
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_true_one() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let holds = |_: &usize| {
            let scores: Vec<f64> = (0..10).map(|_| normal(&mut random)).collect();
            let found = interval(&sample(&scores)).unwrap();
            found.low <= 0.0 && 0.0 <= found.high
        };
        let covered = (0..100).filter(holds).count();
        assert!((90..=100).contains(&covered), "{covered} of 100");
    }

    #[test]
    fn percentiles_are_wider_than_those_of_large_samples() {
        // scipy.stats.norm.cdf(numpy.sqrt(n / (n - 1)) * scipy.stats.t.ppf(0.025, n - 1))
        for (n, level) in [(6, 0.0024318031746115563), (10, 0.00855063902440636), (30, 0.018753900278220513)] {
            assert!((expanded(0.025, n).unwrap() / level - 1.0).abs() < 1e-9, "{n}");
        }
    }

    #[test]
    fn ends_agree_with_another_implementation() {
        // numpy.quantile of 1,000,000 resampled interquartile means, at the levels of the test above
        let found = interval(&sample(&ENDS.0)).unwrap();
        let width = ENDS.2 - ENDS.1;
        assert!((found.low - ENDS.1).abs() < 0.05 * width && (found.high - ENDS.2).abs() < 0.05 * width, "{found:?}");
    }

    const ENDS: ([f64; 10], f64, f64) = ([0.3, 1.2, 0.9, 4.1, 0.2, 2.2, 1.7, 0.8, 3.0, 1.1], 0.58, 2.6);

    #[test]
    fn few_seeds_have_no_interval_and_many_lost_ones_an_infinite_end() {
        assert_eq!(interval(&sample(&[1.0; 7])), None);
        let lost = f64::NEG_INFINITY;
        let found = interval(&sample(&[lost, lost, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])).unwrap();
        assert!(found.low == lost && found.high.is_finite(), "{found:?}");
        let all = interval(&sample(&[lost; 9])).unwrap();
        assert_eq!((all.low, all.high), (lost, lost));
    }
}
