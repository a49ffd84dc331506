//! The state machine.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::message::{Effect, Fate, Finish, Input, Rest, Summary, Ticket};
use super::slot::{Sent, Slot, Worker};
use super::work::Work;
use crate::plan::measured::Known;
use crate::plan::slot::Kind;
use crate::spec::id::JobId;
use crate::wire::event::{Cause, Event, Outcome, Record};

/// So many workers in a row died before they started their order: the fault is not the cohorts'.
const STILLBORN_LIMIT: u32 = 5;

/// So many workers in a row stopped though nobody here had asked them to, without progress between: someone wants this to end.
const STRAY_STOPS_LIMIT: u32 = 5;

/// A cohort is sent to a busy worker only if both it and the one before it are predicted to take less than this: else nothing is
/// gained, and another slot may come free earlier.
const PREFETCH_SECONDS: f64 = 2.0;

/// How patient it is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// A cohort fails after so many attempts in a row without progress.
    pub tries: u32,
    /// A busy worker that gives no sign of life for so many seconds is killed; infinite: never.
    pub silence: f64,
}

/// Everything that the orchestrator knows.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    pub(super) works: Vec<Work>,
    /// Works that wait, longest first.
    queue: BTreeSet<(Reverse<u64>, usize)>,
    pub(super) slots: Vec<Slot>,
    pub(super) fates: HashMap<JobId, Fate>,
    pub(super) jobs: usize,
    failed: Vec<JobId>,
    /// The largest cohorts of a blueprint that may still fit on a kind of device, where larger ones were out of memory.
    learnt: Known,
    tickets: u64,
    stillborn: u32,
    stray_stops: u32,
    stops: u32,
    hopeless: Option<String>,
    finished: bool,
}

impl Machine {
    /// `works` on one slot or more, of devices of these kinds. Nothing happens before the first [`Input::Tick`].
    pub fn new(settings: Settings, slots: Vec<Kind>, works: Vec<Work>) -> Self {
        let jobs = works.iter().map(|work| work.open.len()).sum();
        let mut machine = Machine {
            settings,
            works,
            queue: BTreeSet::new(),
            slots: slots.into_iter().map(Slot::new).collect(),
            fates: HashMap::new(),
            jobs,
            failed: Vec::new(),
            learnt: Known::new(),
            tickets: 0,
            stillborn: 0,
            stray_stops: 0,
            stops: 0,
            hopeless: None,
            finished: false,
        };
        (0..machine.works.len()).for_each(|work| machine.enqueue(work));
        machine
    }

    /// What follows from `input` at `now` (seconds on any clock that does not run backwards).
    pub fn handle(&mut self, now: f64, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.finished {
            return effects;
        }
        match input {
            Input::Log { slot, records, offset } => self.log(now, slot, records, offset, &mut effects),
            Input::Broken { slot, message } => self.doom(slot, message, &mut effects),
            Input::Exited { slot, status } => self.exited(slot, &status, &mut effects),
            Input::Stop => self.stop(&mut effects),
            Input::Tick => self.tick(now, &mut effects),
        }
        if !self.is_stopping() {
            self.dispatch(now, &mut effects);
        }
        self.finish(&mut effects);
        effects
    }

    /// The order whose log is to be read for `slot`.
    pub fn current(&self, slot: usize) -> Option<Ticket> {
        self.slots[slot].orders.front().map(|sent| sent.ticket)
    }

    /// What running out of memory has taught.
    pub fn learnt(&self) -> &Known {
        &self.learnt
    }

    /// Whether nothing new is started any more.
    pub fn is_stopping(&self) -> bool {
        self.stops > 0 || self.hopeless.is_some()
    }

