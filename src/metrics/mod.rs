//! Samples -> numbers: one formula a file; nets/ holds the scoring networks.
//!
//! Everything that sums or averages does so in float64. A value is comparable with another of the same metric only when their
//! protocols are equal.

pub mod assignment;
pub mod frechet;
pub mod high_quality;
pub mod inception_score;
pub mod mode_score;
pub mod modes;
pub mod nets;
pub mod posterior;
pub mod scorer;
pub mod symmetric_kl;
pub mod wasserstein;

pub use scorer::{MetricError, Scorer, reference_samples};

use crate::spec::metric::Metric;

/// What scores compare with.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// Real samples `[n, features]`, row-major; images in [−1, 1]. See [`reference_samples`].
    pub samples: Vec<f32>,
    /// The class of each, where the data set has labels.
    pub labels: Option<Vec<u8>>,
    /// The share of each class in the training set, where the data set has labels.
    pub label_frequencies: Option<Vec<f64>>,
}

/// One score of one set of samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// Which score.
    pub metric: Metric,
    /// Its value; may be NaN or infinite.
    pub value: f64,
    /// Standard deviation over splits, where the metric has splits.
    pub std: Option<f64>,
    /// How it was measured: everything that makes values comparable or not.
    pub protocol: serde_json::Value,
}
