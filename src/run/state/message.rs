//! What goes into the state machine and what comes out of it.

use std::sync::Arc;

use crate::plan::cohort::Cohort;
use crate::spec::id::JobId;
use crate::wire::event::{Outcome, Record};

/// One order that was sent to a worker: one attempt of one cohort. Tickets are never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// The worker of `slot` gave a sign of life, and the log of its current order has grown by `records` (which may be none) up
    /// to byte `offset`.
    Log {
        /// Whose worker.
        slot: usize,
        /// New events, in order.
        records: Vec<Record>,
        /// Where the log is read up to.
        offset: u64,
    },
    /// What the worker of `slot` wrote is not a log of its current order.
    Broken {
        /// Whose worker.
        slot: usize,
        /// What was found and where.
        message: String,
    },
    /// The worker of `slot` is gone; its log has been read to the end.
    Exited {
        /// Whose worker.
        slot: usize,
        /// How, in words: `exit status: 1`, `signal: 9 (SIGKILL)`.
        status: String,
    },
    /// The user wants it to stop: the first time after checkpoints, the second time at once.
    Stop,
    /// Time has passed. The first one starts everything.
    Tick,
}

/// What to do about it, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Start a worker process for `slot`, which has none.
    Start {
        /// Which slot.
        slot: usize,
    },
    /// Record a new attempt and send its order to the worker of `slot`, which may still be busy with the order before it.
    Send {
        /// Names the attempt from now on.
        ticket: Ticket,
        /// Which slot.
        slot: usize,
        /// What to train.
        cohort: Arc<Cohort>,
    },
    /// Record events, and that the log is read up to `offset`.
    Ingest {
        /// Whose events.
        ticket: Ticket,
        /// Never empty.
        records: Vec<Record>,
        /// Where the log is read up to.
        offset: u64,
    },
    /// An attempt is over and all of its members have ended, as its events say.
    Finished {
        /// Which attempt.
        ticket: Ticket,
        /// Whose worker's last words belong to it.
        slot: usize,
    },
    /// Record that an attempt is over, and that its members without a fate wait to go on, or fail for good.
    End {
        /// Which attempt.
        ticket: Ticket,
        /// Whose worker's last words belong to it.
        slot: usize,
        /// How it ended; `None`: its worker died.
        outcome: Option<Outcome>,
        /// In words.
        message: String,
        /// What becomes of the members without a fate.
        rest: Rest,
    },
    /// Ask the worker of `slot` to checkpoint and exit.
    Stop {
        /// Which slot.
        slot: usize,
    },
    /// Tell the worker of `slot`, which has no order, that no order will come.
    Close {
        /// Which slot.
        slot: usize,
    },
    /// Kill the worker of `slot`; its exit is still to be reported.
    Kill {
        /// Which slot.
        slot: usize,
    },
    /// There is nothing more to do. The last effect of a run.
    Finish(Summary),
}

/// What becomes of the members that an attempt leaves without a fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They wait to go on.
    Waits,
    /// They fail for good; the attempt's message says why.
    Fails,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All steps done.
    Done,
    /// Not finite: a result.
    Diverged,
    /// Failed for good, and why.
    Failed(String),
}

/// Why the run is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Every job has its fate.
    Complete,
    /// The user stopped it.
    Stopped,
    /// Workers cannot start at all, so that going on is pointless; what was found.
    Hopeless(String),
}

/// What came of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Why it is over.
    pub finish: Finish,
    /// Jobs with all steps done.
    pub done: usize,
    /// Jobs that became NaN or infinite.
    pub diverged: usize,
    /// Jobs that failed, in the order in which they did, and why.
    pub failed: Vec<(JobId, String)>,
    /// Jobs without a fate.
    pub left: usize,
}
