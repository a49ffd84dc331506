//! Jobs that continue from shorter ones: a file asks for more steps than were trained.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::sync::Arc;

use crate::Failure;
use crate::database::Records;
use crate::file_changes;
use sweep_report::format::{count, plural};
use sweep_spec::blueprint::{Blueprint, BuiltIn, Train};
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_spec::job::{Earlier, Task};
use sweep_store::{Decision, Measured, NewSweep, Store};
use sweep_wire::home::Home;

/// Finds for each of `tasks` the longest finished job whose last state is kept and that differs only in having fewer
/// steps. A finished job that is trained again for its history has none. With `history`, jobs that would lack scores of
/// earlier steps have none, either.
pub(crate) async fn find<'a>(
    store: &Store,
    home: &Home,
    (tasks, history): (impl Iterator<Item = &'a Task>, bool),
) -> Result<HashMap<JobId, Earlier>, Failure> {
    let lengths = store.lengths().await?;
    let mut shorter: HashMap<*const Blueprint, Vec<(u64, BlueprintId)>> = HashMap::new();
    let mut done: HashMap<BlueprintId, HashMap<JobId, CohortId>> = HashMap::new();
    let mut kept: HashMap<CohortId, bool> = HashMap::new();
    let mut found = HashMap::new();
    let mut all: HashMap<JobId, &Task> = HashMap::new();
    for task in tasks {
        let Some(built_in) = task.job.blueprint.built_in() else { continue };
        let shorter = shorter.entry(Arc::as_ptr(&task.job.blueprint)).or_insert_with(|| of(built_in, lengths.values()));
        for &(step, id) in shorter.iter().filter(|(_, id)| lengths.contains_key(id)) {
            let job = task.job.id_in(id);
            let done = match done.get(&id) {
                Some(done) => done,
                None => done.entry(id).or_insert(store.done_of(id).await?),
            };
            let Some(&cohort) = done.get(&job) else { continue };
            let is_kept = || fs::exists(home.run(cohort).last()).unwrap_or(false);
            if *kept.entry(cohort).or_insert_with(is_kept) {
                found.insert(task.id, Earlier { job, cohort, step });
                all.insert(task.id, task);
                break;
            }
        }
    }
    let again = store.were_done(found.keys().copied()).await?;
    found.retain(|job, _| !again.contains(job));
    if history && !found.is_empty() {
        let measured = store.measured().await?;
        found.retain(|job, earlier| all.get(job).is_none_or(|task| has_history(&measured, task, earlier)));
    }
    Ok(found)
}

/// Whether everything that `task` asks for at earlier steps was measured of the shorter job.
fn has_history(measured: &HashMap<JobId, Vec<Measured>>, task: &Task, earlier: &Earlier) -> bool {
    let known = measured.get(&earlier.job);
    let steps = task.job.blueprint.steps();
    task.scores.iter().all(|score| {
        let before: Vec<u64> = score.at(steps).take_while(|step| *step < earlier.step).collect();
        before.is_empty()
            || score.metrics.iter().all(|metric| {
                let asked = score.asked(*metric).to_string();
                let of = known.into_iter().flatten().find(|of| of.metric == *metric && of.asked == asked);
                of.is_some_and(|of| before.iter().all(|step| of.steps.contains(step)))
            })
    })
}

/// Returns the blueprints that equal `built_in` except for fewer steps; longest first.
fn of<'a>(built_in: &BuiltIn, lengths: impl Iterator<Item = &'a u64>) -> Vec<(u64, BlueprintId)> {
    let mut lengths: Vec<u64> = lengths.copied().filter(|steps| *steps < built_in.train.steps).collect();
    lengths.sort_unstable_by(|one, other| other.cmp(one));
    lengths.dedup();
    let shorter = |steps| {
        let train = Train { steps, ..built_in.train.clone() };
        (steps, Blueprint::BuiltIn(BuiltIn { train, ..built_in.clone() }).id())
    };
    lengths.into_iter().map(shorter).collect()
}

/// Returns what to say about those of `tasks` that continue.
pub(crate) async fn notes<'a>(store: &Store, tasks: impl Iterator<Item = &'a Task>) -> Result<Vec<String>, Failure> {
    let longer: Vec<(&Task, Earlier)> = tasks.filter_map(|task| Some((task, task.earlier?))).collect();
    let steps = || longer.iter().map(|(_, earlier)| earlier.step);
    let (Some(least), Some(most)) = (steps().min(), steps().max()) else { return Ok(Vec::new()) };
    let span = match least == most {
        true => count(most as usize),
        false => format!("{} to {}", count(least as usize), count(most as usize)),
    };
    let go = if longer.len() == 1 { "goes" } else { "go" };
    let jobs = plural(longer.len(), "job");
    let mut notes =
        vec![format!("note: {jobs} {go} on from the {span} steps that a shorter training of the same jobs has done")];
    let measured = store.measured().await?;
    let lacking = longer.iter().filter(|(task, earlier)| !has_history(&measured, task, earlier)).count();
    if lacking > 0 {
        notes.push(format!(
            "note: {} of these will lack scores of earlier steps that the file asks for and the shorter training did \
            not measure; `sweep run --rescore-history` trains from the start for them",
            count(lacking)
        ));
    }
    Ok(notes)
}

/// Lets finished jobs that lack scores of earlier steps train again, if `asked`. Returns these jobs.
pub(crate) async fn again<'a>(
    Records { store, home, tell }: Records<'_>,
    asked: Option<impl Iterator<Item = (&'a NewSweep, &'a [Task])> + Clone>,
) -> Result<Vec<JobId>, Failure> {
    let Some(asked) = asked else { return Ok(Vec::new()) };
    let measured = store.measured().await?;
    let lacking: BTreeSet<JobId> =
        asked.clone().flat_map(|(new, _)| file_changes::unmeasured(&measured, new).between).collect();
    let trains = |task: &&Task| task.job.blueprint.built_in().is_some_and(BuiltIn::is_current);
    let tasks = asked.flat_map(|(_, tasks)| tasks).filter(trains);
    let jobs: Vec<JobId> = tasks.map(|task| task.id).filter(|job| lacking.contains(job)).collect();
    let again = store.decide(home, &jobs, Decision::Again).await?;
    let jobs = plural(again.len(), "finished job");
    match again.len() {
        0 => tell.say("no finished job lacks scores of earlier steps that training again would give"),
        _ => tell.say(format!(
            "training {jobs} again for scores of earlier steps: existing scores stay, and the jobs count as open \
            until they are done again"
        )),
    }
    Ok(again)
}
