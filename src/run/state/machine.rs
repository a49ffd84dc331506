//! The state machine.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::message::{Clue, Effect, Ending, Fate, Finish, Input, Summary, Ticket};
use super::referee::{Referee, Wanted};
use super::settings::Settings;
use super::slot::{Sent, Slot, Worker};
use super::turn::Turn;
use super::work::Work;
use sweep_plan::measured::Known;
use sweep_plan::slot::Kind;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::trace;
use sweep_wire::event::{Cause, Event, Outcome, Record};
use sweep_wire::status::Early;

/// Everything that the orchestrator knows.
#[derive(Debug)]
pub struct Machine {
    pub(super) settings: Settings,
    pub(super) works: Vec<Work>,
    /// How many members the largest cohort of each blueprint was planned to have.
    pub(super) planned: HashMap<BlueprintId, usize>,
    /// Waiting works. Those that no decision can stop yet come first, then the longest.
    pub(super) queue: BTreeSet<(Turn, usize)>,
    /// Decides which jobs are stopped early.
    pub(super) referee: Referee,
    /// Works that wait until a time before they join the queue again.
    pub(super) resting: Vec<(f64, usize)>,
    pub(super) slots: Vec<Slot>,
    /// Slots that may be free: all free slots, and perhaps others.
    free: BTreeSet<usize>,
    /// How many slots are there.
    pub(super) there: usize,
    /// Orders that workers have.
    pub(super) out: usize,
    pub(super) fates: HashMap<JobId, Fate>,
    pub(super) jobs: usize,
    pub(super) failed: Vec<JobId>,
    /// The largest cohorts of a blueprint that may still fit on a kind of device, if larger ones ran out of memory.
    pub(super) memory_limits: Known,
    tickets: u64,
    /// The time, which never runs backwards.
    pub(super) now: f64,
    /// A worker has started an order, so workers can.
    pub(super) proven: bool,
    /// Works whose attempts ended before they started, since the last one that did start.
    pub(super) stillborn: Vec<usize>,
    pub(super) strays: usize,
    /// When a machine was last lost.
    pub(super) lost: f64,
    /// How often the user has asked to stop.
    pub(super) stops: u32,
    /// The user has asked for a pause.
    pub(super) paused: bool,
    /// Nothing new is started, and why.
    pub(super) ending: Option<Ending>,
    /// Set if all that is left waits for a decision that no running job leads to. The value says whether more work was
    /// looked for since then.
    pub(super) stuck: Option<bool>,
    said_stuck: bool,
    /// The first tick has come.
    begun: bool,
    finished: bool,
}

/// Returns the members of the largest cohort of each blueprint. Cohorts that this run planned count first.
fn planned(works: &[Work]) -> HashMap<BlueprintId, usize> {
    let mut sizes: HashMap<BlueprintId, (bool, usize)> = HashMap::new();
    for work in works {
        let size = (work.is_new(), work.cohort.members.len());
        let known = sizes.entry(work.blueprint).or_default();
        *known = size.max(*known);
    }
    sizes.into_iter().map(|(blueprint, (_, size))| (blueprint, size)).collect()
}

impl Machine {
    /// Makes a machine that trains `works` on at most `slots` slots, each of which must [join](Input::Joined) first.
    /// Nothing happens before the first [`Input::Tick`].
    pub fn new(settings: Settings, slots: usize, works: Vec<Work>) -> Self {
        let jobs = works.iter().map(|work| work.open.len()).sum();
        let mut machine = Machine {
            settings,
            planned: planned(&works),
            works,
            queue: BTreeSet::new(),
            referee: Referee::default(),
            resting: Vec::new(),
            slots: (0..slots).map(|_| Slot::new()).collect(),
            free: BTreeSet::new(),
            there: 0,
            out: 0,
            fates: HashMap::new(),
            jobs,
            failed: Vec::new(),
            memory_limits: Known::new(),
            tickets: 0,
            now: 0.0,
            proven: false,
            stillborn: Vec::new(),
            strays: 0,
            lost: f64::NEG_INFINITY,
            stops: 0,
            paused: false,
            ending: None,
            stuck: None,
            said_stuck: false,
            begun: false,
            finished: false,
        };
        (0..machine.works.len()).for_each(|work| machine.enqueue(work));
        machine
    }

    /// Lets `referee` decide which jobs to stop early. Its decisions so far are carried out with the first tick.
    #[must_use]
    pub fn under(self, referee: Referee) -> Self {
        let mut machine = Machine { referee, ..self };
        machine.resort_queue();
        machine
    }

