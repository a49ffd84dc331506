//! The cells of a variant from rung to rung, and where they were stopped.

use std::collections::{BTreeMap, BTreeSet};

use super::super::early::{all_cells, at, stopped};
use super::super::study::{Study, Variant};
use super::curves::{line, linear};
use super::of_score;
use sweep_figure::format::{count, plural};
use sweep_figure::{Axis, Curves, Figure, Kind, Line, Plot, Single, SingleOf};
use sweep_spec::metric::Measure;

/// Returns the mean of each cell by step, up to where it was stopped, with a line for the cells that were stopped at
/// the same rung.
pub(in super::super) fn rungs(study: &Study, (place, variant): (usize, &Variant), metric: Measure) -> Option<Figure> {
    let all = all_cells(variant);
    if !all.iter().any(|cell| stopped(cell).is_some()) {
        return None;
    }
    let steps: BTreeSet<u64> =
        variant.all().filter_map(|run| run.curves.get(&metric)).flatten().map(|(step, _)| *step).collect();
    // Those that got furthest come first.
    let mut groups: BTreeMap<std::cmp::Reverse<u64>, Vec<Single>> = BTreeMap::new();
    for cell in &all {
        let last = stopped(cell).unwrap_or(u64::MAX);
        let until = steps.iter().copied().filter(|step| *step <= last);
        let points: Vec<(f64, f64)> =
            until.filter_map(|step| Some((step as f64, at(cell, metric, step)?.mean))).collect();
        let job = cell.runs.first().map_or(String::new(), |run| run.job.short());
        let single = Single { of: SingleOf::Cell(cell.label(variant)), job, points };
        groups.entry(std::cmp::Reverse(last)).or_default().push(single);
    }
    let lines = groups.into_iter().enumerate().filter_map(|(series, (std::cmp::Reverse(last), singles))| {
        let cells = plural(singles.len(), "cell");
        let name = match last {
            u64::MAX => format!("to the end ({cells})"),
            step => format!("up to {} ({cells})", count(step as usize)),
        };
        line((name, place, series), singles)
    });
    let lines: Vec<Line> = lines.collect();
    if !lines.iter().any(|line| line.points.len() > 1) {
        return None;
    }
    let title = format!("{}: mean {} of cells, and where they were stopped", variant.name, metric.name());
    let notes = vec![
        "Thin lines: means of single cells over their seeds; line: their median; band: their range, or the middle half \
        of five or more.".to_owned(),
    ];
    let plot = Curves {
        x: Axis { label: "step".to_owned(), kind: Kind::Log },
        y: linear(metric.name()),
        stepped: false,
        lines,
    };
    let name = format!("rungs-{}", variant.name);
    Some(of_score(study, (&name, metric), title, notes, Plot::Curves(plot)))
}
