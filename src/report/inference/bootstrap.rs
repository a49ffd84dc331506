//! Bootstrap intervals of 95 %, over seeds, by expanded percentiles.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::sample::{Sample, Statistic};
use super::{Interval, LEVEL};

/// Pairs, or seeds of a single sample, that an interval takes at least.
pub(crate) const PAIRS: usize = 6;

/// Seeds that it takes on each side where they are not paired.
pub(crate) const EACH: usize = 4;

/// Resamples: the ends of an interval move by about 1 % of its length from one set of so many to another.
const RESAMPLES: usize = 10_000;

/// A statistic of a sample.
type Of<'a> = (&'a Sample, Statistic);

/// The statistic of `left`, less that of `right` where it is given; seeds are drawn for both together where both have the same.
/// The same samples have the same interval always. `None` with too few seeds.
pub(crate) fn interval(left: Of<'_>, right: Option<Of<'_>>) -> Option<Interval> {
    let (left, statistic) = left;
    let unpaired = right.filter(|(right, _)| right.seeds() != left.seeds());
    let n = unpaired.map_or(left.seeds().len(), |(right, _)| left.seeds().len().min(right.seeds().len()));
    if n < if unpaired.is_some() { EACH } else { PAIRS } {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let times = draw(left.seeds().len(), &mut random);
            let theirs = right.map_or(0.0, |(right, statistic)| match unpaired {
                Some(_) => right.statistic(statistic, &draw(right.seeds().len(), &mut random)),
                None => right.statistic(statistic, &times),
            });
            left.statistic(statistic, &times) - theirs
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let level = expanded(LEVEL / 2.0, n)?;
    Some(Interval { low: quantile(&values, level), high: quantile(&values, 1.0 - level) })
}

/// How often each of `n` seeds is drawn in `n` draws.
fn draw(n: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    let mut times = vec![0; n];
    for _ in 0..n {
        times[((u64::from(random.next_u32()) * n as u64) >> 32) as usize] += 1;
    }
    times
}

/// The percentile that takes the place of `level` with `n` values: Φ(√(n / (n − 1)) · t), t that of Student's distribution.
fn expanded(level: f64, n: usize) -> Option<f64> {
    let degrees = (n - 1) as f64;
    let t = StudentsT::new(0.0, 1.0, degrees).ok()?.inverse_cdf(level);
    Some(Normal::standard().cdf((n as f64 / degrees).sqrt() * t))
}

/// Between the order statistics about it, linearly.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    let at = level * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores with the seeds 0, 1, ….
    fn sample(scores: &[f64]) -> Sample {
        Sample::new((0..).zip(scores.iter().copied()))
    }

    fn mean(sample: &Sample) -> Of<'_> {
        (sample, Statistic::Mean)
    }

    /// Deterministic values of a standard normal distribution.
    fn normal(random: &mut ChaCha8Rng) -> f64 {
        Normal::standard().inverse_cdf((f64::from(random.next_u32()) + 0.5) / 4_294_967_296.0)
    }

    /// How many of 400 intervals hold the mean difference, 1, of `n` and `m` normal values.
    fn covered(n: usize, m: usize) -> usize {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let holds = |_: &usize| {
            let left: Vec<f64> = (0..n).map(|_| 1.0 + normal(&mut random)).collect();
            let right: Vec<f64> = (0..m).map(|_| 2.0 * normal(&mut random)).collect();
            let found = interval(mean(&sample(&left)), Some(mean(&sample(&right)))).unwrap();
            found.low <= 1.0 && 1.0 <= found.high
        };
        (0..400).filter(holds).count()
    }

    #[test]
    fn nineteen_of_twenty_intervals_hold_the_true_difference() {
        // The standard deviation of a count of 400 at 95 % is 4.4.
        for (n, m) in [(8, 8), (12, 12), (6, 9)] {
            let covered = covered(n, m);
            assert!((368..=393).contains(&covered), "{n}, {m}: {covered} of 400");
        }
    }

    #[test]
    fn percentiles_are_wider_than_those_of_large_samples() {
        // scipy.stats.norm.cdf(numpy.sqrt(n / (n - 1)) * scipy.stats.t.ppf(0.025, n - 1))
        for (n, level) in [(6, 0.0024318031746115563), (10, 0.00855063902440636), (30, 0.018753900278220513)] {
            assert!((expanded(0.025, n).unwrap() / level - 1.0).abs() < 1e-9, "{n}");
        }
    }

    #[test]
    fn pairs_cancel_what_a_seed_has_in_common() {
        let (seeds, shift) = ([3.0, 9.0, 1.0, 7.0, 5.0, 20.0], [0.1, -0.1, 0.0, 0.2, -0.2, 0.0]);
        let left: Vec<f64> = seeds.iter().zip(shift).map(|(seed, shift)| 1.0 + seed + shift).collect();
        let paired = interval(mean(&sample(&left)), Some(mean(&sample(&seeds)))).unwrap();
        assert!(paired.low > 0.8 && paired.high < 1.2, "{paired:?}");
        let others = Sample::new((100..).zip(seeds));
        let unpaired = interval(mean(&sample(&left)), Some(mean(&others))).unwrap();
        assert!(unpaired.low < 0.0 && unpaired.high > 2.0, "{unpaired:?}");
    }

    #[test]
    fn a_constant_shift_is_known_exactly_and_a_median_is_one_of_the_scores() {
        let scores = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let shifted = scores.map(|score| score + 0.5);
        let found = interval(mean(&sample(&shifted)), Some(mean(&sample(&scores)))).unwrap();
        assert!((found.low - 0.5).abs() < 1e-12 && (found.high - 0.5).abs() < 1e-12, "{found:?}");
        let median = interval((&sample(&scores), Statistic::Median), None).unwrap();
        assert!((1.0..=2.0).contains(&median.low) && (6.0..=7.0).contains(&median.high), "{median:?}");
    }

    #[test]
    fn few_seeds_have_no_interval() {
        let five = sample(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(interval(mean(&five), None), None);
        assert_eq!(interval(mean(&five), Some(mean(&five))), None);
        let (four, three) = (Sample::new((10..14).zip([1.0; 4])), Sample::new((20..23).zip([1.0; 3])));
        assert!(interval(mean(&five), Some(mean(&four))).is_some());
        assert_eq!(interval(mean(&five), Some(mean(&three))), None);
    }
}
