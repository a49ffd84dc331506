//! Where workers are: one implementation of [`Executor`] a kind of place, and how far away that is.

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

/// What is heard of slots and their workers, through the channel that an executor is made with.
#[derive(Clone, Debug)]
pub enum Report {
    /// A slot is there: workers can be started on it.
    Joined {
        /// Which.
        slot: usize,
        /// What is there.
        place: Place,
    },
    /// It will soon be gone. Its worker, if it has one, was told to checkpoint and exit.
    Leaving {
        /// Which.
        slot: usize,
    },
    /// It is gone; the exit of its worker was reported before.
    Left {
        /// Which.
        slot: usize,
    },
    /// No slot is there, and none will come.
    Stranded {
        /// Why, in words.
        message: String,
    },
    /// It printed a line: its log may have grown.
    Alive {
        /// Whose worker.
        slot: usize,
    },
    /// It is gone. Comes once for each worker, and last; what comes after that, or again, counts for nothing.
    Exited {
        /// Whose worker.
        slot: usize,
        /// Which one: what [`Executor::start`] gave.
        worker: u32,
        /// How, in words.
        status: String,
        /// What its last words and the system say about the cause.
        clue: Option<Clue>,
    },
}

/// What is at a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Its device, and the threads of its worker.
    pub slot: Slot,
    /// Of which kind the device is.
    pub kind: Kind,
    /// Whether it is the first one of its device.
    pub first: bool,
    /// What people call it: `cpu/1`, `cuda:0/0`.
    pub name: String,
    /// Bytes that a cohort may take there, where that is known better than for this machine.
    pub bytes: Option<u64>,
}

/// All workers of a run: how they are reached, and what is heard of them.
pub struct Crew {
    /// How they are reached.
    pub executor: Box<dyn Executor>,
    /// What is heard of them.
    pub reports: mpsc::UnboundedReceiver<Report>,
    /// There are no more slots than this.
    pub slots: usize,
}

impl Crew {
    /// Workers on `slots` of this machine, whose devices are of these kinds: `program`, the user's choice, or sweep's own.
    ///
    /// # Errors
    ///
    /// As [`Local::new`].
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
    if *.chosen { "SWEEP_WORKER must name an executable file" } else { "it must lie beside the executable of sweep, of the same build, and stay there while that runs" }
)]
pub struct StartError {
    /// The executable.
    pub program: PathBuf,
    /// Whether the user has chosen it.
    pub chosen: bool,
    /// Why.
    pub source: io::Error,
}

/// Starts and ends workers, one a slot, and hands them orders. Everything that a worker does comes back as a [`Report`].
pub trait Executor {
    /// Starts a worker for `slot`, which has none. Which one it is: never the same twice.
    fn start(&mut self, slot: usize) -> Result<u32, StartError>;

    /// Hands the order file to the worker of `slot`; it reads it when it is done with the one before.
    fn send(&mut self, slot: usize, order: &Path);

    /// Tells the worker of `slot` that no further order will come.
    fn close(&mut self, slot: usize);

    /// Asks the worker of `slot` to checkpoint and exit.
    fn stop(&mut self, slot: usize);

    /// Kills the worker of `slot` and what it has started.
    fn kill(&mut self, slot: usize);

    /// Lets all workers, and what they have started, stand still where they are, as a Ctrl-Z would.
    fn suspend(&mut self);

    /// Lets them go on.
    fn go_on(&mut self);

    /// How far away workers are.
    fn pace(&self) -> Pace {
        Pace::default()
    }

    /// How often the logs of workers are looked at that have said nothing.
    fn look(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether workers go on where this process is gone.
    fn outlives(&self) -> bool {
        false
    }

    /// How many orders wait that no slot is there for.
    fn wait_for(&mut self, _orders: usize) {}

    /// The order that the worker of `slot` was sent first of those that are not over is over. Takes what it has said on stderr since the one
    /// before: its last lines.
    fn over(&mut self, slot: usize) -> String;

    /// What orders of the worker of `slot` that are over have said, by how many were over before, where that was not known then.
    fn late_words(&mut self, _slot: usize) -> Vec<(u64, String)> {
        Vec::new()
    }
}
