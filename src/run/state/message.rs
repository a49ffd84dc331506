//! Inputs and effects of the state machine.

use std::sync::Arc;

use super::referee::Verdict;
use sweep_plan::cohort::Cohort;
use sweep_plan::measured::Question;
use sweep_plan::slot::Kind;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::Job;
use sweep_wire::event::{Outcome, Record};
use sweep_wire::status::Early;

/// Identifies one order to a worker, that is one attempt of one cohort. Tickets are never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// `slot` is there and takes orders from now on.
    Joined {
        /// The slot.
        slot: usize,
        /// The kind of its device.
        kind: Kind,
    },
    /// `slot` will soon be gone. Its worker, if it has one, was told to checkpoint and exit.
    Leaving {
        /// The slot.
        slot: usize,
    },
    /// `slot` is gone. The exit of its worker, if it had one, was reported before.
    Left {
        /// The slot.
        slot: usize,
    },
    /// There are no slots, and none will come.
    Stranded {
        /// The reason, in words.
        message: String,
    },
    /// The worker of `slot` gave a sign of life. The log of its current order has grown by `records` (perhaps none), up
    /// to byte `offset`.
    Log {
        /// The worker's slot.
        slot: usize,
        /// New events, in order.
        records: Vec<Record>,
        /// The position up to which the log is read.
        offset: u64,
    },
    /// The worker of `slot` wrote something that is not a log of its current order.
    Broken {
        /// The worker's slot.
        slot: usize,
        /// What was found, and where.
        message: String,
    },
    /// The worker of `slot` is gone, and its log has been read to the end.
    Exited {
        /// The worker's slot.
        slot: usize,
        /// How it ended, in words: `exit status: 1`, `signal: 9 (SIGKILL)`.
        status: String,
        /// The cause, according to its last words and the system.
        clue: Option<Clue>,
    },
    /// The user wants the run to stop: the first time after checkpoints, the second time at once.
    Stop,
    /// The time on this machine is nearly over. Works like the first [`Input::Stop`], however often it comes.
    Warned,
    /// The user wants a pause: workers stop after a checkpoint, and none is started.
    Pause,
    /// The pause is over.
    Resume,
    /// The user cancels these jobs. Those that have ended or are not in this run are ignored.
    Cancel {
        /// The jobs.
        jobs: Vec<JobId>,
    },
    /// This process was suspended, with or without its workers: a worker that seems silent may not have been.
    Slept {
        /// For how long, up to now.
        seconds: f64,
    },
    /// Time has passed. The first tick starts everything.
    Tick,
}

impl Clue {
    /// All of them, with their names in messages between machines.
    const ALL: [(Clue, &str); 4] =
        [(Clue::NoMemory, "no_memory"), (Clue::NoSpace, "no_space"), (Clue::Killed, "killed"), (Clue::Lost, "lost")];

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        Clue::ALL.iter().find(|(clue, _)| *clue == self).map_or("", |(_, name)| name)
    }

    /// Returns the clue with this name.
    pub(crate) fn named(name: &str) -> Option<Clue> {
        Clue::ALL.iter().find(|(_, other)| *other == name).map(|(clue, _)| *clue)
    }
}

impl Input {
    /// Returns the slot of the input.
    pub(super) fn slot(&self) -> Option<usize> {
        match self {
            Input::Joined { slot, .. }
            | Input::Leaving { slot }
            | Input::Left { slot }
            | Input::Log { slot, .. }
            | Input::Broken { slot, .. }
            | Input::Exited { slot, .. } => Some(*slot),
            Input::Stranded { .. }
            | Input::Stop
            | Input::Warned
            | Input::Pause
            | Input::Resume
            | Input::Cancel { .. }
            | Input::Slept { .. }
            | Input::Tick => None,
        }
    }
}

/// Why a worker that logged no reason may have died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clue {
    /// There was no memory left on the device or the host.
    NoMemory,
    /// There was no space for what it had to write.
    NoSpace,
    /// Someone killed it.
    Killed,
    /// Its machine is gone, or no longer responds.
    Lost,
}

