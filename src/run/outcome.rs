//! What a run is given, and how it ends.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;

use super::attempt::{Orders, WriteError};
use super::executor::{Place, StartError};
use super::ledger::Unwritten;
use super::presence::Hold;
use super::state::referee::{Referee, Wanted};
use super::state::{Settings, Summary, View, Work};
use sweep_plan::measured::{Known, Question};
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::Earlier;
use sweep_store::StoreError;

/// The options of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What all orders have in common.
    pub orders: Orders,
    /// Retries, timeouts and limits. The executor knows how far away workers are.
    pub settings: Settings,
    /// What happens to workers that outlive this process when it is asked to stop.
    pub interrupted: Interrupted,
    /// Shows whether another process has taken over the directory.
    pub hold: Hold,
}

/// What happens to workers on other machines when this process is asked to stop. Workers of this machine always stop.
#[derive(Clone, Copy, Debug)]
pub enum Interrupted {
    /// They checkpoint and stop.
    Stop,
    /// They finish what they were given.
    Leave,
    /// The user is asked; `true` means that they keep running. They also do if the terminal is lost.
    Ask(fn() -> bool),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// How many jobs ended, and how.
    pub summary: Summary,
    /// The number of the first signal that asked it to stop.
    pub signal: Option<u8>,
    /// Memory limits that the run found by running out of memory.
    pub memory_limits: Known,
    /// Results that are not in the database, since another program kept it locked.
    pub unwritten: Option<Unwritten>,
    /// The last lines on stderr of the worker that last failed or died.
    pub last_words: String,
}

/// Why a run cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An error of the database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run directory cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A worker cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// This process was suspended for so long that another took it for dead.
    #[error(
        "another `sweep run` ({by}) has taken over {home}: this one was suspended for too long, and ends without \
        changing anything"
    )]
    TakenOver {
        /// The home directory.
        home: PathBuf,
        /// The process that holds it now.
        by: String,
    },
    /// What comes next is wrong; the text says why.
    #[error("{0}")]
    Next(String),
    /// Signals cannot be received, or a similar error.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Work that is added when earlier work has ended.
#[derive(Debug, Default)]
pub struct More {
    /// The work.
    pub works: Vec<Work>,
    /// Which of its jobs may be stopped early, unless that was said before.
    pub wanted: Vec<Wanted>,
    /// Further blueprints whose jobs' last states are kept.
    pub keeps: BTreeSet<BlueprintId>,
    /// Further jobs that continue from shorter ones.
    pub after: HashMap<JobId, Earlier>,
}

/// Decides which jobs train together, once the slots are known.
pub trait Planner {
    /// Returns what to measure first on such slots.
    fn questions(&mut self, places: &[Place]) -> Vec<Question>;

    /// Tells the planner that `question` is done: it was measured, or it failed, and why.
    fn answered(&mut self, question: &Question, failure: Option<&str>);

    /// Returns what to train on slots like these, given these measurements.
    ///
    /// # Errors
    ///
    /// The measurements cannot be saved.
    fn plan(&mut self, places: &[Place], known: &Known) -> Result<Vec<Work>, RunError>;

    /// Returns what decides which jobs to stop early, with what is known of them so far. Called once, with the plan.
    fn referee(&mut self) -> Referee {
        Referee::default()
    }

    /// Whether there may be more to train after everything has ended.
    fn has_more(&self) -> bool {
        false
    }

    /// Returns what the scores say to train next after everything has ended; nothing if the run is over. The database
    /// holds all results by then.
    ///
    /// # Errors
    ///
    /// The database or the home directory cannot be read or written.
    fn more<'p>(&'p mut self, _places: &'p [Place]) -> Later<'p, Result<More, RunError>> {
        Box::pin(std::future::ready(Ok(More::default())))
    }
}

/// A value that is ready later.
pub type Later<'p, T> = Pin<Box<dyn Future<Output = T> + 'p>>;

/// A fixed list of work, for any slots.
impl Planner for Vec<Work> {
    fn questions(&mut self, _: &[Place]) -> Vec<Question> {
        Vec::new()
    }

    fn answered(&mut self, _: &Question, _: Option<&str>) {}

    fn plan(&mut self, _: &[Place], _: &Known) -> Result<Vec<Work>, RunError> {
        Ok(std::mem::take(self))
    }
}

/// The state of a run.
#[derive(Clone, Debug)]
pub enum Standing {
    /// There are no slots yet.
    Waiting,
    /// It measures how many jobs train best together.
    Measuring {
        /// Questions that are answered or have failed.
        answered: usize,
        /// All questions.
        questions: usize,
        /// What is being measured now, with how many members.
        now: Vec<(Question, usize)>,
    },
    /// It trains.
    Training(View),
}

/// Observes the progress of a run.
pub trait Observer {
    /// Called a few times a second, and when something changes that the user waits for.
    fn update(&mut self, standing: &Standing);
}
