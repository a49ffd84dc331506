//! How many agents to ask for, and when. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// A run gives up after this many agents in a row that end before their first report.
const FAILURES: u32 = 3;
/// The same limit once agents have come: the system that starts them may be out of order for a while.
const FAILURES_LATER: u32 = 10;
/// Seconds between a failure and the next try, in either case.
const AGAIN: f64 = 2.0;
const AGAIN_LATER: f64 = 60.0;
/// The largest number of submissions a minute. Operators of clusters count them.
const SUBMISSIONS: usize = 6;
const MINUTE: f64 = 60.0;
/// Seconds after which a request for an agent is checked. It is listed by then, if it still exists.
const LISTED: f64 = 20.0;

/// The state of an agent's number.
#[derive(Clone, Debug, PartialEq)]
enum Standing {
    /// Not in use.
    Free,
    /// An agent is being asked for.
    Asked,
    /// An agent was asked for at this time and has not reported yet, or was ended then and may come again.
    Queued { handle: String, since: f64, why: String, again: bool },
    /// An agent is there, or was and is not known to be gone.
    Up { handle: Option<String> },
}

/// The state of a request for an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queue {
    /// It waits; the text says why, if known.
    Waiting(String),
    /// It runs, or is about to.
    Running,
}

/// What to do about agents.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// Start agents with these numbers.
    Launch(Vec<usize>),
    /// Check the state of these.
    Look(Vec<String>),
    /// Cancel these.
    Cancel(Vec<String>),
    /// Remove the reports of the agent with this number: it is gone, and its successor is another agent.
    Forget(usize),
    /// No agent will come: the number of the last one that failed, and why.
    GiveUp(Option<usize>, String),
}

/// All agents of a run.
#[derive(Debug)]
pub(super) struct Fleet {
    numbers: Vec<Standing>,
    /// Free numbers; the lowest is used first.
    free: BTreeSet<usize>,
    /// How many agents are being asked for or wait.
    coming: usize,
    /// Numbers below this may be asked for.
    most: usize,
    /// Workers of each agent.
    places: usize,
    /// Seconds that an agent stays without work.
    idle: f64,
    /// Seconds between two checks of a request. It may take as long again until it is listed.
    look: f64,
    /// Seconds until an agent's report is seen.
    delay: f64,
    /// An agent has been there, so more may follow.
    proven: bool,
    pub(super) failures: u32,
    /// No agents are asked for before this time.
    paused: f64,
    /// The times of recent submissions.
    submissions: VecDeque<f64>,
    looked: f64,
    /// Since when no agent is needed.
    unneeded: Option<f64>,
    given_up: bool,
}

impl Fleet {
    /// Makes a fleet of at most `agents`, with `places` workers each. Without work, they stay for `idle` seconds;
    /// requests are checked every `look` seconds; reports are seen after `delay` seconds.
    pub(super) fn new(agents: usize, places: usize, (idle, look, delay): (f64, f64, f64)) -> Self {
        Fleet {
            numbers: vec![Standing::Free; agents],
            free: (0..agents).collect(),
            coming: 0,
            most: agents,
            places,
            idle,
            look,
            delay,
            proven: false,
            failures: 0,
            paused: f64::NEG_INFINITY,
            submissions: VecDeque::new(),
            looked: f64::NEG_INFINITY,
            unneeded: None,
            given_up: false,
        }
    }

    /// Makes room for agents of an earlier run, which may have had more.
    pub(super) fn with_room(mut self, agents: usize) -> Self {
        self.free.extend(self.numbers.len()..agents);
        self.numbers.resize(agents.max(self.numbers.len()), Standing::Free);
        self
    }

    /// Takes over an agent of an earlier run, which has been in the queue since then, or is there.
    pub(super) fn adopt(&mut self, since: f64, number: usize, handle: Option<String>, up: bool) {
        match (up, handle) {
            (true, handle) => self.set(number, Standing::Up { handle }),
            (false, Some(handle)) => {
                self.set(number, Standing::Queued { handle, since, why: String::new(), again: true })
            }
            (false, None) => {}
        }
        self.proven |= up;
    }

    /// Returns since when the agent with this number has been waiting in the queue, if it is.
    pub(super) fn since(&self, number: usize) -> Option<f64> {
        match &self.numbers[number] {
            Standing::Queued { since, .. } => Some(*since),
            Standing::Free | Standing::Asked | Standing::Up { .. } => None,
        }
    }

