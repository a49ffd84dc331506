//! A job: a blueprint, parameters and a seed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blueprint::{Blueprint, Score};
use super::canonical;
use super::id::{BlueprintId, CohortId, JobId};
use super::parameters::Parameters;

/// One GAN to train: all that determines its weights. Names, labels, devices, checkpoint cadence and what is measured of it are no part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What it shares with the other members of its cohort.
    pub blueprint: Arc<Blueprint>,
    /// What may differ from member to member.
    #[serde(alias = "knobs")]
    pub parameters: Parameters,
    /// All its randomness derives from this.
    pub seed: u64,
}

/// A job that is asked for, and what is to be measured of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The job's id.
    pub id: JobId,
    /// What to train.
    pub job: Job,
    /// How it is to be scored: each once.
    pub scores: Scores,
    /// What it goes on from, if not from the start.
    pub earlier: Option<Earlier>,
}

/// A job that differs in nothing but that it has fewer steps, and whose last state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Earlier {
    /// The job.
    pub job: JobId,
    /// The cohort whose folder has its state.
    pub cohort: CohortId,
    /// Its steps.
    pub step: u64,
}

/// How jobs are to be scored: in most sweeps one way, which all jobs share.
pub type Scores = Arc<[Arc<Score>]>;

/// Tasks in the order in which their jobs stand first, each job once, with all that is to be measured of it.
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
                // Most often the same that another task has.
                if !Arc::ptr_eq(known, &task.scores) {
                    *known = task.scores.iter().fold(known.to_vec(), with).into();
                }
            }
        }
    }
    all
}

/// `scores` with one more; of two that measure the same, the one that draws more sheets.
fn with(mut scores: Vec<Arc<Score>>, score: &Arc<Score>) -> Vec<Arc<Score>> {
    match scores.iter_mut().find(|known| known.measures_as(score)) {
        Some(known) if known.sheets < score.sheets => *known = Arc::clone(score),
        Some(_) => {}
        None => scores.push(Arc::clone(score)),
    }
    scores
}

impl Job {
    /// The hash of the canonical form: equal jobs have equal ids, in whatever file they stand.
    pub fn id(&self) -> JobId {
        self.id_in(self.blueprint.id())
    }

    /// The same as [`Job::id`] where the id of this job's blueprint is known: much cheaper for many jobs of one blueprint.
    pub fn id_in(&self, blueprint: BlueprintId) -> JobId {
        JobId::of(&canonical::bytes_of_sorted("job", &(blueprint, &self.parameters, self.seed)))
    }
}
