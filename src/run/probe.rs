//! Finding out how many members train best together on a device: workers measure cohort after cohort, as [`Measured::next`] says.
//!
//! [`Measured::next`]: sweep_plan::measured::Measured::next

use std::collections::HashMap;
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::pin;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::attempt::{Attempt, Details, Orders};
use super::driver::RunError;
use super::executor::{Executor, Local, Report};
use super::state::Clue;
use sweep_plan::cohort::Cohort;
use sweep_plan::measured::{Known, Measured, Question};
use sweep_plan::slot::{Device, Kind, Kinds, Slot};
use sweep_wire::event::{Event, Outcome};
use sweep_wire::home::Home;

/// How often logs are looked at without being asked to.
const TICK: Duration = Duration::from_millis(250);
/// Longer than this no cohort may take: the first step of a large one takes seconds, of a GPU that hangs for ever.
const PATIENCE: Duration = Duration::from_secs(300);
/// So long may killed workers take to be gone.
const GRACE: Duration = Duration::from_secs(10);

/// What a probe needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to measure; one of the slots of each device is used.
    pub slots: Vec<Slot>,
    /// Of which kind the slots' devices are.
    pub kinds: Kinds,
    /// The worker to start instead of this executable.
    pub worker: Option<OsString>,
    /// The home directory, whose `logs` keep what workers say on stderr.
    pub home: Home,
    /// For so long each cohort trains.
    pub seconds: f64,
}

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Probed {
    /// What was measured, complete or not.
    pub known: Known,
    /// What could not be measured, and why.
    pub failures: Vec<(Question, String)>,
    /// The signal that ended it before its time.
    pub signal: Option<u8>,
}

/// Where a probe stands.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// Questions without anything left to measure.
    pub answered: usize,
    /// All questions.
    pub questions: usize,
    /// The one with news: a cohort starts, or nothing is left.
    pub question: &'a Question,
    /// Members of the cohort that starts.
    pub members: Option<usize>,
}

/// Answers `questions` as far as that goes. `stop`, a signal's number, ends it: what was measured by then counts. Must be called like
/// [`run`](super::run), since workers die with the thread that started them.
///
/// # Errors
///
/// No worker can be started, or no order written.
pub async fn probe(
    options: Options,
    questions: Vec<Question>,
    observer: &mut dyn FnMut(Standing<'_>),
    stop: impl Future<Output = u8>,
) -> Result<Probed, RunError> {
    let home = tempfile::Builder::new().prefix("sweep-probe-").tempdir()?;
    let mut slots = options.slots;
    let mut seen = BTreeSet::<Device>::new();
    // Two workers on one device would measure each other.
    slots.retain(|slot| seen.insert(slot.device));
    let (sender, mut reports) = mpsc::unbounded_channel();
    let executor = Local::new(options.worker, slots.clone(), &options.home, sender)?;
    let places =
        slots.into_iter().map(|slot| Place { kind: options.kinds.of(slot.device), slot, state: State::Absent });
    let mut prober = Prober {
        executor: Box::new(executor),
        orders: orders(Home::new(home.path()), options.seconds),
        places: places.collect(),
        total: questions.len(),
        answered: 0,
        queue: questions.into(),
        attempts: 0,
        out: Probed::default(),
        observer,
    };

    let mut stop = pin!(stop);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut result = prober.all_go_on();
    while result.is_ok() && prober.is_busy() {
        result = tokio::select! {
            Some(report) = reports.recv() => prober.hear(report),
            _ = tick.tick() => prober.look(),
            signal = &mut stop => {
                prober.out.signal = Some(signal);
                break;
            }
        };
    }
    prober.dismiss(&mut reports).await;
    result.map(|()| prober.out)
}

/// What all orders share. They and their logs are gone with the folder.
fn orders(home: Home, seconds: f64) -> Orders {
    Orders {
        home,
        data: PathBuf::new(),
        checkpoint_seconds: 0,
        probe_seconds: Some(seconds),
        was: HashMap::new(),
        keeps: Default::default(),
        after: HashMap::new(),
        folders: HashMap::new(),
    }
}

struct Prober<'a> {
    executor: Box<dyn Executor>,
    orders: Orders,
    places: Vec<Place>,
    queue: VecDeque<Question>,
    total: usize,
    answered: usize,
    attempts: u32,
    out: Probed,
    observer: &'a mut dyn FnMut(Standing<'_>),
}

