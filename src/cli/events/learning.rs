//! Shows the progress of training a classifier on a data set's own labels.

use super::steps::Steps;
use crate::stderr::say;
use crate::table::{count, duration};
use sweep_operations::Learning;
use sweep_wire::task::Learnt;

/// A training of a classifier.
pub(super) struct Classifier {
    steps: Steps,
    /// The user was told that a classifier is trained.
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

    /// Shows an event.
    pub(super) fn event(&mut self, event: &Learning<'_>) {
        match *event {
            Learning::Begun { .. } => {}
            Learning::Step { dataset, step, steps } => {
                if !self.told {
                    self.say(&format!(
                        "training a classifier on the labels of {dataset}, once: it is used to score samples"
                    ));
                    self.told = true;
                }
                self.steps.at(step, steps);
            }
            Learning::Ended { dataset, classifier, seconds } => {
                self.steps.end();
                if let Some(Learnt { path, wrong, of }) = classifier {
                    let right = 100.0 * (of - wrong) as f64 / (*of).max(1) as f64;
                    say(format!(
                        "classifier of {dataset}: {right:.1} % correct on {} images that it was not trained on; {}; \
                        saved in {}",
                        count(*of),
                        duration(seconds),
                        path.display()
                    ));
                }
            }
        }
    }
}
