//! Which step of each run a report shows if it is not the last.

use std::collections::BTreeSet;

use super::options::{Options, Step};
use super::stats::advantage;
use super::study::{Run, Study, Variant};
use sweep_spec::metric::Measure;
use sweep_store::{Entry, Results};
use sweep_wire::status::Status;

/// Returns for each entry the step whose scores a report shows, for [`sweep_store::Store::read_scores`] to read. `None`
/// means the last step of each, which results already have. For [`Step::Best`], the curves named by
/// [`super::curves_wanted`] must have been read.
///
/// A run's best step is the one with its best finite main score; ties are broken by the next score of the ranking. Only
/// runs with a result have one, because nobody knows how good failed, cancelled or unfinished runs would have become. A
/// run that diverged has the best of the steps before.
pub fn steps_wanted(results: &Results, options: Options) -> Option<Vec<Option<u64>>> {
    match options.step {
        Step::Last => None,
        Step::At(step) => Some(vec![Some(step); results.entries.len()]),
        Step::Best => {
            let ranking = Study::new(results, options).ranking;
            Some(results.entries.iter().map(|entry| best(entry, &ranking)).collect())
        }
    }
}

fn best(entry: &Entry, ranking: &[Measure]) -> Option<u64> {
    let scored = entry.curves.get(ranking.first()?).filter(|_| has_result(entry.status))?;
    let steps = scored.iter().filter(|(_, score)| score.is_finite()).map(|&(step, _)| step);
    steps.reduce(|best, next| if is_ahead(entry, ranking, next, best) { next } else { best })
}

/// Whether training finished, diverged or collapsed.
fn has_result(status: Status) -> bool {
    match status {
        Status::Done | Status::Diverged | Status::Collapsed => true,
        // It has fewer steps to pick the best from.
        Status::Pruned => false,
        Status::Pending | Status::Running | Status::Failed | Status::Cancelled => false,
    }
}

/// Whether the scores at step `a` are better than at step `b`, by the first metric in which they differ.
fn is_ahead(entry: &Entry, ranking: &[Measure], a: u64, b: u64) -> bool {
    let score = |metric: Measure, step: u64| {
        let (_, score) = entry.curves.get(&metric)?.iter().find(|(at, _)| *at == step)?;
        Some(*score)
    };
    let advantages = ranking.iter().filter_map(|&metric| Some(advantage(metric, score(metric, a)?, score(metric, b)?)));
    advantages.into_iter().find(|advantage| *advantage != 0.0).is_some_and(|advantage| advantage > 0.0)
}

/// Returns the note on scores that are not from the last step.
pub(super) fn caveat(study: &Study, step: Step) -> Option<String> {
    match step {
        Step::Last => None,
        Step::Best => {
            let (main, ties) = study.ranking.split_first()?;
            let ties = ties.first().map_or(String::new(), |tie| format!(" (ties broken by {})", tie.name()));
            Some(format!(
                "Each run is shown at the step where its own {} was best{ties}. That picks by the same scores that are \
                shown, so all runs look too good, most of all those with fluctuating scores. A run that diverged \
                counts with its scores before that.",
                main.name()
            ))
        }
        Step::At(_) => Some("Each run is shown as it was at this step, whether or not it is its last.".into()),
    }
}

/// Whether the best steps of two variants were picked from the same steps: all finished runs were scored at the same
/// steps, and diverged or collapsed runs at no others. A run that is scored more often has a better best step, even if
/// the variants are equal.
pub(super) fn scored_alike(study: &Study, a: &Variant, b: &Variant) -> bool {
    let Some(main) = study.ranking.first() else { return true };
    let steps =
        |run: &Run| -> BTreeSet<u64> { run.curves.get(main).into_iter().flatten().map(|&(step, _)| step).collect() };
    let runs = || a.runs.iter().chain(&b.runs);
    let (lost, ended): (Vec<&Run>, Vec<&Run>) = runs()
        .filter(|run| has_result(run.status))
        .partition(|run| matches!(run.status, Status::Diverged | Status::Collapsed));
    let ended: BTreeSet<BTreeSet<u64>> = ended.into_iter().map(steps).collect();
    let all: BTreeSet<u64> = ended.iter().flatten().copied().collect();
    ended.len() < 2 && (ended.is_empty() || lost.into_iter().all(|run| steps(run).is_subset(&all)))
}
