//! What `sweep run` says before and after.

use std::collections::HashMap;
use std::time::Duration;

use super::Failure;
use super::table::{duration, plural};
use crate::run::state::Summary;
use crate::spec::id::JobId;
use crate::wire::status::Status;

/// Failed jobs that are shown one by one at most.
const SHOWN: usize = 5;
/// Lines of a worker's stderr that are shown where no worker starts.
const WORDS: usize = 10;

/// `nine: 9 jobs, 3 of them done; training 6 in 2 cohorts on 2 slots`
pub(super) fn opening(
    states: &HashMap<JobId, Status>,
    names: &[&str],
    open: usize,
    cohorts: usize,
    slots: usize,
) -> String {
    let ended = states.values().filter(|state| state.is_final()).count();
    let before = if ended > 0 { format!(", {ended} of them ended before") } else { String::new() };
    let now = match open {
        0 => "nothing to do".to_owned(),
        _ => format!("training {} in {} on {}", plural(open, "job"), plural(cohorts, "cohort"), plural(slots, "slot")),
    };
    format!("{}: {}{before}; {now}", names.join(", "), plural(states.len(), "job"))
}

/// `9 jobs in 12 s: 7 done, 2 diverged`
pub(super) fn closing(summary: &Summary, elapsed: Duration) -> String {
    let mut parts = vec![format!("{} done", summary.done)];
    for (count, what) in
        [(summary.diverged, "diverged"), (summary.failed.len(), "failed"), (summary.left, "not finished")]
    {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let jobs = summary.done + summary.diverged + summary.failed.len() + summary.left;
    format!("{} in {}: {}", plural(jobs, "job"), duration(elapsed.as_secs_f64()), parts.join(", "))
}

pub(super) fn failures(summary: &Summary, open: usize) -> String {
    let mut text = format!("{} of {} failed:", summary.failed.len(), plural(open, "job"));
    for (job, message) in summary.failed.iter().take(SHOWN) {
        text += &format!("\n  {}: {}", job.short(), message.lines().next().unwrap_or_default());
    }
    if summary.failed.len() > SHOWN {
        text += &format!("\n  … and {} more", summary.failed.len() - SHOWN);
    }
    if let Some((job, _)) = summary.failed.first() {
        text += &format!("\n`sweep show {}` says more; `sweep run … --retry-failed` tries again", job.short());
    }
    text
}

pub(super) fn hopeless(message: &str, last_words: &str) -> Failure {
    let lines: Vec<&str> = last_words.lines().collect();
    let lines = lines[lines.len().saturating_sub(WORDS)..].join("\n  ");
    Failure::environment(format!(
        "workers do not get as far as starting their orders: {message}\n  {lines}\n`sweep doctor` says what works here"
    ))
}

/// What was typed, as a shell would read it.
pub(super) fn command_line() -> String {
    let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte));
    let quote = |word: String| if plain(&word) { word } else { format!("'{}'", word.replace('\'', r"'\''")) };
    let words = std::env::args_os().skip(1).map(|word| quote(word.to_string_lossy().into_owned()));
    std::iter::once("sweep".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