    fn log(&mut self, now: f64, slot: usize, records: Vec<Record>, offset: u64, effects: &mut Vec<Effect>) {
        self.slots[slot].heard = now;
        let Some(&Sent { ticket, work, broken: false, .. }) = self.slots[slot].orders.front() else { return };
        let mut valid = Vec::with_capacity(records.len());
        let mut ended = None;
        let mut stranger = None;
        for record in records {
            if let Some(job) = job_of(&record.event).filter(|job| !self.works[work].has(*job)) {
                stranger = Some(job);
                break;
            }
            self.event(slot, work, &record.event);
            if let Event::Ended { outcome, message } = &record.event {
                ended = Some((*outcome, message.clone()));
            }
            valid.push(record);
            if ended.is_some() {
                break; // Nothing of this order can follow.
            }
        }
        if self.works[work].progressed {
            self.stray_stops = 0;
        }
        if !valid.is_empty() {
            effects.push(Effect::Ingest { ticket, records: valid, offset });
        }
        if let Some((outcome, message)) = ended {
            self.slots[slot].scores.clear();
            if let Some(sent) = self.slots[slot].orders.pop_front() {
                self.ended(&sent, slot, outcome, message, effects);
            }
            match outcome {
                Outcome::Finished | Outcome::Refused => {}
                // Errors of a GPU stick to the process, and so does memory: the next attempt gets a fresh one.
                Outcome::Failed | Outcome::OutOfMemory => {
                    self.kill(slot, "replaced after a failure".to_owned(), false, effects);
                }
                // It is about to exit, with all that it had to write behind it.
                Outcome::Stopped if !self.is_stopping() => {
                    self.kill(slot, "replaced after it was stopped from outside".to_owned(), false, effects);
                }
                Outcome::Stopped => {}
            }
        } else if let Some(job) = stranger {
            if let Some(sent) = self.slots[slot].orders.front_mut() {
                sent.broken = true;
            }
            self.doom(slot, format!("its log speaks of job {job}, which is not in its order"), effects);
        }
    }

    fn event(&mut self, slot: usize, work: usize, event: &Event) {
        match event {
            Event::Started { step, .. } => {
                // A doomed process proves nothing about the next one.
                if matches!(self.slots[slot].worker, Worker::Alive) {
                    self.stillborn = 0;
                }
                self.works[work].base = *step;
                self.works[work].step = *step;
                if let Some(sent) = self.slots[slot].orders.front_mut() {
                    sent.started = true;
                }
            }
            Event::Progress { step, rate } => {
                self.works[work].step = *step;
                self.slots[slot].rate = *rate;
                self.slots[slot].scoring = None;
            }
            Event::Scoring { seen, all } => self.slots[slot].scoring = Some((*seen, *all)),
            Event::Scored { scores, .. } => {
                self.slots[slot].scores.clone_from(scores);
                self.slots[slot].scoring = None;
            }
            Event::Checkpointed { step } => self.works[work].checkpointed(*step),
            Event::JobDone { job, .. } => self.settle(work, *job, Fate::Done),
            Event::JobFailed { job, cause: Cause::Diverged, .. } => self.settle(work, *job, Fate::Diverged),
            Event::JobFailed { job, cause: Cause::Failed, message, .. } => {
                self.settle(work, *job, Fate::Failed(message.clone()));
            }
            Event::Floor { .. } | Event::Sampled { .. } | Event::Warning { .. } | Event::Ended { .. } => {}
        }
    }

    fn settle(&mut self, work: usize, job: JobId, fate: Fate) {
        if self.works[work].settle(job) {
            if matches!(fate, Fate::Failed(_)) {
                self.failed.push(job);
            }
            self.fates.insert(job, fate);
        }
    }

    /// An attempt reported its own end.
    fn ended(&mut self, sent: &Sent, slot: usize, outcome: Outcome, message: String, effects: &mut Vec<Effect>) {
        let &Sent { ticket, work, started, .. } = sent;
        let members = self.works[work].cohort.members.len();
        let open = self.works[work].open.len();
        let (message, rest) = match outcome {
            Outcome::Finished if open == 0 => {
                effects.push(Effect::Finished { ticket, slot });
                return;
            }
            Outcome::Finished => {
                self.again(work, format!("the worker finished, but said nothing of {open} of its jobs"))
            }
            Outcome::Stopped if self.is_stopping() => self.withdraw(work, message),
            Outcome::Stopped => self.stray_stop(work, effects),
            Outcome::Failed if !started => self.stillborn(work, message, effects),
            Outcome::Failed => self.again(work, message),
            Outcome::Refused => self.fail(work, message),
            Outcome::OutOfMemory if members == 1 => {
                self.fail(work, format!("out of memory with a single model: {message}"))
            }
            Outcome::OutOfMemory => {
                let kind = self.slots[slot].kind.clone();
                let known = self.learnt.entry(kind).or_default();
                known.entry(self.works[work].cohort.blueprint.id()).or_default().out_of_memory(members);
                self.split(work, members.div_ceil(2));
                (message, Rest::Waits)
            }
        };
        effects.push(Effect::End { ticket, slot, outcome: Some(outcome), message, rest });
    }

