//! Measurements before there is a plan: how many jobs train best together on devices for which that is not known.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::message::{Clue, Effect, Ending, Input, Ticket};
use super::settings::Pace;
use sweep_plan::measured::{Known, Measured, Question};
use sweep_plan::slot::Kind;
use sweep_wire::event::{Event, Outcome, Record};

/// No cohort may take longer than this, in seconds. The first step of a large one takes seconds; on a GPU that hangs it
/// takes for ever.
const PATIENCE: f64 = 300.0;

/// Answers questions by training one cohort at a time on each slot. It is done when no worker is left.
#[derive(Debug)]
pub struct Prober {
    pace: Pace,
    slots: BTreeMap<usize, Slot>,
    queue: VecDeque<Question>,
    total: usize,
    answered: usize,
    known: Known,
    tickets: u64,
    now: f64,
    ending: Option<Ending>,
}

#[derive(Debug)]
struct Slot {
    /// `None` if the slot is gone or was never to be measured on. Its worker may still be there.
    kind: Option<Kind>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No worker.
    Absent,
    /// A worker without an order that was told to exit.
    Closed,
    Busy(Measuring),
    /// Killed, but not gone yet; the next question to measure.
    Leaving(Option<Question>),
}

/// A cohort that trains.
#[derive(Debug)]
struct Measuring {
    ticket: Ticket,
    question: Question,
    members: usize,
    rate: Option<f64>,
    since: f64,
}

impl Prober {
    /// Makes a prober without questions.
    pub fn new(pace: Pace) -> Self {
        Prober {
            pace,
            slots: BTreeMap::new(),
            queue: VecDeque::new(),
            total: 0,
            answered: 0,
            known: Known::new(),
            tickets: 0,
            now: 0.0,
            ending: None,
        }
    }

    /// Measures answers to `questions` on `slots`, of these kinds. No two slots may be on one device: they would
    /// measure each other.
    pub fn ask(&mut self, slots: Vec<(usize, Kind)>, questions: Vec<Question>) -> Vec<Effect> {
        self.total += questions.len();
        self.queue.extend(questions);
        for (slot, kind) in slots {
            self.slots.insert(slot, Slot { kind: Some(kind), state: State::Absent });
        }
        let mut effects = Vec::new();
        let slots: Vec<usize> = self.slots.keys().copied().collect();
        slots.into_iter().for_each(|slot| self.go_on(slot, None, &mut effects));
        effects
    }

    /// Whether there is nothing left to do and no worker is left.
    pub fn is_done(&self) -> bool {
        let of_queue =
            |slot: &Slot| slot.kind.as_ref().is_some_and(|kind| self.queue.iter().any(|of| of.kind == *kind));
        self.slots.values().all(|slot| matches!(slot.state, State::Absent) && (self.is_stopped() || !of_queue(slot)))
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.ending.is_some()
    }

    /// Returns why it was stopped.
    pub fn ending(&self) -> Option<Ending> {
        self.ending.clone()
    }

    /// Returns what was measured, complete or not.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Returns how many questions are answered or have failed, and how many there are.
    pub fn standing(&self) -> (usize, usize) {
        (self.answered, self.total)
    }

    /// Returns what is measured at `slot`: the question, and the members of the cohort.
    pub fn at(&self, slot: usize) -> Option<(&Question, usize)> {
        match &self.slots.get(&slot)?.state {
            State::Busy(Measuring { question, members, .. }) => Some((question, *members)),
            State::Absent | State::Closed | State::Leaving(_) => None,
        }
    }

    /// Returns the order whose log is to be read for `slot`.
    pub fn current(&self, slot: usize) -> Option<Ticket> {
        match &self.slots.get(&slot)?.state {
            State::Busy(measuring) => Some(measuring.ticket),
            State::Absent | State::Closed | State::Leaving(_) => None,
        }
    }

