//! Cells that were stopped early because other cells of their variant were better at the same step.

use std::collections::BTreeMap;

use super::cells::{Cell as Point, cells, text};
use super::document::{Cell, Table};
use super::stats::{Summary, advantage, summary};
use super::study::{Study, Variant};
use sweep_figure::format::{count, list, plural};
use sweep_spec::metric::Measure;
use sweep_wire::status::Status;

/// Most rows of a table.
const ROWS: usize = 40;

/// Returns the step at which a cell was stopped; `None` if it still runs or ran to the end.
pub(super) fn stopped(cell: &Point) -> Option<u64> {
    cell.runs.iter().filter(|run| run.status == Status::Pruned).map(|run| run.step).max()
}

/// Returns all cells of a variant, including those that were stopped early.
pub(super) fn all_cells<'a>(variant: &Variant<'a>) -> Vec<Point<'a>> {
    cells(&Variant { runs: variant.all().copied().collect(), ..variant.clone() })
}

/// Counts the cells of a variant that were stopped before the step shown.
pub(super) fn count_stopped(variant: &Variant) -> usize {
    cells(&Variant { runs: variant.stopped.clone(), ..variant.clone() }).len()
}

/// Whether some cells of a variant were stopped, which makes the remaining ones a selection.
pub(super) fn is_picked(variant: &Variant) -> bool {
    !variant.stopped.is_empty()
}

/// Returns the note that precedes all numbers of a sweep.
pub(super) fn paragraph(study: &Study, metric: Option<Measure>) -> Option<String> {
    let mut said = Vec::new();
    for variant in &study.variants {
        let all = all_cells(variant);
        let mut by_step: BTreeMap<u64, usize> = BTreeMap::new();
        all.iter().filter_map(stopped).for_each(|step| *by_step.entry(step).or_default() += 1);
        let n: usize = by_step.values().sum();
        if n == 0 {
            continue;
        }
        let at = |(step, n): (&u64, &usize)| format!("{} at step {}", count(*n), count(*step as usize));
        let steps: Vec<String> = by_step.iter().map(at).collect();
        said.push(format!("{} of {} of {} ({})", count(n), plural(all.len(), "cell"), variant.name, list(&steps)));
    }
    let metric = metric.or(study.ranking.first().copied());
    let by = metric.map_or(String::new(), |metric| format!(" in mean {} over seeds", metric.name()));
    (!said.is_empty()).then(|| {
        format!(
            "Stopped early, because other cells of the variant were better{by} at the same step: {}. Later numbers of \
            a variant cover only the remaining cells, which makes it look too good.",
            list(&said)
        )
    })
}

/// Returns the stopped cells of each variant, with their scores at that step.
pub(super) fn tables(study: &Study, metric: Option<Measure>) -> Vec<Table> {
    let Some(metric) = metric.or(study.ranking.first().copied()) else { return Vec::new() };
    study.variants.iter().filter_map(|variant| table(variant, metric)).collect()
}

fn table(variant: &Variant, metric: Measure) -> Option<Table> {
    let all = all_cells(variant);
    let mut found: Vec<(u64, Option<Summary>, &Point)> =
        all.iter().filter_map(|cell| Some((stopped(cell)?, at(cell, metric, stopped(cell)?), cell))).collect();
    if found.is_empty() {
        return None;
    }
    let merit = |of: &Option<Summary>| of.map_or(f64::NEG_INFINITY, |of| advantage(metric, of.mean, 0.0));
    found.sort_by(|a, b| b.0.cmp(&a.0).then(merit(&b.1).total_cmp(&merit(&a.1))));
    let title = format!("{}: cells that were stopped early, latest and best first", variant.name);
    let mut table = Table::new("stopped", title, variant.axes.len(), &variant.axes);
    table.columns.extend(["at step".to_owned(), "n".to_owned(), metric.name().to_owned()]);
    for (step, summary, cell) in found.iter().take(ROWS) {
        let mut row: Vec<Cell> = cell.values.iter().map(|value| Cell::Text(text(*value))).collect();
        let of = cell.runs.len();
        row.push(Cell::Count(*step as usize));
        row.push(Cell::Part { count: summary.map_or(0, |summary| summary.n), of });
        row.push(summary.map_or(Cell::Empty, |Summary { mean, std, n, .. }| Cell::Mean { mean, std, n, of }));
        table.rows.push(row);
    }
    if found.len() > ROWS {
        table.notes.push(format!("{} of {}.", count(ROWS), plural(found.len(), "cell")));
    }
    table.notes.push("Scores at the step at which each cell was stopped. No test uses them.".into());
    Some(table)
}

/// Returns a cell's scores at a step, over its seeds.
pub(super) fn at(cell: &Point, metric: Measure, step: u64) -> Option<Summary> {
    let value = |curve: &Vec<(u64, f64)>| curve.iter().find(|(at, _)| *at == step).map(|(_, value)| *value);
    summary(cell.runs.iter().filter_map(|run| run.curves.get(&metric).and_then(value)))
}
