//! A job: a blueprint, parameters and a seed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blueprint::{Blueprint, Score};
use super::canonical;
use super::id::{BlueprintId, CohortId, JobId};
use super::parameters::Parameters;

/// One GAN to train: everything that determines its weights. Names, labels, devices, checkpoint frequency and scoring
/// are not part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What it shares with the other members of its cohort.
    pub blueprint: Arc<Blueprint>,
    /// What may differ between members.
    #[serde(alias = "knobs")]
    pub parameters: Parameters,
    /// The source of all its randomness.
    pub seed: u64,
}

/// A job that a sweep requests, and how to score it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The job's id.
    pub id: JobId,
    /// What to train.
    pub job: Job,
    /// How to score it, each way once.
    pub scores: Scores,
    /// The job to continue from; `None` to start from scratch.
    pub earlier: Option<Earlier>,
}

/// A job that only has fewer steps, and whose final checkpoint is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Earlier {
    /// The job.
    pub job: JobId,
    /// The cohort whose folder has its checkpoint.
    pub cohort: CohortId,
    /// Its number of steps.
    pub step: u64,
}

/// How jobs are scored. In most sweeps there is one way, shared by all jobs.
pub type Scores = Arc<[Arc<Score>]>;

/// Merges tasks, so that each job occurs once with all its scorings, in the order of first occurrence.
pub fn together(tasks: impl IntoIterator<Item = Task>) -> Vec<Task> {
    let tasks = tasks.into_iter();
    let mut places: HashMap<JobId, usize> = HashMap::with_capacity(tasks.size_hint().0);
    let mut all: Vec<Task> = Vec::with_capacity(tasks.size_hint().0);
    for task in tasks {
        match places.entry(task.id) {
            Entry::Vacant(place) => {
                place.insert(all.len());
                all.push(task);
            }
            Entry::Occupied(place) => {
                let known = &mut all[*place.get()].scores;
                // Usually another task has the same scorings.
                if !Arc::ptr_eq(known, &task.scores) {
                    *known = task.scores.iter().fold(known.to_vec(), with).into();
                }
            }
        }
    }
    all
}

/// Adds a scoring to `scores`. Of two that measure the same, keeps the one that draws more sheets.
fn with(mut scores: Vec<Arc<Score>>, score: &Arc<Score>) -> Vec<Arc<Score>> {
    match scores.iter_mut().find(|known| known.measures_as(score)) {
        Some(known) if known.sheets < score.sheets => *known = Arc::clone(score),
        Some(_) => {}
        None => scores.push(Arc::clone(score)),
    }
    scores
}

impl Job {
    /// Returns the hash of the canonical form: equal jobs have equal ids in all files.
    pub fn id(&self) -> JobId {
        self.id_in(self.blueprint.id())
    }

    /// The same as [`Job::id`] if the id of the blueprint is known. Much faster for many jobs with the same blueprint.
    pub fn id_in(&self, blueprint: BlueprintId) -> JobId {
        JobId::of(&canonical::bytes_of_sorted("job", &(blueprint, &self.parameters, self.seed)))
    }
}
