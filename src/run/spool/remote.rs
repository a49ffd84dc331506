//! What an orchestrator knows of one agent and tells it. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use sweep_wire::spool::{End, Exit, Hello, Said, Sheet, Told, VERSION, Wanted};

/// How long things may take between machines, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    /// Between two checks of a file.
    pub(super) look: f64,
    /// Between two signs of life.
    pub(super) beat: f64,
    /// The longest time until a change is seen everywhere.
    pub(super) delay: f64,
    /// An agent that cannot write a sign of life for this long kills its workers, since no one may know of them.
    pub(super) lease: f64,
    /// An agent that has not been heard of for this long has no workers any more.
    pub(super) lost: f64,
}

impl Times {
    /// Returns how long it may take to see an agent's reply to a message.
    fn reply(&self) -> f64 {
        2.0 * (self.delay + self.look) + self.beat + 30.0
    }

    /// Returns the times if changes are seen within `delay` seconds. Even with a small delay, machines may be busy.
    pub(super) fn of(delay: f64) -> Times {
        let lease = f64::max(delay, 30.0);
        Times {
            look: (delay / 30.0).clamp(0.1, 2.0),
            beat: (delay / 12.0).clamp(1.0, 5.0),
            delay,
            lease,
            lost: lease + delay + 30.0,
        }
    }
}

/// What is known of an agent.
#[derive(Debug)]
pub(super) struct Remote {
    times: Times,
    told: Told,
    /// There is a message that is not written yet.
    dirty: bool,
    /// When the last message was written, if the agent has not confirmed it.
    unheard: Option<f64>,
    seen: Option<Seen>,
    /// It worked for an earlier orchestrator and should report soon.
    expected: bool,
    places: Vec<Place>,
}

/// The last report that was seen.
#[derive(Debug)]
struct Seen {
    agent: String,
    beat: u64,
    /// When it gave the last sign of life.
    at: f64,
    returns: bool,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// It still obeys another orchestrator, or none.
    Strange,
    /// Its places are there.
    Up,
    /// They will soon be gone.
    Leaving,
    /// It is gone. Its workers' last lines are not all seen yet.
    Gone,
    /// It is gone and everything was seen, or it was not heard of for so long that its workers are gone.
    Left,
}

/// The place of one worker.
#[derive(Debug, Default)]
struct Place {
    /// Its worker has not been reported as gone.
    alive: bool,
    lines: u64,
    words: BTreeMap<u64, String>,
    /// Orders whose last words on stderr had not been seen when they ended, and those seen since.
    missed: BTreeSet<u64>,
    late: Vec<(u64, String)>,
    /// The logs of its unfinished orders.
    logs: VecDeque<std::path::PathBuf>,
    /// Its worker has ended. This is reported once its whole log can be seen; the number says since when that has been
    /// awaited.
    held: Option<(Exit, f64)>,
}

/// News to report.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// Its places are there.
    Joined(Hello),
    /// They will soon be gone.
    Leaving,
    /// They are gone. They may come back if a batch system ended the agent.
    Left { returns: bool },
    /// The agent was not heard of for too long.
    Lost,
    /// The log of the worker at this place has grown.
    Alive(usize),
    /// Worker `number` at this place is gone; without an exit if its machine is gone.
    Exited(usize, u32, Option<Exit>),
}

impl Remote {
    /// Makes an agent with this many places, of which nothing is known. Orchestrator `epoch` gives it orders.
    pub(super) fn new(epoch: u64, places: usize, times: Times) -> Self {
        let workers = vec![Wanted::default(); places];
        let told = Told { version: VERSION, epoch, turn: 0, agent: String::new(), workers, dismissed: false };
        let places = (0..places).map(|_| Place::default()).collect();
        Remote { times, told, dirty: false, unheard: None, seen: None, expected: false, places }
    }

    /// It worked for an earlier orchestrator, and counts as there until it is known to be gone.
    pub(super) fn expect(&mut self) {
        self.expected = true;
    }

    /// It had been silent for this many seconds when it was first checked.
    pub(super) fn was_silent(&mut self, seconds: f64) {
        if let Some(seen) = &mut self.seen {
            seen.at -= seconds;
        }
    }

