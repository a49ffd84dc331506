//! The effect of many swept keys: all of them next to each other, and the score against each.

use serde_json::Value;

use super::super::cells::{cells, ranked, text};
use super::super::grid::values;
use super::super::stats::better;
use super::super::study::{Study, Variant};
use super::heat_map::Plane;
use super::of_score;
use sweep_figure::format::{count, plural};
use sweep_figure::{Axis, DOTS, Figure, KeyAxis, Kind, Parallel, Plot, Slice, Slices};
use sweep_spec::metric::{Direction, Measure};

/// Most cells that are drawn.
const CELLS: usize = 500;

/// Returns all cells, with a line each, of a variant that sweeps three keys or more or draws them at random.
pub(in super::super) fn parallel(study: &Study, variant: &Variant, metric: Measure) -> Option<Figure> {
    let all = cells(variant);
    let is_grid = variant.axes.len() == 2 && Plane::of(study, variant, &all).is_some();
    if variant.axes.len() < 2 || is_grid || all.len() < 3 {
        return None;
    }
    let scored = ranked(study, &all);
    // Evenly spread over the ranks, including both ends.
    let every = |place: usize| place * (scored.len() - 1) / (CELLS - 1);
    let shown: Vec<_> =
        if scored.len() > CELLS { (0..CELLS).map(|place| scored[every(place)]).collect() } else { scored.clone() };
    let mut axes: Vec<KeyAxis> =
        (0..variant.axes.len()).map(|axis| thread(variant.axes[axis], &values(&all, axis))).collect();
    let lines = shown.iter().map(|cell| {
        let mut line: Vec<Option<f64>> =
            axes.iter().zip(&cell.values).map(|(axis, value)| place(axis, *value)).collect();
        line.push(cell.summary(study, metric).map(|summary| summary.mean));
        (cell.label(variant), line)
    });
    let lines: Vec<_> = lines.collect();
    if !lines.iter().any(|(_, line)| line.last().copied().flatten().is_some()) {
        return None;
    }
    axes.push(KeyAxis { label: metric.name().to_owned(), kind: Kind::Linear, levels: Vec::new() });
    let mut notes: Vec<String> = Vec::new();
    notes.extend(
        (scored.len() > CELLS)
            .then(|| format!("{CELLS} of {} cells, evenly spread over their ranks.", count(scored.len()))),
    );
    if scored.iter().any(|cell| cell.is_partial(study, metric)) {
        notes.push("If a cell has fewer scores than jobs, its mean is of those that have one.".to_owned());
    }
    let title = format!("{}: {} cells by their keys and mean {}", variant.name, count(scored.len()), metric.name());
    let plot = Plot::Parallel(Parallel { axes, higher: better(metric) == Direction::Higher, lines });
    Some(of_score(study, (&format!("parallel-{}", variant.name), metric), title, notes, plot))
}

/// Returns the score against each key of a variant, unless it is a grid of two keys.
pub(in super::super) fn slices(study: &Study, (at, variant): (usize, &Variant), metric: Measure) -> Option<Figure> {
    let all = cells(variant);
    if variant.axes.is_empty() || variant.axes.len() == 2 && Plane::of(study, variant, &all).is_some() {
        return None;
    }
    let slice = |axis: usize| {
        let key = variant.axes[axis];
        let x = thread(key, &values(&all, axis));
        let dots = variant.runs.iter().filter_map(|run| {
            let score = study.score(run, metric).filter(|score| score.is_finite())?;
            Some((at, place(&x, run.value(key))?, score, format!("{key} {}, seed {}", text(run.value(key)), run.seed)))
        });
        let dots = dots.collect();
        Slice { x, dots }
    };
    let slices: Vec<Slice> = (0..variant.axes.len()).map(slice).filter(|slice| !slice.dots.is_empty()).collect();
    if slices.is_empty() {
        return None;
    }
    let scored = slices.iter().map(|slice| slice.dots.len()).max().unwrap_or(0);
    let lost = variant.runs.iter().filter(|run| study.quality(run, metric) == Some(f64::NEG_INFINITY)).count();
    let title = format!("{}: {} of each job, by key", variant.name, metric.name());
    let mut notes = Vec::new();
    if lost > 0 {
        notes.push(format!(
            "{} lost (diverged or collapsed) and without a dot: what looks good may only be what survived.",
            plural(lost, "job")
        ));
    }
    if scored > DOTS {
        notes.push(format!(
            "{DOTS} of {} jobs are drawn, evenly spread over their scores; the CSV has all.",
            count(scored)
        ));
    }
    if slices.len() > 1 {
        notes.push("Each dot is a job; dots at the same value may differ in other keys.".to_owned());
    }
    let y = Axis { label: metric.name().to_owned(), kind: Kind::Linear };
    Some(of_score(
        study,
        (&format!("slices-{}", variant.name), metric),
        title,
        notes,
        Plot::Slices(Slices { y, slices }),
    ))
}

/// Returns the axis for a key with these values: numbers, on a log scale if the largest is at least twenty times the
/// smallest; otherwise levels.
fn thread(key: &str, values: &[Option<&Value>]) -> KeyAxis {
    let numbers: Vec<f64> = values.iter().filter_map(|value| value.and_then(Value::as_f64)).collect();
    let label = key.to_owned();
    if numbers.len() == values.iter().flatten().count() && !numbers.is_empty() {
        let (low, high) =
            numbers.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(*value), high.max(*value)));
        let kind = if low > 0.0 && high / low >= 20.0 { Kind::Log } else { Kind::Linear };
        return KeyAxis { label, kind, levels: Vec::new() };
    }
    KeyAxis { label, kind: Kind::Linear, levels: values.iter().map(|value| text(*value)).collect() }
}

/// Returns the position of a value on an axis.
fn place(axis: &KeyAxis, value: Option<&Value>) -> Option<f64> {
    if axis.levels.is_empty() {
        value.and_then(Value::as_f64)
    } else {
        axis.levels.iter().position(|level| *level == text(value)).map(|place| place as f64)
    }
}
