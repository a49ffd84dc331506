//! Where workers run. Each kind of place has one implementation of [`Executor`], which also knows how far away it is.

mod clue;
mod local;
pub mod orphans;
mod stderr;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub use local::{Local, visible, worker_program};

use std::time::Duration;

use tokio::sync::mpsc;

use super::state::{Clue, Pace};
use sweep_plan::slot::{Kind, Kinds, Slot};
use sweep_wire::home::Home;

/// News of slots and their workers. They come through the channel that an executor is made with.
#[derive(Clone, Debug)]
pub enum Report {
    /// A slot is available: workers can be started on it.
    Joined {
        /// The slot.
        slot: usize,
        /// Its device.
        place: Place,
    },
    /// A slot will soon be gone. Its worker, if it has one, was told to checkpoint and exit.
    Leaving {
        /// The slot.
        slot: usize,
    },
    /// A slot is gone. The exit of its worker was reported before.
    Left {
        /// The slot.
        slot: usize,
    },
    /// There are no slots, and none will come.
    Stranded {
        /// The reason, in words.
        message: String,
    },
    /// A worker printed a line, so its log may have grown.
    Alive {
        /// The worker's slot.
        slot: usize,
    },
    /// A worker has exited. Comes once for each worker, as its last report; anything later is ignored.
    Exited {
        /// The worker's slot.
        slot: usize,
        /// The worker's number, as [`Executor::start`] returned it.
        worker: u32,
        /// How it ended, in words.
        status: String,
        /// The cause, according to its last words and the system.
        clue: Option<Clue>,
    },
}

/// What is available at a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its device, and the threads of its worker.
    pub slot: Slot,
    /// The kind of its device.
    pub kind: Kind,
    /// Whether it is the first slot of its device.
    pub first: bool,
    /// Its name for people: `cpu/1`, `cuda:0/0`.
    pub name: String,
    /// Bytes that a cohort may use there, if that is known better than this machine's memory tells.
    pub bytes: Option<u64>,
}

/// All workers of a run.
pub struct Crew {
    /// How to reach them.
    pub executor: Box<dyn Executor>,
    /// Their reports.
    pub reports: mpsc::UnboundedReceiver<Report>,
    /// The largest number of slots.
    pub slots: usize,
}

impl Crew {
    /// Makes a crew for `slots` of this machine, whose devices are of these `kinds`. Starts `program` if the user chose
    /// one, otherwise sweep's own worker.
    ///
    /// # Errors
    ///
    /// See [`Local::new`].
    pub fn local(program: Option<OsString>, slots: Vec<Slot>, kinds: &Kinds, home: &Home) -> io::Result<Crew> {
        let (sender, reports) = mpsc::unbounded_channel();
        let count = slots.len();
        let executor = Box::new(Local::new(program, slots, kinds, (home, 0), sender)?);
        Ok(Crew { executor, reports, slots: count })
    }
}

/// A worker cannot be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot start a worker: {program}: {source}; {}",
    if *.chosen { "SWEEP_WORKER must name an executable file" } else { "it must lie next to the executable of sweep, \
        come from the same build, and stay there while sweep runs" }
)]
pub struct StartError {
    /// The executable.
    pub program: PathBuf,
    /// Whether the user chose it.
    pub chosen: bool,
    /// The cause.
    pub source: io::Error,
}

/// Starts and ends workers, one a slot, and gives them orders. All they do comes back as [`Report`]s.
pub trait Executor {
    /// Starts a worker for `slot`, which has none. Returns its number, which is never used again.
    fn start(&mut self, slot: usize) -> Result<u32, StartError>;

    /// Gives the order file to the worker of `slot`, which reads it after finishing the previous one.
    fn send(&mut self, slot: usize, order: &Path);

    /// Tells the worker of `slot` that there are no more orders.
    fn close(&mut self, slot: usize);

    /// Asks the worker of `slot` to checkpoint and exit.
    fn stop(&mut self, slot: usize);

    /// Kills the worker of `slot` and the processes that it started.
    fn kill(&mut self, slot: usize);

    /// Suspends all workers and the processes that they started, as Ctrl-Z does.
    fn suspend(&mut self);

    /// Resumes suspended workers.
    fn go_on(&mut self);

    /// Returns how far away workers are.
    fn pace(&self) -> Pace {
        Pace::default()
    }

    /// Returns how often to check the logs of workers that have reported nothing.
    fn look(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether workers keep running when this process is gone.
    fn outlives(&self) -> bool {
        false
    }

    /// Says how many orders wait for a slot.
    fn wait_for(&mut self, _orders: usize) {}

    /// Marks the oldest unfinished order of the worker of `slot` as over. Returns the last lines that the worker has
    /// written to stderr since the previous order.
    fn over(&mut self, slot: usize) -> String;

    /// Returns what finished orders of the worker of `slot` wrote to stderr, if that was not known when they ended,
    /// with the number of orders that had ended before each.
    fn late_words(&mut self, _slot: usize) -> Vec<(u64, String)> {
        Vec::new()
    }
}
