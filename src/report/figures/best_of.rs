//! The benefit of more tuning: the expected best of n jobs.

use super::super::inference::best_of::expected_largest;
use super::super::stats::advantage;
use super::super::study::Study;
use super::super::tuning;
use super::of_score;
use sweep_figure::format::number;
use sweep_figure::{Axis, Curves, Figure, Kind, Line, Plot, Point};

/// Most points of a line.
const POINTS: usize = 40;

/// Returns the expected best of n jobs of each variant by the main score; `None` if all variants have too few jobs.
pub(in super::super) fn best_of(study: &Study) -> Option<Figure> {
    let tuning::Budgets { metric, worst, variants } = tuning::budgets(study)?;
    let lines =
        variants.iter().enumerate().filter(|(_, (_, scores))| !scores.is_empty()).map(|(place, (variant, scores))| {
            let best = |n: usize| {
                Some(Point { x: n as f64, y: advantage(metric, expected_largest(scores, n)?, 0.0), n: scores.len() })
            };
            Line {
                name: variant.name.to_owned(),
                variant: place,
                series: place,
                points: thinned(scores.len()).into_iter().filter_map(best).collect(),
                band: Vec::new(),
                singles: Vec::new(),
            }
        });
    let lines: Vec<Line> = lines.collect();
    let mut notes = vec![
        "The exact mean over all choices of n of a variant's jobs, whatever their cell and seed. A difference at n = 1 \
        that disappears at large n is due to tuning and luck with seeds."
            .to_owned(),
    ];
    if tuning::any_lost(study, metric, &variants) {
        notes.push(format!(
            "A job that diverged or has no finite score counts as the worst score of all jobs here, {}.",
            number(worst)
        ));
    }
    let x = Axis { label: "jobs tried".into(), kind: Kind::Log };
    let y = Axis { label: format!("expected best {}", metric.name()), kind: Kind::Linear };
    let title = format!("Expected best {} of n jobs", metric.name());
    Some(of_score(study, ("best-of-n", metric), title, notes, Plot::Curves(Curves { x, y, stepped: false, lines })))
}

/// Returns budgets from 1 to `most`, evenly spaced on a log scale.
fn thinned(most: usize) -> Vec<usize> {
    if most <= POINTS {
        return (1..=most).collect();
    }
    let at = |place: usize| (most as f64).powf(place as f64 / (POINTS - 1) as f64).round() as usize;
    let mut budgets: Vec<usize> = (0..POINTS).map(at).collect();
    budgets.dedup();
    budgets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_have_both_ends() {
        assert_eq!(thinned(3), [1, 2, 3]);
        let many = thinned(41_472);
        assert_eq!((many[0], many[many.len() - 1]), (1, 41_472));
        assert!(many.len() <= POINTS && many.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
