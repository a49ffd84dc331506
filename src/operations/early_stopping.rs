//! Jobs that are stopped early: what sweeps ask for, what is known so far, and which stopped jobs are wanted after all.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::Failure;
use crate::database::Records;
use sweep_report::format::{self, plural};
use sweep_run::state::referee::{Contest, Referee, Replicate, Wanted};
use sweep_spec::blueprint::Score;
use sweep_spec::expand::{Entry, Expansion};
use sweep_spec::id::JobId;
use sweep_spec::stop::{Stop, Watched};
use sweep_store::{Decision, History, Store, StoreError};
use sweep_wire::home::Home;
use sweep_wire::losses::Losses;
use sweep_wire::status::Status;

/// The largest number of variants in a plan.
const TOLD: usize = 6;

/// Returns what a sweep file asks for, and which of its jobs may be stopped early.
pub(crate) fn wanted(expansion: &Expansion) -> Wanted {
    let mut compared: HashSet<*const Entry> = HashSet::new();
    let mut contests = Vec::new();
    if let Some(prune) = &expansion.prune {
        for field in prune.fields(&expansion.entries) {
            let replicates = |cell: &&[Entry]| {
                compared.extend(cell.iter().map(std::ptr::from_ref));
                let of = |entry: &Entry| Replicate { job: entry.id, asked: Some(entry.score.asks(prune.metric)) };
                cell.iter().map(of).collect()
            };
            let cells = field.cells.iter().map(replicates).collect();
            contests.push(Contest { prune: prune.clone(), steps: field.steps, cells });
        }
    }
    let others = expansion.entries.iter().filter(|entry| !compared.contains(&std::ptr::from_ref(*entry)));
    let others = others.map(|entry| entry.id).collect();
    Wanted { contests, others, stops: expansion.stops.clone(), watched: watched(expansion) }
}

/// Returns the settings that each job asks for in the scores that rules watch. If a job is asked for in several ways,
/// the first counts.
fn watched(expansion: &Expansion) -> HashMap<JobId, Arc<[Option<Value>]>> {
    let mut watched = HashMap::new();
    let mut shared: HashMap<*const Score, Arc<[Option<Value>]>> = HashMap::new();
    let asks = |score: &Score| {
        let of = |stop: &Stop| match stop.what {
            Watched::Score(metric) => Some(score.asks(metric)),
            Watched::Loss(_) => None,
        };
        expansion.stops.iter().map(of).collect()
    };
    for entry in expansion.entries.iter().filter(|_| !expansion.stops.is_empty()) {
        let asked = shared.entry(Arc::as_ptr(&entry.score)).or_insert_with(|| asks(&entry.score));
        watched.entry(entry.id).or_insert_with(|| Arc::clone(asked));
    }
    watched
}

/// Makes a referee that knows what the database knows of these sweeps.
///
/// # Errors
///
/// The database cannot be read.
pub(crate) async fn referee(store: &Store, sweeps: &[(&str, &Wanted)]) -> Result<Referee, StoreError> {
    let mut referee = Referee::new(sweeps.iter().map(|(_, wanted)| (*wanted).clone()).collect());
    if referee.is_idle() {
        return Ok(referee);
    }
    // Each file asks for its own scores, so all scores are reported before any job is reported as ended.
    let mut ended = BTreeMap::new();
    for (name, wanted) in sweeps {
        let losses = wanted.stops.iter().any(|stop| matches!(stop.what, Watched::Loss(_)));
        let mut all: Vec<(JobId, History)> = store.history(name, losses).await?.into_iter().collect();
        all.sort_unstable_by_key(|(job, _)| *job);
        for (job, history) in all {
            tell(&mut referee, job, &history);
            ended.insert(job, (history.status, history.step));
        }
    }
    ended.into_iter().for_each(|(job, (status, step))| end(&mut referee, job, status, step));
    Ok(referee)
}

/// Reports what is known of a job, in the order in which its worker reported it.
fn tell(referee: &mut Referee, job: JobId, History { scores, losses, .. }: &History) {
    let mut before = 0;
    let mut part = |referee: &mut Referee, until: u64| {
        let mut part: Losses = losses.clone();
        part.retain(|step| step > before && step <= until);
        before = until;
        if !part.is_empty() {
            referee.lost(job, &part);
        }
    };
    for scored in scores.chunk_by(|(a, _), (b, _)| a == b) {
        let step = scored[0].0;
        part(referee, step);
        let scores: Vec<_> = scored.iter().map(|(_, score)| score.clone()).collect();
        referee.scored(job, step, &scores);
    }
    part(referee, u64::MAX);
}

/// A job that ended in another way than by early stopping will report nothing more.
fn end(referee: &mut Referee, job: JobId, status: Status, step: u64) {
    referee.passed(job, step);
    match status {
        Status::Diverged => referee.diverged(job, step),
        Status::Done | Status::Failed | Status::Cancelled => referee.ended(job),
        Status::Pruned => referee.was_pruned(job),
        // It is still wanted, or it has ended only for the sweep that stopped it.
        Status::Pending | Status::Running | Status::Collapsed => {}
    }
}

