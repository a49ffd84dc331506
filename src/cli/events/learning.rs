//! How far a classifier of a data set's own labels is.

use super::steps::Steps;
use crate::stderr::say;
use crate::table::{count, duration};
use sweep_operations::Learning;
use sweep_wire::task::Learnt;

/// The display of such a training.
pub(super) struct Classifier {
    steps: Steps,
    /// Somebody has been told that one is trained.
    told: bool,
}

impl Classifier {
    pub(super) fn new(dataset: &str) -> Self {
        Classifier { steps: Steps::new(format!("classifier of {dataset}")), told: false }
    }

    /// Prints `text` above the bar.
    pub(super) fn say(&self, text: &str) {
        self.steps.say(text);
    }

    /// Shows what goes on.
    pub(super) fn event(&mut self, event: &Learning<'_>) {
        match *event {
            Learning::Begun { .. } => {}
            Learning::Step { dataset, step, steps } => {
                if !self.told {
                    self.say(&format!(
                        "training a classifier of the labels of {dataset}, once: it sees what is scored"
                    ));
                    self.told = true;
                }
                self.steps.at(step, steps);
            }
            Learning::Ended { dataset, learnt, seconds } => {
                self.steps.end();
                if let Some(Learnt { path, wrong, of }) = learnt {
                    let right = 100.0 * (of - wrong) as f64 / (*of).max(1) as f64;
                    say(format!(
                        "classifier of {dataset}: right about {right:.1} % of {} images that it was not trained on; {}; kept in {}",
                        count(*of),
                        duration(seconds),
                        path.display()
                    ));
                }
            }
        }
    }
}
