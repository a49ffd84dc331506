//! What a report is asked for.

use crate::spec::metric::Metric;

/// What to report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The metric that cells are compared by, and the only one whose scores are listed; without it the usual one for the data.
    pub metric: Option<Metric>,
    /// Leave out what a first look does not need: curves, the fates of jobs, protocols.
    pub short: bool,
}
