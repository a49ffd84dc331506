//! What goes into the state machine and what comes out of it.

use std::sync::Arc;

use super::referee::Verdict;
use sweep_plan::cohort::Cohort;
use sweep_plan::measured::Question;
use sweep_plan::slot::Kind;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::Job;
use sweep_wire::event::{Outcome, Record};
use sweep_wire::status::Early;

/// One order that was sent to a worker: one attempt of one cohort. Tickets are never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// What happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// `slot` is there from now on, and takes orders.
    Joined {
        /// Which slot.
        slot: usize,
        /// Of its device.
        kind: Kind,
    },
    /// `slot` will soon be gone. If it has a worker, that was told to checkpoint and exit.
    Leaving {
        /// Which slot.
        slot: usize,
    },
    /// `slot` is gone, and so is its worker, whose exit was reported before if it had one.
    Left {
        /// Which slot.
        slot: usize,
    },
    /// No slot is there, and none will come.
    Stranded {
        /// Why, in words.
        message: String,
    },
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
        /// What its last words and the system say about the cause.
        clue: Option<Clue>,
    },
    /// The user wants it to stop: the first time after checkpoints, the second time at once.
    Stop,
    /// The time here is nearly over: as [`Input::Stop`] the first time, however often it comes.
    Warned,
    /// The user wants it to pause: workers stop after a checkpoint, and none is started.
    Pause,
    /// The pause is over.
    Resume,
    /// The user does not want these jobs trained any more. Those that have ended, or are not of this run, are passed over.
    Cancel {
        /// Which.
        jobs: Vec<JobId>,
    },
    /// This process itself stood still, stopped with all of its workers or without them: whoever was silent meanwhile may not have been.
    Slept {
        /// For how long, up to now.
        seconds: f64,
    },
    /// Time has passed. The first one starts everything.
    Tick,
}

impl Clue {
    /// All of them, with names that go between machines.
    const ALL: [(Clue, &str); 4] =
        [(Clue::NoMemory, "no_memory"), (Clue::NoSpace, "no_space"), (Clue::Killed, "killed"), (Clue::Lost, "lost")];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        Clue::ALL.iter().find(|(clue, _)| *clue == self).map_or("", |(_, name)| name)
    }

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Clue> {
        Clue::ALL.iter().find(|(_, other)| *other == name).map(|(clue, _)| *clue)
    }
}

impl Input {
    /// The slot that it speaks of.
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

/// Why a worker that said nothing may have died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clue {
    /// There was no memory left, of the device or of the host.
    NoMemory,
    /// There was no room for what it had to write.
    NoSpace,
    /// Somebody has killed it.
    Killed,
    /// The machine that it was on is gone, or says nothing any more.
    Lost,
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
        /// The cohorts that members were in before, the latest first, a list for each of those that they come from.
        ancestors: Vec<Vec<CohortId>>,
        /// The step up to which they train, where that is not the last.
        until: Option<u64>,
        /// Members that are not to be trained any more.
        without: Vec<JobId>,
    },
    /// Tell the worker that has this order, or is about to get it, which of its members are not to be trained any more. The others go on.
    Control {
        /// Names the attempt.
        ticket: Ticket,
        /// All of them, those that the order names, too.
        without: Vec<JobId>,
    },
    /// Train these together for a moment, as an order of its own that nobody records, and see how fast they do.
    Measure {
        /// Names the order from now on.
        ticket: Ticket,
        /// Which slot.
        slot: usize,
        /// Which jobs.
        jobs: Vec<(JobId, Job)>,
    },
    /// Nothing more is measured for a question.
    Answered {
        /// Which, with what is known.
        question: Question,
        /// Why it has no answer, if it has none.
        failure: Option<String>,
    },
    /// Record that the user has cancelled these jobs.
    Cancelled {
        /// Which; never empty.
        jobs: Vec<JobId>,
    },
    /// Record that jobs are stopped early; never empty.
    Early(Vec<Verdict>),
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
    /// All that is left waits for a decision to which nobody is on the way: jobs that were stopped in an earlier run may be needed for it. Whoever has
    /// looked says so with [`super::Machine::go_on`].
    Stuck,
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
    /// The user did not want it any more.
    Cancelled,
    /// It was stopped early.
    Early(Early),
}

/// Why the run is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Every job has its fate.
    Complete,
    /// It was ended before.
    Early(Ending),
}

/// Why a run ends before every job has its fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user asked for it.
    Asked,
    /// So did the user, but workers on other machines go on with what they were handed.
    Left,
    /// It has had its time.
    TimeLimit,
    /// Too many jobs have failed.
    Failures,
    /// There is no room for what is to be written; where it was found.
    NoSpace(String),
    /// Going on is pointless, since workers cannot start at all, or always stop; what was found.
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
    /// Jobs that were stopped early, since others were better.
    pub pruned: usize,
    /// Jobs that were stopped early, since they had collapsed.
    pub collapsed: usize,
    /// Jobs that the user cancelled.
    pub cancelled: usize,
    /// Jobs that failed, in the order in which they did, and why.
    pub failed: Vec<(JobId, String)>,
    /// Jobs without a fate.
    pub left: usize,
}

impl Summary {
    /// All jobs of the run; none where it was over before there was a plan.
    pub fn jobs(&self) -> usize {
        self.done + self.diverged + self.failed.len() + self.pruned + self.collapsed + self.cancelled + self.left
    }
}
