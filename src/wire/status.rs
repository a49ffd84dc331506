//! The status of a job, and the only table of its transitions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The status of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not started, or waiting to be continued.
    Pending,
    /// A worker trains it.
    Running,
    /// All steps done.
    Done,
    /// An error ended it.
    Failed,
    /// A loss or weight became NaN or infinite: a result, not an error.
    Diverged,
    /// Stopped early because a rule of the sweep file says that it collapsed: a result, not an error.
    Collapsed,
    /// Stopped early because other cells of its variant were better: a result for the step it reached.
    Pruned,
    /// Stopped by the user.
    Cancelled,
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A worker started its cohort.
    Start,
    /// Its worker ended without finishing it (stopped, died, out of memory); it waits to be continued.
    Release,
    /// It did all its steps.
    Finish,
    /// It became NaN or infinite.
    Diverge,
    /// It failed for good.
    Fail,
    /// It is stopped early.
    Stop(Early),
    /// It was stopped early, and continues for a sweep that does not stop it.
    Reopen,
    /// The user cancels it.
    Cancel,
    /// The user retries it.
    Retry,
    /// It is done, and the user trains it again for scores at steps that are gone.
    Again,
}

/// Why a job was stopped early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Early {
    /// A rule of the sweep file says that it collapsed.
    Collapsed,
    /// Other cells of its variant are better.
    Pruned,
}

impl From<Early> for Status {
    fn from(early: Early) -> Status {
        match early {
            Early::Collapsed => Status::Collapsed,
            Early::Pruned => Status::Pruned,
        }
    }
}

impl Status {
    /// Every status, in the order of tables.
    pub const ALL: [Status; 8] = [
        Status::Pending,
        Status::Running,
        Status::Done,
        Status::Failed,
        Status::Diverged,
        Status::Collapsed,
        Status::Pruned,
        Status::Cancelled,
    ];

    /// The whole transition table. `None` if a change makes no sense (a late or repeated event) and leaves the job as
    /// it is.
    pub fn after(self, change: Change) -> Option<Status> {
        use Change as C;
        use Status as S;
        match (self, change) {
            (S::Pending, C::Start) => Some(S::Running),
            (S::Running, C::Release) => Some(S::Pending),
            (S::Running, C::Finish) => Some(S::Done),
            (S::Running, C::Diverge) => Some(S::Diverged),
            (S::Pending | S::Running, C::Fail) => Some(S::Failed),
            (S::Pending | S::Running, C::Cancel) => Some(S::Cancelled),
            (S::Pending | S::Running, C::Stop(early)) => Some(early.into()),
            // It trained on before it heard of the stop, and then diverged or collapsed.
            (S::Diverged | S::Collapsed, C::Stop(Early::Pruned)) => Some(S::Pruned),
            (S::Collapsed | S::Pruned, C::Reopen) => Some(S::Pending),
            (S::Failed | S::Cancelled, C::Retry) => Some(S::Pending),
            (S::Done, C::Again) => Some(S::Pending),
            _ => None,
        }
    }

    /// Whether the job needs no more training.
    pub fn is_final(self) -> bool {
        !matches!(self, Status::Pending | Status::Running)
    }

    /// Returns the name in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Running => "running",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Diverged => "diverged",
            Status::Collapsed => "collapsed",
            Status::Pruned => "pruned",
            Status::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Status::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| format!("`{text}` is not a job state"))
    }
}
