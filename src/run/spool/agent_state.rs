//! The pure core of an agent. Orders and the news of its workers go in; what to do and what to report come out.

use std::path::{Path, PathBuf};

use sweep_wire::event::Outcome;
use sweep_wire::spool::{Doing, End, Exit, Hello, Said, Sheet, Told, VERSION};

/// For this many finished orders the last words are kept.
const KEPT: usize = 8;

/// What an agent knows.
#[derive(Debug)]
pub(super) struct AgentState {
    agent: String,
    hello: Hello,
    /// The epoch of the orchestrator that it obeys; 0 before there is one.
    epoch: u64,
    /// The turn of the last message that it read.
    heard: u64,
    beat: u64,
    workers: Vec<WorkerState>,
    /// Logs of the previous orchestrator's workers, with their lengths.
    before: Vec<(PathBuf, u64)>,
    leaving: Option<String>,
    returns: bool,
    /// Its workers are ending since another orchestrator has taken over.
    superseded: bool,
    /// A message was addressed to it by name.
    addressed: bool,
}

/// The place of one worker.
#[derive(Debug, Default)]
struct WorkerState {
    doing: Doing,
    alive: bool,
    /// How its worker was told to end.
    end: End,
    /// The number of the first order that it was given and that is not known to be over.
    first: u64,
    handed: Vec<Sheet>,
    /// The number of its current order. According to their logs, the ones before have ended.
    at: u64,
}

/// What to do with a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Start it.
    Start(usize),
    /// Give it an order.
    Send(usize, Sheet),
    /// Tell it that there are no more orders.
    Close(usize),
    /// Ask it to checkpoint and exit.
    Stop(usize),
    /// Kill it.
    Kill(usize),
    /// The orchestrator has its last words on stderr, and those of finished orders.
    Forget(usize),
}

impl AgentState {
    /// Makes the state of an agent with this name.
    pub(super) fn new(agent: String, hello: Hello) -> Self {
        let workers = hello.places.iter().map(|_| WorkerState::default()).collect();
        AgentState {
            agent,
            hello,
            epoch: 0,
            heard: 0,
            beat: 0,
            workers,
            before: Vec::new(),
            leaving: None,
            returns: false,
            superseded: false,
            addressed: false,
        }
    }

    /// Whether it has this name.
    pub(super) fn is(&self, agent: &str) -> bool {
        self.agent == agent
    }

    /// Returns what to do about a message. Call it again and again with the same one: what could not be done before may
    /// be possible now. `is_there` says whether an order's file is visible here in its right version.
    pub(super) fn told(&mut self, told: &Told, is_there: impl Fn(&Sheet) -> bool) -> Vec<Act> {
        if told.version != VERSION {
            return self.leave(format!("the orchestrator has protocol version {}, this agent {VERSION}", told.version));
        }
        if told.agent != self.agent {
            let taken = self.addressed && told.epoch >= self.epoch;
            return if taken { self.leave("another agent has its number".to_owned()) } else { Vec::new() };
        }
        self.addressed = true;
        if told.epoch < self.epoch {
            return Vec::new();
        }
        self.heard = told.turn;
        if told.epoch > self.epoch {
            self.superseded = self.is_busy();
            if self.superseded {
                // The workers follow another orchestrator.
                return self.end_all(End::Soon);
            }
            self.epoch = told.epoch;
            let exits = self.workers.iter_mut().filter_map(|worker| worker.doing.exit.take());
            self.before = exits.flat_map(|exit| exit.logs).collect();
            self.workers.iter_mut().for_each(|worker| *worker = WorkerState::default());
        }
        if told.dismissed {
            return self.leave("nothing is left to do".to_owned());
        }
        let mut acts = Vec::new();
        for (place, (worker, wanted)) in self.workers.iter_mut().zip(&told.workers).enumerate() {
            if wanted.worker > worker.doing.worker && !worker.alive && self.leaving.is_none() {
                acts.push(Act::Start(place));
                let doing = Doing { worker: wanted.worker, ..Doing::default() };
                *worker = WorkerState { doing, alive: true, ..WorkerState::default() };
            }
            if wanted.worker != worker.doing.worker || !worker.alive || worker.end >= End::Soon {
                // A worker that is about to end takes no orders. The only thing left to do is to end it faster.
                if wanted.worker == worker.doing.worker {
                    acts.extend(worker.end(place, wanted.end));
                }
                continue;
            }
            let over = usize::try_from(wanted.over.saturating_sub(worker.first)).unwrap_or(usize::MAX);
            worker.handed.drain(..over.min(worker.handed.len()));
            worker.first = worker.first.max(wanted.over);
            // An order may be known to be over before its last words are seen.
            while worker.doing.words.len() > KEPT && worker.doing.words.keys().next() < Some(&worker.first) {
                worker.doing.words.pop_first();
            }
            // An order that ended without saying so in its log.
            if worker.at < worker.first {
                worker.at = worker.first;
                acts.push(Act::Forget(place));
            }
            let new = worker.doing.taken.saturating_sub(wanted.over) as usize;
            for sheet in wanted.orders.iter().skip(new).take_while(|sheet| is_there(sheet)) {
                acts.push(Act::Send(place, sheet.clone()));
                worker.doing.taken += 1;
                worker.handed.push(sheet.clone());
            }
            // A worker that is to end after its orders must get all of them first.
            let has_all = worker.doing.taken == wanted.over + wanted.orders.len() as u64;
            if has_all || wanted.end != End::After {
                acts.extend(worker.end(place, wanted.end));
            }
        }
        acts
    }

