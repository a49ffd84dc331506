//! An agent and its orchestrator, with files that are seen late and in any order, and writes whose success may not be
//! known.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::agent_state::{Act, AgentState};
use super::remote::{News, Remote, Times};
use sweep_plan::slot::{Device, Kinds, Slot};
use sweep_wire::event::Outcome;
use sweep_wire::spool::{End, Hello, Said, Seat, Sheet, Told};

/// A file with versions. The other side sees each one some time after it was written, and never an earlier one after a
/// later one.
struct Late<T> {
    versions: Vec<(f64, T)>,
    seen: usize,
}

impl<T: Clone> Late<T> {
    fn write(&mut self, at: f64, value: T) {
        self.versions.push((at, value));
    }

    /// Returns what is seen at `now` if news take `delay`.
    fn read(&mut self, now: f64, delay: f64) -> Option<T> {
        let newest = self.versions.iter().rposition(|(at, _)| at + delay <= now);
        self.seen = self.seen.max(newest.map_or(0, |at| at + 1));
        self.seen.checked_sub(1).map(|at| self.versions[at].1.clone())
    }
}

/// A worker that does its orders one after another.
struct Worker {
    orders: Vec<Sheet>,
    done: usize,
    ends: Option<End>,
}

#[derive(Clone, Debug)]
enum Step {
    /// This many seconds pass, and both sides look.
    Wait(u8),
    /// The worker at this place finishes an order, or prints a line of one.
    Work(usize),
    /// It dies.
    Die(usize),
    /// The agent's time is over, and another one comes later.
    Leave,
    /// The agent is killed with its workers, and another one comes at once.
    Lose,
    /// The orchestrator assigns work.
    Hand(usize),
    /// The success of the next write is not known.
    LoseReply,
    /// The next file is lost.
    LoseFile,
}

fn steps() -> impl Strategy<Value = Vec<(Step, (u8, u8))>> {
    let step = prop_oneof![
        6 => (1..20_u8).prop_map(Step::Wait),
        8 => (0..2_usize).prop_map(Step::Work),
        1 => (0..2_usize).prop_map(Step::Die),
        1 => Just(Step::Leave),
        1 => Just(Step::Lose),
        6 => (0..2_usize).prop_map(Step::Hand),
        1 => Just(Step::LoseReply),
        1 => Just(Step::LoseFile),
    ];
    prop::collection::vec((step, (0..61_u8, 0..61_u8)), 1..120)
}

fn hello() -> Hello {
    let seat = |first| Seat {
        slot: Slot { device: Device::Cpu, threads: 1 },
        kind: Kinds::default().of(Device::Cpu),
        first,
        bytes: None,
    };
    Hello { host: "n1".into(), job: None, places: vec![seat(true), seat(false)] }
}

struct World {
    now: f64,
    remote: Remote,
    agent: AgentState,
    agents: u32,
    orders: Late<Told>,
    states: Late<Said>,
    workers: [Option<Worker>; 2],
    /// Lengths of logs, as they are and as the orchestrator sees them.
    logs: RefCell<HashMap<PathBuf, Late<u64>>>,
    /// When an order's file was written.
    sheets: HashMap<PathBuf, f64>,
    /// What the orchestrator knows: the worker at each place, and its orders.
    known: [Option<(u32, Vec<PathBuf>)>; 2],
    number: u32,
    up: bool,
    delay: f64,
    /// The delay of logs and of orders' files.
    others: f64,
    lost_reply: bool,
    lost_file: bool,
    /// The finished orders of the worker at each place.
    over: [Vec<PathBuf>; 2],
    /// What the workers wrote to stderr that was not forgotten.
    stderr: [String; 2],
    executed: HashSet<PathBuf>,
    finished: HashSet<PathBuf>,
    sent: usize,
}

impl World {
    fn new() -> Self {
        World {
            now: 0.0,
            remote: Remote::new(3, 2, Times::of(60.0)),
            agent: AgentState::new("a1".into(), hello()),
            agents: 1,
            orders: Late { versions: Vec::new(), seen: 0 },
            states: Late { versions: Vec::new(), seen: 0 },
            workers: [None, None],
            logs: RefCell::default(),
            sheets: HashMap::new(),
            known: [None, None],
            number: 0,
            up: false,
            delay: 0.0,
            others: 0.0,
            lost_reply: false,
            lost_file: false,
            over: Default::default(),
            stderr: Default::default(),
            executed: HashSet::new(),
            finished: HashSet::new(),
            sent: 0,
        }
    }