/// Reopens jobs that were stopped early and are wanted now, since their file has changed or another file asks for them.
/// Returns these jobs.
///
/// # Errors
///
/// The database or the home directory cannot be written.
pub(crate) async fn reopen(
    (store, home): (&Store, &Home),
    referee: &Referee,
    states: &HashMap<JobId, Status>,
) -> Result<Vec<JobId>, StoreError> {
    let is_stopped = |(_, status): &(&JobId, &Status)| matches!(status, Status::Collapsed | Status::Pruned);
    let mut jobs: Vec<JobId> = states.iter().filter(is_stopped).map(|(job, _)| *job).collect();
    jobs.retain(|job| referee.needs(*job));
    jobs.sort_unstable();
    if jobs.is_empty() { Ok(jobs) } else { store.decide(home, &jobs, Decision::Reopen).await }
}

/// Does the same at the start of a run, and tells the user.
pub(crate) async fn reopen_and_say(
    records: Records<'_>,
    referee: &Referee,
    states: &mut HashMap<JobId, Status>,
) -> Result<(), Failure> {
    let reopened = reopen((records.store, records.home), referee, states).await?;
    if !reopened.is_empty() {
        let (jobs, are) = (plural(reopened.len(), "job"), if reopened.len() == 1 { "is" } else { "are" });
        records.tell.say(format!("note: {jobs} that had been stopped early {are} wanted now, and {are} trained again"));
    }
    states.extend(reopened.into_iter().map(|job| (job, Status::Pending)));
    Ok(())
}

/// Describes for a plan which cells and jobs may be stopped early, if any.
pub fn planned(expansion: &Expansion) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(prune) = &expansion.prune {
        let fields = prune.fields(&expansion.entries);
        let rungs: BTreeSet<Vec<u64>> = fields.iter().map(|field| prune.rule.rungs(field.steps)).collect();
        let numbers =
            |rungs: &Vec<u64>| rungs.iter().map(|&step| format::count(step as usize)).collect::<Vec<_>>().join(", ");
        let steps = rungs.iter().map(numbers).collect::<Vec<_>>().join(" or ");
        let mut text = format!("{} by mean {} at {steps} steps", prune.rule.name(), prune.metric.name());
        for field in fields.iter().take(TOLD) {
            let left = prune.left(field.cells.len(), field.steps);
            text += &format!(
                "\n{}: {}",
                field.variant,
                left.map_or_else(
                    || format!("{} cells, of which at least {} stay", field.cells.len(), prune.keep),
                    |left| {
                        let left: Vec<String> = left.iter().map(usize::to_string).collect();
                        format!("{} cells, then {}", field.cells.len(), left.join(", then "))
                    },
                )
            );
        }
        if fields.len() > TOLD {
            text += &format!("\n… and {} other variants", fields.len() - TOLD);
        }
        if let Some(share) = share(expansion) {
            text += &format!("\nso {:.0} % of the steps", 100.0 * share);
        }
        facts.push(("pruning", text));
    }
    if !expansion.stops.is_empty() {
        let rules: Vec<&str> = expansion.stops.iter().map(|stop| stop.text.as_str()).collect();
        facts.push(("stops", rules.join("\n")));
    }
    facts
}

/// Returns the same as JSON.
pub fn planned_json(expansion: &Expansion) -> Value {
    let prune = expansion.prune.as_ref().map(|prune| {
        let fields = prune.fields(&expansion.entries);
        let variants = fields.iter().map(|field| {
            json!({
                "variant": field.variant, "cells": field.cells.len(), "rungs": prune.rule.rungs(field.steps),
                "left": prune.left(field.cells.len(), field.steps),
            })
        });
        json!({
            "metric": prune.metric.name(), "rule": prune.rule.name(), "keep": prune.keep,
            "variants": variants.collect::<Vec<_>>(),
            "share_of_steps": share(expansion),
        })
    });
    let stops: Vec<&str> = expansion.stops.iter().map(|stop| stop.text.as_str()).collect();
    json!({ "prune": prune, "stop": stops })
}

/// Returns the share of all steps that is trained, if it is known in advance.
pub(crate) fn share(expansion: &Expansion) -> Option<f64> {
    let prune = expansion.prune.as_ref()?;
    let all: u64 = expansion.entries.iter().map(|entry| entry.job.blueprint.steps()).sum();
    let mut saved = 0.0;
    for field in prune.fields(&expansion.entries) {
        let seeds = field.cells.iter().map(|cell| cell.len()).sum::<usize>() as f64 / field.cells.len() as f64;
        let mut before = field.cells.len();
        for (step, left) in prune.rule.rungs(field.steps).into_iter().zip(prune.left(before, field.steps)?) {
            saved += seeds * (before - left) as f64 * (field.steps - step) as f64;
            before = left;
        }
    }
    Some(1.0 - saved / all as f64)
}
