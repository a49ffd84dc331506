//! Who decides what a run does: before there is a plan, and after.

use super::super::executor::Place;
use super::super::ledger::{LAST, PATIENCE};
use super::super::outcome::{More, Planner, RunError, Standing};
use super::super::state::{Ending, Finish, Input, Machine, Prober, Summary, Ticket};
use super::Driver;
use sweep_spec::id::JobId;

/// Who decides.
pub(super) enum Mind {
    /// Before there is a plan; whether the planner was asked what is to be measured.
    Before { prober: Prober, asked: bool },
    /// After that.
    Running(Box<Machine>),
}

impl Mind {
    pub(super) fn current(&self, slot: usize) -> Option<Ticket> {
        match self {
            Mind::Before { prober, .. } => prober.current(slot),
            Mind::Running(machine) => machine.current(slot),
        }
    }

    pub(super) fn is_cancelled(&self, job: JobId) -> bool {
        match self {
            Mind::Before { .. } => false,
            Mind::Running(machine) => machine.is_cancelled(job),
        }
    }
}

impl Driver<'_> {
    /// Asks the planner what to measure once there is a place, and what to train once that is known.
    pub(super) async fn decide(&mut self, planner: &mut dyn Planner) -> Result<(), RunError> {
        for (question, failure) in std::mem::take(&mut self.answered) {
            planner.answered(&question, failure.as_deref());
        }
        let Mind::Before { prober, asked } = &mut self.mind else { return Ok(()) };
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
        self.mind = Mind::Running(Box::new(machine));
        self.act_all(effects).await
    }

    /// Asks the planner for more once all has come to its end, and trains that, if there is something.
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
        // A locked database says nothing about what was trained: it ends the run, and the next one asks.
        if self.ledger.settle(self.store, std::future::pending()).await?.is_some() {
            return Ok(false);
        }
        let More { works, wanted, .. } = self.more(planner).await?;
        let (Mind::Running(machine), false) = (&mut self.mind, works.is_empty()) else { return Ok(false) };
        machine.add(works, wanted);
        self.handle(Input::Tick).await?;
        self.record().await?;
        Ok(true)
    }

    /// Asks the planner for more where all that is left waits for a decision, and lets it go on.
    pub(super) async fn free(&mut self, planner: &mut dyn Planner) -> Result<(), RunError> {
        let More { works, wanted, .. } = match self.ledger.settle(self.store, std::future::pending()).await? {
            None => self.more(planner).await?,
            Some(_) => More::default(),
        };
        if let Mind::Running(machine) = &mut self.mind {
            machine.add(works, wanted);
            machine.go_on();
        }
        self.handle(Input::Tick).await?;
        self.record().await
    }

    /// Asks the planner for more.
    async fn more(&mut self, planner: &mut dyn Planner) -> Result<More, RunError> {
        // Those that have gone may be replaced by others of their kind.
        let places: Vec<Place> = self.places.iter().flatten().cloned().collect();
        // Nothing else is there to do meanwhile.
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

    /// For the display.
    pub(super) fn standing(&self) -> Standing {
        match &self.mind {
            Mind::Before { asked: false, .. } => Standing::Waiting,
            Mind::Before { prober, .. } => {
                let (answered, questions) = prober.standing();
                let now = self.there.iter().filter_map(|&slot| prober.at(slot));
                let now = now.map(|(question, members)| (question.clone(), members)).collect();
                Standing::Measuring { answered, questions, now }
            }
            Mind::Running(machine) => Standing::Training(machine.view()),
        }
    }
}
