//! The state machine's hands: the one place where the orchestrator waits. What it hears becomes inputs, effects become calls.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::Observer;
use super::attempt::{Attempt, Details, Orders};
use super::executor::{Executor, Local, Report, StartError};
use super::files::{CHECKPOINT, WriteError, directory};
use super::leftovers::{discard_spent, sweep_up_cohort};
use super::requests::{self, Request};
use super::signals::Signals;
use super::state::{Clue, Effect, Input, Machine, Rest, Settings, Summary, Ticket, Work};
use sweep_plan::cohort::Cohort;
use sweep_plan::measured::Known;
use sweep_plan::slot::{Kinds, Slot};
use sweep_spec::id::{CohortId, JobId};
use sweep_store::{AttemptEnd, AttemptOutcome, Begun, Decision, Ingest, Members, NewAttempt, Store, StoreError};
use sweep_wire::event::{Event, Outcome, Record};

/// How often the display is brought up to date and silent workers' logs are looked at.
const TICK: Duration = Duration::from_millis(250);
/// Signals that follow each other so fast are one.
const TWICE: Duration = Duration::from_millis(150);
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
        grown: BTreeSet::new(),
        unwritten: Vec::new(),
        unsent: Vec::new(),
        alive: BTreeSet::new(),
        start: Instant::now(),
        summary: None,
        signal: None,
        signalled: None,
        last_words: String::new(),
    };
    let result = driver.serve(observer).await;
    driver.shut_down(result.is_err()).await;
    if result.is_ok() {
        discard_spent(store, &driver.orders.home).await?;
    }
    let summary = result?;
    let learnt = driver.machine.learnt().clone();
    Ok(Outcomes { summary, signal: driver.signal, learnt, last_words: driver.last_words })
}

struct Driver<'a> {
    store: &'a Store,
    machine: Machine,
    orders: Orders,
    slots: Vec<Slot>,
    executor: Box<dyn Executor>,
    reports: mpsc::UnboundedReceiver<Report>,
    attempts: HashMap<Ticket, Attempt>,
    /// Slots whose logs have more than was read.
    grown: BTreeSet<usize>,
    /// Events on their way to the database: many go in one transaction.
    unwritten: Vec<Unwritten>,
    /// Orders that go out once the database knows of them, in the same transaction.
    unsent: Vec<Unsent>,
    /// Slots whose worker has not exited.
    alive: BTreeSet<usize>,
    start: Instant,
    summary: Option<Summary>,
    signal: Option<u8>,
    signalled: Option<Instant>,
    last_words: String,
}

struct Unwritten {
    cohort: CohortId,
    attempt: u32,
    records: Vec<Record>,
    offset: u64,
}

impl Unwritten {
    fn ingest(&self) -> Ingest<'_> {
        Ingest { cohort: self.cohort, attempt: self.attempt, records: &self.records, offset: self.offset }
    }
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
    Signal(u8),
    Tick,
}

