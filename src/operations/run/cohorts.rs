//! Which jobs of a run train together.

use std::collections::HashSet;
use std::sync::Arc;

use crate::Tell;
use crate::cohort_sizes::{answer, open_questions, what};
use crate::run::following::{Following, Next};
use sweep_plan::cohort::Cohort;
use sweep_plan::measured::{Known, Question};
use sweep_plan::slot::Slot;
use sweep_plan::{Limits, Shape, plan};
use sweep_report::format::plural;
use sweep_run::executor::Place;
use sweep_run::state::Work;
use sweep_run::state::referee::Referee;
use sweep_run::{Later, More, Planner, RunError};
use sweep_spec::job::Task;

/// What a run trains: cohorts that have begun stay as they are, and the other jobs go into new ones.
pub(crate) struct Cohorts<'a> {
    pub(crate) begun: Vec<Work>,
    pub(crate) new: Vec<Task>,
    pub(crate) limits: Limits,
    /// Decides which of them are stopped early.
    pub(crate) referee: Referee,
    /// What comes when all of that has ended.
    pub(crate) next: Next<'a>,
    /// SWEEP_WORKER trains, which measures nothing.
    pub(crate) own_worker: bool,
    pub(crate) tell: &'a Tell,
    /// With agents, there may be this many places like the present ones.
    pub(crate) expected: Option<usize>,
    /// Returns what to say when this many cohorts train on this many slots.
    pub(crate) opening: &'a dyn Fn(usize, usize) -> String,
}

impl Cohorts<'_> {
    /// Returns the slots of `places`, and records their kinds.
    fn slots(&mut self, places: &[Place]) -> Vec<Slot> {
        self.limits.kinds = places.iter().map(|place| (place.slot.device, place.kind.clone())).collect();
        if let Some(bytes) = places.iter().filter_map(|place| place.bytes).min() {
            self.limits.cpu_bytes = Some(bytes);
        }
        let slots = places.iter().map(|place| place.slot.clone());
        match self.expected {
            None => slots.collect(),
            Some(count) => slots.cycle().take(count.max(places.len())).collect(),
        }
    }
}

impl Planner for Cohorts<'_> {
    fn questions(&mut self, places: &[Place]) -> Vec<Question> {
        let slots = self.slots(places);
        let questions = if self.own_worker { Vec::new() } else { open_questions(&self.new, &slots, &self.limits) };
        if !questions.is_empty() {
            let networks = plural(questions.len(), "network");
            self.tell.say(format!("measuring how many jobs train best together: {networks} to try"));
        }
        questions
    }

    fn answered(&mut self, question: &Question, failure: Option<&str>) {
        match (failure, answer(question)) {
            (Some(why), _) => tracing::warn!("{}: not measured, so using an estimate: {why}", what(question)),
            (None, Some(text)) => self.tell.say(text),
            (None, None) => {}
        }
    }

    fn plan(&mut self, places: &[Place], known: &Known) -> Result<Vec<Work>, RunError> {
        let slots = self.slots(places);
        if !known.is_empty() {
            self.limits.known = sweep_run::add_measurements(self.next.records.home, known)?;
        }
        let works = works(std::mem::take(&mut self.begun), std::mem::take(&mut self.new), &slots, &self.limits);
        self.tell.say((self.opening)(works.len(), slots.len()));
        Ok(works)
    }

    fn referee(&mut self) -> Referee {
        std::mem::take(&mut self.referee)
    }

    fn has_more(&self) -> bool {
        self.next.has_more()
    }

    fn more<'p>(&'p mut self, places: &'p [Place]) -> Later<'p, Result<More, RunError>> {
        Box::pin(async {
            let Following { tasks, wanted, longer } = self.next.following().await?;
            let slots = if tasks.is_empty() { Vec::new() } else { self.slots(places) };
            let keeps = self.next.sweeps.iter().flat_map(|sweep| sweep.keeps.iter().copied()).collect();
            Ok(More { works: works(Vec::new(), tasks, &slots, &self.limits), wanted, keeps, after: longer })
        })
    }
}

/// Returns what to train: begun cohorts as they are, and new ones for the other jobs.
fn works(begun: Vec<Work>, new: Vec<Task>, slots: &[Slot], limits: &Limits) -> Vec<Work> {
    let placed = plan(new, slots, limits).cohorts.into_iter();
    let new = placed.map(|placed| {
        let seconds = placed.seconds;
        let whole = |(_, step): (_, u64)| {
            placed.cohort.blueprint.steps() as f64 / (placed.cohort.blueprint.steps() - step) as f64
        };
        let seconds = seconds * placed.earlier.map_or(1.0, whole);
        let work = Work::new(Arc::new(placed.cohort), 0, &HashSet::new(), seconds);
        match placed.earlier {
            Some((cohort, step)) => work.after(cohort, step),
            None => work,
        }
    });
    let begun = begun.into_iter().map(|work| {
        let seconds = predicted(work.cohort(), slots, limits);
        work.taking(seconds)
    });
    begun.chain(new).collect()
}

/// Returns the predicted time of a cohort on the first slot.
fn predicted(cohort: &Cohort, slots: &[Slot], limits: &Limits) -> f64 {
    let Cohort { blueprint, scores, members, .. } = cohort;
    let of = Shape { id: blueprint.id(), blueprint, scores };
    slots.first().map_or(0.0, |slot| limits.seconds(of, members.len(), slot))
}
