//! One cohort on its way through attempts.

use std::collections::HashSet;
use std::sync::Arc;

use sweep_plan::cohort::Cohort;
use sweep_spec::id::{CohortId, JobId};

/// A cohort to train, and what is known about it.
#[derive(Clone, Debug)]
pub struct Work {
    pub(super) cohort: Arc<Cohort>,
    /// The larger cohorts that it was part of, the nearest first: it goes on from the checkpoint of one until there is one of its own.
    pub(super) ancestors: Vec<CohortId>,
    /// Members that are not to be trained any more: they have failed, or the user has cancelled them.
    pub(super) without: Vec<JobId>,
    /// Members without a fate.
    pub(super) open: HashSet<JobId>,
    /// How many members found their fate in this run, in this cohort.
    pub(super) settled: u64,
    /// The step up to which the next attempt trains, where that is not the last: there it waits for its turn again.
    pub(super) until: Option<u64>,
    /// The step up to which an attempt has trained in this run.
    pub(super) reached: u64,
    /// The step from which the next attempt will go on, as far as is known.
    pub(super) base: u64,
    /// It has got further than where it began: in this composition it fits.
    pub(super) fits: bool,
    /// The latest checkpoint of this run: a later one is progress.
    checkpoint: u64,
    /// Steps done as far as reported; falls back to `base` when an attempt ends.
    pub(super) step: u64,
    /// Predicted time for all its steps.
    pub(super) seconds: f64,
    /// Time that its attempts in this run have taken.
    pub(super) spent: f64,
    /// Attempts since the last progress.
    fruitless: u32,
    /// Whether the current attempt has got anything done that will last.
    pub(super) progressed: bool,
}

impl Work {
    /// A cohort that has done about `step` steps in earlier runs, whose members in `settled` have ended already. All its steps are
    /// predicted to take `seconds`.
    pub fn new(cohort: Arc<Cohort>, step: u64, settled: &HashSet<JobId>, seconds: f64) -> Self {
        let open = cohort.members.iter().map(|(id, _)| *id).filter(|id| !settled.contains(id)).collect();
        Work {
            cohort,
            ancestors: Vec::new(),
            without: Vec::new(),
            open,
            settled: 0,
            until: None,
            reached: 0,
            base: step,
            fits: step > 0,
            checkpoint: 0,
            step,
            seconds,
            spent: 0.0,
            fruitless: 0,
            progressed: false,
        }
    }

    /// The same where its members go on from the last states of those of `earlier`, which did `step` of the steps.
    #[must_use]
    pub fn after(self, earlier: CohortId, step: u64) -> Work {
        Work { ancestors: vec![earlier], base: step, step, fits: false, ..self }
    }

    /// The same as part of larger cohorts, the nearest first, without the members that were cancelled.
    #[must_use]
    pub fn with(self, ancestors: Vec<CohortId>, without: Vec<JobId>) -> Work {
        Work { ancestors, without, ..self }
    }

    /// The same where all steps are predicted to take `seconds`.
    #[must_use]
    pub fn taking(self, seconds: f64) -> Work {
        Work { seconds, ..self }
    }

    /// What trains.
    pub fn cohort(&self) -> &Cohort {
        &self.cohort
    }

    /// The members without a fate.
    pub fn open(&self) -> impl Iterator<Item = JobId> + '_ {
        self.open.iter().copied()
    }

    /// Whether `job` is a member.
    pub(super) fn has(&self, job: JobId) -> bool {
        self.open.contains(&job) || self.cohort.members.iter().any(|(id, _)| *id == job)
    }

    /// Steps of the whole training.
    pub(super) fn steps(&self) -> u64 {
        self.cohort.blueprint.steps()
    }

    /// Predicted time for what the last checkpoint leaves to do of the next attempt.
    pub(super) fn remaining_seconds(&self) -> f64 {
        let (steps, base) = (self.steps().max(1) as f64, self.base as f64);
        let until = self.until.map_or(steps, |until| (until as f64).min(steps));
        self.seconds * ((until - base) / steps).max(0.0)
    }

    /// Takes `job` out of the open ones; false if it was not in them.
    pub(super) fn settle(&mut self, job: JobId) -> bool {
        let news = self.open.remove(&job);
        self.settled += u64::from(news);
        self.progressed |= news;
        news
    }

    /// Takes `job` out of the open ones, since it is not to be trained any more.
    pub(crate) fn cancel(&mut self, job: JobId) {
        if self.settle(job) {
            self.without.push(job);
        }
    }

    /// Notes a durable checkpoint.
    pub(super) fn checkpointed(&mut self, step: u64) {
        let step = step.min(self.steps());
        if step > self.checkpoint {
            self.checkpoint = step;
            self.progressed = true;
            self.fits = true;
        }
        self.base = step;
    }

    /// Notes that an attempt has come to the step that it was to go up to: so much is done, even where its trainer begins anew.
    pub(super) fn has_reached(&mut self) {
        let step = self.until.unwrap_or(0);
        self.progressed |= step > self.reached;
        self.reached = self.reached.max(step);
    }

    /// The step that its members have come to, as far as others can be compared with them.
    pub(super) fn come_to(&self) -> u64 {
        self.base.max(self.reached)
    }

    /// Notes that an attempt ended with members still open; says how many attempts in a row have got nothing done.
    pub(super) fn attempt_ended(&mut self) -> u32 {
        self.fruitless = if std::mem::take(&mut self.progressed) { 0 } else { self.fruitless + 1 };
        self.step = self.base;
        self.fruitless
    }

    /// Notes that an attempt was withdrawn through no fault of its own.
    pub(super) fn attempt_withdrawn(&mut self) {
        if std::mem::take(&mut self.progressed) {
            self.fruitless = 0;
        }
        self.step = self.base;
    }

    /// The open members in new cohorts of at most `size`, which go on from the checkpoint of this one.
    pub fn split(&self, size: usize) -> Vec<Work> {
        let members: Vec<_> = self.cohort.members.iter().filter(|(id, _)| self.open.contains(id)).cloned().collect();
        let share = self.seconds / self.cohort.members.len() as f64;
        let ancestors: Vec<CohortId> = [self.cohort.id].into_iter().chain(self.ancestors.iter().copied()).collect();
        let part = |members: &[_]| {
            let cohort = Arc::new(Cohort::new(members.to_vec(), Arc::clone(&self.cohort.scores)));
            let seconds = share * members.len() as f64;
            Work { spent: self.spent, fits: false, ..Work::new(cohort, self.base, &HashSet::new(), seconds) }
                .with(ancestors.clone(), Vec::new())
        };
        members.chunks(size.max(1)).map(part).collect()
    }
}
