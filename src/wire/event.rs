//! Events: what a worker reports. Display, database and replay are consumers of this one stream.

use serde::{Deserialize, Serialize};

use super::losses::Losses;
use super::real;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::metric::Measure;

/// The first line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`super::PROTOCOL`] of the writer.
    pub protocol: u32,
    /// Whose events these are.
    pub cohort: CohortId,
    /// Which attempt.
    pub attempt: u32,
}

/// Every further line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Counts from 0 without gaps.
    pub seq: u64,
    /// Seconds since the Unix epoch.
    pub at: f64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The worker has read the order and starts at `step` (above 0 when it goes on from a checkpoint).
    Started {
        /// Steps already done.
        step: u64,
        /// Process id.
        pid: u32,
        /// Host name.
        host: String,
        /// Device in words: `cpu`, `NVIDIA H100`.
        device: String,
    },
    /// The cohort is at `step`.
    Progress {
        /// Steps done.
        step: u64,
        /// Steps per second, times the members that train: model-steps per second.
        rate: f64,
    },
    /// A scoring goes on: the network has seen so many of its images, 0 of 0 while another process is waited for.
    Scoring {
        /// Images seen.
        seen: u64,
        /// Images in all.
        all: u64,
    },
    /// A job was scored at `step`.
    Scored {
        /// Which job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// All scores of this step.
        scores: Vec<Score>,
        /// Time that sampling and scoring took.
        seconds: f64,
    },
    /// Losses of a job, and what its discriminators said, at steps that were not reported yet.
    Losses {
        /// Which job.
        job: JobId,
        /// Them.
        points: Losses,
    },
    /// What real samples score that generated ones are not compared with: a perfect generator, at these numbers of samples.
    Floor {
        /// All scores that jobs of the cohort get.
        scores: Vec<Score>,
    },
    /// A sample sheet was written.
    Sampled {
        /// Which job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// The PNG, relative to the cohort's directory.
        path: String,
    },
    /// Something is not as it should be, and training goes on; the user should know.
    Warning {
        /// In words.
        message: String,
    },
    /// A checkpoint is durable.
    Checkpointed {
        /// Steps done.
        step: u64,
    },
    /// A job has done all its steps.
    JobDone {
        /// Which job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// Its share of the cohort's training time, over all attempts.
        seconds: f64,
    },
    /// A job stopped early; the others go on.
    JobFailed {
        /// Which job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// How.
        cause: Cause,
        /// In words.
        message: String,
    },
    /// The last event of an attempt.
    Ended {
        /// Why it ended.
        outcome: Outcome,
        /// In words; empty when finished.
        message: String,
    },
}

/// Bytes of a message at most; more of it stays in the log.
const MESSAGE: usize = 8192;

impl Event {
    /// Cuts a message that nobody would read to its end.
    pub fn shorten(&mut self) {
        if let Event::Warning { message } | Event::JobFailed { message, .. } | Event::Ended { message, .. } = self
            && message.len() > MESSAGE
        {
            let end = (0..=MESSAGE).rev().find(|&at| message.is_char_boundary(at));
            message.truncate(end.unwrap_or(0));
            message.push('…');
        }
    }

    /// The job that it speaks of.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Event::Scored { job, .. }
            | Event::Losses { job, .. }
            | Event::Sampled { job, .. }
            | Event::JobDone { job, .. }
            | Event::JobFailed { job, .. } => Some(*job),
            Event::Started { .. }
            | Event::Progress { .. }
            | Event::Scoring { .. }
            | Event::Floor { .. }
            | Event::Warning { .. }
            | Event::Checkpointed { .. }
            | Event::Ended { .. } => None,
        }
    }

    /// The same, to have it speak of another.
    pub(super) fn job_mut(&mut self) -> Option<&mut JobId> {
        match self {
            Event::Scored { job, .. }
            | Event::Losses { job, .. }
            | Event::Sampled { job, .. }
            | Event::JobDone { job, .. }
            | Event::JobFailed { job, .. } => Some(job),
            Event::Started { .. }
            | Event::Progress { .. }
            | Event::Scoring { .. }
            | Event::Floor { .. }
            | Event::Warning { .. }
            | Event::Checkpointed { .. }
            | Event::Ended { .. } => None,
        }
    }

    /// The step that it speaks of.
    pub fn step(&self) -> Option<u64> {
        match self {
            Event::Started { step, .. }
            | Event::Progress { step, .. }
            | Event::Scored { step, .. }
            | Event::Sampled { step, .. }
            | Event::Checkpointed { step }
            | Event::JobDone { step, .. }
            | Event::JobFailed { step, .. } => Some(*step),
            Event::Losses { points, .. } => points.last(),
            Event::Scoring { .. } | Event::Floor { .. } | Event::Warning { .. } | Event::Ended { .. } => None,
        }
    }
}

/// Why a job stopped early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A loss or a weight is not finite.
    Diverged,
    /// Anything else that concerns this job alone.
    Failed,
}

/// Why an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every member has ended.
    Finished,
    /// Stopped on request, after a checkpoint.
    Stopped,
    /// At the step that the order goes up to, after a checkpoint.
    Reached,
    /// The device has too little memory for this cohort.
    OutOfMemory,
    /// There is no room for what is to be written, or no permission: not this cohort's fault.
    NoSpace,
    /// An error that concerns the whole cohort; trying again may help.
    Failed,
    /// An error that trying again will not mend: no data, a bad order.
    Refused,
}

/// One score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Which.
    pub metric: Measure,
    /// Its value; may be NaN or infinite.
    #[serde(with = "real")]
    pub value: f64,
    /// Standard deviation over splits, where the metric has splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
    /// How it was measured: samples, bins, splits, scoring network and checksum; with the metric's version.
    pub protocol: serde_json::Value,
    /// What was asked for: [`sweep_spec::blueprint::Score::asked`]. Where it is not said, it is what the order asks for first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<serde_json::Value>,
}
