//! The state machine's hands: the one place where the orchestrator waits. What it hears becomes inputs, effects become calls.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::Observer;
use super::attempt::{Attempt, Details, Orders, WriteError};
use super::executor::{Executor, Local, Report, StartError};
use super::ledger::{Ledger, Unwritten};
use super::leftovers::discard_spent;
use super::requests::{self, Ear, Request};
use super::signals::{self, Asked, Signals};
use super::state::{Clue, Effect, Input, Machine, Rest, Settings, Summary, Ticket, Work};
use sweep_plan::cohort::Cohort;
use sweep_plan::measured::Known;
use sweep_plan::slot::{Kinds, Slot};
use sweep_spec::id::{CohortId, JobId};
use sweep_store::{AttemptEnd, AttemptOutcome, Decision, Members, NewAttempt, Store, StoreError, Write, note};
use sweep_system::clock::now;
use sweep_wire::event::{Event, Outcome};
use sweep_wire::home::Home;

/// How often the display is brought up to date and silent workers' logs are looked at.
const TICK: Duration = Duration::from_millis(250);
/// Signals that follow each other so fast are one.
const TWICE: Duration = Duration::from_millis(150);
/// Who is not woken for so long, where a tick was due, was asleep.
const ASLEEP: Duration = Duration::from_secs(2);
/// Between the times of two attempts that are made together; floats of this century tell them apart.
const APART: f64 = 1e-6;
/// So long may workers take to exit once nothing is left to do; a checkpoint of a large cohort takes seconds.
const GRACE: Duration = Duration::from_secs(10);

/// What a run needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// What all orders share.
    pub orders: Orders,
    /// How patient to be.
    pub settings: Settings,
    /// Where to train.
    pub slots: Vec<Slot>,
    /// Of which kind the slots' devices are.
    pub kinds: Kinds,
    /// The worker to start instead of this executable.
    pub worker: Option<OsString>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// What came of it.
    pub summary: Summary,
    /// The number of the first signal that asked it to stop.
    pub signal: Option<u8>,
    /// What running out of memory has taught.
    pub learnt: Known,
    /// What the database does not have, since another program kept it locked.
    pub unwritten: Option<Unwritten>,
    /// The last lines on stderr of the worker that failed or died last.
    pub last_words: String,
}

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run directory.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A worker.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Signals cannot be received, or the like.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Trains `works`, and returns when all have ended or a signal has stopped it. Must be called on a thread that lives as long as the
/// process, in a current-thread runtime: workers die with the thread that started them.
pub async fn run(
    store: &Store,
    options: Options,
    works: Vec<Work>,
    observer: &mut dyn Observer,
) -> Result<Outcomes, RunError> {
    let (sender, reports) = mpsc::unbounded_channel();
    let home = &options.orders.home;
    let executor = Local::new(options.worker.clone(), options.slots.clone(), home, sender)?;
    let kinds = options.slots.iter().map(|slot| options.kinds.of(slot.device)).collect();
    let mut driver = Driver {
        store,
        machine: Machine::new(options.settings, kinds, works),
        orders: options.orders,
        slots: options.slots,
        executor: Box::new(executor),
        reports,
        attempts: HashMap::new(),
        made: store.attempts_made().await?,
        latest: 0.0,
        grown: BTreeSet::new(),
        ledger: Ledger::new(store).await?,
        unsent: Vec::new(),
        alive: BTreeSet::new(),
        start: Instant::now(),
        woken: Instant::now(),
        summary: None,
        signal: None,
        signalled: None,
        ear: Ear::default(),
        last_words: String::new(),
    };
    let mut signals = Signals::new()?;
    let result = driver.serve(observer, &mut signals).await;
    driver.shut_down(result.is_err()).await;
    let summary = result?;
    let unwritten = driver.ledger.settle(store, signals.stopped()).await?;
    if unwritten.is_none() {
        discard_spent(store, &driver.orders.home).await?;
    }
    let learnt = driver.machine.learnt().clone();
    Ok(Outcomes { summary, signal: driver.signal, learnt, unwritten, last_words: driver.last_words })
}