impl Driver<'_> {
    async fn serve(&mut self, observer: &mut dyn Observer) -> Result<Summary, RunError> {
        let mut signals = Signals::new()?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake = tokio::select! {
                Some(report) = self.reports.recv() => Wake::Report(report),
                number = signals.next() => Wake::Signal(number),
                _ = tick.tick() => Wake::Tick,
                () = std::future::ready(()), if !self.grown.is_empty() => Wake::Grown,
            };
            let display = matches!(wake, Wake::Signal(_) | Wake::Tick);
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
            // `timeout` sends one to the process and one to its group, at once.
            Wake::Signal(_) if self.signalled.is_some_and(|at| at.elapsed() < TWICE) => {}
            Wake::Signal(number) => {
                self.signal.get_or_insert(number);
                tracing::info!(number, "asked to stop");
                self.handle(Input::Stop).await?;
                self.record().await?;
                // Of which the second waits already, however long this took.
                self.signalled = Some(Instant::now());
            }
            Wake::Tick => {
                if !self.orders.home.exists() {
                    let source = io::Error::other("the directory is gone: it was removed while the run was at work");
                    return Err(WriteError { path: self.orders.home.clone(), source }.into());
                }
                for slot in 0..self.slots.len() {
                    if self.read_log(slot).await? {
                        self.grown.insert(slot);
                    }
                }
                self.handle(Input::Tick).await?;
                for (path, request) in requests::waiting(&self.orders.home) {
                    self.asked(request).await?;
                    requests::mark_paused(&self.orders.home, self.machine.view().paused);
                    requests::answer(&path);
                }
            }
        }
        Ok(())
    }

    /// Does what was asked for from another terminal.
    async fn asked(&mut self, request: Request) -> Result<(), RunError> {
        tracing::info!(?request, "asked from another terminal");
        match request {
            Request::Pause => self.handle(Input::Pause).await,
            Request::Resume => self.handle(Input::Resume).await,
            Request::Cancel(jobs) => {
                self.handle(Input::Cancel { jobs: jobs.clone() }).await?;
                // Those that this run knows nothing of, too: nobody else can write as long as it is at work.
                self.record().await?;
                self.store.decide(&self.orders.home, &jobs, Decision::Cancel).await?;
                Ok(())
            }
        }
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
                let parent = ancestors.into_iter().find(|ancestor| self.has_checkpoint(*ancestor));
                self.unsent.push(Unsent { ticket, slot, cohort, parent, without });
            }
            Effect::Cancelled { jobs } => {
                // What they had reported before counts.
                self.record().await?;
                self.store.decide(&self.orders.home, &jobs, Decision::Cancel).await?;
            }
            Effect::Ingest { ticket, records, offset } => {
                if let Some(attempt) = self.attempts.get(&ticket) {
                    let (cohort, attempt) = (attempt.cohort, attempt.number);
                    self.unwritten.push(Unwritten { cohort, attempt, records, offset });
                }
            }
            Effect::Finished { ticket, slot } => {
                self.executor.last_words(slot);
                self.attempts.remove(&ticket);
            }
            Effect::End { ticket, slot, outcome, message, rest } => {
                self.record().await?;
                if let Some(attempt) = self.attempts.remove(&ticket) {
                    self.end(&attempt, slot, outcome, message, rest).await?;
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

    async fn end(
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
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
        };
        end.save(attempt.folder())?;
        self.store.end_attempt(cohort, number, &end).await?;
        Ok(())
    }

    /// Puts into the database what is to be in it, then sends the orders that it knows of now.
    async fn record(&mut self) -> Result<(), RunError> {
        if self.unwritten.is_empty() && self.unsent.is_empty() {
            return Ok(());
        }
        let (unwritten, unsent) = (std::mem::take(&mut self.unwritten), std::mem::take(&mut self.unsent));
        let events: Vec<Ingest<'_>> = unwritten.iter().map(Unwritten::ingest).collect();
        let start = |Unsent { slot, cohort, parent, without, .. }: &Unsent| {
            let (cohort, directory, slot) = (Arc::clone(cohort), directory(cohort.id), self.slot_name(*slot));
            NewAttempt { cohort, parent: *parent, without: without.clone(), directory, slot }
        };
        let starts: Vec<NewAttempt> = unsent.iter().map(start).collect();
        let begun = self.store.record(&events, &starts).await?;
        for (unsent, Begun { number, at }) in unsent.into_iter().zip(begun) {
            let Unsent { ticket, slot, cohort, parent, without } = unsent;
            // Of a worker that was killed in this cohort before.
            sweep_up_cohort(&self.orders.home.join(directory(cohort.id)))?;
            let details = Details { parent, without, slot: Some(self.slot_name(slot)), at: Some(at) };
            let attempt = Attempt::write(&self.orders, &cohort, number, &self.slots[slot], details)?;
            tracing::info!(slot, cohort = %cohort.id, attempt = number, members = cohort.members.len(), "order");
            self.executor.send(slot, &attempt.order);
            self.attempts.insert(ticket, attempt);
        }
        Ok(())
    }

    fn has_checkpoint(&self, cohort: CohortId) -> bool {
        self.orders.home.join(directory(cohort)).join(CHECKPOINT).exists()
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
