//! Trainers of the user's own: a program that trains one job a process, with parameters and scores of its own.
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

/// What `trainer:` says, for one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Trainer {
    /// The program and its arguments; empty where `SWEEP_WORKER` trains.
    pub command: Vec<String>,
    /// Its parameters with their defaults, in the order of their names.
    pub parameters: Vec<Arc<Declared>>,
    /// What it reports.
    pub reported: Reported,
    /// Which version of it.
    pub version: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// How many of its processes share a slot.
    pub at_once: usize,
}

/// A parameter of a trainer of the user's own.
#[derive(Debug, PartialEq)]
pub struct Declared {
    /// What tells it from a key of the program's own that has the same name.
    path: String,
    /// What it is where nothing is said: its values are of the same kind.
    pub usual: Plain,
}

/// What stands before the name of such a parameter.
const PREFIX: &str = "trainer.";

impl Declared {
    pub(super) fn new(name: &str, usual: Plain) -> Declared {
        Declared { path: format!("{PREFIX}{name}"), usual }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.path[PREFIX.len()..]
    }

    /// The name that no key of the program's own has.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

/// What a trainer of the user's own reports by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reported {
    /// Its scores by their names.
    pub scores: BTreeMap<Arc<str>, ReportedScore>,
    /// The regular expression of lines that say how many steps are done, where it is a script that knows nothing of this program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Arc<str>>,
}

/// A score that a trainer of the user's own reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedScore {
    /// Which way it improves.
    pub better: Direction,
    /// The regular expression of lines that have it, where it is a script that knows nothing of this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Arc<str>>,
}

impl Reported {
    /// Whether there is none.
    pub fn is_nothing(&self) -> bool {
        self.scores.is_empty() && self.step.is_none()
    }

    /// Its scores.
    pub fn measures(&self) -> impl Iterator<Item = Measure> + '_ {
        self.scores.iter().map(|(name, score)| Measure::declared(name, score.better))
    }
}

impl Trainer {
    /// The parameter of this name.
    pub(super) fn parameter(&self, name: &str) -> Option<&Arc<Declared>> {
        self.parameters.iter().find(|declared| declared.name() == name)
    }

    /// What of it determines what is trained, where its samples are compared with those of `dataset`.
    pub(super) fn blueprint(&self, dataset: Option<Dataset>) -> OwnTrainer {
        OwnTrainer { command: self.command.clone(), version: self.version, steps: self.steps, dataset }
    }
}
