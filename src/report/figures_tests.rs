//! The data of figures, from synthetic runs with known scores.

use super::document::{Block, Document};
use super::tests::{paper, reported_of};
use sweep_figure::{Cell, Figure, Line, Plot, SingleOf};
use sweep_store::Series;

fn figures(document: &Document) -> Vec<&Figure> {
    fn figure(block: &Block) -> Option<&Figure> {
        if let Block::Figure(figure) = block { Some(figure) } else { None }
    }
    document.blocks.iter().filter_map(figure).collect()
}

fn named<'a>(document: &'a Document, name: &str) -> &'a Figure {
    let all = figures(document);
    let names: Vec<&str> = all.iter().map(|figure| figure.name.as_str()).collect();
    all.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("no {name} among {names:?}"))
}

#[test]
fn a_heat_map_has_the_cells_of_the_grid() {
    let document = reported_of(&paper(), 15);
    let Plot::HeatMap(map) = &named(&document, "heat-map-D2GAN-mode_score").plot else { panic!("a heat map") };
    assert_eq!((map.down.key.as_str(), map.across.key.as_str(), map.higher), ("alpha", "beta", true));
    assert_eq!((map.down.values.join(" "), map.across.values.join(" ")), ("0.05 0.1".into(), "0.1 0.2".into()));
    // 7, 8, 8.5 and 8.25 plus 0, 0.25 and 0.5 of the seeds; the fourth job, of the second cell, diverged.
    let value = |mean, std, n| Cell::Value { mean, std: Some(std), n, of: 3 };
    assert_eq!(
        map.cells,
        [[value(7.25, 0.25, 3), value(8.375, 0.125_f64.sqrt() / 2.0, 2)], [value(8.75, 0.25, 3), value(8.5, 0.25, 3)]]
    );
}

#[test]
fn curves_are_medians_of_the_seeds_of_the_best_cell() {
    let document = reported_of(&paper(), 15);
    let Plot::Curves(curves) = &named(&document, "curves-mode_score").plot else { panic!("curves") };
    let [d2gan, gan] = &curves.lines[..] else { panic!("two lines") };
    assert_eq!((d2gan.name.as_str(), d2gan.variant, gan.variant), ("D2GAN (alpha 0.1, beta 0.1)", 0, 1));
    let points: Vec<(f64, f64, usize)> = d2gan.points.iter().map(|point| (point.x, point.y, point.n)).collect();
    assert_eq!(points, [(50.0, 6.75, 3), (100.0, 8.75, 3)]);
    assert_eq!(d2gan.band, [(50.0, 6.5, 7.0), (100.0, 8.5, 9.0)], "three seeds: all of them");
    let seeds = [0, 1, 2].map(SingleOf::Seed);
    assert_eq!(d2gan.singles.iter().map(|single| &single.of).collect::<Vec<_>>(), seeds.iter().collect::<Vec<_>>());
    // A line for each cell; the second lost a seed after step 50.
    let Plot::Curves(cells) = &named(&document, "cells-D2GAN-mode_score").plot else { panic!("curves") };
    assert_eq!(cells.lines.len(), 4);
    assert_eq!(cells.lines[1].points.iter().map(|point| point.n).collect::<Vec<_>>(), [3, 2]);
    assert!(named(&document, "cells-D2GAN-mode_score").notes[0].contains("the median is of the others"));
}

