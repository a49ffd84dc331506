//! A run, as tests see it.

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub seed: u64,
    /// For each metric of the ranking how good it is: larger is better, −∞ for a run that came to nothing; `None` where it is not known.
    pub quality: Vec<Option<f64>>,
}
