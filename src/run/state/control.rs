//! How time and the user end, pause and limit work in progress.

use std::collections::BTreeSet;

use super::machine::Machine;
use super::message::{Effect, Ending, Fate};
use super::slot::{Sent, Worker};
use sweep_spec::id::JobId;

impl Machine {
    pub(super) fn tick(&mut self, effects: &mut Vec<Effect>) {
        let (now, settings) = (self.now, self.settings);
        let delay = settings.pace.delay;
        for slot in 0..self.slots.len() {
            let state = &mut self.slots[slot];
            let (silence, asked) = (now - state.heard, state.asked.map(|asked| now - asked));
            let mut silent = false;
            if let Some(sent) = state.orders.front_mut() {
                let took = self.works[sent.work].spent + sent.since.map_or(0.0, |since| now - since);
                sent.timed_out |= took > settings.job_time;
                // Not if the worker was asked before: it still has its grace period.
                sent.silent |= asked.is_none() && silence > settings.silence + delay;
                silent = sent.silent;
                if sent.timed_out || sent.silent {
                    self.ask(slot, effects);
                }
            }
            match asked {
                // To reply, it has as long again as it may be silent.
                Some(since) if silent && since > settings.grace.min(settings.silence) + delay => {
                    let why = format!("{}, did not stop when asked to, and was killed", self.no_sign());
                    self.doom(slot, why, effects);
                }
                Some(since) if since > settings.grace + delay => {
                    let why = format!("the worker did not stop within {} s and was killed", settings.grace);
                    self.kill(slot, why, false, effects);
                }
                Some(_) | None => {}
            }
        }
        if now > settings.run_time {
            self.end(Ending::TimeLimit, effects);
        }
    }

    /// Describes what a silent worker has done.
    pub(super) fn no_sign(&self) -> String {
        format!("the worker gave no sign of life for {} s", self.settings.silence)
    }

    /// This process was suspended for `seconds`. All timeouts start again for workers that could not be heard or told
    /// anything in the meantime. Jobs did not train during that time, either. Only the time limit of the run counts
    /// real time.
    pub(super) fn slept(&mut self, seconds: f64) {
        for slot in &mut self.slots {
            slot.heard = self.now;
            slot.asked = slot.asked.map(|_| self.now);
            for sent in &mut slot.orders {
                sent.since = sent.since.map(|since| self.now.min(since + seconds));
            }
        }
    }

    pub(super) fn warned(&mut self, effects: &mut Vec<Effect>) {
        self.end(Ending::Asked, effects);
        // Cohorts that would run to their end could take too long now.
        self.ask_all(effects);
    }

    pub(super) fn stop(&mut self, effects: &mut Vec<Effect>) {
        self.stops += 1;
        if self.stops == 1 {
            self.warned(effects);
        } else {
            for slot in 0..self.slots.len() {
                self.kill(slot, "killed on request".to_owned(), false, effects);
            }
        }
    }

    /// Stops all workers after a checkpoint and starts none until the pause is over, which frees their devices and
    /// memory.
    pub(super) fn pause(&mut self, effects: &mut Vec<Effect>) {
        self.paused = true;
        self.ask_all(effects);
    }

    /// Cancels jobs. The others of their cohorts continue: at once if workers can be told while they train, otherwise
    /// from a checkpoint.
    pub(super) fn cancel(&mut self, jobs: &[JobId], effects: &mut Vec<Effect>) {
        let (cancelled, touched) = self.drop(jobs, &Fate::Cancelled);
        if cancelled.is_empty() {
            return;
        }
        effects.push(Effect::Cancelled { jobs: cancelled });
        self.announce(&touched, true, effects);
    }

    /// Removes jobs from the works in which they are open. Returns these jobs and works.
    pub(super) fn drop(&mut self, jobs: &[JobId], fate: &Fate) -> (Vec<JobId>, BTreeSet<usize>) {
        let jobs: BTreeSet<JobId> = jobs.iter().copied().collect();
        let (mut dropped, mut touched) = (Vec::new(), BTreeSet::new());
        for (at, work) in self.works.iter_mut().enumerate() {
            // Iterates over the smaller one.
            let found: Vec<JobId> = match jobs.len() < work.open.len() {
                true => jobs.iter().copied().filter(|job| work.open.contains(job)).collect(),
                false => work.open.iter().copied().filter(|job| jobs.contains(job)).collect(),
            };
            for job in found {
                work.cancel(job);
                self.fates.insert(job, fate.clone());
                dropped.push(job);
                touched.insert(at);
            }
        }
        dropped.sort_unstable();
        dropped.iter().for_each(|job| self.referee.ended(*job));
        let over = |work: &usize| self.works[*work].open.is_empty();
        self.queue.retain(|(_, work)| !over(work));
        self.resting.retain(|(_, work)| !over(work));
        (dropped, touched)
    }

