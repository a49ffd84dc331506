//! What an orchestrator knows of one agent, and wants of it. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use sweep_wire::spool::{End, Exit, Hello, Said, Sheet, Told, VERSION, Wanted};

/// How long things may take between machines, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    /// Between two looks at a file.
    pub(super) look: f64,
    /// Between two signs of life.
    pub(super) beat: f64,
    /// What was written is seen everywhere after so long at most.
    pub(super) delay: f64,
    /// An agent that cannot write a sign of life for so long kills its workers: nobody may know of them.
    pub(super) lease: f64,
    /// Who has not been heard of for so long has no workers any more.
    pub(super) lost: f64,
}

impl Times {
    /// So long may it take to see what an agent says to what it was told.
    fn reply(&self) -> f64 {
        2.0 * (self.delay + self.look) + self.beat + 30.0
    }

    /// Where changes are seen after `delay` seconds at most. However soon that is, machines may be busy.
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

/// An agent, as far as it is known.
#[derive(Debug)]
pub(super) struct Remote {
    times: Times,
    told: Told,
    /// What it is told is not written yet.
    dirty: bool,
    /// When what it was told last was written, as far as it has not said that it knows it.
    unheard: Option<f64>,
    seen: Option<Seen>,
    /// It was at work for an earlier orchestrator, and is to be seen soon.
    expected: bool,
    places: Vec<Place>,
}

/// What was seen of it.
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
    /// It obeys another orchestrator still, or none.
    Strange,
    /// Its places are there.
    Up,
    /// They will soon be gone.
    Leaving,
    /// It is gone; not all that its workers have said is seen yet.
    Gone,
    /// All of it is, or it was not heard of for so long that it has no workers any more.
    Left,
}

/// The place of one worker.
#[derive(Debug, Default)]
struct Place {
    /// Its worker has not been reported as gone.
    alive: bool,
    lines: u64,
    words: BTreeMap<u64, String>,
    /// Orders that were over before what they have said on stderr was seen, and what was seen since.
    missed: BTreeSet<u64>,
    late: Vec<(u64, String)>,
    /// The logs of its orders that are not over.
    logs: VecDeque<std::path::PathBuf>,
    /// It has ended, which counts once all that it has logged can be seen; since when that is waited for.
    held: Option<(Exit, f64)>,
}

/// What there is to report.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// Its places are there.
    Joined(Hello),
    /// They will soon be gone.
    Leaving,
    /// They are gone, and may come back, where a batch system has ended it.
    Left { returns: bool },
    /// Nobody knows where they are: it was not heard of for too long.
    Lost,
    /// The log of the worker at this place has grown.
    Alive(usize),
    /// Worker `number` at this place is gone; without an exit of its own where its machine is.
    Exited(usize, u32, Option<Exit>),
}

impl Remote {
    /// One with so many places, of which nothing is known, told what to do by orchestrator `epoch`.
    pub(super) fn new(epoch: u64, places: usize, times: Times) -> Self {
        let workers = vec![Wanted::default(); places];
        let told = Told { version: VERSION, epoch, turn: 0, agent: String::new(), workers, dismissed: false };
        let places = (0..places).map(|_| Place::default()).collect();
        Remote { times, told, dirty: false, unheard: None, seen: None, expected: false, places }
    }

    /// It was at work for an earlier orchestrator, and is there until it is known not to be.
    pub(super) fn expect(&mut self) {
        self.expected = true;
    }

    /// It had been silent for so many seconds when it was looked at first.
    pub(super) fn was_silent(&mut self, seconds: f64) {
        if let Some(seen) = &mut self.seen {
            seen.at -= seconds;
        }
    }

    /// What it is told.
    pub(super) fn told(&self) -> &Told {
        &self.told
    }