    fn another_agent(&mut self) {
        self.agents += 1;
        self.agent = AgentState::new(format!("a{}", self.agents), hello());
        self.workers = [None, None];
        self.stderr = Default::default();
        // A process on another machine has its own view.
        self.orders.seen = 0;
    }

    fn log(&self, path: &Path, length: u64) {
        let mut logs = self.logs.borrow_mut();
        let log = logs.entry(path.to_owned()).or_insert(Late { versions: Vec::new(), seen: 0 });
        log.write(self.now, length);
    }

    /// Both sides look, and write what there is to write.
    fn look(&mut self) {
        if let Some(told) = self.orders.read(self.now, self.delay) {
            let (sheets, now, delay) = (&self.sheets, self.now, self.others);
            let acts = self.agent.told(&told, |sheet| sheets[&sheet.path] + delay <= now);
            acts.into_iter().for_each(|act| self.act(act));
        }
        self.workers_end();
        let said = self.agent.said();
        self.states.write(self.now, said.clone());
        if said.gone {
            self.another_agent();
        }

        let said = self.states.read(self.now, self.delay);
        let (now, delay) = (self.now, self.others);
        let logs = &self.logs;
        let length =
            |path: &Path| logs.borrow_mut().get_mut(path).and_then(|log| log.read(now, delay)).unwrap_or_default();
        for news in self.remote.look(now, said, length) {
            self.hear(news);
        }
        if let Some(told) = self.remote.news(self.now) {
            // It was reported as written, but lost before it was seen: it is written again.
            if !std::mem::take(&mut self.lost_file) {
                self.orders.write(self.now, told);
            }
            // It was written, but reported as failed: it is written again.
            if std::mem::take(&mut self.lost_reply) {
                self.remote.unwritten();
            }
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Start(place) => {
                assert!(self.workers[place].is_none(), "two workers at one place");
                self.workers[place] = Some(Worker { orders: Vec::new(), done: 0, ends: None });
            }
            Act::Send(place, sheet) => {
                let worker = self.workers[place].as_mut().expect("an order without a worker");
                assert!(worker.ends.is_none(), "an order after the end");
                assert!(self.executed.insert(sheet.path.clone()), "{} is assigned twice", sheet.path.display());
                worker.orders.push(sheet);
            }
            Act::Close(place) => self.ends(place, End::After),
            Act::Stop(place) => self.ends(place, End::Soon),
            Act::Kill(place) => self.ends(place, End::Now),
            Act::Forget(place) => self.stderr[place].clear(),
        }
    }

    fn ends(&mut self, place: usize, end: End) {
        let worker = self.workers[place].as_mut().expect("an end without a worker");
        assert!(worker.ends < Some(end), "told twice");
        worker.ends = Some(end);
    }

    /// Workers end that were told to, and have finished what they must.
    fn workers_end(&mut self) {
        for place in 0..2 {
            let ends = self.workers[place].as_ref().is_some_and(|worker| match worker.ends {
                None | Some(End::Not) => false,
                Some(End::After) => worker.done == worker.orders.len(),
                Some(End::Soon | End::Now) => true,
            });
            if ends {
                self.die(place);
            }
        }
    }

    fn die(&mut self, place: usize) {
        if self.workers[place].take().is_none() {
            return;
        }
        let logs = self.logs.borrow();
        let length = |path: &Path| logs.get(path).and_then(|log| Some(log.versions.last()?.1)).unwrap_or_default();
        self.agent.exited(place, ("gone".into(), None, std::mem::take(&mut self.stderr[place])), length);
    }

    fn work(&mut self, place: usize) {
        let Some(worker) = &mut self.workers[place] else { return };
        let Some(sheet) = worker.orders.get(worker.done).cloned() else { return };
        let length = self.logs.borrow().get(&sheet.events).and_then(|log| Some(log.versions.last()?.1)).unwrap_or(0);
        let length = (length + 1).min(2);
        if length == 2 {
            // Its last event is in the log.
            worker.done += 1;
            self.finished.insert(sheet.path.clone());
        }
        self.log(&sheet.events, length);
        self.stderr[place] += &format!("{} ", sheet.path.display());
        let words = self.stderr[place].clone();
        let length = |path: &Path| self.logs.borrow().get(path).and_then(|log| Some(log.versions.last()?.1));
        let ended = |path: &Path| (length(path) == Some(2)).then_some(Outcome::Failed);
        let acts = self.agent.printed(place, words, ended);
        acts.into_iter().for_each(|act| self.act(act));
    }