#[test]
fn shares_and_rates_count_what_was_lost() {
    let document = reported_of(&paper(), 15);
    let Plot::Distribution(lie) = &named(&document, "distribution-mode_score").plot else { panic!("a distribution") };
    assert_eq!(lie.rows.iter().map(|row| (row.dots.len(), row.lost)).collect::<Vec<_>>(), [(11, 1), (3, 0)]);
    let Plot::Curves(shares) = &named(&document, "ecdf-mode_score").plot else { panic!("curves") };
    // Higher is better, so the diverged one lies below all.
    assert!(shares.stepped && shares.lines[0].points[0].y == 1.0 / 12.0);
    assert_eq!(shares.lines[0].points.last().map(|point| (point.x, point.y)), Some((9.0, 1.0)));
    // Lower is better for fréchet: the two without a score never appear.
    let Plot::Curves(lower) = &named(&document, "ecdf-frechet").plot else { panic!("curves") };
    assert_eq!(lower.lines[0].points.last().map(|point| point.y), Some(11.0 / 12.0));
    let Plot::Intervals(rates) = &named(&document, "rates").plot else { panic!("intervals") };
    assert_eq!(rates.panels[0].rows[0].value, 1.0 / 12.0);
    // scipy.stats.binomtest(1, 12).proportion_ci(method='wilson')
    let (low, high) = rates.panels[0].rows[0].interval.unwrap();
    assert!((low - 0.014_865_094).abs() < 1e-6 && (high - 0.353_879_91).abs() < 1e-6, "{low} {high}");
}

#[test]
fn losses_are_those_of_the_best_cell() {
    let sweep = paper();
    let document = super::sweeps::block_on(async {
        let (mut results, file) = super::tests::stored_and_read(&sweep, 15).await;
        for (at, entry) in results.entries.iter().enumerate() {
            let series = |name: &str, by: f32| Series {
                name: name.into(),
                steps: vec![2, 4].into(),
                values: vec![by * at as f32, if at == 7 { f32::NAN } else { by }],
            };
            let all = vec![series("loss_d", 1.0), series("loss_g", 2.0), series("output_fake_2", -1.0)];
            results.losses.insert(entry.job, all);
        }
        super::report(&[(results, file)], super::Options::default()).unwrap().document
    });
    // Alpha 0.1, beta 0.1: the jobs 6, 7 and 8; job 7 has no loss at step 4.
    let Plot::Curves(losses) = &named(&document, "losses-D2GAN").plot else { panic!("curves") };
    let points = |line: &Line| line.points.iter().map(|point| (point.x, point.y, point.n)).collect::<Vec<_>>();
    let lines: Vec<_> = losses.lines.iter().map(|line| (line.name.as_str(), line.series, points(line))).collect();
    assert_eq!(
        lines,
        [
            ("discriminator", 0, vec![(2.0, 7.0, 3), (4.0, 1.0, 2)]),
            ("generator", 1, vec![(2.0, 14.0, 3), (4.0, 2.0, 2)])
        ]
    );
    let Plot::Curves(outputs) = &named(&document, "outputs-D2GAN").plot else { panic!("curves") };
    assert_eq!(outputs.lines[0].name, "second discriminator, of generated samples");
}

#[test]
fn what_is_under_way_has_curves_already() {
    // The third job has been scored at step 50, and its last step is 100.
    let document = super::sweeps::block_on(async {
        let sweep = paper();
        let store = super::tests::stored_in_part(&sweep, 3).await;
        super::report(&[super::tests::read(&store).await], super::Options::default()).unwrap().document
    });
    let figure = named(&document, "curves-mode_score");
    let Plot::Curves(curves) = &figure.plot else { panic!("curves") };
    assert_eq!((curves.lines.len(), figure.first, figure.small), (1, true, true));
    let points: Vec<(f64, f64, usize)> =
        curves.lines[0].points.iter().map(|point| (point.x, point.y, point.n)).collect();
    assert_eq!(points, [(25.0, 5.25, 3), (50.0, 5.25, 3)]);
    assert!(!named(&document, "curves-frechet").first);
}

#[test]
fn figures_of_other_scores_are_no_first_look() {
    let document = reported_of(&paper(), 15);
    assert!(named(&document, "curves-mode_score").first && !named(&document, "curves-frechet").first);
    let names: Vec<&str> = figures(&document).iter().map(|figure| figure.name.as_str()).collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len());
    // Scores not measured yet have no figure.
    assert!(figures(&reported_of(&paper(), 0)).iter().all(|figure| matches!(figure.plot, Plot::Timeline(_))));
}
