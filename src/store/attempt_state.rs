//! The state of an attempt and its jobs, computed from events by a pure fold. A running worker, a restart and a rebuild
//! all use it.

use std::collections::BTreeMap;

use super::AttemptOutcome;
use sweep_spec::id::JobId;
use sweep_spec::metric::Measure;
use sweep_wire::event::{Cause, Event, Record, Score};
use sweep_wire::losses::Losses;
use sweep_wire::status::{Change, Status};

/// The state of an attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Attempt {
    /// The sequence number of the next event.
    pub events: u64,
    /// The worker's process, host, device and start; set by its first event.
    pub started: Option<Started>,
    /// Steps done.
    pub step: u64,
    /// Model-steps per second, as last reported.
    pub rate: Option<f64>,
    /// Its worker's warnings since the attempt was last written.
    pub warnings: Vec<String>,
    /// When and how it ended, with the message.
    pub ended: Option<(f64, AttemptOutcome, String)>,
}

/// The worker that trains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Started {
    pub at: f64,
    pub pid: u32,
    pub host: String,
    pub device: String,
}

/// The state of a job.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub status: Status,
    pub step: u64,
    pub seconds: Option<f64>,
    /// Time of all its scorings, in seconds.
    pub scoring: f64,
    pub message: String,
}

/// An attempt with its members, and the results that a batch of events adds.
#[derive(Debug, Default)]
pub(super) struct AttemptState {
    pub attempt: Attempt,
    pub jobs: BTreeMap<JobId, Job>,
    /// By job, metric, step and, if given, what was asked for.
    pub scores: BTreeMap<(JobId, Measure, u64, Option<String>), Score>,
    pub samples: BTreeMap<(JobId, u64), String>,
    pub losses: BTreeMap<JobId, Losses>,
    /// Scores of real samples for the cohort's blueprint, by metric and protocol.
    pub floors: BTreeMap<(Measure, String), Score>,
}

impl AttemptState {
    /// Applies the events that are new. `Err` is the sequence number of an event that comes too early, because one
    /// before it is missing.
    pub(crate) fn apply(&mut self, records: &[Record]) -> Result<(), u64> {
        for record in records {
            if record.seq > self.attempt.events {
                return Err(record.seq);
            }
            if record.seq == self.attempt.events {
                self.event(record);
                self.attempt.events += 1;
            }
        }
        Ok(())
    }

    fn event(&mut self, record: &Record) {
        match &record.event {
            Event::Started { step, pid, host, device } => {
                let (host, device) = (host.clone(), device.clone());
                self.attempt.started = Some(Started { at: record.at, pid: *pid, host, device });
                self.attempt.step = *step;
                for job in self.jobs.values_mut() {
                    job.change(Change::Start);
                }
                self.advance(*step);
            }
            Event::Progress { step, rate } => {
                self.attempt.rate = Some(*rate);
                self.advance(*step);
            }
            Event::Warning { message } => self.attempt.warnings.push(message.clone()),
            Event::Checkpointed { step } => self.advance(*step),
            Event::Scoring { .. } => {}
            Event::Scored { job, step, scores, seconds } => {
                if let Some(job) = self.jobs.get_mut(job).filter(|_| seconds.is_finite()) {
                    job.scoring += seconds;
                }
                for score in scores {
                    let asked = score.asked.as_ref().map(ToString::to_string);
                    self.scores.insert((*job, score.metric, *step, asked), score.clone());
                }
            }
            Event::Losses { job, points } => {
                let known = self.losses.remove(job).unwrap_or_default();
                self.losses.insert(*job, known.merged(points));
            }
            Event::Floor { scores } => {
                let of = |score: &Score| ((score.metric, score.protocol.to_string()), score.clone());
                self.floors.extend(scores.iter().map(of));
            }
            Event::Sampled { job, step, path } => {
                self.samples.insert((*job, *step), path.clone());
            }
            Event::JobDone { job, step, seconds } => {
                if let Some(job) = self.jobs.get_mut(job)
                    && job.change(Change::Finish)
                {
                    (job.step, job.seconds) = (*step, Some(*seconds));
                }
            }
            Event::JobFailed { job, step, cause, message } => {
                let change = match cause {
                    Cause::Diverged => Change::Diverge,
                    Cause::Failed => Change::Fail,
                };
                if let Some(job) = self.jobs.get_mut(job)
                    && job.change(change)
                {
                    (job.step, job.message) = (*step, message.clone());
                }
            }
            Event::Ended { outcome, message } => {
                self.attempt.ended = Some((record.at, AttemptOutcome::from(*outcome), message.clone()));
            }
        }
    }

    /// Moves the cohort, and every member that still trains, to `step`.
    fn advance(&mut self, step: u64) {
        self.attempt.step = step;
        for job in self.jobs.values_mut().filter(|job| job.status == Status::Running) {
            job.step = step;
        }
    }
}

impl Job {
    /// Changes to another state and returns true, if the table allows it. A job that starts again loses the message why
    /// it stopped.
    fn change(&mut self, change: Change) -> bool {
        let Some(after) = self.status.after(change) else { return false };
        self.status = after;
        self.message.clear();
        true
    }
}
