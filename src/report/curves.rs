//! Scores over training: the median over jobs at each step.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::{cells, ranked};
use super::document::{Cell, Table};
use super::figures;
use super::options::{Options, Step};
use super::stats::summary;
use super::study::{Run, Study, Variant};
use sweep_figure::format::count;
use sweep_spec::metric::Measure;
use sweep_store::Results;

/// Most steps shown.
const STEPS: usize = 10;

/// Returns the scores, with their protocols, whose curves a report on `results` needs, for
/// [`sweep_store::Store::read_curves`] to read.
pub fn curves_wanted(results: &Results, options: Options) -> Vec<(Measure, i64)> {
    if options.short && options.step != Step::Best {
        return Vec::new();
    }
    let study = Study::new(results, options);
    let shown = if options.short { study.ranking.clone() } else { figures::scores(&study) };
    let wanted = shown.into_iter().filter_map(|metric| Some((metric, study.protocol(metric)?)));
    wanted.chain(results.underway.iter().copied().filter(|_| !options.short)).collect()
}

/// Returns the medians of a metric by step, with a row for each variant and for its best cell; `None` unless several
/// steps were scored.
pub(super) fn table(study: &Study, metric: Measure) -> Option<Table> {
    let mut curves: Vec<(String, usize, BTreeMap<u64, f64>)> = Vec::new();
    for variant in &study.variants {
        curves.push((variant.name.to_owned(), drawn_from(&variant.runs, metric), curve(&variant.runs, metric)));
        curves.extend(best(study, variant, metric));
    }
    curves.retain(|(_, _, curve)| !curve.is_empty());
    let steps: BTreeSet<u64> = curves.iter().flat_map(|(_, _, curve)| curve.keys().copied()).collect();
    if steps.len() < 2 {
        return None;
    }
    let drawn = steps.len() > 2;
    let shown = thinned(steps.into_iter().collect());
    let mut table = Table::new("curves", format!("{} by step: median over jobs", metric.name()), 1, &["variant", "n"]);
    table.columns.extend(drawn.then(|| "curve".to_owned()));
    table.columns.extend(shown.iter().map(|&step| count(step as usize)));
    // One scale for all, so their heights are comparable.
    let all = summary(curves.iter().flat_map(|(_, _, curve)| curve.values().copied()))?;
    for (name, n, curve) in curves {
        let mut row = vec![Cell::Text(name), Cell::Count(n)];
        row.extend(drawn.then(|| Cell::Text(spark(curve.values(), all.min, all.max))));
        let value = |step| curve.get(step).map_or(Cell::Empty, |&value| Cell::value(metric, value));
        row.extend(shown.iter().map(value));
        table.rows.push(row);
    }
    Some(table)
}

/// Returns the note on steps whose scores are not comparable with those of the last, as after `sweep rescore`.
pub(super) fn left_out(study: &Study) -> Option<String> {
    let apart = study.ranking.iter().filter_map(|metric| Some((metric, *study.results.apart.get(metric)?)));
    let each: Vec<String> =
        apart.filter(|(_, n)| *n > 0).map(|(metric, n)| format!("{} {}", count(n), metric.name())).collect();
    (!each.is_empty()).then(|| {
        format!(
            "Scores of earlier steps that were measured in another way than those of the last step (as before `sweep \
            rescore`) are left out of curves and best steps: {}. The view `history` of the database has them.",
            each.join(", ")
        )
    })
}

fn best(study: &Study, variant: &Variant, metric: Measure) -> Option<(String, usize, BTreeMap<u64, f64>)> {
    let cells = cells(variant);
    let best = ranked(study, &cells).first().copied().filter(|_| !variant.axes.is_empty())?;
    Some((format!("{} best cell", variant.name), drawn_from(&best.runs, metric), curve(&best.runs, metric)))
}

/// Counts the runs with a curve.
fn drawn_from(runs: &[Run], metric: Measure) -> usize {
    runs.iter().filter(|run| run.curves.contains_key(&metric)).count()
}

fn curve(runs: &[Run], metric: Measure) -> BTreeMap<u64, f64> {
    let mut values: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for &(step, value) in runs.iter().filter_map(|run| run.curves.get(&metric)).flatten() {
        values.entry(step).or_default().push(value);
    }
    values.into_iter().filter_map(|(step, values)| Some((step, summary(values)?.median))).collect()
}

/// Returns at most [`STEPS`] of the steps, evenly spread, including the first and the last.
fn thinned(steps: Vec<u64>) -> Vec<u64> {
    let last = steps.len() - 1;
    let shown = STEPS.min(steps.len());
    (0..shown).map(|index| steps[index * last / (shown - 1)]).collect()
}

fn spark<'a>(values: impl Iterator<Item = &'a f64>, min: f64, max: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values: Vec<f64> = values.copied().collect();
    let level = |value: f64| if max > min { ((value - min) / (max - min) * 7.0).round() as usize } else { 0 };
    let shown = (24.min(values.len())).max(1);
    let at = |index: usize| index * (values.len() - 1) / (shown - 1).max(1);
    (0..shown).map(|index| BARS[level(values[at(index)]).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_both_ends() {
        assert_eq!(thinned((0..=100).collect()), [0, 11, 22, 33, 44, 55, 66, 77, 88, 100]);
        assert_eq!(thinned(vec![5, 7]), [5, 7]);
    }

    #[test]
    fn sparks_show_the_range() {
        assert_eq!(spark([0.0, 1.0, 2.0, 7.0].iter(), 0.0, 7.0), "▁▂▃█");
        assert_eq!(spark([1.0, 1.0].iter(), 1.0, 1.0), "▁▁");
        assert_eq!(spark([3.0].iter(), 1.0, 3.0), "█");
    }
}
