//! Why samples cannot be scored.

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
    /// There is nothing of what it is made from.
    #[error("{metric} is made from {needs}, of which there are none here: leave it out")]
    Lacks {
        /// The score.
        metric: &'static str,
        /// What it is made from.
        needs: &'static str,
    },
    /// The reference is too small.
    #[error("{metric} needs at least {expected} real samples, found {found}")]
    TooFewReal {
        /// The score.
        metric: &'static str,
        /// How many it needs.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The label distribution is missing or malformed.
    #[error(
        "{metric} needs the frequency of each of the {expected} labels in the training set, none negative; found {found}"
    )]
    Labels {
        /// The score.
        metric: &'static str,
        /// Classes.
        expected: usize,
        /// What was given.
        found: String,
    },
    /// Values that are no whole number of samples.
    #[error("expected samples of {features} values each, found {found} values in all")]
    Shape {
        /// Values in one sample.
        features: usize,
        /// Values in all.
        found: usize,
    },
    /// Images, and nothing that sees them.
    #[error("scores of `{0}` need a network that sees its images")]
    Blind(&'static str),
    /// A histogram without cells.
    #[error("expected at least 1 bin and a range above 0 for symmetric_kl, found {bins} bins and range {range}")]
    Bins {
        /// Bins along an axis.
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

/// What has to change before samples can be scored that could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// What was asked for: these scores of these samples make no sense.
    Request,
    /// Something around the program, such as the weights of a network or the memory of a device.
    Environment,
    /// The program: libtorch has refused what it was given.
    Program,
}

impl MetricError {
    /// What has to change.
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

    /// Whether whoever waited for the scores has ended it.
    pub fn is_stop(&self) -> bool {
        matches!(self, MetricError::Net(NetError::Stopped))
    }
}
