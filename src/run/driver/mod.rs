//! The event loop around the state machine, and the one place where the orchestrator waits. Turns what it hears into
//! inputs, and effects into calls.

mod effects;
mod phase;
#[cfg(test)]
mod tests;
mod user_requests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::attempt::{Attempt, Orders, WriteError};
use super::executor::{Crew, Executor, Place, Report};
use super::ledger::Ledger;
use super::leftovers::discard_spent;
use super::outcome::{Interrupted, Observer, Options, Outcomes, Planner, RunError};
use super::presence::Hold;
use super::requests::{self, Ear};
use super::signals::{Asked, Signals};
use super::state::{Clue, Ending, Finish, Input, Prober, Settings, Summary, Ticket};
use phase::Phase;
use sweep_plan::cohort::Cohort;
use sweep_plan::measured::Question;
use sweep_spec::id::{CohortId, JobId};
use sweep_store::{AttemptEnd, Store};
use sweep_system::clock::awake;
use sweep_wire::event::Event;
use sweep_wire::home::AttemptFolder;

/// How often the display is updated and the logs of silent workers are checked.
const TICK: Duration = Duration::from_millis(250);
/// Signals that follow each other within this time count as one.
const TWICE: Duration = Duration::from_millis(150);
/// A process that is woken this long after a tick was due has been asleep.
const ASLEEP: Duration = Duration::from_secs(2);
/// The least time between two attempts, in seconds. A float that holds a time of this century can tell them apart.
const APART: f64 = 1e-6;
/// How often this process checks that it still holds its directory.
const HOLD: Duration = Duration::from_secs(2);
/// How long workers may take to exit when there is nothing left to do. A checkpoint of a large cohort takes seconds.
const GRACE: Duration = Duration::from_secs(10);

/// How long a cohort trains when its rate is measured.
const PROBE_SECONDS: f64 = 1.0;

/// Trains what `planner` says with `crew`. Returns when all of it has ended or a signal has stopped it. Must be called
/// on a thread that lives as long as the process, in a current-thread runtime: workers die with the thread that started
/// them.
///
/// # Errors
///
/// The database or the home directory cannot be written, or no worker can be started.
pub async fn run(
    store: &Store,
    options: Options,
    crew: Crew,
    planner: &mut dyn Planner,
    observer: &mut dyn Observer,
) -> Result<Outcomes, RunError> {
    run_until(store, options, crew, planner, observer, Signals::new()?).await
}

/// Like [`run`], but with the given signals.
async fn run_until(
    store: &Store,
    options: Options,
    crew: Crew,
    planner: &mut dyn Planner,
    observer: &mut dyn Observer,
    mut signals: Signals,
) -> Result<Outcomes, RunError> {
    let Crew { executor, reports, slots } = crew;
    let settings = Settings { pace: executor.pace(), ..options.settings };
    let interrupted = if executor.outlives() { options.interrupted } else { Interrupted::Stop };
    let (answer, answers) = mpsc::unbounded_channel();
    let mut driver = Driver {
        interrupted,
        answer: Some(answer),
        answers,
        store,
        settings,
        phase: Phase::Before { prober: Prober::new(settings.pace), asked: false },
        orders: options.orders,
        places: vec![None; slots],
        there: BTreeSet::new(),
        paused: false,
        cancelled: HashSet::new(),
        executor,
        reports,
        attempts: HashMap::new(),
        made: store.attempts_made().await?,
        latest: store.known_until().await?,
        grown: BTreeSet::new(),
        ledger: Ledger::new(store).await?,
        unsent: Vec::new(),
        over: vec![0; slots],
        wordless: HashMap::new(),
        probes: 0,
        answered: Vec::new(),
        alive: BTreeMap::new(),
        start: Instant::now(),
        woken: Instant::now(),
        hold: options.hold,
        held: awake(),
        looked: None,
        stuck: false,
        summary: None,
        signal: None,
        signalled: None,
        ear: Ear::default(),
        last_words: String::new(),
    };
    let result = driver.serve(planner, observer, &mut signals).await;
    if let Err(error @ RunError::TakenOver { .. }) = result {
        driver.abandon().await;
        return Err(error);
    }
    match &result {
        Ok(summary) if summary.finish == Finish::Early(Ending::Left) => requests::decline(&driver.orders.home),
        result => driver.shut_down(result.is_err()).await,
    }
    // No one reads these files after the run.
    let _ = std::fs::remove_dir_all(driver.orders.home.probes().path());
    let summary = result?;
    let unwritten = driver.ledger.settle(store, signals.stopped()).await?;
    if unwritten.is_none() {
        discard_spent(store, &driver.orders.home).await?;
    }
    let memory_limits = match &driver.phase {
        Phase::Before { prober, .. } => prober.known().clone(),
        Phase::Running(machine) => machine.memory_limits().clone(),
    };
    Ok(Outcomes { summary, signal: driver.signal, memory_limits, unwritten, last_words: driver.last_words })
}

