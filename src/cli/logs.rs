//! `sweep logs`: what happened to one job, in order, and what happens while it trains.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::stdout::print;
use super::table::{count, duration};
use super::{Exit, Failure, Global};
use sweep_operations::database::job;
use sweep_report::format::number;
use sweep_spec::id::JobId;
use sweep_store::{Attempt, AttemptOutcome, JobDetails};
use sweep_wire::event::{Cause, Event, Outcome, Record};
use sweep_wire::log;

/// Time between two checks while following.
const LOOK: Duration = Duration::from_millis(500);
/// Seconds between two lines that only report progress.
const STEADY: f64 = 10.0;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A job's id, or its first characters
    #[arg(add = super::complete::jobs(), value_name = "JOB")]
    job: String,
    /// Continue with what happens next, until the job has ended
    #[arg(short, long)]
    follow: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let mut details = job(&global.places, &args.job)?;
    let id = details.id.to_string();
    if details.attempts.is_empty() && !args.follow {
        print(&format!("{}: the job has not started: `sweep run FILE` trains it\n", details.id.short()))?;
        return Ok(Exit::Ok);
    }
    let mut told: Vec<Told> = Vec::new();
    loop {
        for (at, attempt) in details.attempts.iter().enumerate() {
            if told.len() == at {
                told.push(Told::of(global, attempt));
            }
            // All times count from the start of the first attempt.
            let first = details.attempts[0].started_at;
            let lines = told[at].lines(&details, attempt, first);
            if !lines.is_empty() {
                print(&(lines.join("\n") + "\n"))?;
            }
        }
        let over = details.status.is_final() && details.attempts.iter().all(|attempt| attempt.outcome.is_some());
        if !args.follow || over {
            return Ok(Exit::Ok);
        }
        thread::sleep(LOOK);
        details = job(&global.places, &id)?;
    }
}

/// What was shown of an attempt.
struct Told {
    path: PathBuf,
    offset: u64,
    /// Whether its start was shown.
    begun: bool,
    /// Whether its end was shown.
    ended: bool,
    /// When its progress was last shown.
    at: f64,
}

impl Told {
    fn of(global: &Global, attempt: &Attempt) -> Told {
        let path = global.places.home.run_in(&attempt.directory).attempt(attempt.number).events();
        Told { path, offset: 0, begun: false, ended: false, at: f64::NEG_INFINITY }
    }

    /// Returns the lines that have not been shown yet.
    fn lines(&mut self, details: &JobDetails, attempt: &Attempt, first: f64) -> Vec<String> {
        let mut lines = Vec::new();
        if !std::mem::replace(&mut self.begun, true) {
            let others = match attempt.members {
                1 => String::new(),
                members => format!(", with {} other{}", members - 1, if members == 2 { "" } else { "s" }),
            };
            let what =
                format!("attempt {} of cohort {} on {}{others}", attempt.number, attempt.cohort.short(), attempt.slot);
            lines.push(line(attempt.started_at - first, &what));
        }
        loop {
            match log::read(&self.path, self.offset) {
                Ok(batch) => {
                    self.offset = batch.offset;
                    for record in &batch.records {
                        let words = self.words(details.id, record);
                        lines.extend(words.map(|words| line(record.at - first, &words)));
                    }
                    if !batch.more {
                        break;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.ended, true) {
                        lines.push(error.to_string());
                    }
                    return lines;
                }
            }
        }
        // The worker could not say this itself.
        if let (Some(outcome), false) = (attempt.outcome, self.ended) {
            self.ended = true;
            let at = attempt.ended_at.unwrap_or(attempt.started_at) - first;
            let why = if attempt.message.is_empty() { String::new() } else { format!(": {}", attempt.message) };
            lines.push(line(at, &format!("{}{why}", outcome.name())));
            lines.extend(attempt.stderr.trim_end().lines().map(|line| format!("              {line}")));
        }
        lines
    }

    /// Describes an event; `None` if it is about another job, or not new.
    fn words(&mut self, job: JobId, record: &Record) -> Option<String> {
        if record.event.job().is_some_and(|of| of != job) {
            return None;
        }
        Some(match &record.event {
            Event::Started { step: 0, host, device, .. } => format!("started on {device}, {host}"),
            Event::Started { step, host, device, .. } => {
                format!("continues from step {} on {device}, {host}", count(*step as usize))
            }
            Event::Progress { step, rate } => {
                if record.at - self.at < STEADY {
                    return None;
                }
                self.at = record.at;
                format!("step {}, {} model-steps/s", count(*step as usize), count(rate.round() as usize))
            }
            Event::Scored { step, scores, seconds, .. } => {
                let of = scores.iter().map(|score| format!("{} {}", score.metric.name(), number(score.value)));
                let scores = of.collect::<Vec<_>>().join(", ");
                let took = if *seconds < 1.0 { String::new() } else { format!(" in {}", duration(*seconds)) };
                format!("scored at step {}{took}: {scores}", count(*step as usize))
            }
            Event::Sampled { step, path, .. } => {
                let cohort = self.path.parent().and_then(Path::parent).unwrap_or(Path::new(""));
                format!("samples of step {}: {}", count(*step as usize), cohort.join(path).display())
            }
            Event::Warning { message } => format!("warning: {message}"),
            Event::Checkpointed { step } => format!("checkpoint at step {}", count(*step as usize)),
            Event::JobDone { step, seconds, .. } => {
                format!("done: {} steps, {} of training", count(*step as usize), duration(*seconds))
            }
            Event::JobFailed { step, cause, message, .. } => {
                let how = match cause {
                    Cause::Diverged => "diverged",
                    Cause::Failed => "failed",
                };
                format!("{how} at step {}: {message}", count(*step as usize))
            }
            Event::Ended { outcome, message } => {
                self.ended = true;
                match outcome {
                    Outcome::Finished => return None,
                    Outcome::Reached => "waits until its cells are compared".to_owned(),
                    Outcome::Stopped | Outcome::Failed | Outcome::Refused | Outcome::OutOfMemory | Outcome::NoSpace => {
                        let how = AttemptOutcome::from(*outcome);
                        if message.is_empty() { how.name().to_owned() } else { format!("{}: {message}", how.name()) }
                    }
                }
            }
            Event::Scoring { .. } | Event::Losses { .. } | Event::Floor { .. } => return None,
        })
    }
}

/// Writes `+00:01:23.4  done`.
fn line(seconds: f64, words: &str) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round() as u64;
    let (hours, minutes) = (tenths / 36_000, tenths / 600 % 60);
    format!("+{hours:02}:{minutes:02}:{:02}.{}  {words}", tenths / 10 % 60, tenths % 10)
}
