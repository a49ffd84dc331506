//! The progress of a search.

use super::super::options::Step;
use super::super::search::{Worth, all_cells, by_its_own, drawn, metric, worth};
use super::super::stats::advantage;
use super::super::study::{Study, Variant};
use super::curves::linear;
use super::of_score;
use sweep_figure::{Axis, Curves, Figure, Kind, Line, Plot, Point};
use sweep_spec::metric::Measure;
use sweep_spec::search::{Search, of};

/// Returns the best score so far after each trial, with a line for each variant that is searched by the same score as
/// the first.
pub(in super::super) fn history(study: &Study, searches: &[Search]) -> Option<Figure> {
    // Scores at another step did not pick the cells.
    if study.step != Step::Last {
        return None;
    }
    let main = metric(study, study.trials.first()?, searches)?;
    let alike = study.placed_trials().filter(|(_, trials)| metric(study, trials, searches) == Some(main));
    let line = |(variant, trials): (usize, &Variant)| Line {
        name: of(trials.name).to_owned(),
        variant,
        series: variant,
        points: best_so_far(study, trials, main),
        band: Vec::new(),
        singles: Vec::new(),
    };
    let lines: Vec<Line> = alike.map(line).collect();
    if !lines.iter().any(|line| line.points.len() > 1) {
        return None;
    }
    let x = Axis { label: "trial".to_owned(), kind: Kind::Linear };
    let plot = Curves { x, y: linear(main.name()), stepped: true, lines };
    let title = format!("The best mean {} so far, by trial", main.name());
    Some(of_score(study, ("search", main), title, drawn(searches).into_iter().collect(), Plot::Curves(plot)))
}

fn best_so_far(study: &Study, trials: &Variant, metric: Measure) -> Vec<Point> {
    let study = &*by_its_own(study, trials);
    let mut best = f64::NEG_INFINITY;
    let mut points = Vec::new();
    for (at, cell) in all_cells(trials).iter().enumerate() {
        if let Worth::Known(worth) = worth(study, cell, metric) {
            best = best.max(worth);
        }
        let has_ended = cell.runs.iter().all(|run| run.status.is_final());
        if best.is_finite() && has_ended {
            // Converts the quality back to the score.
            points.push(Point { x: at as f64 + 1.0, y: advantage(metric, best, 0.0), n: 1 });
        }
    }
    points
}
