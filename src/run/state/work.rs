//! One cohort, through all of its attempts.

use std::collections::HashSet;
use std::sync::Arc;

use sweep_plan::cohort::Cohort;
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_spec::job::Job;

/// A cohort to train, and what is known about it.
#[derive(Clone, Debug)]
pub struct Work {
    pub(super) cohort: Arc<Cohort>,
    /// What its members have in common.
    pub(super) blueprint: BlueprintId,
    /// The cohorts that members were in before: one list for each cohort that they come from, latest first. Until it
    /// has its own checkpoint, it continues from the checkpoint of one cohort in each list.
    pub(super) ancestors: Vec<Vec<CohortId>>,
    /// Members that are no longer trained: they have failed, or the user has cancelled them.
    pub(super) without: Vec<JobId>,
    /// Unfinished members.
    pub(super) open: HashSet<JobId>,
    /// How many members have ended in this run and in this cohort.
    pub(super) settled: u64,
    /// The step at which the next attempt stops, if that is not the last one. There it waits for its turn again.
    pub(super) until: Option<u64>,
    /// The step that attempts have reached in this run.
    pub(super) reached: u64,
    /// It has reached the step at which it was to stop, and was not told to continue.
    pub(super) at_a_rung: bool,
    /// The step from which the next attempt continues, as far as is known.
    pub(super) base: u64,
    /// It has got further than where it began, so it fits into memory with these members.
    pub(super) fits: bool,
    /// The latest checkpoint of this run. A later one is progress.
    checkpoint: u64,
    /// Steps done, as last reported. Falls back to `base` when an attempt ends.
    pub(super) step: u64,
    /// Predicted seconds for all its steps.
    pub(super) seconds: f64,
    /// Seconds that its attempts in this run have taken.
    pub(super) spent: f64,
    /// Attempts since the last progress.
    fruitless: u32,
    /// Whether the current attempt has made lasting progress.
    pub(super) progressed: bool,
}

