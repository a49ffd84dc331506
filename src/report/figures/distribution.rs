//! The distribution of scores over a variant's jobs.

use super::super::stats::better;
use super::super::study::{Study, Variant};
use super::of_score;
use sweep_figure::{Axis, Curves, Distribution, Dot, Figure, Kind, Line, Plot, Point, Spread, bins};
use sweep_spec::metric::{Direction, Measure};

/// Approximate number of bins.
const BINS: usize = 20;
/// Least jobs that one of the variants needs.
const JOBS: usize = 3;

/// Returns the finite scores of a variant's jobs and the number of lost jobs; `None` if the variant has no such score.
fn spread(study: &Study, (place, variant): (usize, &Variant), metric: Measure) -> Option<Spread> {
    let mut dots = Vec::new();
    let mut lost = 0;
    for run in &variant.runs {
        match study.score(run, metric).filter(|score| score.is_finite()) {
            Some(value) => {
                let values = variant.axes.iter().filter_map(|axis| Some((axis, run.value(axis)?)));
                let mut of: Vec<String> =
                    values.map(|(axis, value)| format!("{axis} {}", super::super::cells::text(Some(value)))).collect();
                of.push(format!("seed {}", run.seed));
                dots.push(Dot { value, of: of.join(", ") });
            }
            None => lost += usize::from(study.quality(run, metric).is_some()),
        }
    }
    (variant.may_have(metric) && !(dots.is_empty() && (lost == 0 || !study.ranking.contains(&metric))))
        .then(|| Spread { name: variant.name.to_owned(), variant: place, dots, lost })
}

fn spreads(study: &Study, metric: Measure) -> Option<Vec<Spread>> {
    let rows: Vec<Spread> =
        study.variants.iter().enumerate().filter_map(|variant| spread(study, variant, metric)).collect();
    rows.iter().any(|row| row.dots.len() >= JOBS).then_some(rows)
}

/// Returns the shares of each variant's jobs in bins of a score, and each job.
pub(in super::super) fn distribution(study: &Study, metric: Measure) -> Option<Figure> {
    let rows = spreads(study, metric)?;
    let edges = bins(rows.iter().flat_map(|row| row.dots.iter().map(|dot| dot.value)), BINS);
    let mut notes = Vec::new();
    if rows.iter().any(|row| row.lost > 0) {
        notes.push(
            "Shares are of all jobs that have ended. Lost jobs (diverged, collapsed, or without a finite score) are \
            counted but in no bin."
                .to_owned(),
        );
    }
    let title = format!("{}: distribution over the jobs of each variant", metric.name());
    let plot = Distribution { x: Axis { label: metric.name().to_owned(), kind: Kind::Linear }, edges, rows };
    Some(of_score(study, ("distribution", metric), title, notes, Plot::Distribution(plot)))
}

/// Returns the share of jobs up to each score; lost jobs count as the worst.
pub(in super::super) fn shares(study: &Study, metric: Measure) -> Option<Figure> {
    let rows = spreads(study, metric)?;
    let all = || rows.iter().flat_map(|row| row.dots.iter().map(|dot| dot.value));
    let (low, high) =
        all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let is_higher = better(metric) == Direction::Higher;
    let lines = rows.iter().map(|row| {
        let n = row.dots.len() + row.lost;
        let mut values: Vec<f64> = row.dots.iter().map(|dot| dot.value).collect();
        values.sort_by(f64::total_cmp);
        // Lost jobs lie beyond the worst end.
        let before = if is_higher { row.lost } else { 0 };
        let share = |count: usize| (before + count) as f64 / n as f64;
        let mut points = vec![Point { x: low, y: share(0), n }];
        for (at, value) in values.iter().enumerate() {
            if values.get(at + 1) != Some(value) {
                points.push(Point { x: *value, y: share(at + 1), n });
            }
        }
        points.push(Point { x: high, y: share(values.len()), n });
        Line {
            name: row.name.clone(),
            variant: row.variant,
            series: row.variant,
            points,
            band: Vec::new(),
            singles: Vec::new(),
        }
    });
    let lines: Vec<Line> = lines.collect();
    let mut notes = vec![format!(
        "The share of a variant's jobs at or below each score; the line further to the {} is better.",
        if is_higher { "right" } else { "left" }
    )];
    if rows.iter().any(|row| row.lost > 0) {
        let end = if is_higher { "begins above 0" } else { "ends below 1" };
        notes.push(format!(
            "Lost jobs (diverged, collapsed, or without a finite score) are worse than any score: the \
            line {end} by their share."
        ));
    }
    let title = format!("{}: share of jobs up to each score", metric.name());
    let x = Axis { label: metric.name().to_owned(), kind: Kind::Linear };
    let y = Axis { label: "share of jobs".into(), kind: Kind::Share };
    Some(of_score(study, ("ecdf", metric), title, notes, Plot::Curves(Curves { x, y, stepped: true, lines })))
}
