//! Which step of each run a report shows, where it is not the last.

use std::collections::BTreeSet;

use super::options::{Options, Step};
use super::stats::advantage;
use super::study::{Run, Study, Variant};
use sweep_spec::metric::Measure;
use sweep_store::{Entry, Results};
use sweep_wire::status::Status;

/// The step of each entry whose scores a report shows: [`sweep_store::Store::read_scores`] reads them. `None` where it is the last one
/// of each, which is what results have. For [`Step::Best`] what [`super::curves_wanted`] names has to have been read.
///
/// A run's best step is that of its best finite main score, of equal ones that with the next score of the ranking. Only runs with a result
/// have one: it is not known how good those that failed, were cancelled or have not ended would have become. One that diverged has that of
/// the steps before.
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

/// Whether training has come to its end, or to nothing.
fn has_result(status: Status) -> bool {
    match status {
        Status::Done | Status::Diverged | Status::Collapsed => true,
        // The best of fewer steps, of those that were not to come to more.
        Status::Pruned => false,
        Status::Pending | Status::Running | Status::Failed | Status::Cancelled => false,
    }
}

/// Whether the scores of step `a` are better than those of step `b`: by the first metric in which they differ.
fn is_ahead(entry: &Entry, ranking: &[Measure], a: u64, b: u64) -> bool {
    let score = |metric: Measure, step: u64| {
        let (_, score) = entry.curves.get(&metric)?.iter().find(|(at, _)| *at == step)?;
        Some(*score)
    };
    let advantages = ranking.iter().filter_map(|&metric| Some(advantage(metric, score(metric, a)?, score(metric, b)?)));
    advantages.into_iter().find(|advantage| *advantage != 0.0).is_some_and(|advantage| advantage > 0.0)
}

/// What has to be said of scores that are not those of the last step.
pub(super) fn caveat(study: &Study, step: Step) -> Option<String> {
    match step {
        Step::Last => None,
        Step::Best => {
            let (main, ties) = study.ranking.split_first()?;
            let ties = ties.first().map_or(String::new(), |tie| format!(" (of equal ones: by {})", tie.name()));
            Some(format!(
                "Each run is shown at the step where its own {} was best{ties}. That picks by the very scores that are shown, so it \
                 flatters all runs, and most those whose scores jump about; a run that diverged counts with what it had before.",
                main.name()
            ))
        }
        Step::At(_) => Some("Each run is shown as it was at this step, be it its last or not.".into()),
    }
}

/// Whether the best steps of two variants were picked from the same steps: all runs that came to their end were scored at the same ones,
/// and those that came to nothing at no others. Whose runs were scored more often has the better best step, however equal they are.
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