    /// Returns what follows from `input` at `now`.
    pub fn handle(&mut self, now: f64, input: Input) -> Vec<Effect> {
        self.now = self.now.max(now);
        let mut effects = Vec::new();
        match input {
            Input::Log { slot, records, .. } => self.log(slot, records, &mut effects),
            Input::Broken { slot, message } => {
                self.replace(slot, |question| (question, Some(message)), &mut effects);
            }
            Input::Exited { slot, status, clue } => self.exited(slot, &status, clue, &mut effects),
            Input::Leaving { slot } => {
                if let Some(slot) = self.slots.get_mut(&slot) {
                    slot.kind = None;
                }
            }
            Input::Left { slot } => {
                if let Some(slot) = self.slots.get_mut(&slot) {
                    slot.kind = None;
                }
                self.exited(slot, "its machine is gone", Some(Clue::Lost), &mut effects);
            }
            Input::Stop | Input::Warned => self.stop(Ending::Asked, &mut effects),
            Input::Stranded { message } => self.stop(Ending::Hopeless(message), &mut effects),
            Input::Slept { seconds } => {
                let busy = self.slots.values_mut().filter_map(|slot| match &mut slot.state {
                    State::Busy(measuring) => Some(measuring),
                    State::Absent | State::Closed | State::Leaving(_) => None,
                });
                busy.for_each(|measuring| measuring.since += seconds);
            }
            Input::Tick => self.tick(&mut effects),
            // Slots that come later are not needed here.
            Input::Joined { .. } | Input::Pause | Input::Resume | Input::Cancel { .. } => {}
        }
        effects
    }

    /// Sends the next order for `question`, or for the next one in the queue, to the slot's idle worker.
    fn go_on(&mut self, slot: usize, question: Option<Question>, effects: &mut Vec<Effect>) {
        let mut current = question;
        while let Some(kind) = self.slots.get(&slot).and_then(|slot| slot.kind.clone()) {
            let next = self.queue.iter().position(|question| question.kind == kind);
            let Some(question) = current.take().or_else(|| self.queue.remove(next?)) else { break };
            match question.known.next(question.jobs.len()) {
                Some(members) => return self.send(slot, question, members, effects),
                None => self.close(question, None, effects),
            }
        }
        self.queue.extend(current);
        if let Some(state) = self.slots.get_mut(&slot).map(|slot| &mut slot.state)
            && matches!(state, State::Busy(_))
        {
            *state = State::Closed;
            effects.push(Effect::Close { slot });
        }
    }

    fn send(&mut self, slot: usize, question: Question, members: usize, effects: &mut Vec<Effect>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let Some(at) = self.slots.get_mut(&slot) else { return };
        if matches!(at.state, State::Absent) {
            effects.push(Effect::Start { slot });
        }
        effects.push(Effect::Measure { ticket, slot, jobs: question.jobs[..members].to_vec() });
        at.state = State::Busy(Measuring { ticket, question, members, rate: None, since: self.now });
    }

    /// Ends the measurements for `question`.
    fn close(&mut self, question: Question, failure: Option<String>, effects: &mut Vec<Effect>) {
        self.answered += 1;
        self.keep(&question);
        if failure.is_some() && !self.known.contains_key(&question.kind) {
            // Nothing works on this kind of device, and each further question would take as long to find that out.
            let before = self.queue.len();
            self.queue.retain(|other| other.kind != question.kind);
            self.answered += before - self.queue.len();
        }
        effects.push(Effect::Answered { question, failure });
    }

    fn keep(&mut self, question: &Question) {
        let Question { kind, blueprint, known, .. } = question;
        if *known != Measured::default() {
            self.known.entry(kind.clone()).or_default().insert(*blueprint, known.clone());
        }
    }

    fn exited(&mut self, slot: usize, status: &str, clue: Option<Clue>, effects: &mut Vec<Effect>) {
        let Some(at) = self.slots.get_mut(&slot) else { return };
        match std::mem::replace(&mut at.state, State::Absent) {
            State::Busy(Measuring { mut question, members, .. }) => {
                if clue == Some(Clue::NoMemory) && members > 1 {
                    question.known.out_of_memory(members);
                    self.go_on(slot, Some(question), effects);
                } else if clue == Some(Clue::Lost) || self.slots[&slot].kind.is_none() {
                    // Another slot may answer it.
                    self.queue.push_back(question);
                    self.all_go_on(effects);
                } else {
                    let why = format!("the worker died with {members} members ({status})");
                    self.close(question, Some(why), effects);
                    self.go_on(slot, None, effects);
                }
            }
            State::Leaving(question) if self.slots[&slot].kind.is_none() => {
                self.queue.extend(question);
                self.all_go_on(effects);
            }
            State::Leaving(question) => self.go_on(slot, question, effects),
            State::Absent | State::Closed => self.go_on(slot, None, effects),
        }
    }