struct Driver<'a> {
    /// What happens to workers when this process is asked to stop.
    interrupted: Interrupted,
    /// Where the answer goes when the user is asked whether to stop workers. Taken when the question is put.
    answer: Option<mpsc::UnboundedSender<bool>>,
    answers: mpsc::UnboundedReceiver<bool>,
    store: &'a Store,
    settings: Settings,
    phase: Phase,
    orders: Orders,
    /// Each slot that has ever been there, with its device.
    places: Vec<Option<Place>>,
    /// The slots that are there now.
    there: BTreeSet<usize>,
    /// The user has asked for a pause.
    paused: bool,
    /// Jobs that were cancelled before there was a plan.
    cancelled: HashSet<JobId>,
    executor: Box<dyn Executor>,
    reports: mpsc::UnboundedReceiver<Report>,
    attempts: HashMap<Ticket, Attempt>,
    /// How many attempts each cohort has had.
    made: HashMap<CohortId, u32>,
    /// The time of the latest attempt.
    latest: f64,
    /// Slots whose logs have more to read.
    grown: BTreeSet<usize>,
    /// Rows on their way to the database, which go there in large transactions.
    ledger: Ledger,
    /// Orders that go out once the database knows of them, or once it is known to be locked.
    unsent: Vec<Unsent>,
    /// How many orders of the worker at each slot have ended.
    over: Vec<u64>,
    /// Attempts that failed without any last words, by slot and by how many orders had ended there before.
    wordless: HashMap<(usize, u64), Wordless>,
    /// How many orders only measured something.
    probes: u32,
    /// Answered questions that the planner has not been told of yet.
    answered: Vec<(Question, Option<String>)>,
    /// Slots whose workers have not exited, with the worker's number.
    alive: BTreeMap<usize, u32>,
    start: Instant,
    /// When this process last had something to do, at least a tick.
    woken: Instant,
    /// Shows whether another process has taken over the directory, and when this was last checked.
    hold: Hold,
    held: Duration,
    /// When all logs were last checked.
    looked: Option<Instant>,
    /// All that is left waits for work that no slot is doing.
    stuck: bool,
    summary: Option<Summary>,
    signal: Option<u8>,
    signalled: Option<Instant>,
    ear: Ear,
    last_words: String,
}

struct Unsent {
    ticket: Ticket,
    slot: usize,
    cohort: Arc<Cohort>,
    parents: Vec<CohortId>,
    until: Option<u64>,
    without: Vec<JobId>,
}

struct Wordless {
    cohort: CohortId,
    number: u32,
    folder: AttemptFolder,
    end: AttemptEnd,
}

/// Events that end a wait.
enum Wake {
    Report(Report),
    Grown,
    Signal(Signal, Asked),
    Answer(bool),
    Tick,
}

