//! Tests of the driver with unreliable news: reports that are late, lost, doubled or out of order, and machines that
//! come and go.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::path::Path;
use std::rc::Rc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::*;
use crate::Standing;
use crate::executor::StartError;
use crate::state::{Pace, Work};
use crate::sweeps;
use sweep_plan::slot::{Device, Kinds, Slot};
use sweep_store::NewSweep;
use sweep_wire::event::Outcome;
use sweep_wire::home::Home;
use sweep_wire::log::Writer;
use sweep_wire::order::Order;
use sweep_wire::status::Status;

/// A pseudorandom number generator with a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Workers that train nothing, on machines that come and go.
struct World {
    dice: Dice,
    reports: UnboundedSender<Report>,
    workers: HashMap<usize, Rc<Worker>>,
    started: u32,
    /// Slots whose machine is gone.
    gone: HashSet<usize>,
    /// Cohorts that a worker trains now.
    at_work: HashSet<CohortId>,
    /// The lasting progress of each cohort.
    steps: HashMap<CohortId, u64>,
    /// Finished jobs, by any attempt.
    finished: Vec<JobId>,
    pace: Pace,
}

struct Worker {
    number: u32,
    orders: RefCell<VecDeque<std::path::PathBuf>>,
    closed: RefCell<bool>,
    stopped: RefCell<bool>,
    killed: RefCell<bool>,
}

type Shared = Rc<RefCell<World>>;

/// Returns the longest time that anything takes.
fn moment(dice: &mut Dice) -> Duration {
    Duration::from_millis(dice.roll(12))
}

/// Sends a report late, twice, or, if it may be lost, not at all.
fn tell(world: &Shared, report: Report) {
    let mut it = world.borrow_mut();
    let times = match (&report, it.dice.roll(10)) {
        (Report::Alive { .. }, 0..3) => 0,
        (Report::Exited { .. }, 0..5) | (_, 9) => 2,
        _ => 1,
    };
    for again in 0..times {
        let (reports, report) = (it.reports.clone(), report.clone());
        let late = moment(&mut it.dice) + again * Duration::from_millis(20);
        tokio::task::spawn_local(async move {
            sleep(late).await;
            let _ = reports.send(report);
        });
    }
}

fn place(slot: usize) -> Place {
    let of = Slot { device: Device::Cpu, threads: 1 };
    Place {
        slot: of,
        kind: Kinds::default().of(Device::Cpu),
        first: slot == 0,
        name: format!("far/{slot}"),
        bytes: None,
    }
}

struct Far(Shared);

impl Executor for Far {
    fn start(&mut self, slot: usize) -> Result<u32, StartError> {
        let mut world = self.0.borrow_mut();
        world.started += 1;
        if world.gone.contains(&slot) {
            // The driver does not know that yet, and will be told if it starts something there.
            return Ok(world.started);
        }
        let worker = Rc::new(Worker {
            number: world.started,
            orders: RefCell::default(),
            closed: RefCell::new(false),
            stopped: RefCell::new(false),
            killed: RefCell::new(false),
        });
        let before = world.workers.insert(slot, Rc::clone(&worker));
        assert!(before.is_none(), "two workers at slot {slot}");
        tokio::task::spawn_local(live(Rc::clone(&self.0), slot, worker));
        Ok(world.started)
    }

    fn send(&mut self, slot: usize, order: &Path) {
        if let Some(worker) = self.0.borrow().workers.get(&slot) {
            worker.orders.borrow_mut().push_back(order.to_owned());
        }
    }

    fn close(&mut self, slot: usize) {
        if let Some(worker) = self.0.borrow().workers.get(&slot) {
            *worker.closed.borrow_mut() = true;
        }
    }

    fn stop(&mut self, slot: usize) {
        self.close(slot);
        if let Some(worker) = self.0.borrow().workers.get(&slot) {
            *worker.stopped.borrow_mut() = true;
        }
    }

    fn kill(&mut self, slot: usize) {
        if let Some(worker) = self.0.borrow().workers.get(&slot) {
            *worker.killed.borrow_mut() = true;
        }
    }

    fn suspend(&mut self) {}

    fn go_on(&mut self) {}

    fn pace(&self) -> Pace {
        self.0.borrow().pace
    }

    fn over(&mut self, _: usize) -> String {
        String::new()
    }
}

/// Runs a worker: it does orders until there are no more. Now and then it dies, sometimes with its machine.
async fn live(world: Shared, slot: usize, worker: Rc<Worker>) {
    let fate = world.borrow_mut().dice.roll(100);
    let mut orders = 0;
    loop {
        let pause = moment(&mut world.borrow_mut().dice);
        sleep(pause).await;
        if *worker.killed.borrow() || *worker.stopped.borrow() {
            break;
        }
        let Some(order) = worker.orders.borrow_mut().pop_front() else {
            if *worker.closed.borrow() {
                break;
            }
            continue;
        };
        orders += 1;
        // Some die at their first order, some before they report anything, and some with their machine.
        if !serve(&world, slot, &worker, &order, (fate < 25 && orders > 1) || fate < 8).await {
            break;
        }
    }
    let number = worker.number;
    world.borrow_mut().workers.remove(&slot);
    tell(&world, Report::Exited { slot, worker: number, status: "gone".to_owned(), clue: None });
    if fate.is_multiple_of(7) && world.borrow_mut().gone.insert(slot) {
        // Its machine goes, with everything that was started there in the meantime.
        tokio::task::spawn_local(leave(Rc::clone(&world), slot));
    }
}

