//! Scores with distributions as for GANs. Higher is better; NaN means a diverged run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A distribution of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Normal {
        mean: f64,
        std: f64,
    },
    /// The exponential of a normal variable.
    LogNormal {
        median: f64,
        sigma: f64,
    },
    /// Values with their probabilities.
    Some(&'static [(f64, f64)]),
    /// Normal, but a random third of the runs diverge.
    Diverging,
    /// Normal, but the worst third of the runs diverges.
    LosesWorst,
}

/// A stream of random numbers.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Returns a number between 0 and 1, both excluded.
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub(crate) fn score(&mut self, shape: Shape) -> f64 {
        match shape {
            Shape::Normal { mean, std } => mean + std * self.normal(),
            Shape::LogNormal { median, sigma } => median * (sigma * self.normal()).exp(),
            Shape::Some(values) => {
                let mut left = self.uniform();
                let found = values.iter().find(|(_, share)| {
                    left -= share;
                    left < 0.0
                });
                found.or(values.last()).map_or(f64::NAN, |(value, _)| *value)
            }
            Shape::Diverging => {
                let score = self.normal();
                if self.uniform() < 1.0 / 3.0 { f64::NAN } else { score }
            }
            Shape::LosesWorst => {
                let score = self.normal();
                // The lower third of a standard normal distribution.
                if score < -0.430_727_299_295_457_5 { f64::NAN } else { score }
            }
        }
    }
}

/// Returns many draws from worst to best, diverged ones first.
fn sorted(shape: Shape, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let scores = (0..400_000).map(|_| random.score(shape)).map(|s| if s.is_nan() { f64::NEG_INFINITY } else { s });
    let mut scores: Vec<f64> = scores.collect();
    scores.sort_by(f64::total_cmp);
    scores
}

/// Returns the probability that a run of one shape scores better than a run of another (ties count half). Exact for
/// normal shapes, otherwise to about 0.001.
pub(crate) fn chance(ours: Shape, theirs: Shape) -> f64 {
    let (a, b) = (sorted(ours, 1), sorted(theirs, 2));
    let ahead = |score: &f64| (b.partition_point(|s| s < score) + b.partition_point(|s| s <= score)) as f64 / 2.0;
    a.iter().map(ahead).sum::<f64>() / a.len() as f64 / b.len() as f64
}

/// Returns the mean of the middle half.
pub(crate) fn interquartile_mean(shape: Shape) -> f64 {
    let all = sorted(shape, 3);
    let middle = &all[all.len() / 4..all.len() * 3 / 4];
    middle.iter().sum::<f64>() / middle.len() as f64
}