/// A device and its worker.
struct Place {
    kind: Kind,
    slot: Slot,
    state: State,
}

enum State {
    /// No worker.
    Absent,
    /// A worker without an order.
    Idle,
    Busy(Measuring),
    /// Killed, but not gone yet; what is to be measured next.
    Leaving(Option<Question>),
}

/// A cohort that trains.
struct Measuring {
    question: Question,
    members: usize,
    attempt: Box<Attempt>,
    rate: Option<f64>,
    since: Instant,
}

impl Prober<'_> {
    fn is_busy(&self) -> bool {
        self.places.iter().any(|place| matches!(place.state, State::Busy(_) | State::Leaving(Some(_))))
            || (!self.queue.is_empty() && self.places.iter().any(|place| matches!(place.state, State::Leaving(None))))
    }

    fn all_go_on(&mut self) -> Result<(), RunError> {
        (0..self.places.len()).try_for_each(|at| self.go_on(at, None))
    }

    /// Sends the next order for `question`, or for the next one in the queue, to the place's worker, which has nothing to do.
    fn go_on(&mut self, at: usize, question: Option<Question>) -> Result<(), RunError> {
        let mut current = question;
        loop {
            let kind = &self.places[at].kind;
            let next = self.queue.iter().position(|question| question.kind == *kind);
            let Some(question) = current.take().or_else(|| self.queue.remove(next?)) else { return Ok(()) };
            match question.known.next(question.jobs.len()) {
                Some(members) => return self.send(at, question, members),
                None => self.close(question, None),
            }
        }
    }

    fn send(&mut self, at: usize, question: Question, members: usize) -> Result<(), RunError> {
        self.attempts += 1;
        let cohort = Cohort::new(question.jobs[..members].to_vec(), [].into());
        let attempt = Attempt::write(&self.orders, &cohort, self.attempts, &self.places[at].slot, Details::default())?;
        if matches!(self.places[at].state, State::Absent) {
            self.executor.start(at)?;
        }
        self.executor.send(at, &attempt.folder.order());
        let standing =
            Standing { answered: self.answered, questions: self.total, question: &question, members: Some(members) };
        (self.observer)(standing);
        self.places[at].state =
            State::Busy(Measuring { question, members, attempt: Box::new(attempt), rate: None, since: Instant::now() });
        Ok(())
    }

    /// Nothing more will be measured for `question`.
    fn close(&mut self, question: Question, failure: Option<String>) {
        self.answered += 1;
        let Question { kind, blueprint, known, .. } = &question;
        if *known != Measured::default() {
            self.out.known.entry(kind.clone()).or_default().insert(*blueprint, known.clone());
        }
        let standing = Standing { answered: self.answered, questions: self.total, question: &question, members: None };
        (self.observer)(standing);
        let Some(failure) = failure else { return };
        if !self.out.known.contains_key(kind) {
            // Nothing works there, and each further question would take as long to find that out.
            let before = self.queue.len();
            self.queue.retain(|other| other.kind != *kind);
            self.answered += before - self.queue.len();
        }
        self.out.failures.push((question, failure));
    }

    fn hear(&mut self, report: Report) -> Result<(), RunError> {
        match report {
            Report::Alive { slot } => self.read(slot),
            Report::Exited { slot, status, clue } => {
                self.read(slot)?;
                match std::mem::replace(&mut self.places[slot].state, State::Absent) {
                    State::Busy(Measuring { mut question, members, .. })
                        if clue == Some(Clue::NoMemory) && members > 1 =>
                    {
                        question.known.out_of_memory(members);
                        self.go_on(slot, Some(question))
                    }
                    State::Busy(Measuring { question, members, .. }) => {
                        self.close(question, Some(format!("the worker died with {members} members ({status})")));
                        self.go_on(slot, None)
                    }
                    State::Leaving(question) => self.go_on(slot, question),
                    State::Absent | State::Idle => self.go_on(slot, None),
                }
            }
        }
    }

    /// Reads all logs, and gives up those that take too long.
    fn look(&mut self) -> Result<(), RunError> {
        for at in 0..self.places.len() {
            self.read(at)?;
            if matches!(&self.places[at].state, State::Busy(measuring) if measuring.since.elapsed() > PATIENCE) {
                let why = format!("no answer for {} s", PATIENCE.as_secs());
                self.replace(at, |question| (question, Some(why)));
            }
        }
        Ok(())
    }

    /// Reads what the worker has logged of its order.
    fn read(&mut self, at: usize) -> Result<(), RunError> {
        let State::Busy(measuring) = &mut self.places[at].state else { return Ok(()) };
        let records = match measuring.attempt.read() {
            Ok((records, _)) => records,
            Err(why) => {
                self.replace(at, |question| (question, Some(why)));
                return Ok(());
            }
        };
        for event in records.into_iter().map(|record| record.event) {
            match event {
                Event::Progress { rate, .. } => measuring.rate = Some(rate),
                Event::Ended { outcome, message } => return self.ended(at, outcome, message),
                Event::Started { .. }
                | Event::Scoring { .. }
                | Event::Scored { .. }
                | Event::Losses { .. }
                | Event::Floor { .. }
                | Event::Sampled { .. }
                | Event::Warning { .. }
                | Event::Checkpointed { .. }
                | Event::JobDone { .. }
                | Event::JobFailed { .. } => {}
            }
        }
        Ok(())
    }

    fn ended(&mut self, at: usize, outcome: Outcome, message: String) -> Result<(), RunError> {
        let State::Busy(Measuring { members, rate, .. }) = self.places[at].state else { return Ok(()) };
        let rate = rate.filter(|rate| rate.is_finite() && *rate > 0.0);
        match (outcome, rate) {
            (Outcome::Finished, Some(rate)) => {
                let State::Busy(Measuring { mut question, .. }) =
                    std::mem::replace(&mut self.places[at].state, State::Idle)
                else {
                    return Ok(());
                };
                question.known.rates.insert(members, rate);
                return self.go_on(at, Some(question));
            }
            (Outcome::Finished, None) => {
                self.replace(at, |question| (question, Some("the worker finished without a rate".to_owned())));
            }
            (Outcome::OutOfMemory, _) => self.replace(at, |mut question| {
                question.known.out_of_memory(members);
                (question, (members == 1).then(|| format!("out of memory with a single model: {message}")))
            }),
            (Outcome::Stopped | Outcome::Failed | Outcome::NoSpace | Outcome::Refused, _) => {
                self.replace(at, |question| (question, Some(message)));
            }
        }
        Ok(())
    }

    /// Kills a busy worker, since errors of a GPU stick to a process, and goes on with its question in a new one unless there is a reason
    /// not to.
    fn replace(&mut self, at: usize, then: impl FnOnce(Question) -> (Question, Option<String>)) {
        self.executor.kill(at);
        let State::Busy(measuring) = std::mem::replace(&mut self.places[at].state, State::Leaving(None)) else {
            return;
        };
        match then(measuring.question) {
            (question, None) => self.places[at].state = State::Leaving(Some(question)),
            (question, failure) => self.close(question, failure),
        }
    }

    /// Ends all workers: there is nothing in them to save. What was measured of open questions is kept.
    async fn dismiss(&mut self, reports: &mut mpsc::UnboundedReceiver<Report>) {
        let mut alive = 0;
        for at in 0..self.places.len() {
            let state = std::mem::replace(&mut self.places[at].state, State::Absent);
            alive += usize::from(!matches!(state, State::Absent));
            self.executor.kill(at);
            if let State::Busy(Measuring { question, .. }) | State::Leaving(Some(question)) = state {
                let Question { kind, blueprint, known, .. } = question;
                self.out.known.entry(kind).or_default().insert(blueprint, known);
            }
        }
        let exits = async {
            while alive > 0 {
                match reports.recv().await {
                    Some(Report::Exited { .. }) => alive -= 1,
                    Some(Report::Alive { .. }) => {}
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(GRACE, exits).await;
    }
}
