//! Events: a worker's reports. Display, database and replay all consume this one stream.

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
    /// The cohort.
    pub cohort: CohortId,
    /// The attempt.
    pub attempt: u32,
}

/// Every other line of a log.
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
    /// The worker has read the order and starts at `step` (above 0 if it continues from a checkpoint).
    Started {
        /// Steps already done.
        step: u64,
        /// Process id.
        pid: u32,
        /// Host name.
        host: String,
        /// Name of the device: `cpu`, `NVIDIA H100`.
        device: String,
    },
    /// The cohort is at `step`.
    Progress {
        /// Steps done.
        step: u64,
        /// Model-steps per second: steps per second times the number of training members.
        rate: f64,
    },
    /// Progress of a scoring: how many images the network has processed; 0 of 0 while waiting for another process.
    Scoring {
        /// Images processed.
        seen: u64,
        /// Images in all.
        all: u64,
    },
    /// A job was scored at `step`.
    Scored {
        /// The job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// All scores of this step.
        scores: Vec<Score>,
        /// Time of sampling and scoring, in seconds.
        seconds: f64,
    },
    /// Losses and discriminator outputs of a job, at steps not reported yet.
    Losses {
        /// The job.
        job: JobId,
        /// The losses.
        points: Losses,
    },
    /// Scores of real samples other than those that generated ones are compared with: what a perfect generator would
    /// score with as many samples.
    Floor {
        /// All scores that jobs of the cohort get.
        scores: Vec<Score>,
    },
    /// A sample sheet was written.
    Sampled {
        /// The job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// The PNG, relative to the cohort's directory.
        path: String,
    },
    /// A problem that the user should know about; training continues.
    Warning {
        /// A message for people.
        message: String,
    },
    /// A checkpoint is durable.
    Checkpointed {
        /// Steps done.
        step: u64,
    },
    /// A job has done all its steps.
    JobDone {
        /// The job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// Its share of the cohort's training time, over all attempts.
        seconds: f64,
    },
    /// A job stopped early; the others continue.
    JobFailed {
        /// The job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// The cause.
        cause: Cause,
        /// A message for people.
        message: String,
    },
    /// The last event of an attempt.
    Ended {
        /// Why it ended.
        outcome: Outcome,
        /// A message for people; empty when finished.
        message: String,
    },
}

/// Most bytes of a message; the rest stays in the log.
const MESSAGE: usize = 8192;

impl Event {
    /// Shortens an overlong message.
    pub fn shorten(&mut self) {
        if let Event::Warning { message } | Event::JobFailed { message, .. } | Event::Ended { message, .. } = self
            && message.len() > MESSAGE
        {
            let end = (0..=MESSAGE).rev().find(|&at| message.is_char_boundary(at));
            message.truncate(end.unwrap_or(0));
            message.push('…');
        }
    }

    /// Returns the job it is about.
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

    /// Returns the job it is about, to replace it.
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

    /// Returns the step it is about.
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
    /// Any other error of this job alone.
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
    /// Reached the last step of the order, after a checkpoint.
    Reached,
    /// The device has too little memory for this cohort.
    OutOfMemory,
    /// No space or no permission to write: not this cohort's fault.
    NoSpace,
    /// An error of the whole cohort; a retry may help.
    Failed,
    /// An error that a retry will not fix: no data, a bad order.
    Refused,
}

/// One score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The metric.
    pub metric: Measure,
    /// Its value, possibly NaN or infinite.
    #[serde(with = "real")]
    pub value: f64,
    /// Standard deviation over splits, if the metric has splits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
    /// How it was measured: samples, bins, splits, scoring network and checksum; with the metric's version.
    pub protocol: serde_json::Value,
    /// What was asked for: [`sweep_spec::blueprint::Score::asked`]. If missing, it is what the order asks for first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<serde_json::Value>,
}
