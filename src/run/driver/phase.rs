//! The phases of a run: before and after there is a plan. Each has its own state machine.

use super::super::executor::Place;
use super::super::ledger::{LAST, PATIENCE};
use super::super::outcome::{More, Planner, RunError, Standing};
use super::super::state::{Ending, Finish, Input, Machine, Prober, Summary, Ticket};
use super::Driver;
use sweep_spec::id::JobId;

/// The phase of a run, with the state machine that decides the next steps.
pub(super) enum Phase {
    /// There is no plan yet. `asked`: whether the planner was asked what to measure.
    Before { prober: Prober, asked: bool },
    /// There is a plan.
    Running(Box<Machine>),
}

impl Phase {
    pub(super) fn current(&self, slot: usize) -> Option<Ticket> {
        match self {
            Phase::Before { prober, .. } => prober.current(slot),
            Phase::Running(machine) => machine.current(slot),
        }
    }

    pub(super) fn is_cancelled(&self, job: JobId) -> bool {
        match self {
            Phase::Before { .. } => false,
            Phase::Running(machine) => machine.is_cancelled(job),
        }
    }
}

impl Driver<'_> {
    /// Asks the planner what to measure as soon as there is a slot, and what to train once that is measured.
    pub(super) async fn decide(&mut self, planner: &mut dyn Planner) -> Result<(), RunError> {
        for (question, failure) in std::mem::take(&mut self.answered) {
            planner.answered(&question, failure.as_deref());
        }
        let Phase::Before { prober, asked } = &mut self.phase else { return Ok(()) };
        let now = self.start.elapsed().as_secs_f64();
        let there: Vec<(usize, Place)> =
            self.there.iter().filter_map(|&slot| Some((slot, self.places[slot].clone()?))).collect();
        let places = || there.iter().map(|(_, place)| place.clone()).collect::<Vec<_>>();
        if !*asked && !there.is_empty() && !prober.is_stopped() {
            *asked = true;
            let firsts = there.iter().filter(|(_, place)| place.first);
            let slots = firsts.map(|(slot, place)| (*slot, place.kind.clone())).collect();
            let effects = prober.ask(slots, planner.questions(&places()));
            return self.act_all(effects).await;
        }
        if prober.is_stopped() && prober.is_done() {
            let finish = Finish::Early(prober.ending().unwrap_or(Ending::Asked));
            self.summary = Some(Summary {
                finish,
                done: 0,
                diverged: 0,
                pruned: 0,
                collapsed: 0,
                cancelled: 0,
                failed: Vec::new(),
                left: 0,
            });
            return Ok(());
        }
        if !*asked || !prober.is_done() || !self.answered.is_empty() || there.is_empty() {
            return Ok(());
        }
        let mut works = planner.plan(&places(), prober.known())?;
        for work in &mut works {
            self.cancelled.iter().for_each(|job| work.cancel(*job));
        }
        works.retain(|work| work.open().next().is_some());
        let mut referee = planner.referee();
        self.cancelled.iter().for_each(|job| referee.ended(*job));
        let mut machine = Machine::new(self.settings, self.places.len(), works).under(referee);
        let mut effects = Vec::new();
        for (slot, place) in there {
            effects.extend(machine.handle(now, Input::Joined { slot, kind: place.kind }));
        }
        if self.paused {
            effects.extend(machine.handle(now, Input::Pause));
        }
        effects.extend(machine.handle(now, Input::Tick));
        self.phase = Phase::Running(Box::new(machine));
        self.act_all(effects).await
    }

    /// Asks the planner for more work when everything has ended, and trains it if there is any.
    pub(super) async fn goes_on(&mut self, summary: &mut Summary, planner: &mut dyn Planner) -> Result<bool, RunError> {
        if summary.finish != Finish::Complete {
            return Ok(false);
        }
        if self.signal.is_some() {
            if planner.has_more() {
                summary.finish = Finish::Early(Ending::Asked);
            }
            return Ok(false);
        }
        // What was trained can't be read from a locked database, so the run ends. The next run asks again.
        if self.ledger.settle(self.store, std::future::pending()).await?.is_some() {
            return Ok(false);
        }
        let More { works, wanted, .. } = self.more(planner).await?;
        let (Phase::Running(machine), false) = (&mut self.phase, works.is_empty()) else { return Ok(false) };
        machine.add(works, wanted);
        self.handle(Input::Tick).await?;
        self.record().await?;
        Ok(true)
    }

    /// Asks the planner for more work when everything that is left waits for a decision, then lets that go on.
    pub(super) async fn free(&mut self, planner: &mut dyn Planner) -> Result<(), RunError> {
        let More { works, wanted, .. } = match self.ledger.settle(self.store, std::future::pending()).await? {
            None => self.more(planner).await?,
            Some(_) => More::default(),
        };
        if let Phase::Running(machine) = &mut self.phase {
            machine.add(works, wanted);
            machine.go_on();
        }
        self.handle(Input::Tick).await?;
        self.record().await
    }

    /// Asks the planner for more work.
    async fn more(&mut self, planner: &mut dyn Planner) -> Result<More, RunError> {
        // Slots that are gone count, too: others of their kind may replace them.
        let places: Vec<Place> = self.places.iter().flatten().cloned().collect();
        // There is nothing else to do in the meantime.
        self.store.wait_for_locks(LAST).await?;
        let more = planner.more(&places).await;
        self.store.wait_for_locks(PATIENCE).await?;
        self.latest = self.latest.max(self.store.known_until().await?);
        if let Ok(More { keeps, after, .. }) = &more {
            self.orders.keeps.extend(keeps);
            self.orders.after.extend(after);
        }
        more
    }

    /// Returns the state of the run for display.
    pub(super) fn standing(&self) -> Standing {
        match &self.phase {
            Phase::Before { asked: false, .. } => Standing::Waiting,
            Phase::Before { prober, .. } => {
                let (answered, questions) = prober.standing();
                let now = self.there.iter().filter_map(|&slot| prober.at(slot));
                let now = now.map(|(question, members)| (question.clone(), members)).collect();
                Standing::Measuring { answered, questions, now }
            }
            Phase::Running(machine) => Standing::Training(machine.view()),
        }
    }
}