    /// Adds `works`, which means that the run is not over. `wanted`: which of their jobs may be stopped early. Nothing
    /// happens before the next [`Input::Tick`].
    pub fn add(&mut self, works: Vec<Work>, wanted: Vec<Wanted>) {
        wanted.into_iter().for_each(|wanted| self.referee.ask(wanted));
        let first = self.works.len();
        for (blueprint, size) in planned(&works) {
            let known = self.planned.entry(blueprint).or_default();
            *known = size.max(*known);
        }
        self.jobs += works.iter().map(|work| work.open.len()).sum::<usize>();
        self.works.extend(works);
        (first..self.works.len()).for_each(|work| self.enqueue(work));
        self.free.extend(0..self.slots.len());
        self.finished = false;
    }

    /// Continues after it was [stuck](Effect::Stuck) and works may have been [added](Machine::add).
    pub fn go_on(&mut self) {
        self.stuck = self.stuck.map(|_| true);
    }

    /// Returns what follows from `input` at `now`, in seconds on any clock. If the clock runs backwards, the machine's
    /// time stands still.
    pub fn handle(&mut self, now: f64, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.now = self.now.max(now);
        if self.finished {
            // More work may come for the slots and workers that are there.
            match input {
                Input::Joined { slot, kind } => self.joined(slot, kind),
                Input::Leaving { slot } => self.leaving(slot),
                Input::Left { slot } => self.left(slot, &mut effects),
                Input::Exited { slot, status, clue } => self.exited(slot, &status, clue, &mut effects),
                Input::Stranded { .. }
                | Input::Log { .. }
                | Input::Broken { .. }
                | Input::Stop
                | Input::Warned
                | Input::Pause
                | Input::Resume
                | Input::Cancel { .. }
                | Input::Slept { .. }
                | Input::Tick => {}
            }
            return effects;
        }
        let touched = input.slot();
        self.free.extend(touched);
        let all = matches!(input, Input::Tick);
        match input {
            Input::Joined { slot, kind } => self.joined(slot, kind),
            Input::Leaving { slot } => self.leaving(slot),
            Input::Left { slot } => self.left(slot, &mut effects),
            Input::Stranded { message } => self.end(Ending::Hopeless(message), &mut effects),
            Input::Log { slot, records, offset } => self.log(slot, records, offset, &mut effects),
            Input::Broken { slot, message } => self.doom(slot, message, &mut effects),
            Input::Exited { slot, status, clue } => self.exited(slot, &status, clue, &mut effects),
            Input::Stop => self.stop(&mut effects),
            Input::Warned => self.warned(&mut effects),
            Input::Pause => self.pause(&mut effects),
            Input::Resume => self.paused = false,
            Input::Cancel { jobs } => self.cancel(&jobs, &mut effects),
            Input::Slept { seconds } => self.slept(seconds),
            Input::Tick => self.tick(&mut effects),
        }
        self.begun |= all;
        if !self.begun {
            return effects;
        }
        let works = self.judge(&mut effects);
        self.announce(&works, false, &mut effects);
        self.count_failures(&mut effects);
        self.recall(&mut effects);
        self.wake();
        if !self.is_stopping() && !self.paused {
            self.dispatch(&mut effects);
            let busy = if all { 0..self.slots.len() } else { 0..0 };
            busy.chain(touched).for_each(|slot| self.send_ahead(slot, &mut effects));
        }
        if self.stuck == Some(false) && !std::mem::replace(&mut self.said_stuck, true) {
            effects.push(Effect::Stuck);
        }
        self.said_stuck &= self.stuck == Some(false);
        self.finish(&mut effects);
        effects
    }

    /// Returns the order whose log is to be read for `slot`.
    pub fn current(&self, slot: usize) -> Option<Ticket> {
        self.slots[slot].orders.front().map(|sent| sent.ticket)
    }

    /// Returns the memory limits found by running out of memory.
    pub fn memory_limits(&self) -> &Known {
        &self.memory_limits
    }

    /// Whether the user has cancelled this job of this run.
    pub fn is_cancelled(&self, job: JobId) -> bool {
        self.fates.get(&job) == Some(&Fate::Cancelled)
    }

    /// Returns how many orders' worth of work waits: this many more slots could be busy.
    pub fn waiting(&self) -> usize {
        if self.is_stopping() || self.paused {
            return 0;
        }
        // Work that waits for a decision does not need more slots.
        let waits = self.queue.iter().rev().take_while(|(turn, _)| turn.waits).count();
        self.queue.len() - waits + self.resting.len()
    }

    /// Whether nothing new is started.
    pub fn is_stopping(&self) -> bool {
        self.ending.is_some()
    }

    fn joined(&mut self, slot: usize, kind: Kind) {
        let before = self.slots[slot].kind.replace(kind);
        self.slots[slot].slowness = 1.0;
        self.there += usize::from(before.is_none());
    }