    /// Returns the numbers of agents that are there or may come, with their launcher's names for them.
    pub(super) fn handles(&self) -> BTreeMap<usize, Option<String>> {
        let handle = |standing: &Standing| match standing {
            Standing::Free => None,
            Standing::Asked => Some(None),
            Standing::Queued { handle, .. } => Some(Some(handle.clone())),
            Standing::Up { handle } => Some(handle.clone()),
        };
        self.numbers.iter().enumerate().filter_map(|(number, standing)| Some((number, handle(standing)?))).collect()
    }

    /// Returns the launcher's name for the agent with this number.
    pub(super) fn handle(&self, number: usize) -> Option<String> {
        match &self.numbers[number] {
            Standing::Queued { handle, .. } => Some(handle.clone()),
            Standing::Up { handle } => handle.clone(),
            Standing::Free | Standing::Asked => None,
        }
    }

    /// Returns how many agents are there, how many wait, and why the first of these waits.
    pub(super) fn standing(&self) -> (usize, usize, Option<String>) {
        let up = self.numbers.len() - self.free.len() - self.coming;
        let why = self.numbers.iter().find_map(|standing| match standing {
            Standing::Queued { handle, why, again, .. } => Some(match why.is_empty() {
                true if *again => format!("{handle} may start again"),
                true => format!("{handle} has not started yet"),
                false => format!("{handle}: {why}"),
            }),
            Standing::Free | Standing::Asked | Standing::Up { .. } => None,
        });
        (up, self.coming, why)
    }

    /// Forgets the agents that wait, and returns their launcher's names for them.
    pub(super) fn clear(&mut self) -> Vec<String> {
        let mut handles = Vec::new();
        for number in 0..self.numbers.len() {
            if let Standing::Queued { handle, .. } = &self.numbers[number] {
                handles.push(handle.clone());
                self.set(number, Standing::Free);
            }
        }
        handles
    }

    /// The agent with this number has reported for the first time.
    pub(super) fn is_up(&mut self, number: usize) {
        let handle = self.handle(number);
        self.set(number, Standing::Up { handle });
        // The system that starts them has recovered.
        (self.proven, self.failures, self.given_up) = (true, 0, false);
    }

    /// An agent is gone. It `returns` if the system that ended it may start it again.
    pub(super) fn is_gone(&mut self, now: f64, number: usize, returns: bool) {
        // An agent that was asked for since then is another one.
        let Standing::Up { handle } = &self.numbers[number] else { return };
        let standing = match handle.clone().filter(|_| returns) {
            Some(handle) => Standing::Queued { handle, since: now, why: String::new(), again: true },
            None => Standing::Free,
        };
        self.set(number, standing);
    }

    /// An agent that was asked for before `now` came and left before anyone noticed. This shows that agents can start;
    /// the system that ended it may start the same one again. Returns whether to forget its reports, which must not be
    /// taken for its successor's.
    pub(super) fn came_and_went(&mut self, now: f64, number: usize, returns: bool) -> bool {
        let handle = match &self.numbers[number] {
            Standing::Queued { since, handle, .. } if *since < now => Some(handle.clone()),
            Standing::Up { handle } => handle.clone(),
            Standing::Free | Standing::Asked | Standing::Queued { .. } => return false,
        };
        match handle.filter(|_| returns) {
            Some(handle) => {
                self.set(number, Standing::Queued { handle, since: now, why: String::new(), again: true });
                true
            }
            None => {
                self.set(number, Standing::Free);
                false
            }
        }
    }

    /// Records the result of asking for these numbers.
    pub(super) fn launched(
        &mut self,
        now: f64,
        numbers: &[usize],
        result: Result<Vec<(usize, String)>, String>,
    ) -> Vec<Ask> {
        let asked = |fleet: &Fleet, number: usize| fleet.numbers[number] == Standing::Asked;
        match result {
            Ok(handles) => {
                for (number, handle) in handles {
                    // A very quick agent may have reported already.
                    match &mut self.numbers[number] {
                        Standing::Up { handle: known } => *known = Some(handle),
                        _ => {
                            self.set(number, Standing::Queued { handle, since: now, why: String::new(), again: false })
                        }
                    }
                }
                numbers
                    .iter()
                    .filter(|number| asked(self, **number))
                    .copied()
                    .collect::<Vec<_>>()
                    .into_iter()
                    .for_each(|number| self.set(number, Standing::Free));
                Vec::new()
            }
            Err(why) => {
                for &number in numbers {
                    if asked(self, number) {
                        self.set(number, Standing::Free);
                    }
                }
                self.failed(now, None, why)
            }
        }
    }

