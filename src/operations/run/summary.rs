//! What a run prints before and after.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use crate::run::End;
use crate::{Failure, Tell};
use sweep_report::causes;
use sweep_report::format::{duration, plural};
use sweep_run::Unwritten;
use sweep_run::state::{Ending, Summary};
use sweep_spec::id::JobId;
use sweep_wire::home::Home;
use sweep_wire::status::Status;

/// The largest number of causes of failures that are shown.
const SHOWN: usize = 5;
/// How many lines of a worker's stderr are shown if no worker starts.
const WORDS: usize = 10;

/// Writes `nine: 9 jobs, 3 of them done; training 6 in 2 cohorts on 2 slots`; `training`: how many jobs, cohorts and
/// slots.
pub(crate) fn opening(
    states: &HashMap<JobId, Status>,
    names: &[&str],
    training: Option<(usize, usize, usize)>,
) -> String {
    let ended = states.values().filter(|state| state.is_final()).count();
    let before = if ended > 0 { format!(", {ended} of them ended before") } else { String::new() };
    let now = match training {
        None => "nothing to train".to_owned(),
        Some((open, cohorts, slots)) => {
            format!("training {} in {} on {}", plural(open, "job"), plural(cohorts, "cohort"), plural(slots, "slot"))
        }
    };
    format!("{}: {}{before}; {now}", names.join(", "), plural(states.len(), "job"))
}

/// Writes `9 jobs in 12 s: 7 done, 2 diverged`.
pub(crate) fn closing(summary: &Summary, elapsed: Duration) -> String {
    let mut parts = vec![format!("{} done", summary.done)];
    for (count, what) in [
        (summary.diverged, "diverged"),
        (summary.collapsed, "collapsed"),
        (summary.pruned, "pruned"),
        (summary.failed.len(), "failed"),
        (summary.cancelled, "cancelled"),
        (summary.left, "not finished"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    format!("{} in {}: {}", plural(summary.jobs(), "job"), duration(elapsed.as_secs_f64()), parts.join(", "))
}

pub(crate) fn failures(summary: &Summary, open: usize) -> String {
    let mut text = format!("{} of {} failed:", summary.failed.len(), plural(open, "job"));
    let causes = causes(summary.failed.iter().map(|(job, message)| (*job, message.as_str())));
    for (cause, jobs) in causes.iter().take(SHOWN) {
        let others = if jobs.len() > 1 { format!(" and {} more", jobs.len() - 1) } else { String::new() };
        text += &format!("\n  {}{others}: {}", jobs[0].short(), cause);
    }
    if causes.len() > SHOWN {
        text += &format!("\n  … and {} other causes", causes.len() - SHOWN);
    }
    if let Some((job, _)) = summary.failed.first() {
        text += &format!("\n`sweep show {}` shows details; `sweep retry --failed` retries them", job.short());
    }
    text
}

/// Describes a run that ended before its jobs did, for any reason; `signal` asked for it, if one did.
///
/// # Errors
///
/// It ended since there is no space, or since no worker starts. `again` is the command that continues.
pub(crate) fn ended_early(
    ending: &Ending,
    signal: Option<u8>,
    (last_words, again): (&str, &str),
    tell: &Tell,
) -> Result<End, Failure> {
    match ending {
        Ending::Asked => Ok(End::Stopped(signal)),
        Ending::Left => {
            tell.say("agents finish their cohorts, and exit after being idle for a while");
            Ok(End::Stopped(signal))
        }
        Ending::TimeLimit => {
            tell.say("the time limit of the run has passed");
            Ok(End::JobsFailed)
        }
        Ending::Failures => {
            tell.say("too many jobs have failed (--max-failures)");
            Ok(End::JobsFailed)
        }
        Ending::NoSpace(message) => Err(Failure::environment(format!(
            "{message}: free some space, or make it writable (`ulimit -f` also limits files); the jobs wait, and \
            continue from their checkpoints with: {}",
            again
        ))),
        Ending::Hopeless(message) => Err(hopeless(message, last_words, again)),
    }
}

fn hopeless(message: &str, last_words: &str, again: &str) -> Failure {
    let lines: Vec<&str> = last_words.lines().collect();
    let lines = lines[lines.len().saturating_sub(WORDS)..].iter().map(|line| format!("\n  {line}"));
    Failure::environment(format!(
        "{message}{}\n`sweep doctor` checks what works here; the jobs wait, and continue with: {again}",
        lines.collect::<String>()
    ))
}

/// Some results are only in the run's logs. `again` is the command that reads them.
pub(crate) fn unwritten_failure(unwritten: &Unwritten, database: &Path, home: &Home, again: &str) -> Failure {
    let holder = unwritten.holder.as_deref().unwrap_or("another program");
    Failure::environment(format!(
        "{} is locked by {holder}, so the last results are only in the logs in {}. Nothing is lost: end that \
        program's transaction, then `{again}` reads the logs",
        database.display(),
        home.display()
    ))
}

/// Tells which jobs this run did not touch: those that failed or were cancelled before.
pub(crate) fn say_left_alone(tell: &Tell, failed: usize, cancelled: usize) {
    if failed > 0 {
        tell.say(format!(
            "{} failed before; after `sweep retry --failed`, the next run retries them",
            plural(failed, "job")
        ));
    }
    if cancelled > 0 {
        let were = if cancelled == 1 { "was" } else { "were" };
        let jobs = plural(cancelled, "job");
        tell.say(format!("{jobs} {were} cancelled before; after `sweep retry --cancelled`, the next run trains them"));
    }
}
