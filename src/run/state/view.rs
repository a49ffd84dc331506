//! The state of a run for display.

use super::machine::Machine;
use super::message::Fate;
use super::work::Work;
use sweep_spec::id::CohortId;
use sweep_wire::event::Score;

/// The state of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Jobs of this run.
    pub jobs: usize,
    /// Jobs that have ended in any way.
    pub settled: usize,
    /// Jobs that failed.
    pub failed: usize,
    /// Steps of all jobs together.
    pub steps: u64,
    /// How many of them are done, or will never be since their jobs have ended. Falls when an attempt dies.
    pub steps_done: u64,
    /// Predicted seconds of remaining work if one slot did it all. Only its changes mean much.
    pub work_left: f64,
    /// Whether the run is stopping.
    pub stopping: bool,
    /// Whether the user has asked for a pause.
    pub paused: bool,
    /// How many slots are there.
    pub there: usize,
    /// One entry per slot, there or not.
    pub slots: Vec<Option<SlotView>>,
}

/// What a busy slot is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotView {
    /// The cohort.
    pub cohort: CohortId,
    /// Its objective and data set.
    pub what: (&'static str, &'static str),
    /// Models in it.
    pub members: usize,
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Model-steps per second.
    pub rate: f64,
    /// Images evaluated so far for the current score, and their total.
    pub scoring: Option<(u64, u64)>,
    /// The scores last reported, of any member.
    pub scores: Vec<Score>,
}

impl Machine {
    /// Returns the state of the run.
    pub fn view(&self) -> View {
        let mut view = View {
            jobs: self.jobs,
            settled: self.fates.len(),
            failed: self.fates.values().filter(|fate| matches!(fate, Fate::Failed(_))).count(),
            steps: 0,
            steps_done: 0,
            work_left: 0.0,
            stopping: self.is_stopping() && !self.is_finishing(),
            paused: self.paused,
            there: self.there,
            slots: self
                .slots
                .iter()
                .map(|slot| slot.orders.front().map(|sent| self.slot_view(slot, sent.work)))
                .collect(),
        };
        for work in &self.works {
            // Members of a split cohort count in its parts.
            let (open, settled) = (work.open.len() as u64, work.settled);
            let step = work.step.min(work.steps());
            view.steps += (open + settled) * work.steps();
            view.steps_done += settled * work.steps() + open * step;
            if open > 0 {
                view.work_left += work.seconds * (1.0 - step as f64 / work.steps().max(1) as f64);
            }
        }
        view
    }

    fn slot_view(&self, slot: &super::slot::Slot, work: usize) -> SlotView {
        let Work { cohort, step, .. } = &self.works[work];
        SlotView {
            cohort: cohort.id,
            what: (cohort.blueprint.objective_name(), cohort.blueprint.dataset_name()),
            members: cohort.members.len(),
            step: *step,
            steps: cohort.blueprint.steps(),
            rate: slot.rate,
            scoring: slot.scoring,
            scores: slot.scores.clone(),
        }
    }
}
