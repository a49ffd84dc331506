//! How many agents are asked for, and when. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// So many agents in a row that end before they say a word are enough to give up.
const FAILURES: u32 = 3;
/// And so many where others did come: whoever starts them may be out of order for a while.
const FAILURES_LATER: u32 = 10;
/// Seconds between a failure and the next try, in either case.
const AGAIN: f64 = 2.0;
const AGAIN_LATER: f64 = 60.0;
/// So many submissions a minute at most: whoever runs the cluster counts them.
const SUBMISSIONS: usize = 6;
const MINUTE: f64 = 60.0;
/// What was asked for is looked for after so many seconds, and then is listed, if it is still there.
const LISTED: f64 = 20.0;

/// What an agent's number stands for.
#[derive(Clone, Debug, PartialEq)]
enum Standing {
    /// Nobody.
    Free,
    /// One that is being asked for.
    Asked,
    /// One that was asked for at this time and has not said a word yet, or one that was ended then and may come again.
    Queued { handle: String, since: f64, why: String, again: bool },
    /// One that is there, or was and is not known to be gone.
    Up { handle: Option<String> },
}

/// What is known of something that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queue {
    /// It waits, and why, as far as that is said.
    Waiting(String),
    /// It runs, or is about to.
    Running,
}

/// What to do about agents.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// Have agents of these numbers started.
    Launch(Vec<usize>),
    /// See what has become of these.
    Look(Vec<String>),
    /// Take these back.
    Cancel(Vec<String>),
    /// Remove what the agent of this number has said: it is gone, and the next one is not.
    Forget(usize),
    /// No agent will come: the number of the one that has failed last, and why.
    GiveUp(Option<usize>, String),
}

/// All agents of a run.
#[derive(Debug)]
pub(super) struct Fleet {
    numbers: Vec<Standing>,
    /// Free ones, the lowest first.
    free: BTreeSet<usize>,
    /// How many are asked for or wait.
    coming: usize,
    /// Numbers that are asked for are below this.
    most: usize,
    /// Workers of each.
    places: usize,
    /// Seconds that an agent without work stays.
    idle: f64,
    /// Seconds between two looks at what was asked for; so long it may take to be listed, too.
    look: f64,
    /// Seconds after which what an agent says is seen.
    delay: f64,
    /// An agent has been there: more may follow.
    proven: bool,
    pub(super) failures: u32,
    /// Nothing is asked for before.
    paused: f64,
    /// When what was asked for lately.
    submissions: VecDeque<f64>,
    looked: f64,
    /// Since when nobody is needed.
    unneeded: Option<f64>,
    given_up: bool,
}

impl Fleet {
    /// At most so many agents, with so many workers each; without work they stay for `idle` seconds, what was asked for is looked at every `look`
    /// seconds, and what they say is seen after `delay`.
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

    /// The same with room for agents of an earlier run, of which there may have been more.
    pub(super) fn with_room(mut self, agents: usize) -> Self {
        self.free.extend(self.numbers.len()..agents);
        self.numbers.resize(agents.max(self.numbers.len()), Standing::Free);
        self
    }

    /// One of an earlier run: it waits in the queue since then, or it is there.
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

    /// Since when the agent of this number waits in the queue, where it does.
    pub(super) fn since(&self, number: usize) -> Option<f64> {
        match &self.numbers[number] {
            Standing::Queued { since, .. } => Some(*since),
            Standing::Free | Standing::Asked | Standing::Up { .. } => None,
        }
    }

    /// The numbers of agents that are there, or may come, with what they are called by who starts them.
    pub(super) fn handles(&self) -> BTreeMap<usize, Option<String>> {
        let handle = |standing: &Standing| match standing {
            Standing::Free => None,
            Standing::Asked => Some(None),
            Standing::Queued { handle, .. } => Some(Some(handle.clone())),
            Standing::Up { handle } => Some(handle.clone()),
        };
        self.numbers.iter().enumerate().filter_map(|(number, standing)| Some((number, handle(standing)?))).collect()
    }

    /// What the agent of this number is called.
    pub(super) fn handle(&self, number: usize) -> Option<String> {
        match &self.numbers[number] {
            Standing::Queued { handle, .. } => Some(handle.clone()),
            Standing::Up { handle } => handle.clone(),
            Standing::Free | Standing::Asked => None,
        }
    }

    /// How many are there, how many wait, and why the first one of these does.
    pub(super) fn standing(&self) -> (usize, usize, Option<String>) {
        let up = self.numbers.len() - self.free.len() - self.coming;
        let why = self.numbers.iter().find_map(|standing| match standing {
            Standing::Queued { handle, why, again, .. } => Some(match why.is_empty() {
                true if *again => format!("{handle} may begin again"),
                true => format!("{handle} has yet to begin"),
                false => format!("{handle}: {why}"),
            }),
            Standing::Free | Standing::Asked | Standing::Up { .. } => None,
        });
        (up, self.coming, why)
    }

    /// Forgets those that wait; what they are called.
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

    /// The agent of this number has said a word.
    pub(super) fn is_up(&mut self, number: usize) {
        let handle = self.handle(number);
        self.set(number, Standing::Up { handle });
        // Whoever starts them has recovered.
        (self.proven, self.failures, self.given_up) = (true, 0, false);
    }

    /// It is gone; whoever has ended it may start it again.
    pub(super) fn is_gone(&mut self, now: f64, number: usize, returns: bool) {
        // One that was asked for since is another.
        let Standing::Up { handle } = &self.numbers[number] else { return };
        let standing = match handle.clone().filter(|_| returns) {
            Some(handle) => Standing::Queued { handle, since: now, why: String::new(), again: true },
            None => Standing::Free,
        };
        self.set(number, standing);
    }

    /// One that was asked for before `now` came, and left before it was heard of: who starts them has done so, and may do it again; whoever
    /// has ended it may start the same one again. Whether what it has said is to be forgotten, so that it is not taken for the next one's.
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

    /// What came of asking for these numbers.
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
                    // One that is very quick has been heard of already.
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

    /// What the queue has of those that were looked for; of others it says nothing.
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
                // What was only just asked for may not be listed yet, and what has just ended may have said a word that is not seen yet.
                None if now - *since < listed => {}
                None if *again => self.set(number, Standing::Free),
                None => {
                    self.set(number, Standing::Free);
                    asks.extend(self.failed(now, Some(number), "it ended before it said a word".to_owned()));
                }
            }
        }
        asks
    }

    /// Seconds after which something that was asked for, or may come again, is listed, and what it has said is seen.
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

    /// What to do at `now`, where so many orders wait that no place is there for.
    pub(super) fn step(&mut self, now: f64, waiting: usize) -> Vec<Ask> {
        let mut asks = Vec::new();
        if self.given_up {
            return asks;
        }
        // So that one of the looks that follow is when it is certain whether it is there.
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
        // Whether what is asked for works at all is seen of one.
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

    /// Whether some are being asked for just now.
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