/// What to do, in this order.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Start a worker process for `slot`, which has none.
    Start {
        /// The slot.
        slot: usize,
    },
    /// Record a new attempt, and send its order to the worker of `slot`, which may still be busy with the previous
    /// order.
    Send {
        /// Identifies the attempt from now on.
        ticket: Ticket,
        /// The slot.
        slot: usize,
        /// What to train.
        cohort: Arc<Cohort>,
        /// The cohorts that members were in before: one list for each cohort that they come from, latest first.
        ancestors: Vec<Vec<CohortId>>,
        /// The step at which they stop, if that is not the last one.
        until: Option<u64>,
        /// Members that are no longer trained.
        without: Vec<JobId>,
    },
    /// Tell the worker that has this order, or is about to get it, which of its members are no longer trained. The
    /// others continue.
    Control {
        /// Identifies the attempt.
        ticket: Ticket,
        /// All such members, including those in the order.
        without: Vec<JobId>,
    },
    /// Train these together for a moment and measure how fast they are. This order is not recorded.
    Measure {
        /// Identifies the order from now on.
        ticket: Ticket,
        /// The slot.
        slot: usize,
        /// The jobs.
        jobs: Vec<(JobId, Job)>,
    },
    /// Nothing more is measured for a question.
    Answered {
        /// The question. The measurements are in what the prober knows.
        question: Question,
        /// Why it has no answer, if it has none.
        failure: Option<String>,
    },
    /// Record that the user has cancelled these jobs.
    Cancelled {
        /// The jobs; never empty.
        jobs: Vec<JobId>,
    },
    /// Record that jobs are stopped early; never empty.
    Early(Vec<Verdict>),
    /// Record events, and that the log is read up to `offset`.
    Ingest {
        /// The attempt.
        ticket: Ticket,
        /// Never empty.
        records: Vec<Record>,
        /// The position up to which the log is read.
        offset: u64,
    },
    /// An attempt is over, and according to its events all of its members have ended.
    Finished {
        /// The attempt.
        ticket: Ticket,
        /// The slot, for the worker's last words.
        slot: usize,
    },
    /// Record that an attempt is over, and that its unfinished members wait or fail for good.
    End {
        /// The attempt.
        ticket: Ticket,
        /// The slot, for the worker's last words.
        slot: usize,
        /// How it ended; `None` if its worker died.
        outcome: Option<Outcome>,
        /// The reason, in words.
        message: String,
        /// What happens to its unfinished members.
        rest: Rest,
    },
    /// Ask the worker of `slot` to checkpoint and exit.
    Stop {
        /// The slot.
        slot: usize,
    },
    /// Tell the worker of `slot`, which has no order, that there are no more orders.
    Close {
        /// The slot.
        slot: usize,
    },
    /// Kill the worker of `slot`. Its exit will be reported.
    Kill {
        /// The slot.
        slot: usize,
    },
    /// All that is left waits for a decision that no running job leads to. Jobs that an earlier run stopped may be
    /// needed for it. After looking for them, call [`super::Machine::go_on`].
    Stuck,
    /// There is nothing more to do. The last effect of a run.
    Finish(Summary),
}

/// What happens to the unfinished members of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They wait to be continued.
    Waits,
    /// They fail for good; the attempt's message says why.
    Fails,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It did all steps.
    Done,
    /// It became NaN or infinite, which is a result.
    Diverged,
    /// It failed for good; the text says why.
    Failed(String),
    /// The user cancelled it.
    Cancelled,
    /// It was stopped early.
    Early(Early),
}

/// Why the run is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Every job has ended.
    Complete,
    /// The run ended early.
    Early(Ending),
}

/// Why a run ends before every job has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user stopped it.
    Asked,
    /// The user stopped it, but workers on other machines finish their orders.
    Left,
    /// Its time limit has passed.
    TimeLimit,
    /// Too many jobs have failed.
    Failures,
    /// There is no space for its files; the text says where.
    NoSpace(String),
    /// Workers cannot start at all, or always stop; the text says what was found.
    Hopeless(String),
}

/// The results of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Why it is over.
    pub finish: Finish,
    /// Jobs that did all steps.
    pub done: usize,
    /// Jobs that became NaN or infinite.
    pub diverged: usize,
    /// Jobs that were stopped early since others were better.
    pub pruned: usize,
    /// Jobs that were stopped early since they had collapsed.
    pub collapsed: usize,
    /// Jobs that the user cancelled.
    pub cancelled: usize,
    /// Jobs that failed, in order of time, and why.
    pub failed: Vec<(JobId, String)>,
    /// Unfinished jobs.
    pub left: usize,
}

impl Summary {
    /// Returns the number of jobs of the run; 0 if it ended before there was a plan.
    pub fn jobs(&self) -> usize {
        self.done + self.diverged + self.failed.len() + self.pruned + self.collapsed + self.cancelled + self.left
    }
}
