//! Options of a report.

use std::str::FromStr;

use sweep_figure::format::count;
use sweep_spec::metric::Measure;

/// What to report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The metric that cells are compared by, and the only one whose scores are listed. Default: the usual one for the
    /// data.
    pub metric: Option<Measure>,
    /// Leaves out what a first look does not need: curves, job statuses, protocols.
    pub short: bool,
    /// At which step of each run scores are taken.
    pub step: Step,
}

/// At which step of each run scores are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// The last planned step.
    #[default]
    Last,
    /// The step at which the run's own main score was best.
    Best,
    /// This step.
    At(u64),
}

impl Step {
    /// `the last step`, `each run's best step by mode_score`, `step 5,000`.
    pub(super) fn words(self, main: Option<Measure>) -> String {
        match self {
            Step::Last => "the last step".to_owned(),
            Step::Best => main.map_or_else(
                || "each run's best step".to_owned(),
                |main| format!("each run's best step by {}", main.name()),
            ),
            Step::At(step) => format!("step {}", count(step as usize)),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "last" => Ok(Step::Last),
            "best" => Ok(Step::Best),
            number => {
                number.parse().map(Step::At).map_err(|_| "expected `last`, `best`, or the number of a step".to_owned())
            }
        }
    }
}