    /// Tells workers that members of these works are no longer trained. With `at_once`, kills workers that have no
    /// other members, and otherwise lets them end.
    pub(super) fn announce(&mut self, touched: &BTreeSet<usize>, at_once: bool, effects: &mut Vec<Effect>) {
        for slot in 0..if touched.is_empty() { 0 } else { self.slots.len() } {
            let orders = &self.slots[slot].orders;
            if orders.iter().all(|sent| !touched.contains(&sent.work)) {
                continue;
            }
            if at_once && orders.iter().all(|sent| self.works[sent.work].open.is_empty()) {
                self.kill(slot, "its jobs were cancelled".to_owned(), false, effects);
            } else if self.settings.control {
                self.tell(slot, touched, effects);
            } else {
                self.ask(slot, effects);
            }
        }
    }

    /// Tells the worker of `slot` which members of its orders for `works` are no longer trained. A worker that is about
    /// to exit need not know: the next order says it.
    pub(super) fn tell(&self, slot: usize, works: &BTreeSet<usize>, effects: &mut Vec<Effect>) {
        let state = &self.slots[slot];
        if !matches!(state.worker, Worker::Alive) || state.asked.is_some() {
            return;
        }
        let concerned = state.orders.iter().filter(|sent| works.contains(&sent.work));
        let control =
            |sent: &Sent| Effect::Control { ticket: sent.ticket, without: self.works[sent.work].without.clone() };
        effects.extend(concerned.map(control));
    }

    /// Ends the run if too many jobs have failed.
    pub(super) fn count_failures(&mut self, effects: &mut Vec<Effect>) {
        if self.failed.len() >= self.settings.max_failures {
            self.end(Ending::Failures, effects);
        }
    }

    /// Whether nothing new is started, but running cohorts finish.
    pub(super) fn is_finishing(&self) -> bool {
        self.ending == Some(Ending::Failures) && self.settings.finish_running
    }

    /// Takes back work that waits behind the last cohort to finish.
    pub(super) fn recall(&mut self, effects: &mut Vec<Effect>) {
        if !self.is_finishing() {
            return;
        }
        for slot in 0..self.slots.len() {
            if self.slots[slot].orders.front().is_some_and(|sent| !sent.is_started()) {
                self.ask(slot, effects);
            }
        }
    }

    /// Starts nothing new, and stops what runs unless it may finish. The first reason counts.
    pub(super) fn end(&mut self, ending: Ending, effects: &mut Vec<Effect>) {
        // A run that lets cohorts finish after too many failures may still have to stop them.
        if self.is_stopping() && !(self.is_finishing() && ending != Ending::Failures) {
            return;
        }
        let finish_running = ending == Ending::Failures && self.settings.finish_running;
        self.ending = Some(ending);
        if !finish_running {
            self.ask_all(effects);
        }
    }

    /// Asks every worker to checkpoint and exit.
    fn ask_all(&mut self, effects: &mut Vec<Effect>) {
        (0..self.slots.len()).for_each(|slot| self.ask(slot, effects));
    }

    /// Asks the worker of `slot` to checkpoint and exit.
    pub(super) fn ask(&mut self, slot: usize, effects: &mut Vec<Effect>) {
        let (now, state) = (self.now, &mut self.slots[slot]);
        if matches!(state.worker, Worker::Alive) && state.asked.is_none() {
            state.asked = Some(now);
            effects.push(if state.orders.is_empty() { Effect::Close { slot } } else { Effect::Stop { slot } });
        }
    }

    /// Kills a worker for what it did with its order.
    pub(super) fn doom(&mut self, slot: usize, why: String, effects: &mut Vec<Effect>) {
        self.kill(slot, why, true, effects);
    }

    pub(super) fn kill(&mut self, slot: usize, why: String, to_blame: bool, effects: &mut Vec<Effect>) {
        if matches!(self.slots[slot].worker, Worker::Alive) {
            self.slots[slot].worker = Worker::Doomed { why, to_blame };
            effects.push(Effect::Kill { slot });
        }
    }
}