    /// The agent that leaves has told its worker to stop, so the worker is not to blame.
    fn leaving(&mut self, slot: usize) {
        let (now, state) = (self.now, &mut self.slots[slot]);
        if !matches!(state.worker, Worker::Absent) {
            state.asked.get_or_insert(now);
        }
        self.there -= usize::from(state.kind.take().is_some());
    }

    fn left(&mut self, slot: usize, effects: &mut Vec<Effect>) {
        self.leaving(slot);
        if !matches!(self.slots[slot].worker, Worker::Absent) {
            self.exited(slot, "its machine is gone", Some(Clue::Lost), effects);
        }
    }

    fn log(&mut self, slot: usize, records: Vec<Record>, offset: u64, effects: &mut Vec<Effect>) {
        self.slots[slot].heard = self.now;
        let Some(&Sent { ticket, work, broken: false, .. }) = self.slots[slot].orders.front() else { return };
        let mut valid = Vec::with_capacity(records.len());
        let (mut ended, mut stranger, mut touched) = (None, None, BTreeSet::new());
        for record in records {
            if let Some(job) = record.event.job().filter(|job| !self.works[work].has(*job)) {
                stranger = Some(job);
                break;
            }
            self.event(slot, work, &record);
            if let Event::Ended { outcome, message } = &record.event {
                ended = Some((*outcome, message.clone()));
            }
            valid.push(record);
            // What follows in the log comes after the decision.
            if self.referee.has_verdicts() {
                effects.push(Effect::Ingest { ticket, records: std::mem::take(&mut valid), offset });
                touched.extend(self.judge(effects));
            }
            if ended.is_some() {
                break; // Nothing of this order can follow.
            }
        }
        if self.works[work].progressed {
            self.strays = 0;
        }
        if !valid.is_empty() {
            effects.push(Effect::Ingest { ticket, records: valid, offset });
        }
        if let Some((outcome, message)) = ended {
            self.slots[slot].scores.clear();
            if let Some(sent) = self.slots[slot].orders.pop_front() {
                self.out -= 1;
                self.ended(&sent, slot, outcome, message, effects);
            }
            match outcome {
                Outcome::Finished | Outcome::Reached | Outcome::Refused => {}
                // Errors of a GPU persist in a process, and so does its memory: the next attempt gets a new worker.
                Outcome::Failed | Outcome::OutOfMemory | Outcome::NoSpace => {
                    self.kill(slot, "replaced after a failure".to_owned(), false, effects);
                }
                // The worker is about to exit and has written everything.
                Outcome::Stopped if self.slots[slot].asked.is_none() => {
                    self.kill(slot, "replaced after it was stopped from outside".to_owned(), false, effects);
                }
                Outcome::Stopped => {}
            }
        } else if let Some(job) = stranger {
            if let Some(sent) = self.slots[slot].orders.front_mut() {
                sent.broken = true;
            }
            self.doom(slot, format!("its log mentions job {job}, which is not in its order"), effects);
        }
        // Workers are told only now: until everything that was read is known, nothing may be recorded for good.
        self.announce(&touched, false, effects);
    }

    fn event(&mut self, slot: usize, work: usize, record: &Record) {
        match &record.event {
            Event::Started { step, .. } => {
                // A doomed process proves nothing about the next one.
                if matches!(self.slots[slot].worker, Worker::Alive) {
                    self.stillborn.clear();
                    self.proven = true;
                }
                self.works[work].base = *step;
                self.works[work].step = *step;
                if let Some(sent) = self.slots[slot].orders.front_mut() {
                    sent.since.get_or_insert(self.now);
                    sent.began.get_or_insert((record.at, self.works[work].remaining_seconds()));
                }
            }
            Event::Progress { step, rate } => {
                self.works[work].step = *step;
                self.slots[slot].rate = *rate;
                self.slots[slot].scoring = None;
            }
            Event::Scoring { seen, all } => self.slots[slot].scoring = Some((*seen, *all)),
            Event::Scored { job, step, scores, .. } => {
                self.slots[slot].scores.clone_from(scores);
                self.slots[slot].scoring = None;
                self.referee.scored(*job, *step, scores);
            }
            Event::Losses { job, points } => {
                let steps = self.works[work].steps();
                let mut points = points.clone();
                // A later run would not know of steps that are not kept.
                points.retain(|step| trace::is_kept(step, steps));
                self.referee.lost(*job, &points);
            }
            Event::Checkpointed { step } => {
                self.works[work].checkpointed(*step);
                self.passed(work, *step);
            }
            Event::JobDone { job, .. } => self.settle(work, *job, Fate::Done),
            Event::JobFailed { job, step, cause: Cause::Diverged, .. } => {
                self.referee.diverged(*job, *step);
                self.settle(work, *job, Fate::Diverged);
            }
            Event::JobFailed { job, cause: Cause::Failed, message, .. } => {
                self.settle(work, *job, Fate::Failed(message.clone()));
            }
            Event::Ended { outcome: Outcome::Finished | Outcome::Reached, .. } => {
                let state = &mut self.slots[slot];
                if let Some((at, predicted)) = state.orders.front().and_then(|sent| sent.began) {
                    state.took(record.at - at, predicted);
                }
            }
            Event::Floor { .. } | Event::Sampled { .. } | Event::Warning { .. } | Event::Ended { .. } => {}
        }
    }

