//! What a run is given, and what comes of it.

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

/// What a run needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// What all orders share.
    pub orders: Orders,
    /// How patient to be; how far away workers are, their executor knows.
    pub settings: Settings,
    /// What becomes of workers that outlive this process, where it is asked to stop.
    pub interrupted: Interrupted,
    /// That nobody else is at work in the same place.
    pub hold: Hold,
}

/// What becomes of workers on other machines where this process is asked to stop. Those of this machine stop in any case.
#[derive(Clone, Copy, Debug)]
pub enum Interrupted {
    /// They stop after a checkpoint.
    Stop,
    /// They go on with what they were handed.
    Leave,
    /// Whoever interrupts is asked; true: they go on. Where the terminal is lost, they do.
    Ask(fn() -> bool),
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
    /// This process stood still for so long that it was taken for gone.
    #[error(
        "another `sweep run` ({by}) has taken over {home}: this one stood still for too long, ends, and leaves all as it is"
    )]
    TakenOver {
        /// The home directory.
        home: PathBuf,
        /// Who has it now.
        by: String,
    },
    /// What comes next is wrong, and why.
    #[error("{0}")]
    Next(String),
    /// Signals cannot be received, or the like.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What is trained after the rest.
#[derive(Debug, Default)]
pub struct More {
    /// The work.
    pub works: Vec<Work>,
    /// Which of its jobs are stopped early, where nobody has said so before.
    pub wanted: Vec<Wanted>,
    /// Blueprints whose jobs' last states are to stay, beside those of the run.
    pub keeps: BTreeSet<BlueprintId>,
    /// Which jobs go on from shorter ones, beside those of the run.
    pub after: HashMap<JobId, Earlier>,
}

/// Decides what trains together, once it is known where.
pub trait Planner {
    /// What is to be measured first on such places.
    fn questions(&mut self, places: &[Place]) -> Vec<Question>;

    /// Nothing more is measured for `question`, which has its answer, or none, and why.
    fn answered(&mut self, question: &Question, failure: Option<&str>);

    /// What is to be trained, where places are like these and this was measured.
    ///
    /// # Errors
    ///
    /// What was measured cannot be kept.
    fn plan(&mut self, places: &[Place], known: &Known) -> Result<Vec<Work>, RunError>;

    /// Who decides which jobs are stopped early, and knows what is known of them so far; asked for once, with the plan.
    fn referee(&mut self) -> Referee {
        Referee::default()
    }

    /// Whether there may be more to train after all of that has ended.
    fn has_more(&self) -> bool {
        false
    }

    /// What is to be trained after all of that has ended, as far as scores say that it is; nothing where the run is over. The database has all
    /// that was trained.
    ///
    /// # Errors
    ///
    /// The database or the home directory cannot be read or written.
    fn more<'p>(&'p mut self, _places: &'p [Place]) -> Later<'p, Result<More, RunError>> {
        Box::pin(std::future::ready(Ok(More::default())))
    }
}

/// What will be there later.
pub type Later<'p, T> = Pin<Box<dyn Future<Output = T> + 'p>>;

/// What is trained wherever that is.
impl Planner for Vec<Work> {
    fn questions(&mut self, _: &[Place]) -> Vec<Question> {
        Vec::new()
    }

    fn answered(&mut self, _: &Question, _: Option<&str>) {}

    fn plan(&mut self, _: &[Place], _: &Known) -> Result<Vec<Work>, RunError> {
        Ok(std::mem::take(self))
    }
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nothing is there yet to train on.
    Waiting,
    /// It finds out how many jobs train best together.
    Measuring {
        /// Questions that have their answer, or will have none.
        answered: usize,
        /// All questions.
        questions: usize,
        /// What is measured now, and with how many members.
        now: Vec<(Question, usize)>,
    },
    /// It trains.
    Training(View),
}

/// Sees how a run goes on.
pub trait Observer {
    /// Called a few times a second, and when something has changed that the user waits for.
    fn update(&mut self, standing: &Standing);
}
