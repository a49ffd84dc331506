//! Cells: the jobs of a variant that differ only in their seed.

use std::cmp::Ordering;

use serde_json::Value;

use super::inference::run::Run as Contestant;
use super::stats::{Summary, advantage, summary};
use super::study::{Run, Study, Variant};
use sweep_spec::metric::Measure;

/// One point of a variant's grid, with its replicates.
#[derive(Clone, Debug)]
pub(super) struct Cell<'a> {
    /// Its values on the variant's axes, in the axes' order; `None` if a key is not swept here.
    pub values: Vec<Option<&'a Value>>,
    /// Its runs, one per seed.
    pub runs: Vec<Run<'a>>,
}

/// Returns the cells of a variant, in the order of the file.
pub(super) fn cells<'a>(variant: &Variant<'a>) -> Vec<Cell<'a>> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for run in &variant.runs {
        let values: Vec<Option<&Value>> = variant.axes.iter().map(|axis| run.axes.get(*axis)).collect();
        // JSON values cannot be keys of a map, but their text can.
        let key: Vec<String> = values.iter().map(|value| text(*value)).collect();
        let index = *known.entry(key).or_insert_with(|| {
            cells.push(Cell { values, runs: Vec::new() });
            cells.len() - 1
        });
        cells[index].runs.push(*run);
    }
    cells
}

impl Cell<'_> {
    /// Summarises a score over its seeds.
    pub(super) fn summary(&self, study: &Study, metric: Measure) -> Option<Summary> {
        summary(self.runs.iter().filter_map(|run| study.score(run, metric)))
    }

    /// Returns its runs in the form that tests take.
    pub(super) fn contestants(&self, study: &Study) -> Vec<Contestant> {
        let quality = |run: &Run| study.ranking.iter().map(|&metric| study.quality(run, metric)).collect();
        self.runs.iter().map(|run| Contestant { seed: run.seed, quality: quality(run) }).collect()
    }

    /// Counts its seeds with a finite score.
    pub(super) fn finished(&self, study: &Study, metric: Measure) -> usize {
        self.summary(study, metric).map_or(0, |summary| summary.n)
    }

    /// Whether some of its seeds have no finite score: they diverged, failed, or have not ended.
    pub(super) fn is_partial(&self, study: &Study, metric: Measure) -> bool {
        self.finished(study, metric) < self.runs.len()
    }

    /// Formats its values with their names: `alpha 0.1, beta 0.05`.
    pub(super) fn label(&self, variant: &Variant) -> String {
        let named = variant.axes.iter().zip(&self.values).filter(|(_, value)| value.is_some());
        named.map(|(axis, value)| format!("{axis} {}", text(*value))).collect::<Vec<_>>().join(", ")
    }

    /// Returns its best run by the study's ranking.
    pub(super) fn best_run(&self, study: &Study) -> Option<&Run<'_>> {
        let scored =
            |run: &&Run| study.ranking.first().and_then(|&metric| study.score(run, metric)).is_some_and(f64::is_finite);
        self.runs
            .iter()
            .filter(scored)
            .min_by(|a, b| compare(study, |metric, run: &&Run| study.score(run, metric), a, b))
    }
}

/// Ranks the cells with results, best first: by the mean of the first metric of the ranking, ties by the next. The mean
/// of a cell that lost seeds is one of survivors, so cells with fewer missing seeds come first.
pub(super) fn ranked<'c, 'a>(study: &Study, cells: &'c [Cell<'a>]) -> Vec<&'c Cell<'a>> {
    let Some(&main) = study.ranking.first() else { return Vec::new() };
    let mut ranked: Vec<&Cell> =
        cells.iter().filter(|cell| cell.runs.iter().any(|run| study.quality(run, main).is_some())).collect();
    let mean = |metric, cell: &Cell| cell.summary(study, metric).map(|summary| summary.mean);
    let missing = |cell: &Cell| cell.runs.len() - cell.finished(study, main);
    ranked.sort_by(|a, b| missing(a).cmp(&missing(b)).then_with(|| compare(study, mean, a, b)));
    ranked
}

/// Returns the note on ranked cells if some are incomplete.
pub(super) fn caveat(study: &Study, cells: &[Cell]) -> Option<String> {
    let &main = study.ranking.first()?;
    cells
        .iter()
        .any(|cell| cell.is_partial(study, main))
        .then(|| format!("Cells with seeds that have no finite {} rank after complete ones.", main.name()))
}

/// Orders the better one first, and missing scores last.
fn compare<T>(study: &Study, score: impl Fn(Measure, &T) -> Option<f64>, a: &T, b: &T) -> Ordering {
    let by = |&metric: &Measure| match (score(metric, a), score(metric, b)) {
        (Some(a), Some(b)) => advantage(metric, b, a).partial_cmp(&0.0).unwrap_or(Ordering::Equal),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    study.ranking.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Formats a swept value as people write it.
pub(super) fn text(value: Option<&Value>) -> String {
    match value {
        None => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
