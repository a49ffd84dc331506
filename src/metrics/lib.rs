//! Samples -> numbers: one formula a file; nets/ holds the scoring networks.
//!
//! A score is an entry in the table of `sweep_spec::metric`, a file with its formula, and a line in `formula` that says which formula it
//! is. A `judge` makes of samples what formulas are made from (`seen`): that is the same for all scores that need it.
//!
//! Everything that sums or averages does so in float64. A value is comparable with another of the same metric only when their
//! protocols are equal.

pub mod authenticity;
pub mod classes;
pub mod costs;
#[cfg(test)]
mod described_tests;
pub mod divergences;
mod error;
pub mod features;
mod formula;
pub mod frechet;
pub mod high_quality;
pub mod inception_score;
mod judge;
pub mod kid;
pub mod log_likelihood;
pub mod manifold;
pub mod mmd;
pub mod mode_score;
pub mod modes;
mod nearest;
mod nearness;
pub mod nets;
pub mod posterior;
pub mod rows;
pub mod scorer;
mod seen;
pub mod sinkhorn;
pub mod sliced;
pub mod statistics;
pub mod symmetric_kl;
pub mod transport;
pub mod two_sample;
pub mod wasserstein;

pub use error::{Cause, MetricError};
pub use formula::{Found, Protocol};
pub use scorer::{Scorer, reference_samples};

use std::path::PathBuf;

use sweep_spec::metric::Metric;

/// What scores compare with.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// Real samples `[n, features]`, row-major; images in [−1, 1]. See [`reference_samples`].
    pub samples: Vec<f32>,
    /// All training samples `[n, features]`, where a score looks at them and they are others than `samples`.
    pub training: Option<Vec<f32>>,
    /// What the real samples are, for protocols; empty where nobody asks.
    pub data: String,
    /// The share of each class in the training set, where the data set has labels.
    pub label_frequencies: Option<Vec<f64>>,
    /// The folder where statistics of real images are kept; none: they are made each time.
    pub statistics: Option<PathBuf>,
}

/// In what order samples come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One that they were drawn in: any part of them is a random sample.
    Random,
    /// One that may mean something, as that of a file: what looks at a part of them draws it.
    Given,
}

/// One score of one set of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Which score.
    pub metric: Metric,
    /// Its value; may be NaN or infinite.
    pub value: f64,
    /// Standard deviation over splits or subsets, where the metric has such.
    pub std: Option<f64>,
    /// How it was measured: everything that makes values comparable or not.
    pub protocol: serde_json::Value,
}
