//! Cohorts: jobs with the same blueprint that train together.

use std::sync::Arc;

use sweep_spec::blueprint::Blueprint;
use sweep_spec::canonical;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::{Job, Scores};

/// A set of jobs that one worker trains as one batched program.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// The hash of its members, in order.
    pub id: CohortId,
    /// The blueprint that they share.
    pub blueprint: Arc<Blueprint>,
    /// How each of them is scored.
    pub scores: Scores,
    /// The members with their ids.
    pub members: Vec<(JobId, Job)>,
}

impl Cohort {
    /// Makes a cohort of `members`, in this order, scored by `scores`. All have the blueprint of the first.
    ///
    /// # Panics
    ///
    /// If there are no members. A plan splits groups of at least one job into at most as many cohorts as there are
    /// jobs.
    pub fn new(members: Vec<(JobId, Job)>, scores: Scores) -> Self {
        let ids: Vec<JobId> = members.iter().map(|(id, _)| *id).collect();
        let blueprint = Arc::clone(&members.first().expect("a cohort has a member").1.blueprint);
        Cohort { id: CohortId::of(&canonical::bytes_of_sorted("cohort", &ids)), blueprint, scores, members }
    }
}
