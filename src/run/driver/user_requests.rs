//! What users ask of a run, by signals and from other terminals.

use std::io;
use std::time::Instant;

use rustix::process::{Signal, getpid, kill_process};

use super::super::outcome::{Interrupted, RunError};
use super::super::requests::Request;
use super::super::signals::{self, Asked};
use super::super::state::referee::Verdict;
use super::super::state::{Ending, Finish, Input};
use super::phase::Phase;
use super::{APART, Driver, TWICE};
use sweep_spec::id::JobId;
use sweep_store::{Decision, Stopped, Taken, Write, note};
use sweep_system::clock::now;
use sweep_wire::status::Status;

impl Driver<'_> {
    pub(super) async fn signalled(&mut self, signal: Signal, asked: Asked) -> Result<(), RunError> {
        let input = match asked {
            Asked::Suspend => {
                // Workers first: once this process stands still, nothing else would stop them.
                self.executor.suspend();
                return Ok(kill_process(getpid(), Signal::STOP).map_err(io::Error::from)?);
            }
            Asked::Continue => {
                self.executor.go_on();
                return Ok(());
            }
            // `timeout` sends one signal to the process and one to its group at the same time.
            Asked::Stop if self.signalled.is_some_and(|at| at.elapsed() < TWICE) => return Ok(()),
            Asked::Stop => Input::Stop,
            Asked::Warned => Input::Warned,
        };
        self.signal.get_or_insert(signals::number(signal));
        tracing::info!(?signal, "asked to stop");
        match (self.interrupted, signal) {
            (Interrupted::Ask(ask), Signal::INT) if self.answer.is_some() => {
                if let Some(answer) = self.answer.take() {
                    // A thread that waits for an answer ends with this process.
                    std::thread::spawn(move || answer.send(ask()));
                }
            }
            (Interrupted::Ask(_), Signal::HUP) | (Interrupted::Leave, _) => self.interrupted(input, true).await?,
            (Interrupted::Ask(_) | Interrupted::Stop, _) => self.interrupted(input, false).await?,
        }
        if asked == Asked::Stop {
            // The time counts from here: if two signals came together, the second has been waiting, however long this
            // took.
            self.signalled = Some(Instant::now());
        }
        Ok(())
    }

    /// Ends the run. Workers stop, or keep running if `leave` is set.
    pub(super) async fn interrupted(&mut self, input: Input, leave: bool) -> Result<(), RunError> {
        match &self.phase {
            Phase::Running(machine) if leave => self.summary = Some(machine.summary(Finish::Early(Ending::Left))),
            Phase::Running(_) | Phase::Before { .. } => self.handle(input).await?,
        }
        self.record().await
    }

    /// Carries out a request from another terminal.
    pub(super) async fn asked(&mut self, request: Request) -> Result<(), RunError> {
        tracing::info!(?request, "asked from another terminal");
        match request {
            Request::Pause => {
                self.paused = true;
                self.handle(Input::Pause).await
            }
            Request::Resume => {
                self.paused = false;
                self.handle(Input::Resume).await
            }
            Request::Cancel(mut jobs) => {
                self.handle(Input::Cancel { jobs: jobs.clone() }).await?;
                // This includes jobs that the run does not know: no other process can write while it is at work.
                jobs.retain(|job| !self.phase.is_cancelled(*job));
                if let Phase::Before { .. } = &self.phase {
                    self.cancelled.extend(&jobs);
                }
                self.cancel(jobs)
            }
        }
    }

    /// Records that the user has cancelled `jobs`, and how much was known of them at that time.
    pub(super) fn cancel(&mut self, jobs: Vec<JobId>) -> Result<(), RunError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let (at, taken) = self.known_of(&jobs);
        let decided = [(jobs, Decision::Cancel, taken)];
        note((&self.orders.home, at), &decided)?;
        self.ledger.extend(decided.into_iter().map(|(jobs, decision, _)| Write::Decided { jobs, decision }));
        Ok(())
    }

    /// Records that jobs were stopped early, and how much was known of them at that time.
    pub(super) fn stop_early(&mut self, verdicts: Vec<Verdict>) -> Result<(), RunError> {
        let mut decided = Vec::with_capacity(verdicts.len());
        let mut at = 0.0;
        for Verdict { jobs, early, step, why } in verdicts {
            tracing::info!(jobs = jobs.len(), step, why, "{}", Status::from(early));
            let (now, taken) = self.known_of(&jobs);
            at = now;
            decided.push((jobs, Decision::Stop(Stopped { early, step, why }), taken));
        }
        note((&self.orders.home, at), &decided)?;
        self.ledger.extend(decided.into_iter().map(|(jobs, decision, _)| Write::Decided { jobs, decision }));
        Ok(())
    }

    /// Returns the time of a decision about `jobs`, which is later than all known events, and how much was known of
    /// them then.
    fn known_of(&mut self, jobs: &[JobId]) -> (f64, Vec<Taken>) {
        // Orders that only measure are not in the database.
        let is_recorded = matches!(self.phase, Phase::Running(_));
        let theirs = self.attempts.values().filter(|attempt| is_recorded && attempt.has_any(jobs));
        let taken =
            theirs.map(|attempt| Taken { cohort: attempt.cohort, attempt: attempt.number, events: attempt.taken });
        let taken = taken.collect();
        self.latest = now().max(self.latest + APART);
        (self.latest, taken)
    }
}