    /// The orchestrator reads logs as it sees them, as the driver does.
    fn read_logs(&mut self, place: usize) {
        while let Some(first) = self.known[place].as_ref().and_then(|(_, orders)| orders.first()).cloned() {
            let length = {
                let mut logs = self.logs.borrow_mut();
                logs.get_mut(&first.with_extension("log")).and_then(|log| log.read(self.now, self.others))
            };
            if length.unwrap_or_default() < 2 {
                return;
            }
            self.known[place].as_mut().unwrap().1.remove(0);
            self.over(place, &first);
        }
    }

    /// A worker's words must not be taken for another order's.
    fn over(&mut self, place: usize, order: &Path) {
        self.late_words(place);
        let words = self.remote.over(place);
        self.over[place].push(order.to_owned());
        assert!(words.split_whitespace().all(|word| Path::new(word) == order), "{words} of {}", order.display());
    }

    fn late_words(&mut self, place: usize) {
        for (number, words) in self.remote.late_words(place) {
            let order = &self.over[place][number as usize];
            assert!(!words.is_empty() && words.split_whitespace().all(|word| Path::new(word) == order), "{words}");
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Joined(_) => self.up = true,
            News::Leaving => self.up = false,
            News::Left { .. } | News::Lost => {
                self.up = false;
                assert!(self.known.iter().all(Option::is_none), "its workers were not reported");
            }
            News::Alive(place) => self.read_logs(place),
            News::Exited(place, number, exit) => {
                self.read_logs(place);
                let (worker, orders) = self.known[place].take().expect("gone twice");
                assert_eq!(worker, number);
                if exit.is_some_and(|exit| !exit.status.contains("cannot be seen")) {
                    let missed = orders.iter().find(|order| self.finished.contains(*order));
                    assert_eq!(missed, None, "its finished orders are not known");
                }
                for order in orders {
                    self.over(place, &order);
                }
            }
        }
    }