impl Work {
    /// Makes a cohort that has done about `step` steps in earlier runs and whose members in `settled` have ended. All
    /// its steps are predicted to take `seconds`.
    pub fn new(cohort: Arc<Cohort>, step: u64, settled: &HashSet<JobId>, seconds: f64) -> Self {
        let open = cohort.members.iter().map(|(id, _)| *id).filter(|id| !settled.contains(id)).collect();
        Work {
            blueprint: cohort.blueprint.id(),
            cohort,
            ancestors: Vec::new(),
            without: Vec::new(),
            open,
            settled: 0,
            until: None,
            reached: 0,
            at_a_rung: false,
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

    /// Lets its members continue from the last states of those of `earlier`, which did `step` steps.
    #[must_use]
    pub fn after(self, earlier: CohortId, step: u64) -> Work {
        Work { ancestors: vec![vec![earlier]], base: step, step, fits: false, ..self }
    }

    /// Says which other cohorts members were in before: one list for each cohort that they come from, latest first.
    /// `without`: members that were cancelled.
    #[must_use]
    pub fn with(self, ancestors: Vec<Vec<CohortId>>, without: Vec<JobId>) -> Work {
        Work { ancestors, without, ..self }
    }

    /// Sets the predicted seconds for all steps.
    #[must_use]
    pub fn taking(self, seconds: f64) -> Work {
        Work { seconds, ..self }
    }

    /// Returns the cohort.
    pub fn cohort(&self) -> &Cohort {
        &self.cohort
    }

    /// Returns the unfinished members.
    pub fn open(&self) -> impl Iterator<Item = JobId> + '_ {
        self.open.iter().copied()
    }

    /// Whether `job` is a member.
    pub(super) fn has(&self, job: JobId) -> bool {
        self.open.contains(&job) || self.cohort.members.iter().any(|(id, _)| *id == job)
    }

    /// Returns the steps of the whole training.
    pub(super) fn steps(&self) -> u64 {
        self.cohort.blueprint.steps()
    }

    /// Returns the predicted seconds of the next attempt, from the last checkpoint on.
    pub(super) fn remaining_seconds(&self) -> f64 {
        let (steps, base) = (self.steps().max(1) as f64, self.base as f64);
        let until = self.until.map_or(steps, |until| (until as f64).min(steps));
        self.seconds * ((until - base) / steps).max(0.0)
    }

    /// Removes `job` from the open ones; returns false if it was not among them.
    pub(super) fn settle(&mut self, job: JobId) -> bool {
        let news = self.open.remove(&job);
        self.settled += u64::from(news);
        self.progressed |= news;
        news
    }

    /// Removes `job` from the open ones, since it is no longer trained.
    pub(crate) fn cancel(&mut self, job: JobId) {
        if self.settle(job) {
            self.without.push(job);
        }
    }

    /// Records a durable checkpoint.
    pub(super) fn checkpointed(&mut self, step: u64) {
        let step = step.min(self.steps());
        if step > self.checkpoint {
            self.checkpoint = step;
            self.progressed = true;
            self.fits = true;
        }
        self.base = step;
    }

    /// Records that an attempt reached the step at which it was to stop. That counts as done even if its trainer starts
    /// from scratch.
    pub(super) fn has_reached(&mut self) {
        let step = self.until.unwrap_or(0);
        self.progressed |= step > self.reached;
        self.reached = self.reached.max(step);
        self.at_a_rung = true;
    }

    /// Returns the step that its members have reached, for comparison with others.
    pub(super) fn reached_step(&self) -> u64 {
        self.base.max(self.reached)
    }

    /// Records that an attempt ended with open members. Returns how many attempts in a row made no progress.
    pub(super) fn attempt_ended(&mut self) -> u32 {
        self.fruitless = if std::mem::take(&mut self.progressed) { 0 } else { self.fruitless + 1 };
        self.step = self.base;
        self.fruitless
    }

    /// Records that an attempt was withdrawn through no fault of its own.
    pub(super) fn attempt_withdrawn(&mut self) {
        if std::mem::take(&mut self.progressed) {
            self.fruitless = 0;
        }
        self.step = self.base;
    }

    /// Splits the open members into new cohorts of at most `size`, which continue from this one's checkpoint.
    pub fn split(&self, size: usize) -> Vec<Work> {
        Work::packed(&[self], self.open.len().div_ceil(size.max(1)))
    }

    /// Packs the open members of `works` into this many new cohorts. They must have reached the same step and differ in
    /// nothing else.
    pub(super) fn packed(works: &[&Work], cohorts: usize) -> Vec<Work> {
        let open = |work: &Work| -> Vec<_> {
            work.cohort.members.iter().filter(|(id, _)| work.open.contains(id)).cloned().collect()
        };
        let members: Vec<_> =
            works.iter().flat_map(|work| open(work).into_iter().map(move |member| (*work, member))).collect();
        let mut rest = &members[..];
        let mut parts = Vec::with_capacity(cohorts);
        for left in (1..=cohorts).rev() {
            let (part, others) = rest.split_at(rest.len().div_ceil(left));
            rest = others;
            parts.extend((!part.is_empty()).then(|| Work::of(part)));
        }
        parts
    }

    /// Makes a cohort from members of other ones, from which it continues.
    fn of(members: &[(&Work, (JobId, Job))]) -> Work {
        let mut from: Vec<&Work> = Vec::new();
        for (work, _) in members {
            if from.last().is_none_or(|last| !std::ptr::eq(*last, *work)) {
                from.push(work);
            }
        }
        let line = |work: &Work, before: &[CohortId]| [&[work.cohort.id], before].concat();
        let lines = |work: &&Work| match &work.ancestors[..] {
            [] => vec![line(work, &[])],
            ancestors => ancestors.iter().map(|before| line(work, before)).collect(),
        };
        let ancestors: Vec<Vec<CohortId>> = from.iter().flat_map(lines).collect();
        let scores = &from[0].cohort.scores;
        let mut members_of: Vec<(JobId, Job)> = members.iter().map(|(_, member)| member.clone()).collect();
        let mut cohort = Cohort::new(members_of.clone(), Arc::clone(scores));
        // If the new cohort had the same members in the same order as one that it comes from, it would share that one's
        // name, folder and checkpoint.
        for _ in 1..members.len() {
            if !ancestors.iter().flatten().any(|of| *of == cohort.id) {
                break;
            }
            members_of.rotate_left(1);
            cohort = Cohort::new(members_of.clone(), Arc::clone(scores));
        }
        let share = |work: &Work| work.seconds / work.cohort.members.len() as f64;
        let seconds = members.iter().map(|(work, _)| share(work)).sum();
        Work {
            // The longest time that any of its jobs has taken.
            spent: from.iter().map(|work| work.spent).fold(0.0, f64::max),
            reached: from[0].reached,
            at_a_rung: from.iter().all(|work| work.at_a_rung),
            fits: false,
            ..Work::new(Arc::new(cohort), from[0].base, &HashSet::new(), seconds)
        }
        .with(ancestors, Vec::new())
    }

    /// Whether it was never begun, and not made from works that were.
    pub(super) fn is_new(&self) -> bool {
        self.step == 0 && self.ancestors.is_empty()
    }

    /// Whether the states of its members are those at the rung that it has reached. External trainers keep their own
    /// states.
    pub(super) fn is_at_a_rung(&self) -> bool {
        self.at_a_rung && self.reached == self.base && self.cohort.blueprint.own().is_none()
    }

    /// Whether its members may be trained with those of `other` from now on.
    pub(super) fn goes_with(&self, other: &Work) -> bool {
        let together = (self.reached, self.until) == (other.reached, other.until);
        together && self.is_at_a_rung() && other.is_at_a_rung() && self.is_of(other)
    }

    /// Whether its members and those of `other` have the same shape and the same scores.
    pub(super) fn is_of(&self, other: &Work) -> bool {
        let (one, two) = (&self.cohort.scores, &other.cohort.scores);
        self.blueprint == other.blueprint && (Arc::ptr_eq(one, two) || one == two)
    }
}