    fn exited(&mut self, slot: usize, status: &str, effects: &mut Vec<Effect>) {
        let state = &mut self.slots[slot];
        state.rate = 0.0;
        state.scores.clear();
        state.scoring = None;
        let worker = std::mem::take(&mut state.worker);
        let orders = std::mem::take(&mut state.orders);
        let (message, to_blame) = match worker {
            Worker::Doomed { why, to_blame } => (why, to_blame),
            Worker::Alive | Worker::Absent => (format!("the worker died ({status})"), true),
        };
        for (place, Sent { ticket, work, started, .. }) in orders.into_iter().enumerate() {
            if !started && (place > 0 || !to_blame || self.is_stopping()) {
                let (message, rest) = self.withdraw(work, "not started: its worker ended before".to_owned());
                effects.push(Effect::End { ticket, slot, outcome: Some(Outcome::Stopped), message, rest });
                continue;
            }
            let (why, rest) = if !to_blame || self.is_stopping() {
                self.withdraw(work, message.clone())
            } else if started {
                self.again(work, message.clone())
            } else {
                self.stillborn(work, message.clone(), effects)
            };
            effects.push(Effect::End { ticket, slot, outcome: None, message: why, rest });
        }
    }

    /// An attempt ended before it started. Its jobs are not to blame, and wait; other works go first.
    fn stillborn(&mut self, work: usize, message: String, effects: &mut Vec<Effect>) -> (String, Rest) {
        self.stillborn += 1;
        if self.stillborn >= STILLBORN_LIMIT && !self.is_stopping() {
            self.hopeless = Some(message.clone());
            self.halt(effects);
        }
        if !self.works[work].open.is_empty() {
            self.works[work].attempt_withdrawn();
            self.queue.insert((Reverse(0), work));
        }
        (message, Rest::Waits)
    }

    /// A worker was stopped by someone else. Nobody is to blame; but it must not go on for ever.
    fn stray_stop(&mut self, work: usize, effects: &mut Vec<Effect>) -> (String, Rest) {
        let message = "its worker was stopped from outside".to_owned();
        self.stray_stops += u32::from(!self.works[work].progressed);
        if self.stray_stops >= STRAY_STOPS_LIMIT && !self.is_stopping() {
            self.hopeless = Some(format!("{STRAY_STOPS_LIMIT} workers in a row were stopped from outside"));
            self.halt(effects);
        }
        self.withdraw(work, message)
    }

    fn tick(&mut self, now: f64, effects: &mut Vec<Effect>) {
        for slot in 0..self.slots.len() {
            let state = &self.slots[slot];
            if !state.orders.is_empty() && now - state.heard > self.settings.silence {
                let silence = self.settings.silence;
                self.doom(slot, format!("the worker gave no sign of life for {silence} s and was killed"), effects);
            }
        }
    }

    fn stop(&mut self, effects: &mut Vec<Effect>) {
        self.stops += 1;
        if self.stops == 1 {
            self.halt(effects);
        } else {
            for slot in 0..self.slots.len() {
                self.kill(slot, "killed on request".to_owned(), false, effects);
            }
        }
    }

    /// Lets every worker come to an end.
    fn halt(&mut self, effects: &mut Vec<Effect>) {
        for (slot, state) in self.slots.iter().enumerate() {
            if matches!(state.worker, Worker::Alive) {
                effects.push(if state.orders.is_empty() { Effect::Close { slot } } else { Effect::Stop { slot } });
            }
        }
    }

    /// Kills a worker for what it did with its order.
    fn doom(&mut self, slot: usize, why: String, effects: &mut Vec<Effect>) {
        self.kill(slot, why, true, effects);
    }

    fn kill(&mut self, slot: usize, why: String, to_blame: bool, effects: &mut Vec<Effect>) {
        if matches!(self.slots[slot].worker, Worker::Alive) {
            self.slots[slot].worker = Worker::Doomed { why, to_blame };
            effects.push(Effect::Kill { slot });
        }
    }

