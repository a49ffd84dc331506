//! Scores samples: one formula per file. `nets/` holds the scoring networks.
//!
//! A score consists of an entry in the table of `sweep_spec::metric`, a file with its formula, and a line in `formula`
//! that maps one to the other. A `evaluator` evaluates samples and produces the inputs of formulas (`evaluated`), which
//! are shared by all scores that need them.
//!
//! All sums and averages are in float64. Two values of the same metric are comparable only if their protocols are
//! equal.

pub mod authenticity;
pub mod classes;
pub mod costs;
#[cfg(test)]
mod described_tests;
pub mod divergences;
mod error;
mod evaluated;
mod evaluator;
pub mod features;
mod formula;
pub mod frechet;
pub mod high_quality;
pub mod inception_score;
pub mod kid;
pub mod log_likelihood;
pub mod manifold;
pub mod mmd;
mod mode_lookup;
pub mod mode_score;
pub mod modes;
pub mod nets;
mod pairwise;
pub mod posterior;
pub mod rows;
pub mod scorer;
pub mod sinkhorn;
pub mod sliced;
pub mod statistics;
pub mod symmetric_kl;
pub mod transport;
pub mod two_sample;
pub mod wasserstein;

pub use error::{Cause, MetricError};
pub use formula::{Measurement, Protocol};
pub use scorer::{Scorer, reference_samples};

use std::path::PathBuf;

use sweep_spec::metric::Metric;

/// What samples are scored against.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// Real samples `[n, features]`, row-major; images in [−1, 1]. See [`reference_samples`].
    pub samples: Vec<f32>,
    /// All training samples `[n, features]`, if a score uses them and they differ from `samples`.
    pub training: Option<Vec<f32>>,
    /// Describes the real samples, for protocols. Empty if not needed.
    pub data: String,
    /// The share of each class in the training set, if the data set has labels.
    pub label_frequencies: Option<Vec<f64>>,
    /// The folder for statistics of real images. If `None`, they are computed each time.
    pub statistics: Option<PathBuf>,
}

/// The order in which samples come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// They were drawn independently: any part of them is a random sample.
    Random,
    /// The order may have a meaning, as in a file. Scores that use a part of the samples draw it at random.
    Given,
}

/// One score of one set of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreValue {
    /// Which score.
    pub metric: Metric,
    /// Its value. It may be NaN or infinite.
    pub value: f64,
    /// Standard deviation over splits or subsets, if the metric has one.
    pub std: Option<f64>,
    /// How it was measured. Values are comparable only if this is equal.
    pub protocol: serde_json::Value,
}