async fn leave(world: Shared, slot: usize) {
    loop {
        match world.borrow().workers.get(&slot) {
            Some(worker) => *worker.killed.borrow_mut() = true,
            None => break,
        }
        sleep(Duration::from_millis(1)).await;
    }
    let _ = world.borrow().reports.send(Report::Left { slot });
    sleep(Duration::from_millis(20)).await;
    world.borrow_mut().gone.remove(&slot);
    let _ = world.borrow().reports.send(Report::Joined { slot, place: place(slot) });
}

/// Returns whether the worker survives this order.
async fn serve(world: &Shared, slot: usize, worker: &Worker, path: &Path, dies: bool) -> bool {
    let order: Order = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(world.borrow_mut().at_work.insert(order.cohort), "a cohort trains in two places");
    let goes_on = train(world, slot, worker, &order, dies).await;
    world.borrow_mut().at_work.remove(&order.cohort);
    goes_on
}

async fn train(world: &Shared, slot: usize, worker: &Worker, order: &Order, dies: bool) -> bool {
    let mut log = Writer::create(&order.events, order.cohort, order.attempt).unwrap();
    let mut say = |event| {
        log.append(event).unwrap();
        tell(world, Report::Alive { slot });
    };
    let first = world.borrow().steps.get(&order.cohort).copied().unwrap_or(0);
    if dies && order.attempt % 2 == 1 {
        return false;
    }
    say(sweeps::started(first));
    for step in (first..100).step_by(20) {
        let pause = moment(&mut world.borrow_mut().dice);
        sleep(pause).await;
        if *worker.killed.borrow() {
            return false;
        }
        say(Event::Progress { step: step + 20, rate: 1.0 });
        world.borrow_mut().steps.insert(order.cohort, step + 20);
        say(Event::Checkpointed { step: step + 20 });
        if dies {
            return false;
        }
        if *worker.stopped.borrow() {
            say(Event::Ended { outcome: Outcome::Stopped, message: String::new() });
            return false;
        }
    }
    for member in order.members.iter().filter(|member| !order.without.contains(&member.id)) {
        say(Event::JobDone { job: member.id, step: 100, seconds: 1.0 });
        world.borrow_mut().finished.push(member.id);
    }
    say(Event::Ended { outcome: Outcome::Finished, message: String::new() });
    true
}

struct Blind;

impl Observer for Blind {
    fn update(&mut self, _: &Standing) {}
}

fn works(sweep: &NewSweep) -> Vec<Work> {
    let jobs: Vec<_> = sweep.entries.iter().map(|entry| (entry.id, entry.job.clone())).collect();
    let scores = &sweep.entries[0].scores;
    let cohort = |part: &[_]| Arc::new(Cohort::new(part.to_vec(), Arc::clone(scores)));
    jobs.chunks(3).map(|part| Work::new(cohort(part), 0, &std::collections::HashSet::new(), 0.1)).collect()
}

async fn play(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let sweep = sweeps::sweep("s", &[0.1, 0.2], &[0.1], 25);
    sweep.save(&home).unwrap();
    let store = Store::open(&home.database()).await.unwrap();
    store.register(&sweep).await.unwrap();
    let (sender, reports) = mpsc::unbounded_channel();
    let pace = Pace { delay: 1.0, ahead_seconds: 1.0, ahead: (seed % 4) as usize };
    let world = Rc::new(RefCell::new(World {
        dice: Dice(seed),
        reports: sender.clone(),
        workers: HashMap::new(),
        started: 0,
        gone: HashSet::new(),
        at_work: HashSet::new(),
        steps: HashMap::new(),
        finished: Vec::new(),
        pace,
    }));
    // The first slot comes before anything else, the others later.
    for slot in 0..3 {
        let (sender, late) = (sender.clone(), Duration::from_millis(40 * slot));
        let report = Report::Joined { slot: slot as usize, place: place(slot as usize) };
        tokio::task::spawn_local(async move {
            sleep(late).await;
            let _ = sender.send(report);
        });
    }
    let crew = Crew { executor: Box::new(Far(Rc::clone(&world))), reports, slots: 3 };
    let settings = Settings { backoff: 0.0, tries: 50, ..Settings::default() };
    let (orders, interrupted) = (Orders::new(home.clone(), "/data".into(), 0), Interrupted::Stop);
    let options = Options { orders, settings, interrupted, hold: Hold::default() };
    let mut works = works(&sweep);
    let outcomes = run_until(&store, options, crew, &mut works, &mut Blind, Signals::none()).await.unwrap();
    let summary = outcomes.summary;
    assert_eq!((&summary.finish, summary.done, summary.left), (&Finish::Complete, 50, 0), "seed {seed}: {summary:?}");
    {
        let world = world.borrow();
        assert!(world.at_work.is_empty() && world.workers.is_empty(), "seed {seed}: a worker is left");
        let once: HashSet<&JobId> = world.finished.iter().collect();
        assert_eq!((once.len(), world.finished.len()), (50, 50), "seed {seed}: no job is finished twice");
    }
    let states = store.states("s").await.unwrap();
    assert!(states.len() == 50 && states.values().all(|state| *state == Status::Done), "seed {seed}: {states:?}");
}

#[test]
fn unreliable_news_lose_nothing_and_do_nothing_twice() {
    for seed in 0..12 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, play(seed));
    }
}