    /// Returns the message to it.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// Whether there is something to write.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty && !self.told.agent.is_empty()
    }

    /// Returns the message to write at `now`, if there is anything new.
    pub(super) fn news(&mut self, now: f64) -> Option<Told> {
        if !self.is_dirty() {
            return None;
        }
        self.dirty = false;
        self.told.turn += 1;
        self.unheard = self.seen.as_ref().is_some_and(|seen| seen.stage < Stage::Gone).then_some(now);
        Some(self.told.clone())
    }

    /// The message could not be written, as far as is known.
    pub(super) fn unwritten(&mut self) {
        self.dirty = true;
    }

    /// Whether it has ever reported.
    pub(super) fn is_known(&self) -> bool {
        self.seen.is_some()
    }

    /// Whether no agent is there whose workers might be alive.
    pub(super) fn is_free(&self) -> bool {
        !self.expected && self.seen.as_ref().is_none_or(|seen| seen.stage == Stage::Left)
    }

    /// Whether its places take orders.
    pub(super) fn is_up(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.stage == Stage::Up)
    }

    /// Starts worker `number`; returns false if no agent is there to do it.
    pub(super) fn start(&mut self, place: usize, number: u32) -> bool {
        if !self.is_up() {
            return false;
        }
        self.told.workers[place] = Wanted { worker: number, ..Wanted::default() };
        self.places[place] = Place { alive: true, ..Place::default() };
        self.dirty = true;
        true
    }

    /// Gives an order to the worker.
    pub(super) fn send(&mut self, place: usize, sheet: Sheet) {
        if !self.places[place].alive {
            return;
        }
        self.places[place].logs.push_back(sheet.events.clone());
        self.told.workers[place].orders.push(sheet);
        self.dirty = true;
    }

    /// Ends the worker.
    pub(super) fn end(&mut self, place: usize, end: End) {
        if !self.places[place].alive {
            return;
        }
        let wanted = &mut self.told.workers[place];
        if end > wanted.end {
            wanted.end = end;
            self.dirty = true;
        }
    }

    /// The worker's first order is over. Returns its last lines on stderr.
    pub(super) fn over(&mut self, place: usize) -> String {
        let (wanted, at) = (&mut self.told.workers[place], &mut self.places[place]);
        let words = at.words.remove(&wanted.over).unwrap_or_default();
        if words.is_empty() {
            at.missed.insert(wanted.over);
        }
        if at.logs.pop_front().is_some() && !wanted.orders.is_empty() {
            wanted.orders.remove(0);
            wanted.over += 1;
            // This is not urgent: it is written with the next message.
        }
        words
    }

    /// Returns the last words of finished orders, by their numbers, that were not seen in time.
    pub(super) fn late_words(&mut self, place: usize) -> Vec<(u64, String)> {
        std::mem::take(&mut self.places[place].late)
    }

    /// Dismisses the agent.
    pub(super) fn dismiss(&mut self) {
        if !self.told.dismissed && self.seen.as_ref().is_none_or(|seen| seen.stage < Stage::Left) {
            self.told.dismissed = true;
            self.dirty = true;
        }
    }

    /// Returns the news from its report, if that can be read, and from the time. `length`: the length of a log as it is
    /// seen here.
    pub(super) fn look(&mut self, now: f64, said: Option<Said>, length: impl Fn(&Path) -> u64) -> Vec<News> {
        let mut news = Vec::new();
        let is_gone = said.as_ref().is_some_and(|said| said.gone);
        if let Some(said) = said.filter(|said| said.version == VERSION && said.hello.places.len() == self.places.len())
        {
            self.said(now, said, &mut news);
        }
        self.release(now, length, &mut news);
        self.expected &= self.seen.is_none() && !is_gone && now <= self.times.lost;
        // The message may be lost, like data that a server has not written when it fails.
        if self.unheard.is_some_and(|since| now - since > self.times.reply()) {
            self.dirty = true;
        }
        if self.seen.as_ref().is_some_and(|seen| seen.stage < Stage::Left && now - seen.at > self.times.lost) {
            self.lose(&mut news);
        }
        news
    }

    fn said(&mut self, now: f64, said: Said, news: &mut Vec<News>) {
        match &mut self.seen {
            Some(seen) if seen.agent == said.agent => {
                if said.beat <= seen.beat || seen.stage >= Stage::Gone {
                    return;
                }
                (seen.beat, seen.at) = (said.beat, now);
            }
            // Another agent has its number. The old one's work is not known to be over yet.
            Some(seen) if seen.stage < Stage::Left => return,
            Some(_) | None if said.gone => return,
            seen => {
                *seen = Some(Seen {
                    agent: said.agent.clone(),
                    beat: said.beat,
                    at: now,
                    returns: false,
                    stage: Stage::Strange,
                });
                let workers = vec![Wanted::default(); self.places.len()];
                // Turns must be higher than those of an earlier orchestrator.
                self.told.turn = self.told.turn.max(said.heard);
                self.told = Told { agent: said.agent.clone(), workers, dismissed: false, ..self.told.clone() };
                self.dirty = true;
            }
        }
        if said.heard >= self.told.turn || said.gone {
            self.unheard = None;
        }
        let Some(seen) = &mut self.seen else { return };
        if said.epoch != self.told.epoch {
            if said.gone {
                // It has never obeyed this orchestrator.
                seen.stage = Stage::Left;
            }
            return;
        }
        if seen.stage == Stage::Strange {
            seen.stage = Stage::Up;
            news.push(News::Joined(said.hello.clone()));
        }
        for (at, (place, doing)) in self.places.iter_mut().zip(said.workers).enumerate() {
            if !place.alive || place.held.is_some() || doing.worker != self.told.workers[at].worker {
                continue;
            }
            if doing.lines != place.lines {
                place.lines = doing.lines;
                news.push(News::Alive(at));
            }
            place.words = doing.words;
            let late: Vec<u64> = place.missed.intersection(&place.words.keys().copied().collect()).copied().collect();
            for order in late {
                place.missed.remove(&order);
                place.late.extend(place.words.remove(&order).map(|words| (order, words)));
            }
            place.held = doing.exit.map(|exit| (exit, now));
        }
        seen.returns = said.returns;
        if said.leaving.is_some() && seen.stage == Stage::Up {
            seen.stage = Stage::Leaving;
            news.push(News::Leaving);
        }
        if said.gone {
            // Workers that it has not started by now will never start.
            for place in self.places.iter_mut().filter(|place| place.alive && place.held.is_none()) {
                let status = "not started: its agent had left".to_owned();
                place.held = Some((Exit { status, clue: None, logs: Vec::new() }, now));
            }
            seen.stage = Stage::Gone;
        }
    }

    /// Reports workers that have ended and whose logs can be seen, and then the end of an agent that has left.
    fn release(&mut self, now: f64, length: impl Fn(&Path) -> u64, news: &mut Vec<News>) {
        let patience = 2.0 * self.times.delay;
        for (at, place) in self.places.iter_mut().enumerate() {
            let Some((exit, since)) = &place.held else { continue };
            let wanted = &self.told.workers[at];
            let mut logs = exit.logs.iter().filter(|(path, _)| place.logs.contains(path));
            let there = logs.all(|(path, bytes)| length(path) >= *bytes);
            if there || now - since > patience {
                let mut exit = exit.clone();
                if !there {
                    exit.status += ": the end of its log cannot be seen here";
                }
                (place.alive, place.held) = (false, None);
                news.push(News::Exited(at, wanted.worker, Some(exit)));
            }
        }
        let all = self.places.iter().all(|place| !place.alive);
        if let Some(seen) = self.seen.as_mut().filter(|seen| all && seen.stage == Stage::Gone) {
            seen.stage = Stage::Left;
            news.push(News::Left { returns: seen.returns });
        }
    }

    /// It was not heard of for too long.
    fn lose(&mut self, news: &mut Vec<News>) {
        for (at, place) in self.places.iter_mut().enumerate().filter(|(_, place)| place.alive) {
            (place.alive, place.held) = (false, None);
            news.push(News::Exited(at, self.told.workers[at].worker, None));
        }
        if let Some(seen) = &mut self.seen {
            if seen.stage > Stage::Strange {
                news.push(News::Lost);
            }
            seen.stage = Stage::Left;
        }
        // In case it comes back.
        (self.told.dismissed, self.dirty, self.unheard) = (true, true, None);
    }
}