    fn hand(&mut self, place: usize) {
        if self.known[place].is_none() {
            if !self.up {
                return;
            }
            self.number += 1;
            self.late_words(place);
            if !self.remote.start(place, self.number) {
                return;
            }
            self.over[place].clear();
            self.known[place] = Some((self.number, Vec::new()));
        }
        self.sent += 1;
        let path = PathBuf::from(format!("{}.json", self.sent));
        self.sheets.insert(path.clone(), self.now);
        let events = path.with_extension("log");
        self.known[place].as_mut().unwrap().1.push(path.clone());
        self.remote.send(place, Sheet { path, digest: String::new(), events });
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(seconds) => {
                for _ in 0..*seconds {
                    self.now += 1.0;
                    self.look();
                }
            }
            Step::Work(place) => self.work(*place),
            Step::Die(place) => self.die(*place),
            Step::Leave => {
                let acts = self.agent.leave("its time is over".into());
                acts.into_iter().for_each(|act| self.act(act));
            }
            Step::Lose => self.another_agent(),
            Step::Hand(place) => self.hand(*place),
            Step::LoseReply => self.lost_reply = true,
            Step::LoseFile => self.lost_file = true,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_done_twice(steps in steps()) {
        let mut world = World::new();
        for (step, (delay, others)) in &steps {
            (world.delay, world.others) = (f64::from(*delay), f64::from(*others));
            world.step(step);
        }
        // In the end all assigned orders are over: done, or known not to be.
        (world.delay, world.others) = (1.0, 1.0);
        for _ in 0..400 {
            for place in 0..2 {
                world.work(place);
                if world.known[place].as_ref().is_some_and(|(_, orders)| orders.is_empty()) {
                    world.remote.end(place, End::After);
                }
                world.read_logs(place);
            }
            world.now += 1.0;
            world.look();
        }
        for (place, known) in world.known.iter().enumerate() {
            prop_assert!(known.is_none(), "place {place}: {known:?}");
        }
    }
}

/// If its machine is gone, an agent is given up after its time, and only then is another one in its place.
#[test]
fn a_lost_agent_is_replaced_when_its_workers_are_known_to_be_gone() {
    let mut world = World::new();
    (0..10).for_each(|_| world.step(&Step::Wait(1)));
    assert!(world.up && world.agents == 1);
    world.hand(0);
    (0..5).for_each(|_| world.step(&Step::Wait(1)));
    assert_eq!(world.executed.len(), 1);
    world.step(&Step::Lose);
    let lost = world.now;
    while world.known[0].is_some() {
        world.step(&Step::Wait(1));
        assert!(!world.up || world.known[0].is_some(), "the new one is there before the old one is known to be gone");
    }
    assert!((150.0..160.0).contains(&(world.now - lost)), "{}", world.now - lost);
    (0..10).for_each(|_| world.step(&Step::Wait(1)));
    assert!(world.up);
    world.hand(0);
    (0..5).for_each(|_| world.step(&Step::Wait(1)));
    assert_eq!(world.executed.len(), 2);
}

/// A later orchestrator stops what an earlier one began, and reports it to no one else.
#[test]
fn a_later_orchestrator_takes_over() {
    let mut world = World::new();
    (0..10).for_each(|_| world.step(&Step::Wait(1)));
    world.hand(0);
    (0..5).for_each(|_| world.step(&Step::Wait(1)));
    assert!(world.workers[0].is_some());
    world.remote = Remote::new(4, 2, Times::of(60.0));
    (world.known, world.up) = ([None, None], false);
    world.step(&Step::Wait(1));
    assert!(!world.up && world.workers[0].is_some());
    (0..5).for_each(|_| world.step(&Step::Wait(1)));
    assert!(world.up && world.workers[0].is_none() && world.agents == 1, "the same agent, without a worker");
    // Messages from the earlier one are ignored.
    let mut earlier = Remote::new(3, 2, Times::of(60.0));
    earlier.look(world.now, Some(world.agent.said()), |_| 0);
    assert!(world.agent.told(earlier.told(), |_| true).is_empty() && world.agent.leaving().is_none());
}

/// A later orchestrator counts its messages from the start. What an agent confirmed to an earlier one says nothing
/// about these.
#[test]
fn a_lost_message_of_a_later_orchestrator_is_sent_again() {
    let mut world = World::new();
    (0..10).for_each(|_| world.step(&Step::Wait(1)));
    for _ in 0..5 {
        world.hand(0);
        (0..5).for_each(|_| world.step(&Step::Wait(1)));
    }
    world.remote = Remote::new(4, 2, Times::of(60.0));
    (world.known, world.up, world.lost_file) = ([None, None], false, true);
    (0..10).for_each(|_| world.step(&Step::Wait(1)));
    assert!(!world.up && !world.lost_file, "it was lost");
    (0..30).for_each(|_| world.step(&Step::Wait(10)));
    assert!(world.up);
}

/// An agent of an earlier orchestrator counts as there until it was checked.
#[test]
fn an_expected_agent_counts_as_there_until_it_is_known_to_be_gone() {
    let expected = || {
        let mut remote = Remote::new(3, 2, Times::of(60.0));
        assert!(remote.is_free());
        remote.expect();
        remote
    };
    let mut silent = expected();
    silent.look(150.0, None, |_| 0);
    assert!(!silent.is_free());
    silent.look(151.0, None, |_| 0);
    assert!(silent.is_free(), "it has been silent for too long");
    let mut agent = AgentState::new("a1".into(), hello());
    let mut there = expected();
    there.look(1.0, Some(agent.said()), |_| 0);
    assert!(!there.is_free());
    agent.leave("its time is over".into());
    let mut gone = expected();
    gone.look(1.0, Some(agent.said()), |_| 0);
    assert!(gone.is_free());
}

/// Even if the end of the first order is seen later than the words of the second.
#[test]
fn each_order_has_its_own_last_words() {
    let mut world = World::new();
    (0..10).for_each(|_| world.step(&Step::Wait(1)));
    world.hand(0);
    world.hand(0);
    (0..5).for_each(|_| world.step(&Step::Wait(1)));
    // Logs are seen a minute late, reports at once.
    world.others = 60.0;
    (0..3).for_each(|_| world.work(0));
    (0..5).for_each(|_| world.step(&Step::Wait(1)));
    assert_eq!((world.remote.over(0), world.remote.over(0)), ("1.json 1.json ".into(), "2.json ".into()));
}