    /// An attempt got no further: another one, unless too many got nothing done. Gives the message for the record.
    fn again(&mut self, work: usize, message: String) -> (String, Rest) {
        if self.works[work].open.is_empty() {
            return (message, Rest::Waits);
        }
        match self.works[work].attempt_ended() {
            fruitless if fruitless < self.settings.tries => {
                self.enqueue(work);
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

    fn split(&mut self, work: usize, size: usize) {
        let parts = self.works[work].split(size);
        self.works[work].open.clear();
        for part in parts {
            self.works.push(part);
            self.enqueue(self.works.len() - 1);
        }
    }

    fn enqueue(&mut self, work: usize) {
        let milliseconds = (self.works[work].remaining_seconds() * 1e3) as u64;
        self.queue.insert((Reverse(milliseconds), work));
    }

    /// Gives work to free slots, and to nearly free ones while much waits.
    fn dispatch(&mut self, now: f64, effects: &mut Vec<Effect>) {
        for place in 0..2 {
            for slot in 0..self.slots.len() {
                let state = &self.slots[slot];
                if state.orders.len() > place || matches!(state.worker, Worker::Doomed { .. }) {
                    continue;
                }
                if place == 1 && !self.prefetches(slot) {
                    continue;
                }
                let Some(work) = self.next(slot) else { return };
                self.send(now, slot, work, effects);
            }
        }
    }

    /// Whether the next work may queue behind the one that `slot` is at.
    fn prefetches(&self, slot: usize) -> bool {
        let short = |work: usize| self.works[work].remaining_seconds() < PREFETCH_SECONDS;
        let (current, next) = (self.slots[slot].orders.front(), self.queue.first());
        self.queue.len() > self.slots.len()
            && current.is_some_and(|sent| short(sent.work))
            && next.is_some_and(|(_, work)| short(*work))
    }

    /// Takes the longest work off the queue, after splitting it if it is known to be too large for the device of `slot`.
    fn next(&mut self, slot: usize) -> Option<usize> {
        loop {
            let (_, work) = self.queue.pop_first()?;
            if self.learnt.is_empty() || self.works[work].base > 0 {
                return Some(work);
            }
            let known = self.learnt.get(&self.slots[slot].kind);
            let known = known.and_then(|known| known.get(&self.works[work].cohort.blueprint.id()));
            match known.and_then(|measured| measured.limit) {
                Some(limit) if self.works[work].cohort.members.len() > limit => self.split(work, limit),
                Some(_) | None => return Some(work),
            }
        }
    }

    fn send(&mut self, now: f64, slot: usize, work: usize, effects: &mut Vec<Effect>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let state = &mut self.slots[slot];
        if matches!(state.worker, Worker::Absent) {
            state.worker = Worker::Alive;
            effects.push(Effect::Start { slot });
        }
        if state.orders.is_empty() {
            state.heard = now;
        }
        state.orders.push_back(Sent { ticket, work, started: false, broken: false });
        effects.push(Effect::Send { ticket, slot, cohort: Arc::clone(&self.works[work].cohort) });
    }

    fn finish(&mut self, effects: &mut Vec<Effect>) {
        let busy = self.slots.iter().any(|slot| !slot.orders.is_empty());
        if busy || (!self.is_stopping() && !self.queue.is_empty()) {
            return;
        }
        self.finished = true;
        let count = |fate: &Fate| self.fates.values().filter(|&other| other == fate).count();
        let left = self.jobs - self.fates.len();
        let finish = match &self.hopeless {
            Some(message) if left > 0 => Finish::Hopeless(message.clone()),
            Some(_) | None if left > 0 => Finish::Stopped,
            Some(_) | None => Finish::Complete,
        };
        let reason = |job: &JobId| match self.fates.get(job) {
            Some(Fate::Failed(message)) => message.clone(),
            Some(Fate::Done | Fate::Diverged) | None => String::new(),
        };
        effects.push(Effect::Finish(Summary {
            finish,
            done: count(&Fate::Done),
            diverged: count(&Fate::Diverged),
            failed: self.failed.iter().map(|job| (*job, reason(job))).collect(),
            left,
        }));
    }
}

/// The job that an event speaks of.
fn job_of(event: &Event) -> Option<JobId> {
    match event {
        Event::Scored { job, .. }
        | Event::Sampled { job, .. }
        | Event::JobDone { job, .. }
        | Event::JobFailed { job, .. } => Some(*job),
        Event::Started { .. }
        | Event::Progress { .. }
        | Event::Scoring { .. }
        | Event::Floor { .. }
        | Event::Warning { .. }
        | Event::Checkpointed { .. }
        | Event::Ended { .. } => None,
    }
}