    /// Records what the queue says about the requests that were checked. It does not list others.
    pub(super) fn seen(&mut self, now: f64, looked_for: &[String], queue: &HashMap<String, Queue>) -> Vec<Ask> {
        let looked_for: HashSet<&String> = looked_for.iter().collect();
        let listed = self.listed();
        let mut asks = Vec::new();
        for number in 0..self.numbers.len() {
            let Standing::Queued { handle, since, why, again } = &mut self.numbers[number] else { continue };
            match queue.get(handle) {
                Some(Queue::Waiting(reason)) => reason.clone_into(why),
                Some(Queue::Running) => "it starts".clone_into(why),
                None if !looked_for.contains(handle) => {}
                // A new request may not be listed yet, and an agent that has just ended may have reported something
                // that is not seen yet.
                None if now - *since < listed => {}
                None if *again => self.set(number, Standing::Free),
                None => {
                    self.set(number, Standing::Free);
                    asks.extend(self.failed(now, Some(number), "it ended before its first report".to_owned()));
                }
            }
        }
        asks
    }

    /// Returns the seconds until a request, or an agent that may come again, is listed and its report is seen.
    fn listed(&self) -> f64 {
        LISTED.min(self.look) + self.delay
    }

    fn failed(&mut self, now: f64, number: Option<usize>, why: String) -> Vec<Ask> {
        self.failures += 1;
        let (most, pause) = if self.proven { (FAILURES_LATER, AGAIN_LATER) } else { (FAILURES, AGAIN) };
        self.paused = now + pause;
        if self.failures < most || self.given_up {
            return Vec::new();
        }
        self.given_up = true;
        vec![Ask::GiveUp(number, why)]
    }

    /// Returns what to do at `now` if this many orders wait for a place.
    pub(super) fn step(&mut self, now: f64, waiting: usize) -> Vec<Ask> {
        let mut asks = Vec::new();
        if self.given_up {
            return asks;
        }
        // One of the following checks then falls at the moment when it is certain whether the agent is there.
        let listed = now - LISTED.min(self.look) - self.delay % self.look;
        let queued = || {
            self.numbers.iter().filter_map(|standing| match standing {
                Standing::Queued { handle, since, .. } if *since <= listed => Some(handle.clone()),
                Standing::Queued { .. } => None,
                Standing::Free | Standing::Asked | Standing::Up { .. } => None,
            })
        };
        if self.coming > 0 && now - self.looked >= self.look {
            let handles: Vec<String> = queued().collect();
            if !handles.is_empty() {
                self.looked = now;
                asks.push(Ask::Look(handles));
            }
        }
        if waiting > 0 {
            self.unneeded = None;
        } else if now - *self.unneeded.get_or_insert(now) > self.idle && self.coming > 0 {
            asks.push(Ask::Cancel(self.clear()));
        }
        while self.submissions.front().is_some_and(|at| now - at >= MINUTE) {
            self.submissions.pop_front();
        }
        // One agent first, to see whether agents can start at all.
        let most = if self.proven { self.most } else { 1 };
        let wanted = waiting.div_ceil(self.places.max(1)).min(most).saturating_sub(self.coming);
        let numbers: Vec<usize> = self.free.range(..self.most).copied().take(wanted).collect();
        if !numbers.is_empty() && now >= self.paused && self.submissions.len() < SUBMISSIONS {
            self.submissions.push_back(now);
            numbers.iter().for_each(|number| self.set(*number, Standing::Asked));
            asks.push(Ask::Launch(numbers));
        }
        asks
    }

    /// Whether agents are being asked for now.
    pub(super) fn is_asking(&self) -> bool {
        self.coming > 0 && self.numbers.contains(&Standing::Asked)
    }

    fn set(&mut self, number: usize, standing: Standing) {
        let is_coming = |standing: &Standing| matches!(standing, Standing::Asked | Standing::Queued { .. });
        self.coming -= usize::from(is_coming(&self.numbers[number]));
        self.coming += usize::from(is_coming(&standing));
        match standing {
            Standing::Free => self.free.insert(number),
            Standing::Asked | Standing::Queued { .. } | Standing::Up { .. } => self.free.remove(&number),
        };
        self.numbers[number] = standing;
    }
}
