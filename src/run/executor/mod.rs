//! Where workers are: one implementation of [`Executor`] a kind of place.

mod clue;
mod local;
pub mod orphans;
mod stderr;

use std::path::{Path, PathBuf};

pub use local::{Local, visible};

use super::state::Clue;

/// What is heard of a worker, through the channel that an executor is made with.
#[derive(Clone, Debug)]
pub enum Report {
    /// It printed a line: its log may have grown.
    Alive {
        /// Whose worker.
        slot: usize,
    },
    /// It is gone. Comes exactly once for each worker, and last.
    Exited {
        /// Whose worker.
        slot: usize,
        /// How, in words.
        status: String,
        /// What its last words and the system say about the cause.
        clue: Option<Clue>,
    },
}

/// A worker cannot be started.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot start a worker: {program}: {source}; {}",
    if *.chosen { "SWEEP_WORKER must name an executable file" } else { "the executable of sweep itself must stay where it is while it runs" }
)]
pub struct StartError {
    /// The executable.
    pub program: PathBuf,
    /// Whether the user has chosen it.
    pub chosen: bool,
    /// Why.
    pub source: std::io::Error,
}

/// Starts and ends workers, one a slot, and hands them orders. Everything that a worker does comes back as a [`Report`].
pub trait Executor {
    /// Starts a worker for `slot`, which has none.
    fn start(&mut self, slot: usize) -> Result<(), StartError>;

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

    /// Takes what the worker of `slot` has said on stderr since it was last asked: its last 100 lines.
    fn last_words(&mut self, slot: usize) -> String;
}
