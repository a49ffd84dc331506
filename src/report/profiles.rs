//! What the bulk of a variant's jobs reach: the interquartile mean, and the share of jobs that reach given scores.
//!
//! Both follow Agarwal et al. 2021 (*Deep Reinforcement Learning at the Edge of the Statistical Precipice*,
//! arXiv:2108.13264): the mean of the middle half, which neither a lucky nor a lost run moves far, and performance
//! profiles, which show the whole distribution.

use super::document::{Cell, Table};
use super::inference::sample::Sample;
use super::inference::{Interval, bootstrap};
use super::stats::{advantage, better};
use super::study::{Study, Variant};
use sweep_figure::format::number_in_column;
use sweep_spec::metric::{Direction, Measure};

/// Least jobs that one of the variants needs.
const JOBS: usize = 4;
/// How many scores a profile shows.
const LEVELS: usize = 5;

/// Returns a table for each metric of the ranking.
pub(super) fn tables(study: &Study) -> Vec<Table> {
    study.ranking.iter().filter_map(|&metric| table(study, metric)).collect()
}

fn table(study: &Study, metric: Measure) -> Option<Table> {
    let of = |variant: &Variant| -> Vec<(u64, f64)> {
        variant.runs.iter().filter_map(|run| Some((run.seed, study.quality(run, metric)?))).collect()
    };
    let variants = study.variants.iter().filter(|variant| variant.may_have(metric));
    let all: Vec<(&Variant, Vec<(u64, f64)>)> = variants.map(|variant| (variant, of(variant))).collect();
    if all.iter().all(|(_, runs)| runs.len() < JOBS) {
        return None;
    }
    let levels = levels(metric, all.iter().flat_map(|(_, runs)| runs).map(|(_, quality)| *quality).collect());
    let sign = match better(metric) {
        Direction::Higher => "≥",
        Direction::Lower => "≤",
    };
    let title =
        format!("{}: interquartile mean over all jobs, and the share of jobs that reach a score", metric.name());
    let mut table = Table::new("profile", title, 1, &["variant", "jobs", "IQM", "95 % interval"]);
    table.columns.extend(levels.iter().map(|(text, _)| format!("{sign} {text}")));
    for (variant, runs) in &all {
        let sample = Sample::new(runs.iter().copied());
        let mean = sample.interquartile_mean().map_or(Cell::Empty, |mean| Cell::Number(advantage(metric, mean, 0.0)));
        let interval = bootstrap::interval(&sample).map_or(Cell::Empty, |interval| shown(metric, interval));
        let mut row =
            vec![Cell::Text(variant.name.to_owned()), Cell::Part { count: runs.len(), of: variant.runs.len() }];
        row.extend([mean, interval]);
        row.extend(levels.iter().map(|&(_, level)| {
            let count = runs.iter().filter(|(_, quality)| *quality >= advantage(metric, level, 0.0)).count();
            if runs.is_empty() { Cell::Empty } else { Cell::Percentage { count, of: runs.len() } }
        }));
        table.rows.push(row);
    }
    table.notes.push(format!(
        "IQM: the mean of the middle half of the jobs. Intervals: bootstrap over seeds, with at least {} seeds.",
        bootstrap::SEEDS
    ));
    if all.iter().any(|(_, runs)| runs.iter().any(|(_, quality)| quality.is_infinite())) {
        table.notes.push("A job that diverged or has no finite score is worse than any other.".into());
    }
    Some(table)
}

fn shown(metric: Measure, Interval { low, high }: Interval) -> Cell {
    let (a, b) = (advantage(metric, low, 0.0), advantage(metric, high, 0.0));
    Cell::Interval { low: a.min(b), high: a.max(b) }
}

/// Returns the scores that 90 %, 70 %, … 10 % of all jobs reach, from the easiest to the hardest, with their text.
fn levels(metric: Measure, mut qualities: Vec<f64>) -> Vec<(String, f64)> {
    qualities.retain(|quality| quality.is_finite());
    qualities.sort_by(f64::total_cmp);
    let Some(last) = qualities.len().checked_sub(1) else { return Vec::new() };
    let at = |level: usize| advantage(metric, qualities[last * (2 * level + 1) / (2 * LEVELS)], 0.0);
    let largest = qualities.iter().fold(0.0_f64, |largest, quality| largest.max(quality.abs()));
    let mut levels: Vec<(String, f64)> = Vec::new();
    for level in 0..LEVELS {
        let score = at(level);
        let text = if Cell::value(metric, score) == Cell::Number(score) {
            number_in_column(score, largest)
        } else {
            format!("{score}")
        };
        let score = text.replace('−', "-").parse().unwrap_or(score);
        if levels.iter().all(|(other, _)| *other != text) {
            levels.push((text, score));
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::metric::Metric;

    #[test]
    fn levels_are_what_is_written() {
        let written = |metric: Metric, qualities: &[f64]| {
            levels(metric.into(), qualities.to_vec()).into_iter().map(|(text, _)| text).collect::<Vec<_>>()
        };
        let lost = f64::NEG_INFINITY;
        assert_eq!(written(Metric::ModesCovered, &[lost, 8.0, 7.0, 8.0, 2.0, 8.0, 1.0, 8.0, 8.0]), ["1", "7", "8"]);
        let distances: Vec<f64> = (1..=101).map(|score| -0.01234 * f64::from(score)).collect();
        assert_eq!(written(Metric::Wasserstein, &distances), ["1.12", "0.88", "0.63", "0.38", "0.14"]);
        assert_eq!(levels(Metric::Wasserstein.into(), distances)[0].1, 1.12);
        assert!(levels(Metric::Wasserstein.into(), vec![lost]).is_empty());
    }
}
