//! Errors of scoring.

use super::nets::NetError;
use sweep_tensor::message::without_frames;

/// Why samples cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// The score makes no sense for the data.
    #[error("{metric} is not defined on data set `{dataset}`: leave it out of `score.metrics`")]
    NotApplicable {
        /// The score.
        metric: &'static str,
        /// The data set.
        dataset: &'static str,
    },
    /// What the score is computed from is missing.
    #[error("{metric} is computed from {needs}, which are not available here: leave it out")]
    Lacks {
        /// The score.
        metric: &'static str,
        /// What it is computed from.
        needs: &'static str,
    },
    /// The reference is too small.
    #[error("{metric} needs at least {expected} real samples, found {found}")]
    TooFewReal {
        /// The score.
        metric: &'static str,
        /// The number that it needs.
        expected: usize,
        /// The number available.
        found: usize,
    },
    /// The label distribution is missing or malformed.
    #[error(
        "{metric} needs the frequency of each of the {expected} labels in the training set, none of them negative; \
        found {found}"
    )]
    Labels {
        /// The score.
        metric: &'static str,
        /// The number of classes.
        expected: usize,
        /// What was given.
        found: String,
    },
    /// The values are not a whole number of samples.
    #[error("expected samples of {features} values each, but {found} values in total is not a whole number of samples")]
    Shape {
        /// Values per sample.
        features: usize,
        /// Total number of values.
        found: usize,
    },
    /// The samples are images, but there is no network to evaluate them.
    #[error("scores of `{0}` need a scoring network for its images")]
    Blind(&'static str),
    /// A histogram without cells.
    #[error("expected at least 1 bin and a range above 0 for symmetric_kl, found {bins} bins and range {range}")]
    Bins {
        /// Bins per axis.
        bins: u32,
        /// Half the width of the histogram.
        range: f64,
    },
    /// The scoring network failed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// libtorch refused.
    #[error("scoring: {}", without_frames(&.0.to_string()))]
    Torch(#[from] tch::TchError),
}

/// What has to change before the samples can be scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request: these scores make no sense for these samples.
    Request,
    /// The environment, such as the weights of a network or the memory of a device.
    Environment,
    /// The program: libtorch rejected what it was given.
    Program,
}

impl MetricError {
    /// Returns what has to change.
    pub fn cause(&self) -> Cause {
        match self {
            MetricError::NotApplicable { .. }
            | MetricError::Lacks { .. }
            | MetricError::TooFewReal { .. }
            | MetricError::Labels { .. }
            | MetricError::Shape { .. }
            | MetricError::Blind(_)
            | MetricError::Bins { .. } => Cause::Request,
            MetricError::Net(_) => Cause::Environment,
            MetricError::Torch(_) => Cause::Program,
        }
    }

    /// Returns whether the scoring was stopped on request.
    pub fn is_stop(&self) -> bool {
        matches!(self, MetricError::Net(NetError::Stopped))
    }
}