    /// Whether there is something to write.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty && !self.told.agent.is_empty()
    }

    /// What is to be written for it at `now`, if there is something new.
    pub(super) fn news(&mut self, now: f64) -> Option<Told> {
        if !self.is_dirty() {
            return None;
        }
        self.dirty = false;
        self.told.turn += 1;
        self.unheard = self.seen.as_ref().is_some_and(|seen| seen.stage < Stage::Gone).then_some(now);
        Some(self.told.clone())
    }

    /// That could not be written, as far as is known.
    pub(super) fn unwritten(&mut self) {
        self.dirty = true;
    }

    /// Whether it has ever been heard of.
    pub(super) fn is_known(&self) -> bool {
        self.seen.is_some()
    }

    /// Whether nobody is there whose workers might live.
    pub(super) fn is_free(&self) -> bool {
        !self.expected && self.seen.as_ref().is_none_or(|seen| seen.stage == Stage::Left)
    }

    /// Whether its places take orders.
    pub(super) fn is_up(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.stage == Stage::Up)
    }

    /// Starts worker `number`; false where nobody is there to do it.
    pub(super) fn start(&mut self, place: usize, number: u32) -> bool {
        if !self.is_up() {
            return false;
        }
        self.told.workers[place] = Wanted { worker: number, ..Wanted::default() };
        self.places[place] = Place { alive: true, ..Place::default() };
        self.dirty = true;
        true
    }

    /// Hands an order to the worker.
    pub(super) fn send(&mut self, place: usize, sheet: Sheet) {
        if !self.places[place].alive {
            return;
        }
        self.places[place].logs.push_back(sheet.events.clone());
        self.told.workers[place].orders.push(sheet);
        self.dirty = true;
    }

    /// Has the worker end.
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

    /// The worker's first order is over; what it has said on stderr last.
    pub(super) fn over(&mut self, place: usize) -> String {
        let (wanted, at) = (&mut self.told.workers[place], &mut self.places[place]);
        let words = at.words.remove(&wanted.over).unwrap_or_default();
        if words.is_empty() {
            at.missed.insert(wanted.over);
        }
        if at.logs.pop_front().is_some() && !wanted.orders.is_empty() {
            wanted.orders.remove(0);
            wanted.over += 1;
            // No hurry: it is written with what comes next.
        }
        words
    }

    /// What the worker's orders that are over have said on stderr, by their numbers, where that was seen only since.
    pub(super) fn late_words(&mut self, place: usize) -> Vec<(u64, String)> {
        std::mem::take(&mut self.places[place].late)
    }

    /// Lets the agent go.
    pub(super) fn dismiss(&mut self) {
        if !self.told.dismissed && self.seen.as_ref().is_none_or(|seen| seen.stage < Stage::Left) {
            self.told.dismissed = true;
            self.dirty = true;
        }
    }

    /// What follows from what it says, if it can be read, and from the time. `length`: of a log, as it is seen here.
    pub(super) fn look(&mut self, now: f64, said: Option<Said>, length: impl Fn(&Path) -> u64) -> Vec<News> {
        let mut news = Vec::new();
        let is_gone = said.as_ref().is_some_and(|said| said.gone);
        if let Some(said) = said.filter(|said| said.version == VERSION && said.hello.places.len() == self.places.len())
        {
            self.said(now, said, &mut news);
        }
        self.release(now, length, &mut news);
        self.expected &= self.seen.is_none() && !is_gone && now <= self.times.lost;
        // It may be lost, as what a server has not written when it fails.
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
            // Another one has its number. What the one before it does is not known to be over.
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
                // What an earlier orchestrator has told it is not what this one will.
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
                // It has never been one of this orchestrator's.
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
            // Whom it was told to start, and has not, it never will.
            for place in self.places.iter_mut().filter(|place| place.alive && place.held.is_none()) {
                let status = "it was not started: its agent had left".to_owned();
                place.held = Some((Exit { status, clue: None, logs: Vec::new() }, now));
            }
            seen.stage = Stage::Gone;
        }
    }

    /// Reports the workers that have ended and whose logs can be seen, and then the end of who has left.
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
                    exit.status += ": the last of what it has logged cannot be seen here";
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
        // Should it come back.
        (self.told.dismissed, self.dirty, self.unheard) = (true, true, None);
    }
}
