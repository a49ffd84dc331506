//! What happens after an attempt has ended.

use std::collections::BTreeSet;

use super::machine::Machine;
use super::message::{Clue, Effect, Ending, Fate, Rest};
use super::slot::{Sent, Worker};
use super::turn::Turn;
use sweep_spec::id::JobId;
use sweep_wire::event::Outcome;

/// The run ends if this many workers in a row died before they started their order and none has ever started one: the
/// cohorts are not to blame.
const STILLBORN_LIMIT: usize = 5;

/// It also ends if this many cohorts in a row did not get that far, even if others have.
const STILLBORN_WORKS: usize = 4;

/// It also ends if this many workers in a row, or as many as there are slots if these are more, were ended from outside
/// without progress between: someone wants the run to end. With many machines, some are always lost.
const STRAYS_LIMIT: usize = 5;

/// Workers that are lost within this many seconds count as lost together.
const TOGETHER: f64 = 5.0;

impl Machine {
    /// An attempt reported its own end.
    pub(super) fn ended(
        &mut self,
        sent: &Sent,
        slot: usize,
        outcome: Outcome,
        message: String,
        effects: &mut Vec<Effect>,
    ) {
        let &Sent { ticket, work, .. } = sent;
        self.spend(sent);
        let open = self.works[work].open.len();
        let (message, rest) = match outcome {
            Outcome::Finished if open == 0 => {
                effects.push(Effect::Finished { ticket, slot });
                return;
            }
            // Members that were pruned are not trained further, and the others wait for their turn.
            Outcome::Reached if open == 0 => {
                effects.push(Effect::Finished { ticket, slot });
                return;
            }
            Outcome::Reached => {
                self.works[work].has_reached();
                let step = self.works[work].reached_step();
                self.passed(work, step + 1);
                self.again(work, format!("at step {step}, where its cells are compared with others"))
            }
            Outcome::Finished => {
                self.again(work, format!("the worker finished, but reported nothing about {open} of its jobs"))
            }
            Outcome::Stopped if sent.timed_out => self.time_out(work),
            // The attempt hangs now and then. It may still make progress.
            Outcome::Stopped if sent.silent => {
                self.again(work, format!("{}, and stopped when asked to", self.no_sign()))
            }
            Outcome::Stopped if self.slots[slot].asked.is_some() => self.withdraw(work, message),
            Outcome::Stopped => self.stray(work, "its worker was stopped from outside".to_owned(), effects),
            Outcome::NoSpace => self.no_space(work, message, effects),
            Outcome::Failed if !sent.is_started() => self.stillborn(work, message, effects),
            Outcome::Failed => self.again(work, message),
            Outcome::Refused => self.fail(work, message),
            Outcome::OutOfMemory => self.out_of_memory(slot, work, message),
        };
        effects.push(Effect::End { ticket, slot, outcome: Some(outcome), message, rest });
    }

    /// A worker is gone, and its orders with it.
    pub(super) fn exited(&mut self, slot: usize, status: &str, clue: Option<Clue>, effects: &mut Vec<Effect>) {
        let state = &mut self.slots[slot];
        if clue == Some(Clue::Lost) {
            // The slot is about to be reported as gone, and nothing must be sent there in between.
            self.there -= usize::from(state.kind.take().is_some());
        }
        state.forget();
        let (worker, asked) = (std::mem::take(&mut state.worker), state.asked.take().is_some());
        let orders = std::mem::take(&mut state.orders);
        self.out -= orders.len();
        let silent = orders.front().is_some_and(|sent| sent.silent);
        // A worker that was killed here says nothing about the system.
        let (message, to_blame, clue) = match worker {
            Worker::Doomed { why, to_blame } => (why, to_blame, None),
            Worker::Alive | Worker::Absent if silent => (format!("{} and died ({status})", self.no_sign()), true, clue),
            Worker::Alive | Worker::Absent => (format!("the worker died ({status})"), !asked, clue),
        };
        for (place, sent) in orders.into_iter().enumerate() {
            let Sent { ticket, work, timed_out, .. } = sent;
            self.spend(&sent);
            let started = sent.is_started();
            if place > 0 || (!started && (!to_blame || self.is_stopping())) {
                let (message, rest) = self.withdraw(work, "not started: its worker ended before".to_owned());
                effects.push(Effect::End { ticket, slot, outcome: Some(Outcome::Stopped), message, rest });
                continue;
            }
            let mut outcome = None;
            let (why, rest) = match clue {
                _ if timed_out => self.time_out(work),
                Some(Clue::NoSpace) => self.no_space(work, message.clone(), effects),
                _ if !to_blame || self.is_stopping() => {
                    // All of its jobs were cancelled.
                    outcome = self.works[work].open.is_empty().then_some(Outcome::Stopped);
                    self.withdraw(work, message.clone())
                }
                Some(Clue::NoMemory) => {
                    outcome = Some(Outcome::OutOfMemory);
                    self.out_of_memory(slot, work, message.clone())
                }
                // All workers of a machine are lost at once.
                Some(Clue::Lost) if self.now - self.lost < TOGETHER => self.withdraw(work, message.clone()),
                Some(Clue::Lost) => {
                    self.lost = self.now;
                    self.stray(work, message.clone(), effects)
                }
                // A killed worker says nothing about whether workers can start.
                Some(Clue::Killed) => self.again(work, message.clone()),
                None if started => self.again(work, message.clone()),
                None => self.stillborn(work, message.clone(), effects),
            };
            effects.push(Effect::End { ticket, slot, outcome, message: why, rest });
        }
    }

