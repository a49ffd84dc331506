//! Functions with known optima, and searches for these within a user's budget. `scripts/golden-tpe` has the same.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::f64::consts::{PI, TAU};

use super::{Dimension, propose};

/// Number of points that a search may try.
const TRIALS: usize = 60;
/// Number of random points at the start.
const STARTUP: usize = 12;
/// Number of points tried at a time after these.
const BATCH: usize = 8;

/// A function to minimise.
pub(super) struct Problem {
    pub name: &'static str,
    pub space: &'static [Dimension],
    /// The difference between the function and its optimum.
    above: fn(&[f64]) -> f64,
    /// The standard deviation of the noise between seeds.
    noise: f64,
}

pub(super) const PROBLEMS: [Problem; 3] = [
    // For example of the common logarithms of two learning rates.
    Problem {
        name: "quadratic",
        space: &[Dimension::Number { min: -6.0, max: -1.0 }, Dimension::Number { min: -3.0, max: 0.0 }],
        above: |x| (x[0] + 3.3).powi(2) + 2.0 * (x[1] + 0.5).powi(2),
        noise: 0.0,
    },
    // Three optima with the same value.
    Problem {
        name: "branin",
        space: &[Dimension::Number { min: -5.0, max: 10.0 }, Dimension::Number { min: 0.0, max: 15.0 }],
        above: |x| {
            let bowl = (x[1] - 5.1 / (4.0 * PI * PI) * x[0] * x[0] + 5.0 / PI * x[0] - 6.0).powi(2);
            bowl + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x[0].cos() + 10.0 - 0.39788735772973816
        },
        noise: 0.0,
    },
    // Rosenbrock's valley, flattened, with one good choice out of four.
    Problem {
        name: "mixed",
        space: &[
            Dimension::Number { min: -2.0, max: 2.0 },
            Dimension::Number { min: -2.0, max: 2.0 },
            Dimension::Choices(4),
        ],
        above: |x| {
            let valley = (1.0 - x[0]).powi(2) + 100.0 * (x[1] - x[0] * x[0]).powi(2);
            valley.ln_1p() + if x[2] == 2.0 { 0.0 } else { 1.0 }
        },
        noise: 0.1,
    },
];

impl Problem {
    /// Returns how far the point that looked best to a search is above the optimum.
    pub(super) fn regret(&self, seed: u64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut seen: Vec<(Vec<f64>, f64)> = Vec::new();
        while seen.len() < TRIALS {
            let count = if seen.is_empty() { STARTUP } else { BATCH.min(TRIALS - seen.len()) };
            let points = propose(self.space, &seen, count, seed);
            seen.extend(points.into_iter().map(|point| {
                let value = (self.above)(&point) + self.noise * normal(&mut rng);
                (point, value)
            }));
        }
        let looked_best = seen.iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("there are trials");
        (self.above)(&looked_best.0)
    }

    /// Returns the quartiles of the regret of searches with seeds from 0.
    pub(super) fn quartiles(&self, searches: u64) -> [f64; 3] {
        let mut regrets: Vec<f64> = (0..searches).map(|seed| self.regret(seed)).collect();
        regrets.sort_by(f64::total_cmp);
        [0.25, 0.5, 0.75].map(|share| {
            let at = share * (regrets.len() - 1) as f64;
            let (low, high) = (regrets[at.floor() as usize], regrets[at.ceil() as usize]);
            low + (high - low) * at.fract()
        })
    }
}

/// A draw from the normal distribution (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (TAU * rng.random::<f64>()).cos()
}
