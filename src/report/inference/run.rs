//! A run, in the form that tests take.

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub seed: u64,
    /// For each metric of the ranking, how good it is: larger is better, −∞ for a run that diverged or collapsed;
    /// `None` if unknown.
    pub quality: Vec<Option<f64>>,
}