    /// Adds the time of an attempt to that of its work.
    fn spend(&mut self, sent: &Sent) {
        let since = sent.since.unwrap_or(self.now);
        self.works[sent.work].spent += self.now - since;
    }

    /// An attempt ended before it started. Unless this is the only work, its jobs are not to blame. They wait, and
    /// other works go first.
    fn stillborn(&mut self, work: usize, message: String, effects: &mut Vec<Effect>) -> (String, Rest) {
        self.stillborn.push(work);
        let works = self.stillborn.iter().collect::<BTreeSet<_>>().len();
        if (!self.proven && self.stillborn.len() >= STILLBORN_LIMIT) || works >= STILLBORN_WORKS {
            let why = format!("workers end before they start their orders: {message}");
            self.end(Ending::Hopeless(why), effects);
        }
        if self.proven && !self.is_stopping() {
            return self.again(work, message);
        }
        if !self.works[work].open.is_empty() {
            self.works[work].attempt_withdrawn();
            self.queue.insert((Turn::LAST, work));
        }
        (message, Rest::Waits)
    }

    /// A worker was stopped by someone else, or is gone with its machine. It is not to blame, but this must not
    /// continue for ever.
    fn stray(&mut self, work: usize, message: String, effects: &mut Vec<Effect>) -> (String, Rest) {
        self.strays += usize::from(!self.works[work].progressed);
        let limit = STRAYS_LIMIT.max(self.slots.len());
        if self.strays >= limit {
            let why = format!("{limit} workers in a row were ended from outside without progress: {message}");
            self.end(Ending::Hopeless(why), effects);
        }
        self.withdraw(work, message)
    }

    /// There is no space for what a worker has to write. Its jobs are not to blame, and no other worker would do
    /// better.
    fn no_space(&mut self, work: usize, message: String, effects: &mut Vec<Effect>) -> (String, Rest) {
        self.end(Ending::NoSpace(message.clone()), effects);
        self.withdraw(work, message)
    }

    fn out_of_memory(&mut self, slot: usize, work: usize, message: String) -> (String, Rest) {
        let members = self.works[work].cohort.members.len();
        if members == 1 {
            return self.fail(work, format!("out of memory with a single model: {message}"));
        }
        let blueprint = self.works[work].cohort.blueprint.id();
        if let Some(kind) = self.slots[slot].kind.clone() {
            self.memory_limits.entry(kind).or_default().entry(blueprint).or_default().out_of_memory(members);
        }
        self.split(work, members.div_ceil(2));
        (message, Rest::Waits)
    }

    /// A job has used up its time.
    fn time_out(&mut self, work: usize) -> (String, Rest) {
        let limit = self.settings.job_time;
        self.fail(work, format!("the time limit of {limit} s for a job has passed; its last checkpoint is kept"))
    }

    /// An attempt got no further. Retries it, unless too many attempts made no progress. Returns the message to record.
    fn again(&mut self, work: usize, message: String) -> (String, Rest) {
        if self.works[work].open.is_empty() {
            return (message, Rest::Waits);
        }
        match self.works[work].attempt_ended() {
            0 => {
                self.enqueue(work);
                (message, Rest::Waits)
            }
            fruitless if fruitless < self.settings.tries => {
                let pause = self.settings.pause(self.works[work].cohort.id, fruitless);
                self.resting.push((self.now + pause, work));
                (message, Rest::Waits)
            }
            1 => self.fail(work, message),
            fruitless => self.fail(work, format!("{fruitless} attempts without progress; the last: {message}")),
        }
    }

    /// An attempt ended through no fault of its own.
    fn withdraw(&mut self, work: usize, message: String) -> (String, Rest) {
        if !self.works[work].open.is_empty() {
            self.works[work].attempt_withdrawn();
            self.enqueue(work);
        }
        (message, Rest::Waits)
    }

    fn fail(&mut self, work: usize, message: String) -> (String, Rest) {
        let members = &self.works[work].cohort.members;
        let open: Vec<JobId> =
            members.iter().map(|(id, _)| *id).filter(|id| self.works[work].open.contains(id)).collect();
        open.iter().for_each(|job| self.settle(work, *job, Fate::Failed(message.clone())));
        (message, Rest::Fails)
    }

    pub(super) fn split(&mut self, work: usize, size: usize) {
        let parts = self.works[work].split(size);
        self.works[work].open.clear();
        for part in parts {
            self.works.push(part);
            self.enqueue(self.works.len() - 1);
        }
    }
}