    /// Gives waiting questions to slots without a worker.
    fn all_go_on(&mut self, effects: &mut Vec<Effect>) {
        let absent = self.slots.iter().filter(|(_, slot)| matches!(slot.state, State::Absent));
        let absent: Vec<usize> = absent.map(|(slot, _)| *slot).collect();
        absent.into_iter().for_each(|slot| self.go_on(slot, None, effects));
    }

    fn tick(&mut self, effects: &mut Vec<Effect>) {
        let patience = PATIENCE + self.pace.delay;
        let late = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(&slot.state, State::Busy(measuring) if self.now - measuring.since > patience));
        for slot in late.map(|(slot, _)| *slot).collect::<Vec<_>>() {
            let why = format!("no answer for {PATIENCE} s");
            self.replace(slot, |question| (question, Some(why)), effects);
        }
    }

    fn log(&mut self, slot: usize, records: Vec<Record>, effects: &mut Vec<Effect>) {
        for event in records.into_iter().map(|record| record.event) {
            let Some(State::Busy(measuring)) = self.slots.get_mut(&slot).map(|slot| &mut slot.state) else { return };
            match event {
                Event::Progress { rate, .. } => measuring.rate = Some(rate),
                Event::Ended { outcome, message } => return self.ended(slot, outcome, message, effects),
                Event::Started { .. }
                | Event::Scoring { .. }
                | Event::Scored { .. }
                | Event::Losses { .. }
                | Event::Floor { .. }
                | Event::Sampled { .. }
                | Event::Warning { .. }
                | Event::Checkpointed { .. }
                | Event::JobDone { .. }
                | Event::JobFailed { .. } => {}
            }
        }
    }

    fn ended(&mut self, slot: usize, outcome: Outcome, message: String, effects: &mut Vec<Effect>) {
        let Some(State::Busy(measuring)) = self.slots.get_mut(&slot).map(|slot| &mut slot.state) else { return };
        let members = measuring.members;
        match (outcome, measuring.rate.filter(|rate| rate.is_finite() && *rate > 0.0)) {
            (Outcome::Finished, Some(rate)) => {
                measuring.question.known.rates.insert(members, rate);
                let question = measuring.question.clone();
                self.go_on(slot, Some(question), effects);
            }
            (Outcome::Finished, None) => {
                let why = "the worker finished without reporting a rate".to_owned();
                self.replace(slot, |question| (question, Some(why)), effects);
            }
            (Outcome::OutOfMemory, _) => {
                let then = |mut question: Question| {
                    question.known.out_of_memory(members);
                    (question, (members == 1).then(|| format!("out of memory with a single model: {message}")))
                };
                self.replace(slot, then, effects);
            }
            // A worker whose slot is leaving stops.
            (Outcome::Stopped, _) if self.slots.get(&slot).is_some_and(|slot| slot.kind.is_none()) => {}
            (Outcome::Stopped | Outcome::Reached | Outcome::Failed | Outcome::NoSpace | Outcome::Refused, _) => {
                self.replace(slot, |question| (question, Some(message)), effects);
            }
        }
    }

    /// Kills a busy worker, since errors of a GPU persist in a process. A new one continues with its question unless
    /// there is a reason not to.
    fn replace(
        &mut self,
        slot: usize,
        then: impl FnOnce(Question) -> (Question, Option<String>),
        effects: &mut Vec<Effect>,
    ) {
        let Some(at) = self.slots.get_mut(&slot) else { return };
        match std::mem::replace(&mut at.state, State::Leaving(None)) {
            State::Busy(measuring) => {
                effects.push(Effect::Kill { slot });
                match then(measuring.question) {
                    (question, None) => at.state = State::Leaving(Some(question)),
                    (question, failure) => self.close(question, failure, effects),
                }
            }
            other => at.state = other,
        }
    }

    /// Ends all workers, which have nothing to save. Keeps the measurements for open questions.
    fn stop(&mut self, ending: Ending, effects: &mut Vec<Effect>) {
        self.ending.get_or_insert(ending);
        self.queue.clear();
        for slot in self.slots.keys().copied().collect::<BTreeSet<_>>() {
            let Some(at) = self.slots.get_mut(&slot) else { continue };
            at.kind = None;
            match std::mem::replace(&mut at.state, State::Leaving(None)) {
                State::Absent => at.state = State::Absent,
                State::Closed => effects.push(Effect::Kill { slot }),
                State::Busy(measuring) => {
                    effects.push(Effect::Kill { slot });
                    self.keep(&measuring.question);
                }
                State::Leaving(question) => question.iter().for_each(|question| self.keep(question)),
            }
        }
    }
}
