//! Scores over training: the median of the seeds with a band, and single seeds behind.

use std::collections::BTreeMap;

use super::super::cells::{Cell, cells, ranked};
use super::super::stats::quantile;
use super::super::study::{Run, Study, Variant};
use super::of_score;
use sweep_figure::format::{count, list};
use sweep_figure::{Axis, CROWD, Curves, Figure, Kind, Line, Plot, Point, Single, SingleOf};
use sweep_spec::metric::Measure;

/// Most single runs that are drawn; for more, the band shows their range.
const SINGLES: usize = 500;
/// From this many runs on, a band goes from the first quartile to the third; with fewer, it covers all.
const QUARTILES: usize = 5;
/// Most cells of a variant with a line each.
const CELLS: usize = 8;

/// Returns the curves of a score: a line for the best cell of each variant.
pub(in super::super) fn curves(study: &Study, metric: Measure) -> Option<Figure> {
    let mut picked = Vec::new();
    let lines = study.variants.iter().enumerate().filter_map(|(place, variant)| {
        let cells = cells(variant);
        let best = ranked(study, &cells).into_iter().next().or(cells.first())?;
        let label = best.label(variant);
        let name = if label.is_empty() { variant.name.to_owned() } else { format!("{} ({label})", variant.name) };
        if cells.len() > 1 {
            picked.push(format!("{} cells of {}", count(cells.len()), variant.name));
        }
        line((name, place, place), scored(&best.runs, metric))
    });
    let lines: Vec<Line> = lines.collect();
    let mut notes = Vec::new();
    if !picked.is_empty() {
        notes.push(format!(
            "The best cell of each variant, picked by the scores of these same runs, so it looks too good: out of {}.",
            list(&picked)
        ));
    }
    let figure = figure(study, metric, ("curves", "seeds"), format!("{} over training", metric.name()), notes, lines)?;
    Some(Figure { small: true, ..figure })
}

/// Returns the curves of a score that no job has at its last step yet, over all jobs of each variant so far.
pub(in super::super) fn underway(study: &Study, metric: Measure, first: bool) -> Option<Figure> {
    let lines = study.variants.iter().enumerate();
    let lines = lines
        .filter_map(|(place, variant)| line((variant.name.to_owned(), place, place), scored(&variant.runs, metric)));
    let notes = vec!["All jobs so far, whatever their cell.".to_owned()];
    let title = format!("{} so far", metric.name());
    let figure = figure(study, metric, ("curves", "jobs"), title, notes, lines.collect())?;
    Some(Figure { first, small: first, ..figure })
}

/// Returns the curves of a variant's cells; `None` if it has only one.
pub(in super::super) fn cell_curves(
    study: &Study,
    (place, variant): (usize, &Variant),
    metric: Measure,
) -> Option<Figure> {
    let all = cells(variant);
    if all.len() < 2 {
        return None;
    }
    // In grid order if all are drawn; otherwise the best.
    let shown: Vec<&Cell> =
        if all.len() > CELLS { ranked(study, &all).into_iter().take(CELLS).collect() } else { all.iter().collect() };
    let lines = shown.iter().enumerate();
    let lines = lines.filter_map(|(at, cell)| line((cell.label(variant), place, at), scored(&cell.runs, metric)));
    let lines = lines.map(|line| Line { singles: Vec::new(), ..line }).collect();
    let notes = (all.len() > CELLS).then(|| format!("The {CELLS} best of {} cells.", count(all.len())));
    let title = format!("{}: {} over training, by cell", variant.name, metric.name());
    figure(study, metric, (&format!("cells-{}", variant.name), "seeds"), title, notes.into_iter().collect(), lines)
}

fn figure(
    study: &Study,
    metric: Measure,
    (kind, of): (&str, &str),
    title: String,
    mut notes: Vec<String>,
    mut lines: Vec<Line>,
) -> Option<Figure> {
    if !lines.iter().any(|line| line.points.len() > 1) {
        return None;
    }
    notes.insert(0, described(&mut lines, of));
    let plot = Curves { x: linear("step"), y: linear(metric.name()), stepped: false, lines };
    Some(of_score(study, (kind, metric), title, notes, Plot::Curves(plot)))
}

/// Returns a linear axis.
pub(super) fn linear(label: &str) -> Axis {
    Axis { label: label.to_owned(), kind: Kind::Linear }
}

/// Describes lines and bands over `of` (seeds or jobs). Removes the single runs if there are too many.
pub(super) fn described(lines: &mut [Line], of: &str) -> String {
    let singles: usize = lines.iter().map(|line| line.singles.len()).sum();
    let runs = |line: &Line| line.points.iter().map(|point| point.n).max().unwrap_or(0);
    let is_crowd = lines.len() > CROWD;
    let (few, many) = (
        lines.iter().any(|line| (2..QUARTILES).contains(&runs(line))),
        lines.iter().any(|line| runs(line) >= QUARTILES),
    );
    let mut said = match (few, many) {
        (false, false) => return "One run each.".to_owned(),
        _ if is_crowd => {
            format!("Lines: medians of the {of}. With more than {CROWD} lines, bands and single runs are not drawn.")
        }
        (true, false) => format!("Line: median of the {of}; band: from the lowest to the highest."),
        (false, true) => format!("Line: median of the {of}; band: the middle half of them."),
        (true, true) => format!(
            "Line: median of the {of}; band: the middle half of them, or all if there are fewer than {QUARTILES}."
        ),
    };
    let is_uneven = |line: &Line| line.points.iter().any(|point| point.n != runs(line));
    if lines.iter().any(is_uneven) {
        said.push_str(
            " If a run has no finite value at a step, because it diverged or has not got there, the median \
            is of the others.",
        );
    }
    if singles > SINGLES {
        lines.iter_mut().for_each(|line| line.singles.clear());
        if !is_crowd {
            said.push_str(&format!(" The {} single runs are too many to draw.", count(singles)));
        }
    }
    said
}

/// Returns the runs with this score, each as its values by step.
fn scored(runs: &[Run], metric: Measure) -> Vec<Single> {
    let single = |run: &Run| {
        let points = run.curves.get(&metric)?.iter().map(|&(step, value)| (step as f64, value)).collect();
        Some(Single { of: SingleOf::Seed(run.seed), job: run.job.short(), points })
    };
    runs.iter().filter_map(single).collect()
}

/// Returns the medians of the finite values by step, with their band.
pub(super) fn line((name, variant, series): (String, usize, usize), mut singles: Vec<Single>) -> Option<Line> {
    let mut values: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for single in &mut singles {
        single.points.retain(|(_, value)| value.is_finite());
        for &(step, value) in &single.points {
            values.entry(step as u64).or_default().push(value);
        }
    }
    // One rule for the whole line, however many runs remain at a step.
    let ends = if singles.len() >= QUARTILES { (0.25, 0.75) } else { (0.0, 1.0) };
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for (step, mut values) in values {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        points.push(Point { x: step as f64, y: quantile(&values, 0.5)?, n });
        if n > 1 {
            band.push((step as f64, quantile(&values, ends.0)?, quantile(&values, ends.1)?));
        }
    }
    if singles.len() < 2 {
        singles.clear();
    }
    (!points.is_empty()).then_some(Line { name, variant, series, points, band, singles })
}