struct Driver<'a> {
    store: &'a Store,
    machine: Machine,
    orders: Orders,
    slots: Vec<Slot>,
    executor: Box<dyn Executor>,
    reports: mpsc::UnboundedReceiver<Report>,
    attempts: HashMap<Ticket, Attempt>,
    /// How many attempts each cohort has had.
    made: HashMap<CohortId, u32>,
    /// When the latest attempt was made.
    latest: f64,
    /// Slots whose logs have more than was read.
    grown: BTreeSet<usize>,
    /// What is on its way to the database: much goes in one transaction.
    ledger: Ledger,
    /// Orders that go out once the database knows of them, or is known to be locked.
    unsent: Vec<Unsent>,
    /// Slots whose worker has not exited.
    alive: BTreeSet<usize>,
    start: Instant,
    /// When this process last had something to do: a tick, at least.
    woken: Instant,
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
    parent: Option<CohortId>,
    without: Vec<JobId>,
}

/// What ends a wait.
enum Wake {
    Report(Report),
    Grown,
    Signal(Signal, Asked),
    Tick,
}

impl Driver<'_> {
    async fn serve(&mut self, observer: &mut dyn Observer, signals: &mut Signals) -> Result<Summary, RunError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = tokio::select! {
                Some(report) = self.reports.recv() => Wake::Report(report),
                (signal, asked) = signals.next() => Wake::Signal(signal, asked),
                _ = tick.tick() => Wake::Tick,
                () = std::future::ready(()), if !self.grown.is_empty() => Wake::Grown,
            };
            let display = matches!(wake, Wake::Signal(..) | Wake::Tick);
            let asleep = std::mem::replace(&mut self.woken, Instant::now()).elapsed();
            if asleep > ASLEEP {
                tracing::info!(seconds = asleep.as_secs_f64(), "this process stood still");
                self.handle(Input::Slept { seconds: asleep.as_secs_f64() }).await?;
            }
            self.wake(wake).await?;
            self.record().await?;
            if display || self.summary.is_some() {
                observer.update(&self.machine.view());
            }
            if let Some(summary) = self.summary.take() {
                return Ok(summary);
            }
        }
    }

    async fn wake(&mut self, wake: Wake) -> Result<(), RunError> {
        match wake {
            Wake::Report(report) => {
                // Reports come much faster than transactions go: all that are there are one piece of work.
                let mut next = Some(report);
                while let Some(report) = next {
                    match report {
                        Report::Alive { slot } => drop(self.grown.insert(slot)),
                        Report::Exited { slot, status, clue } => self.exited(slot, status, clue).await?,
                    }
                    next = self.reports.try_recv().ok();
                }
                self.read_grown().await?;
            }
            Wake::Grown => self.read_grown().await?,
            Wake::Signal(signal, asked) => self.signalled(signal, asked).await?,
            Wake::Tick => {
                if std::fs::exists(self.orders.home.path()).is_ok_and(|there| !there) {
                    let source = io::Error::other("the directory is gone: it was removed while the run was at work");
                    return Err(WriteError { path: self.orders.home.path().to_owned(), source }.into());
                }
                for slot in 0..self.slots.len() {
                    if self.read_log(slot).await? {
                        self.grown.insert(slot);
                    }
                }
                self.handle(Input::Tick).await?;
                for (path, request) in self.ear.waiting(&self.orders.home) {
                    self.asked(request).await?;
                    self.record().await?;
                    requests::mark_paused(&self.orders.home, self.machine.view().paused);
                    requests::answer(&path);
                }
            }
        }
        Ok(())
    }

    async fn signalled(&mut self, signal: Signal, asked: Asked) -> Result<(), RunError> {
        let input = match asked {
            Asked::Suspend => {
                // First the workers: nobody would stop them later.
                self.executor.suspend();
                return Ok(kill_process(getpid(), Signal::STOP).map_err(io::Error::from)?);
            }
            Asked::Continue => {
                self.executor.go_on();
                return Ok(());
            }
            // `timeout` sends one to the process and one to its group, at once.
            Asked::Stop if self.signalled.is_some_and(|at| at.elapsed() < TWICE) => return Ok(()),
            Asked::Stop => Input::Stop,
            Asked::Warned => Input::Warned,
        };
        self.signal.get_or_insert(signals::number(signal));
        tracing::info!(?signal, "asked to stop");
        self.handle(input).await?;
        self.record().await?;
        if asked == Asked::Stop {
            // Of two that came together the second waits already, however long this took.
            self.signalled = Some(Instant::now());
        }
        Ok(())
    }

    /// Does what was asked for from another terminal.
    async fn asked(&mut self, request: Request) -> Result<(), RunError> {
        tracing::info!(?request, "asked from another terminal");
        match request {
            Request::Pause => self.handle(Input::Pause).await,
            Request::Resume => self.handle(Input::Resume).await,
            Request::Cancel(mut jobs) => {
                self.handle(Input::Cancel { jobs: jobs.clone() }).await?;
                // Those that this run knows nothing of, too: nobody else can write as long as it is at work.
                jobs.retain(|job| !self.machine.is_cancelled(*job));
                self.cancel(jobs)
            }
        }
    }

    fn cancel(&mut self, jobs: Vec<JobId>) -> Result<(), RunError> {
        if !jobs.is_empty() {
            note(&self.orders.home, &jobs, Decision::Cancel)?;
            self.ledger.push(Write::Decided { jobs, decision: Decision::Cancel });
        }
        Ok(())
    }

    async fn exited(&mut self, slot: usize, status: String, clue: Option<Clue>) -> Result<(), RunError> {
        while self.read_log(slot).await? {
            self.record().await?;
        }
        self.grown.remove(&slot);
        self.alive.remove(&slot);
        self.handle(Input::Exited { slot, status, clue }).await
    }

    /// Reads a piece of each log that has grown. The rest waits, so that others have their turn and memory stays small where workers
    /// log faster than the database takes it in.
    async fn read_grown(&mut self) -> Result<(), RunError> {
        for slot in std::mem::take(&mut self.grown) {
            self.handle(Input::Log { slot, records: Vec::new(), offset: 0 }).await?;
            if self.read_log(slot).await? {
                self.grown.insert(slot);
            }
        }
        Ok(())
    }

    /// Reads a piece of what the worker of `slot` has logged, through as many orders as it has got done. Whether there is more.
    async fn read_log(&mut self, slot: usize) -> Result<bool, RunError> {
        while let Some(ticket) = self.machine.current(slot) {
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
                    if self.machine.current(slot) == Some(ticket) {
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
        for effect in self.machine.handle(now, input) {
            self.act(effect).await?;
        }
        Ok(())
    }

    async fn act(&mut self, effect: Effect) -> Result<(), RunError> {
        match effect {
            Effect::Start { slot } => {
                self.executor.start(slot)?;
                self.alive.insert(slot);
            }
            Effect::Send { ticket, slot, cohort, ancestors, without } => {
                let may_go_on = |&of: &CohortId| std::fs::exists(self.orders.from(&cohort, of)).unwrap_or(true);
                let parent = ancestors.into_iter().find(may_go_on);
                self.unsent.push(Unsent { ticket, slot, cohort, parent, without });
            }
            // What they had reported before counts: it is written before.
            Effect::Cancelled { jobs } => self.cancel(jobs)?,
            Effect::Ingest { ticket, records, offset } => {
                if let Some(attempt) = self.attempts.get(&ticket) {
                    let (cohort, attempt) = (attempt.cohort, attempt.number);
                    self.ledger.push(Write::Events { cohort, attempt, records, offset });
                }
            }
            Effect::Finished { ticket, slot } => {
                self.executor.last_words(slot);
                self.attempts.remove(&ticket);
            }
            Effect::End { ticket, slot, outcome, message, rest } => {
                self.record().await?;
                if let Some(attempt) = self.attempts.remove(&ticket) {
                    self.end(&attempt, slot, outcome, message, rest)?;
                }
            }
            // What was to be sent before is sent before.
            Effect::Stop { slot } => {
                self.record().await?;
                self.executor.stop(slot);
            }
            Effect::Close { slot } => {
                self.record().await?;
                self.executor.close(slot);
            }
            Effect::Kill { slot } => {
                self.record().await?;
                self.executor.kill(slot);
            }
            Effect::Finish(summary) => self.summary = Some(summary),
        }
        Ok(())
    }

    fn end(
        &mut self,
        attempt: &Attempt,
        slot: usize,
        outcome: Option<Outcome>,
        message: String,
        rest: Rest,
    ) -> Result<(), RunError> {
        let (cohort, number) = (attempt.cohort, attempt.number);
        let outcome = outcome.map_or(AttemptOutcome::Died, AttemptOutcome::from);
        if outcome == AttemptOutcome::Stopped {
            tracing::info!(slot, %cohort, attempt = number, message, "attempt stopped");
        } else {
            let next = if rest == Rest::Fails { "; its jobs have failed" } else { "" };
            tracing::warn!("cohort {cohort}, attempt {number}: {}: {message}{next}", outcome.name());
        }
        let stderr = self.executor.last_words(slot);
        if outcome != AttemptOutcome::Stopped {
            self.last_words.clone_from(&stderr);
        }
        let end = AttemptEnd {
            outcome,
            message,
            stderr,
            members: match rest {
                Rest::Waits => Members::Release,
                Rest::Fails => Members::Fail,
            },
            at: now(),
        };
        end.save(&attempt.folder)?;
        self.ledger.push(Write::End { cohort, attempt: number, end });
        Ok(())
    }

    /// Puts into the database what is to be in it, then sends the orders that it knows of now, or will, where it is locked.
    async fn record(&mut self) -> Result<(), RunError> {
        let mut new = Vec::new();
        for unsent in std::mem::take(&mut self.unsent) {
            let number = self.made.get(&unsent.cohort.id).copied().unwrap_or(0) + 1;
            self.made.insert(unsent.cohort.id, number);
            // Never the same twice: a rebuild takes them in this order.
            self.latest = now().max(self.latest + APART);
            let start = NewAttempt {
                cohort: Arc::clone(&unsent.cohort),
                parent: unsent.parent,
                without: unsent.without.clone(),
                after: self.orders.after(&unsent.cohort, unsent.parent),
                directory: Home::place(unsent.cohort.id),
                slot: self.slot_name(unsent.slot),
                number,
                at: self.latest,
            };
            self.ledger.push(Write::Start(start.clone()));
            new.push((unsent, start));
        }
        self.ledger.flush(self.store).await?;
        for (Unsent { ticket, slot, .. }, start) in new {
            let NewAttempt { cohort, parent, without, after, slot: name, number, at, .. } = start;
            let details = Details { parent, after, without, slot: Some(name), at: Some(at) };
            let attempt = Attempt::write(&self.orders, &cohort, number, &self.slots[slot], details)?;
            tracing::info!(slot, cohort = %cohort.id, attempt = number, members = cohort.members.len(), "order");
            self.executor.send(slot, &attempt.folder.order());
            self.attempts.insert(ticket, attempt);
        }
        Ok(())
    }

    /// `cpu/1`, `cuda:0/0`: the device, and a number among the slots of that device.
    fn slot_name(&self, slot: usize) -> String {
        let Slot { device, .. } = self.slots[slot];
        let number = self.slots[..slot].iter().filter(|other| other.device == device).count();
        format!("{device}/{number}")
    }

    /// Waits for workers to exit, and kills those that take too long. After an error they are asked to checkpoint.
    async fn shut_down(&mut self, failed: bool) {
        for &slot in &self.alive {
            if failed { self.executor.stop(slot) } else { self.executor.close(slot) }
        }
        let exits = async |driver: &mut Self| {
            while !driver.alive.is_empty() {
                match driver.reports.recv().await {
                    Some(Report::Exited { slot, .. }) => drop(driver.alive.remove(&slot)),
                    Some(Report::Alive { .. }) => {}
                    None => return,
                }
            }
        };
        requests::decline(&self.orders.home);
        if tokio::time::timeout(GRACE, exits(self)).await.is_err() {
            tracing::warn!("{} workers do not exit and are killed", self.alive.len());
            self.alive.iter().for_each(|&slot| self.executor.kill(slot));
            let _ = tokio::time::timeout(GRACE, exits(self)).await;
        }
    }
}
