//! Turns effects into calls.

use std::sync::Arc;

use super::super::attempt::{Attempt, Details, Orders};
use super::super::outcome::RunError;
use super::super::state::{Effect, Rest, Ticket};
use super::{APART, Driver, PROBE_SECONDS, Unsent, Wordless};
use sweep_plan::cohort::Cohort;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::Job;
use sweep_store::{AttemptEnd, AttemptOutcome, Members, NewAttempt, Write};
use sweep_system::clock::now;
use sweep_wire::event::Outcome;
use sweep_wire::home::Home;

impl Driver<'_> {
    pub(super) async fn act_all(&mut self, effects: Vec<Effect>) -> Result<(), RunError> {
        for effect in effects {
            self.act(effect).await?;
        }
        Ok(())
    }

    async fn act(&mut self, effect: Effect) -> Result<(), RunError> {
        match effect {
            Effect::Start { slot } => {
                let worker = self.executor.start(slot)?;
                self.alive.insert(slot, worker);
                self.over[slot] = 0;
                self.wordless.retain(|(at, _), _| *at != slot);
            }
            Effect::Send { ticket, slot, cohort, ancestors, until, without } => {
                let may_go_on = |&of: &CohortId| std::fs::exists(self.orders.from(&cohort, of)).unwrap_or(true);
                let mut parents: Vec<CohortId> = Vec::new();
                for parent in ancestors.into_iter().filter_map(|line| line.into_iter().find(may_go_on)) {
                    if !parents.contains(&parent) {
                        parents.push(parent);
                    }
                }
                self.unsent.push(Unsent { ticket, slot, cohort, parents, until, without });
            }
            Effect::Measure { ticket, slot, jobs } => self.measure(ticket, slot, jobs)?,
            Effect::Answered { question, failure } => self.answered.push((question, failure)),
            // What the jobs reported before the cancellation counts, so it is written first.
            Effect::Cancelled { jobs } => self.cancel(jobs)?,
            Effect::Early(verdicts) => self.stop_early(verdicts)?,
            Effect::Ingest { ticket, records, offset } => {
                if let Some(attempt) = self.attempts.get_mut(&ticket) {
                    attempt.taken = records.last().map_or(attempt.taken, |last| last.seq + 1);
                    let (cohort, attempt) = (attempt.cohort, attempt.number);
                    self.ledger.push(Write::Events { cohort, attempt, records, offset });
                }
            }
            Effect::Finished { ticket, slot } => {
                self.executor.over(slot);
                self.over[slot] += 1;
                self.attempts.remove(&ticket);
            }
            Effect::End { ticket, slot, outcome, message, rest } => {
                self.record().await?;
                if let Some(attempt) = self.attempts.remove(&ticket) {
                    self.end(&attempt, slot, outcome, message, rest)?;
                }
            }
            // The database learns of it before the worker does, unless the database is locked. Earlier orders go out
            // first.
            Effect::Control { ticket, without } => {
                self.record().await?;
                if let Some(attempt) = self.attempts.get(&ticket) {
                    attempt.control(without)?;
                }
            }
            // Earlier orders go out first.
            Effect::Stop { slot } => {
                self.record().await?;
                self.executor.stop(slot);
            }
            Effect::Close { slot } => {
                self.record().await?;
                self.executor.close(slot);
            }
            Effect::Kill { slot } => {
                self.record().await?;
                self.executor.kill(slot);
            }
            Effect::Stuck => self.stuck = true,
            Effect::Finish(summary) => self.summary = Some(summary),
        }
        Ok(())
    }

    /// Sends an order that is not recorded in the database.
    fn measure(&mut self, ticket: Ticket, slot: usize, jobs: Vec<(JobId, Job)>) -> Result<(), RunError> {
        let Some(place) = &self.places[slot] else { return Ok(()) };
        let orders = Orders::new(self.orders.home.probes(), self.orders.data.clone(), 0);
        let orders = Orders { probe_seconds: Some(PROBE_SECONDS), ..orders };
        self.probes += 1;
        let cohort = Cohort::new(jobs, [].into());
        let attempt = Attempt::write(&orders, &cohort, self.probes, &place.slot, Details::default())?;
        self.executor.send(slot, &attempt.folder.order());
        self.attempts.insert(ticket, attempt);
        Ok(())
    }

    fn end(
        &mut self,
        attempt: &Attempt,
        slot: usize,
        outcome: Option<Outcome>,
        message: String,
        rest: Rest,
    ) -> Result<(), RunError> {
        let (cohort, number) = (attempt.cohort, attempt.number);
        let outcome = outcome.map_or(AttemptOutcome::Died, AttemptOutcome::from);
        if outcome == AttemptOutcome::Stopped {
            tracing::info!(slot, %cohort, attempt = number, message, "attempt stopped");
        } else {
            let next = if rest == Rest::Fails { "; its jobs have failed" } else { "" };
            tracing::warn!("cohort {cohort}, attempt {number}: {}: {message}{next}", outcome.name());
        }
        let stderr = self.executor.over(slot);
        self.over[slot] += 1;
        if outcome != AttemptOutcome::Stopped {
            self.last_words.clone_from(&stderr);
        }
        let end = AttemptEnd {
            outcome,
            message,
            stderr,
            members: match rest {
                Rest::Waits => Members::Release,
                Rest::Fails => Members::Fail,
            },
            at: now(),
        };
        end.save(&attempt.folder)?;
        if end.stderr.is_empty() && outcome != AttemptOutcome::Stopped {
            let wordless = Wordless { cohort, number, folder: attempt.folder.clone(), end: end.clone() };
            self.wordless.insert((slot, self.over[slot] - 1), wordless);
        }
        self.ledger.push(Write::End { cohort, attempt: number, end });
        Ok(())
    }

    /// Adds last words that arrived late: what a failed attempt at `slot` wrote to stderr may be seen after its
    /// failure.
    pub(super) fn add_late_words(&mut self, slot: usize) -> Result<(), RunError> {
        for (order, stderr) in self.executor.late_words(slot) {
            let Some(of) = self.wordless.remove(&(slot, order)) else { continue };
            self.last_words.clone_from(&stderr);
            AttemptEnd { stderr: stderr.clone(), ..of.end }.save(&of.folder)?;
            self.ledger.push(Write::Words { cohort: of.cohort, attempt: of.number, stderr });
        }
        Ok(())
    }

    /// Writes waiting rows to the database, then sends the orders that it now knows of. If the database is locked,
    /// sends them anyway.
    pub(super) async fn record(&mut self) -> Result<(), RunError> {
        if !self.unsent.is_empty() {
            self.check_hold()?;
        }
        let mut new = Vec::new();
        for unsent in std::mem::take(&mut self.unsent) {
            // A slot that was never there gets no orders.
            let Some(place) = self.places[unsent.slot].clone() else { continue };
            let number = self.made.get(&unsent.cohort.id).copied().unwrap_or(0) + 1;
            self.made.insert(unsent.cohort.id, number);
            // Times are unique and never go back, even past those of a machine whose clock is ahead: a rebuild sorts
            // attempts by them.
            self.latest = now().max(self.latest + APART);
            let start = NewAttempt {
                cohort: Arc::clone(&unsent.cohort),
                without: unsent.without.clone(),
                after: self.orders.after(&unsent.cohort, &unsent.parents),
                parents: unsent.parents.clone(),
                directory: Home::place(unsent.cohort.id),
                slot: place.name,
                number,
                at: self.latest,
            };
            self.ledger.push(Write::Start(start.clone()));
            new.push((unsent, place.slot, start));
        }
        self.ledger.flush(self.store).await?;
        for (Unsent { ticket, slot, until, .. }, place, start) in new {
            let NewAttempt { cohort, parents, without, after, slot: name, number, at, .. } = start;
            let details = Details { parents, after, until, without, slot: Some(name), at: Some(at) };
            let attempt = Attempt::write(&self.orders, &cohort, number, &place, details)?;
            tracing::info!(slot, cohort = %cohort.id, attempt = number, members = cohort.members.len(), "order");
            self.executor.send(slot, &attempt.folder.order());
            self.attempts.insert(ticket, attempt);
        }
        Ok(())
    }
}