impl Driver<'_> {
    async fn serve(
        &mut self,
        planner: &mut dyn Planner,
        observer: &mut dyn Observer,
        signals: &mut Signals,
    ) -> Result<Summary, RunError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = tokio::select! {
                Some(report) = self.reports.recv() => Wake::Report(report),
                (signal, asked) = signals.next() => Wake::Signal(signal, asked),
                Some(leave) = self.answers.recv() => Wake::Answer(leave),
                _ = tick.tick() => Wake::Tick,
                () = std::future::ready(()), if !self.grown.is_empty() => Wake::Grown,
            };
            let display = matches!(wake, Wake::Signal(..) | Wake::Tick);
            self.check_hold()?;
            let asleep = std::mem::replace(&mut self.woken, Instant::now()).elapsed();
            if asleep > ASLEEP {
                tracing::info!(seconds = asleep.as_secs_f64(), "this process was suspended");
                self.handle(Input::Slept { seconds: asleep.as_secs_f64() }).await?;
            }
            self.wake(wake).await?;
            self.decide(planner).await?;
            self.record().await?;
            if display || self.summary.is_some() {
                observer.update(&self.standing());
            }
            if std::mem::take(&mut self.stuck) {
                self.free(planner).await?;
            }
            if let Some(mut summary) = self.summary.take()
                && !self.goes_on(&mut summary, planner).await?
            {
                return Ok(summary);
            }
        }
    }

    async fn wake(&mut self, wake: Wake) -> Result<(), RunError> {
        match wake {
            Wake::Report(report) => {
                // Reports arrive much faster than transactions end, so all waiting reports are handled together.
                let mut next = Some(report);
                while let Some(report) = next {
                    self.reported(report).await?;
                    next = self.reports.try_recv().ok();
                }
                self.read_grown().await?;
            }
            Wake::Grown => self.read_grown().await?,
            Wake::Signal(signal, asked) => self.signalled(signal, asked).await?,
            Wake::Answer(leave) => self.interrupted(Input::Warned, leave).await?,
            Wake::Tick => {
                if std::fs::exists(self.orders.home.path()).is_ok_and(|there| !there) {
                    let source = io::Error::other("the directory is gone: it was removed during the run");
                    return Err(WriteError { path: self.orders.home.path().to_owned(), source }.into());
                }
                if self.looked.is_none_or(|at| at.elapsed() >= self.executor.look()) {
                    self.looked = Some(Instant::now());
                    for slot in 0..self.places.len() {
                        if self.read_log(slot).await? {
                            self.grown.insert(slot);
                        }
                    }
                }
                self.handle(Input::Tick).await?;
                self.executor.wait_for(match &self.phase {
                    // One slot is enough to plan for.
                    Phase::Before { asked, .. } => usize::from(!asked || self.there.is_empty()),
                    Phase::Running(machine) => machine.waiting(),
                });
                for (path, request) in self.ear.waiting(&self.orders.home) {
                    self.asked(request).await?;
                    self.record().await?;
                    requests::mark_paused(&self.orders.home, self.paused);
                    requests::answer(&path);
                }
            }
        }
        Ok(())
    }

    async fn reported(&mut self, report: Report) -> Result<(), RunError> {
        match report {
            Report::Joined { slot, place } => {
                let kind = place.kind.clone();
                self.places[slot] = Some(place);
                self.there.insert(slot);
                self.handle(Input::Joined { slot, kind }).await
            }
            Report::Leaving { slot } => {
                self.there.remove(&slot);
                self.handle(Input::Leaving { slot }).await
            }
            Report::Left { slot } => {
                self.there.remove(&slot);
                self.read_to_end(slot).await?;
                self.alive.remove(&slot);
                self.handle(Input::Left { slot }).await
            }
            Report::Stranded { message } => self.handle(Input::Stranded { message }).await,
            Report::Alive { slot } => {
                self.grown.insert(slot);
                self.add_late_words(slot)
            }
            Report::Exited { slot, worker, status, clue } if self.alive.get(&slot) == Some(&worker) => {
                self.exited(slot, status, clue).await
            }
            // The exit was already reported.
            Report::Exited { .. } => Ok(()),
        }
    }

    async fn exited(&mut self, slot: usize, status: String, clue: Option<Clue>) -> Result<(), RunError> {
        self.read_to_end(slot).await?;
        self.add_late_words(slot)?;
        self.alive.remove(&slot);
        self.handle(Input::Exited { slot, status, clue }).await
    }

    /// Reads everything that the worker of `slot`, which is gone, has logged.
    async fn read_to_end(&mut self, slot: usize) -> Result<(), RunError> {
        while self.read_log(slot).await? {
            self.record().await?;
        }
        self.grown.remove(&slot);
        Ok(())
    }

    /// Reads a piece of each log that has grown. The rest waits: every slot gets its turn, and memory stays small even
    /// if workers log faster than the database takes it in.
    async fn read_grown(&mut self) -> Result<(), RunError> {
        for slot in std::mem::take(&mut self.grown) {
            self.handle(Input::Log { slot, records: Vec::new(), offset: 0 }).await?;
            if self.read_log(slot).await? {
                self.grown.insert(slot);
            }
        }
        Ok(())
    }

    /// Reads a piece of the log of the worker of `slot`, for every order that it has finished. Returns whether there is
    /// more to read.
    async fn read_log(&mut self, slot: usize) -> Result<bool, RunError> {
        while let Some(ticket) = self.phase.current(slot) {
            let Some(attempt) = self.attempts.get_mut(&ticket) else { break };
            match attempt.read() {
                Ok((records, offset)) => {
                    let more = attempt.has_more();
                    for event in records.iter().map(|record| &record.event) {
                        if let Event::Warning { message } = event {
                            tracing::warn!("cohort {}, attempt {}: {message}", attempt.cohort, attempt.number);
                        }
                    }
                    if !records.is_empty() {
                        self.handle(Input::Log { slot, records, offset }).await?;
                    }
                    if more {
                        return Ok(true);
                    }
                    if self.phase.current(slot) == Some(ticket) {
                        break;
                    }
                }
                Err(message) => {
                    self.handle(Input::Broken { slot, message }).await?;
                    break;
                }
            }
        }
        Ok(false)
    }

    async fn handle(&mut self, input: Input) -> Result<(), RunError> {
        let now = self.start.elapsed().as_secs_f64();
        let effects = match &mut self.phase {
            Phase::Before { prober, .. } => prober.handle(now, input),
            Phase::Running(machine) => machine.handle(now, input),
        };
        self.act_all(effects).await
    }

    /// Checks that no other process has taken over. Needed before work is handed out, but not each time.
    fn check_hold(&mut self) -> Result<(), RunError> {
        if awake().saturating_sub(self.held) < HOLD {
            return Ok(());
        }
        if let Some(by) = self.hold.lost_to() {
            return Err(RunError::TakenOver { home: self.orders.home.path().to_owned(), by });
        }
        self.held = awake();
        Ok(())
    }

    /// Kills the workers of this machine. All others belong to the other orchestrator by now.
    async fn abandon(&mut self) {
        self.alive.keys().for_each(|&slot| self.executor.kill(slot));
        if !self.executor.outlives() {
            let _ = tokio::time::timeout(GRACE, self.exits()).await;
        }
    }

    /// Waits until all workers have exited.
    async fn exits(&mut self) {
        while !self.alive.is_empty() {
            match self.reports.recv().await {
                Some(Report::Exited { slot, worker, .. }) if self.alive.get(&slot) == Some(&worker) => {
                    if let Err(error) = self.add_late_words(slot) {
                        tracing::warn!("the last words of a worker are lost: {error}");
                    }
                    self.alive.remove(&slot);
                }
                Some(_) => {}
                None => return,
            }
        }
    }

    /// Waits for workers to exit, and kills those that take too long. After an error, asks them to checkpoint first.
    async fn shut_down(&mut self, failed: bool) {
        for &slot in self.alive.keys() {
            if failed { self.executor.stop(slot) } else { self.executor.close(slot) }
        }
        requests::decline(&self.orders.home);
        let grace = GRACE + Duration::from_secs_f64(self.executor.pace().delay);
        if tokio::time::timeout(grace, self.exits()).await.is_err() {
            tracing::warn!("{} workers do not exit: killing them", self.alive.len());
            self.alive.keys().for_each(|&slot| self.executor.kill(slot));
            let _ = tokio::time::timeout(grace, self.exits()).await;
        }
    }
}