    pub(super) fn settle(&mut self, work: usize, job: JobId, fate: Fate) {
        if self.works[work].settle(job) {
            if matches!(fate, Fate::Failed(_)) {
                self.failed.push(job);
                self.works[work].without.push(job);
            }
            self.fates.insert(job, fate);
            self.referee.ended(job);
        }
    }

    /// Gives work to free slots.
    fn dispatch(&mut self, effects: &mut Vec<Effect>) {
        while let Some(slot) = self.free.pop_first() {
            if !self.slots[slot].takes_orders() || !self.slots[slot].orders.is_empty() {
                continue;
            }
            match self.next(slot) {
                Some(work) => self.send(slot, work, effects),
                None => {
                    self.free.insert(slot);
                    return;
                }
            }
        }
    }

    /// Gives the next order to a slot that will soon be free, if much work waits.
    fn send_ahead(&mut self, slot: usize, effects: &mut Vec<Effect>) {
        while self.runs_short(slot) {
            let Some(work) = self.next(slot) else { return };
            self.send(slot, work, effects);
        }
    }

    /// Whether the next work may queue behind the orders of `slot`. A worker that has been silent for longer than these
    /// should take will not be free so soon, and may be gone.
    fn runs_short(&self, slot: usize) -> bool {
        let (state, pace) = (&self.slots[slot], self.settings.pace);
        let seconds = |work: usize| self.works[work].remaining_seconds() * state.slowness;
        state.takes_orders()
            && (1..=pace.ahead).contains(&state.orders.len())
            && self.queue.len() > self.slots.len()
            && self.now - state.heard <= pace.ahead_seconds + pace.delay
            && state.orders.iter().map(|sent| seconds(sent.work)).sum::<f64>() < pace.ahead_seconds
            && self.queue.first().is_some_and(|&(turn, work)| {
                let grows = || self.may_grow(work) || self.packable(slot, turn, work).is_some();
                turn.ahead == 0 && seconds(work) < pace.ahead_seconds && !grows()
            })
    }

    fn send(&mut self, slot: usize, work: usize, effects: &mut Vec<Effect>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let state = &mut self.slots[slot];
        if matches!(state.worker, Worker::Absent) {
            state.worker = Worker::Alive;
            effects.push(Effect::Start { slot });
        }
        if state.orders.is_empty() {
            state.heard = self.now;
        }
        state.orders.push_back(Sent::new(ticket, work));
        self.out += 1;
        self.works[work].at_a_rung = false;
        let Work { cohort, ancestors, without, until, .. } = &self.works[work];
        let (cohort, ancestors, without, until) = (Arc::clone(cohort), ancestors.clone(), without.clone(), *until);
        effects.push(Effect::Send { ticket, slot, cohort, ancestors, until, without });
    }

    fn finish(&mut self, effects: &mut Vec<Effect>) {
        let waiting = !self.queue.is_empty() || !self.resting.is_empty();
        if self.out > 0 || (waiting && !self.is_stopping()) {
            return;
        }
        self.finished = true;
        let left = self.jobs - self.fates.len();
        let finish = match &self.ending {
            Some(ending) if left > 0 => Finish::Early(ending.clone()),
            Some(_) | None => Finish::Complete,
        };
        effects.push(Effect::Finish(self.summary(finish)));
    }

    /// Returns the results of the run so far, if it is over for this reason.
    pub fn summary(&self, finish: Finish) -> Summary {
        let count = |fate: &Fate| self.fates.values().filter(|other| *other == fate).count();
        let reason = |job: &JobId| match self.fates.get(job) {
            Some(Fate::Failed(message)) => message.clone(),
            Some(Fate::Done | Fate::Diverged | Fate::Cancelled | Fate::Early(_)) | None => String::new(),
        };
        Summary {
            finish,
            done: count(&Fate::Done),
            diverged: count(&Fate::Diverged),
            pruned: count(&Fate::Early(Early::Pruned)),
            collapsed: count(&Fate::Early(Early::Collapsed)),
            cancelled: count(&Fate::Cancelled),
            failed: self.failed.iter().map(|job| (*job, reason(job))).collect(),
            left: self.jobs - self.fates.len(),
        }
    }
}
