//! The user's own trainers: programs that train one job per process, with their own parameters and scores.
//!
//! ```yaml
//! trainer:
//!   command: [python3, train.py, "${args}"]     # see `words`
//!   parameters: {alpha: 0.1, width: 64, norm: batch, skip: false, sizes: [64, 64]}     # with their defaults
//!   scores: {fid: lower, coverage_b: higher}    # or {fid: {better: lower, pattern: 'FID: ([0-9.e+-]+)'}}
//!   steps: 5000
//!   version: 1
//!   at_once: 1
//!   step_pattern: 'step ([0-9]+)'
//! ```

mod read;
#[cfg(test)]
mod tests;
pub mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blueprint::OwnTrainer;
use super::dataset::Dataset;
use super::metric::{Direction, Measure};
use super::parameters::Plain;

pub(super) use read::{Written, directions};

/// The trainer of one variant, as declared under `trainer:`.
#[derive(Clone, Debug, PartialEq)]
pub struct Trainer {
    /// The program and its arguments; empty if `SWEEP_WORKER` trains.
    pub command: Vec<String>,
    /// Its parameters with their defaults, in the order of their names.
    pub parameters: Vec<Arc<Declared>>,
    /// What it reports.
    pub reported: Reported,
    /// Its version.
    pub version: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// How many of its processes share a slot.
    pub at_once: usize,
}

/// A parameter of the user's own trainer.
#[derive(Debug, PartialEq)]
pub struct Declared {
    /// Distinguishes it from a built-in key with the same name.
    path: String,
    /// The default. All values are of the same kind.
    pub usual: Plain,
}

/// The prefix of the paths of such parameters.
const PREFIX: &str = "trainer.";

impl Declared {
    pub(super) fn new(name: &str, usual: Plain) -> Declared {
        Declared { path: format!("{PREFIX}{name}"), usual }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.path[PREFIX.len()..]
    }

    /// Returns a name that no built-in key has.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// What the user's own trainer reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reported {
    /// Its scores, by name.
    pub scores: BTreeMap<Arc<str>, ReportedScore>,
    /// The regular expression for lines with the number of steps done, for scripts written without this program in
    /// mind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Arc<str>>,
}

/// A score that the user's own trainer reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedScore {
    /// The direction in which it improves.
    pub better: Direction,
    /// The regular expression for lines with the score, for scripts written without this program in mind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Arc<str>>,
}

impl Reported {
    /// Returns whether it reports nothing.
    pub fn is_nothing(&self) -> bool {
        self.scores.is_empty() && self.step.is_none()
    }

    /// Returns its scores.
    pub fn measures(&self) -> impl Iterator<Item = Measure> + '_ {
        self.scores.iter().map(|(name, score)| Measure::declared(name, score.better))
    }
}

impl Trainer {
    /// Returns the parameter with this name.
    pub(super) fn parameter(&self, name: &str) -> Option<&Arc<Declared>> {
        self.parameters.iter().find(|declared| declared.name() == name)
    }

    /// Returns the part that determines what is trained, with samples compared with those of `dataset`.
    pub(super) fn blueprint(&self, dataset: Option<Dataset>) -> OwnTrainer {
        OwnTrainer { command: self.command.clone(), version: self.version, steps: self.steps, dataset }
    }
}
