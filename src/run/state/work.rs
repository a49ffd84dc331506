//! One cohort on its way through attempts.

use std::collections::HashSet;
use std::sync::Arc;

use sweep_plan::cohort::Cohort;
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_spec::job::Job;

/// A cohort to train, and what is known about it.
#[derive(Clone, Debug)]
pub struct Work {
    pub(super) cohort: Arc<Cohort>,
    /// What its members share.
    pub(super) blueprint: BlueprintId,
    /// The cohorts that members were in before, the latest first, a list for each of those that they come from: until there is a checkpoint of its own,
    /// it goes on from that of one in each list.
    pub(super) ancestors: Vec<Vec<CohortId>>,
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
    /// It has come to the step up to which it was to be trained, and nobody has been told to go on from there.
    pub(super) at_a_rung: bool,
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

    /// The same where its members go on from the last states of those of `earlier`, which did `step` of the steps.
    #[must_use]
    pub fn after(self, earlier: CohortId, step: u64) -> Work {
        Work { ancestors: vec![vec![earlier]], base: step, step, fits: false, ..self }
    }

    /// The same where members were in other cohorts before, the latest first, a list for each of those that they come from; without the members that were
    /// cancelled.
    #[must_use]
    pub fn with(self, ancestors: Vec<Vec<CohortId>>, without: Vec<JobId>) -> Work {
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
        self.at_a_rung = true;
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
        Work::packed(&[self], self.open.len().div_ceil(size.max(1)))
    }

    /// The open members of `works`, which have come to the same step and differ in nothing else, in so many new cohorts.
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

    /// A cohort of members of other ones, which it goes on from.
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
        // One that it comes from has a folder, and a checkpoint, by the same name if it has the same members in this order.
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
            // So long the job has taken that has taken longest.
            spent: from.iter().map(|work| work.spent).fold(0.0, f64::max),
            reached: from[0].reached,
            at_a_rung: from.iter().all(|work| work.at_a_rung),
            fits: false,
            ..Work::new(Arc::new(cohort), from[0].base, &HashSet::new(), seconds)
        }
        .with(ancestors, Vec::new())
    }

    /// Whether it was not begun, nor made of what was.
    pub(super) fn is_new(&self) -> bool {
        self.step == 0 && self.ancestors.is_empty()
    }

    /// Whether the states of its members are those of the rung that it has come to. Trainers of the user's own keep theirs themselves.
    pub(super) fn is_at_a_rung(&self) -> bool {
        self.at_a_rung && self.reached == self.base && self.cohort.blueprint.own().is_none()
    }

    /// Whether its members may be trained with those of `other` from now on.
    pub(super) fn goes_with(&self, other: &Work) -> bool {
        let together = (self.reached, self.until) == (other.reached, other.until);
        together && self.is_at_a_rung() && other.is_at_a_rung() && self.is_of(other)
    }

    /// Whether its members and those of `other` are of one shape, and scored alike.
    pub(super) fn is_of(&self, other: &Work) -> bool {
        let (one, two) = (&self.cohort.scores, &other.cohort.scores);
        self.blueprint == other.blueprint && (Arc::ptr_eq(one, two) || one == two)
    }
}