    /// A worker has printed a line. `words`: its last lines on stderr that were not forgotten. `ended`: what a log
    /// says.
    pub(super) fn printed(
        &mut self,
        place: usize,
        words: String,
        ended: impl Fn(&Path) -> Option<Outcome>,
    ) -> Vec<Act> {
        let worker = &mut self.workers[place];
        worker.doing.lines += 1;
        worker.say(words);
        let before = worker.at;
        while let Some(outcome) = worker.sheet().and_then(|sheet| ended(&sheet.events)) {
            if outcome == Outcome::Finished {
                worker.doing.words.remove(&worker.at);
            }
            worker.at += 1;
        }
        if worker.at > before { vec![Act::Forget(place)] } else { Vec::new() }
    }

    /// A worker is gone. `words`: its last lines on stderr that were not forgotten. `length`: the length of a log.
    pub(super) fn exited(
        &mut self,
        place: usize,
        (status, clue, words): (String, Option<String>, String),
        length: impl Fn(&Path) -> u64,
    ) {
        let worker = &mut self.workers[place];
        worker.say(words);
        let logs = worker.handed.iter().map(|sheet| (sheet.events.clone(), length(&sheet.events))).collect();
        worker.alive = false;
        worker.doing.exit = Some(Exit { status, clue, logs });
    }

    /// Makes all workers checkpoint, and takes no more orders.
    pub(super) fn leave(&mut self, why: String) -> Vec<Act> {
        self.leaving.get_or_insert(why);
        self.end_all(End::Soon)
    }

    /// Does the same when a system that may start it again ends it.
    pub(super) fn is_ended(&mut self, why: String) -> Vec<Act> {
        self.returns = self.leaving.is_none();
        self.leave(why)
    }

    /// Ends all workers.
    pub(super) fn end_all(&mut self, end: End) -> Vec<Act> {
        self.workers.iter_mut().enumerate().filter_map(|(place, worker)| worker.end(place, end)).collect()
    }

    /// Returns why it is leaving, if it is.
    pub(super) fn leaving(&self) -> Option<&str> {
        self.leaving.as_deref()
    }

    /// Whether all workers are ending.
    pub(super) fn is_ending(&self) -> bool {
        self.is_busy() && (self.superseded || self.leaving.is_some())
    }

    /// Returns the logs of the workers' last orders, if these are not known to be over.
    pub(super) fn last_logs(&self) -> impl Iterator<Item = &Path> {
        self.workers
            .iter()
            .filter(|worker| worker.alive)
            .filter_map(|worker| worker.handed.last())
            .map(|sheet| &*sheet.events)
    }

    /// Whether there is a worker.
    pub(super) fn is_busy(&self) -> bool {
        self.workers.iter().any(|worker| worker.alive)
    }

    /// Returns the logs of the orders that workers may be working on.
    pub(super) fn logs(&self) -> impl Iterator<Item = &Path> {
        self.workers.iter().filter(|worker| worker.alive).flat_map(|worker| &worker.handed).map(|sheet| &*sheet.events)
    }

    /// Returns its report, with a new beat each time.
    pub(super) fn said(&mut self) -> Said {
        self.beat += 1;
        Said {
            version: VERSION,
            agent: self.agent.clone(),
            epoch: self.epoch,
            heard: self.heard,
            beat: self.beat,
            hello: self.hello.clone(),
            leaving: self.leaving.clone(),
            returns: self.returns,
            gone: self.leaving.is_some() && !self.is_busy(),
            before: self.before.clone(),
            workers: self.workers.iter().map(|worker| worker.doing.clone()).collect(),
        }
    }
}

impl WorkerState {
    /// Returns its worker's current order.
    fn sheet(&self) -> Option<&Sheet> {
        self.handed.get(usize::try_from(self.at.saturating_sub(self.first)).ok()?)
    }

    /// Stores a worker's last words with its current order.
    fn say(&mut self, words: String) {
        if words.is_empty() {
            self.doing.words.remove(&self.at);
        } else {
            self.doing.words.insert(self.at, words);
        }
    }

    /// Ends its worker in this way, unless it was told that, or something stronger, before.
    fn end(&mut self, place: usize, end: End) -> Option<Act> {
        if !self.alive || end <= self.end {
            return None;
        }
        self.end = end;
        Some(match end {
            End::Not | End::After => Act::Close(place),
            End::Soon => Act::Stop(place),
            End::Now => Act::Kill(place),
        })
    }
}
