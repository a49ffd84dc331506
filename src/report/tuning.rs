//! The benefit of more tuning: the expected best of n jobs.
//!
//! A best score says as much about the number of jobs as about the variant. Lucic et al. 2018 (*Are GANs Created
//! Equal?*, arXiv:1711.10337) plot the expected best against the budget, and find that most GANs reach the same scores
//! with a large enough budget. A variant's jobs, cells and seeds alike, stand for the draws of a random search.

use super::document::{Cell, Table};
use super::early::is_picked;
use super::inference::best_of::expected_largest;
use super::stats::{advantage, better, summary};
use super::study::{Study, Variant};
use sweep_figure::format::number;
use sweep_spec::metric::{Direction, Measure};

/// Least jobs that one of the variants needs.
const JOBS: usize = 4;
/// Most columns.
const COLUMNS: usize = 8;

/// The jobs that the expected best is drawn from.
pub(super) struct Budgets<'s, 'a> {
    /// The main score.
    pub metric: Measure,
    /// The score of a lost job.
    pub worst: f64,
    /// Each variant with its jobs' qualities, in ascending order.
    pub variants: Vec<(&'s Variant<'a>, Vec<f64>)>,
}

/// Returns the jobs of each variant by the main score; `None` if there are too few.
pub(super) fn budgets<'s, 'a>(study: &'s Study<'a>) -> Option<Budgets<'s, 'a>> {
    let &metric = study.ranking.first()?;
    let runs = study.variants.iter().flat_map(|variant| &variant.runs);
    let all = summary(runs.filter_map(|run| study.score(run, metric)))?;
    let worst = match better(metric) {
        Direction::Higher => all.min,
        Direction::Lower => all.max,
    };
    let of = |variant| (variant, quality(study, variant, metric, worst));
    // Jobs that remain after others were stopped are no random draw; nor are those of searched cells.
    let drawn = study.variants.iter().filter(|variant| !is_picked(variant) && !variant.picked);
    let variants: Vec<(&Variant, Vec<f64>)> = drawn.map(of).collect();
    let is_enough = variants.iter().any(|(_, scores)| scores.len() >= JOBS);
    is_enough.then_some(Budgets { metric, worst, variants })
}

/// Returns the expected best of 1, 2, 4, 8, … jobs of each variant by the main score.
pub(super) fn table(study: &Study) -> Option<Table> {
    let Budgets { metric, worst, variants: drawn } = budgets(study)?;
    let shown = doublings(drawn.iter().map(|(_, scores)| scores.len()).max()?);
    let title = format!("Expected best {} of n jobs, drawn at random from a variant's jobs", metric.name());
    let mut table = Table::new("best_of_n", title, 1, &["variant", "jobs"]);
    table.columns.extend(shown.iter().map(|n| format!("n = {n}")));
    for (variant, scores) in &drawn {
        let score = |quality: f64| advantage(metric, quality, 0.0);
        let best = |&n: &usize| expected_largest(scores, n).map_or(Cell::Empty, |best| Cell::Number(score(best)));
        let start = [Cell::Text(variant.name.to_owned()), Cell::Count(scores.len())];
        table.rows.push(start.into_iter().chain(shown.iter().map(best)).collect());
    }
    table.notes.push(
        "The exact mean over all choices of n jobs. A difference at n = 1 that disappears at large n is due to tuning \
        and luck with seeds."
            .into(),
    );
    if any_lost(study, metric, &drawn) {
        table.notes.push(format!(
            "A job that diverged or has no finite score counts as the worst score of all jobs here, {}.",
            number(worst)
        ));
    }
    Some(table)
}

/// Whether some of the jobs are lost.
pub(super) fn any_lost(study: &Study, metric: Measure, drawn: &[(&Variant, Vec<f64>)]) -> bool {
    drawn.iter().any(|(variant, scores)| finite(study, variant, metric) < scores.len())
}

/// Returns the qualities that a search would have found: larger is better, in ascending order.
fn quality(study: &Study, variant: &Variant, metric: Measure, worst: f64) -> Vec<f64> {
    let qualities = variant.runs.iter().filter_map(|run| study.quality(run, metric));
    let mut scores: Vec<f64> = qualities.map(|quality| quality.max(advantage(metric, worst, 0.0))).collect();
    scores.sort_by(f64::total_cmp);
    scores
}

fn finite(study: &Study, variant: &Variant, metric: Measure) -> usize {
    variant.runs.iter().filter(|run| study.score(run, metric).is_some_and(f64::is_finite)).count()
}

/// Returns the powers of 2 up to `most`, or of 4, 8, … if that would be too many.
fn doublings(most: usize) -> Vec<usize> {
    let doublings = most.ilog2() as usize;
    let step = (doublings / COLUMNS + 1) as u32;
    (0..).map(|power| 2_usize.pow(power * step)).take_while(|&n| n <= most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_few() {
        assert_eq!(doublings(4), [1, 2, 4]);
        assert_eq!(doublings(255), [1, 2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(doublings(256), [1, 4, 16, 64, 256]);
        assert_eq!(doublings(41_472), [1, 4, 16, 64, 256, 1024, 4096, 16_384]);
    }
}
