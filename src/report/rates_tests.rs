//! Rates of runs that find all modes or none: in reports and in expectations.

use super::document::{Cell, Table};
use super::replicates_tests::{Scores, report_on, reported, table, terminal, variants};
use super::*;

/// Scores x, which cover ⌊8 − 2x⌋ of 8 modes at the last step.
const ALL: f64 = 0.0;
const SEVEN: f64 = 0.25;
const NONE: f64 = 4.0;

/// Of twelve seeds two find all modes and eight none, one diverges, and one fails.
const GAN: Scores = |seed, _| match seed {
    0 | 1 => ALL,
    10 => f64::NAN,
    11 => f64::INFINITY,
    _ => NONE,
};
/// One finds seven modes, the others all.
const BETTER: Scores = |seed, _| if seed == 11 { SEVEN } else { ALL };

fn rates(row: &[Cell]) -> Vec<(usize, usize)> {
    let rate = |cell: &Cell| match cell {
        Cell::Rate { count, of, .. } | Cell::Share { count, of } => (*count, *of),
        other => panic!("{other:?}"),
    };
    row.iter().map(rate).collect()
}

#[test]
fn a_run_that_came_to_nothing_found_no_mode_and_one_that_failed_says_nothing() {
    let Report { document, .. } = reported(&[("GAN", GAN), ("Better", BETTER)], 12, "", Step::Last);
    let found: &Table = table(&document, "collapse");
    assert_eq!(found.columns, ["variant", "diverged", "collapsed", "all modes", "no mode"]);
    assert_eq!(rates(&found.rows[0][1..]), [(1, 11), (8, 10), (2, 11), (9, 11)]);
    assert_eq!(rates(&found.rows[1][1..]), [(0, 12), (0, 12), (11, 12), (0, 12)]);
    // scipy.stats.binomtest(2, 11).proportion_ci(method="wilson"), and of 9 of 11
    let ends = |cell: &Cell| if let Cell::Rate { low, high, .. } = cell { [*low, *high] } else { panic!("{cell:?}") };
    for (cell, low, high) in [
        (&found.rows[0][3], 0.051_367_689_746_085_05, 0.476_980_561_960_844_15),
        (&found.rows[0][4], 0.523_019_438_039_155_7, 0.948_632_310_253_914_9),
    ] {
        let ends = ends(cell);
        assert!((ends[0] - low).abs() < 1e-9 && (ends[1] - high).abs() < 1e-9, "{ends:?}");
    }
    assert!(terminal(&document).contains("2 of 11 (5–48 %)"), "{}", terminal(&document));
}

#[test]
fn each_cell_of_a_grid_has_its_own_rates() {
    let mut variants = variants(&[("GAN", GAN)], 12);
    variants[0].cells = 2;
    let Report { document, .. } = report_on(&variants, "", Step::Last);
    let cells = table(&document, "cells");
    assert_eq!(cells.columns[cells.columns.len() - 2..], ["all modes", "no mode"]);
    for row in &cells.rows {
        assert_eq!(rates(&row[row.len() - 2..]), [(2, 11), (9, 11)]);
    }
    assert_eq!(rates(&table(&document, "collapse").rows[0][3..]), [(4, 22), (18, 22)]);
}

/// If a variant was measured in another way, its lost runs are not all of its runs.
#[test]
fn a_variant_that_was_measured_otherwise_has_no_rate_of_its_lost_runs_alone() {
    let mut variants = variants(&[("GAN", GAN), ("Better", GAN)], 12);
    variants[1].at_least = 20;
    let expected = "  - rate(modes_covered == 0, Better) > 0.4\n  - rate(modes_covered == 0, GAN) > 0.4\n";
    let Report { document, outcomes, .. } = report_on(&variants, expected, Step::Last);
    let found = table(&document, "collapse");
    assert_eq!(rates(&found.rows[0][3..]), [(2, 11), (9, 11)]);
    assert_eq!(found.rows[1][3..], [Cell::Empty, Cell::Empty]);
    assert!(matches!(outcomes[0], Outcome::Fails(_)), "a score that it needs does not exist: {outcomes:?}");
    assert!(matches!(outcomes[1], Outcome::Holds(_)), "{outcomes:?}");
}

#[test]
fn rates_are_expected_like_scores() {
    use Certainty::{Clear, WithinNoise};
    use Outcome::{Fails, Holds};
    let expected = [
        ("rate(modes_covered == 8, Better) > 0.4", Holds(Clear)),
        ("rate(modes_covered == 8, Better) > rate(modes_covered == 8, GAN)", Holds(Clear)),
        ("rate(modes_covered == 8, GAN) >= rate(modes_covered == 8, Better)", Fails(Clear)),
        // 9 of 11: 52 to 95 %.
        ("rate(modes_covered == 0, GAN) < 0.5", Fails(Clear)),
        ("rate(modes_covered == 0, GAN) < 0.55", Fails(WithinNoise)),
        ("0.5 < rate(modes_covered == 0, GAN)", Holds(Clear)),
        ("0.96 > rate(modes_covered < 1, GAN)", Holds(Clear)),
        ("0.9 > rate(modes_covered < 1, GAN)", Holds(WithinNoise)),
        ("0.5 > rate(modes_covered == 0, GAN)", Fails(Clear)),
        ("rate(modes_covered >= 7, Better) == 1", Holds(WithinNoise)),
        // The one that diverged is infinitely far away: 1 of 11, 2 to 38 %.
        ("rate(wasserstein > 100, GAN) < 0.05", Fails(WithinNoise)),
        ("rate(wasserstein > 100, GAN) != 0.01", Holds(Clear)),
        ("rate(wasserstein > 100, Better) == rate(wasserstein > 100, GAN)", Fails(WithinNoise)),
    ];
    let lines: String = expected.iter().map(|(line, _)| format!("  - {line}\n")).collect();
    let Report { document, outcomes } = reported(&[("GAN", GAN), ("Better", BETTER)], 12, &lines, Step::Last);
    let found = table(&document, "expectations");
    for (((line, expected), found), row) in expected.iter().zip(&outcomes).zip(&found.rows) {
        assert_eq!((expected, &row[0]), (found, &Cell::Text((*line).to_owned())), "{row:?}");
    }
    assert_eq!(outcomes.len(), expected.len());
    assert_eq!(
        (&found.rows[1][1], rates(&found.rows[1][2..4])),
        (&Cell::Text("12 and 11".into()), vec![(11, 12), (2, 11)])
    );
    assert_eq!(found.columns[4], "P(left > right) or rate, 95 %");
    let note = "modes_covered of GAN rests on 11 of 12 jobs; the others failed, were cancelled, or were measured in \
        another \
        way.";
    assert!(found.notes.iter().any(|said| said == note), "{:?}", found.notes);
}

/// The same jobs twice do not count as more seeds.
#[test]
fn jobs_of_one_seed_are_one_replicate_of_a_rate() {
    let interval = |cells| {
        let mut variants = variants(&[("GAN", GAN)], 12);
        variants[0].cells = cells;
        let Report { document, .. } = report_on(&variants, "  - rate(modes_covered == 0, GAN) > 0.5\n", Step::Last);
        let row = table(&document, "expectations").rows[0].clone();
        let Cell::Interval { low, high } = row[4] else { panic!("{row:?}") };
        (rates(&row[2..3])[0], low, high)
    };
    let (once, low, high) = interval(1);
    let (twice, below, above) = interval(2);
    assert_eq!((once, twice), ((9, 11), (18, 22)));
    // Wilson's with scipy.stats.t.ppf(0.975, 10) and n = 11.
    assert!((below - 0.482_483_441_952).abs() < 1e-9 && (above - 0.955_986_597_820_7).abs() < 1e-9, "{below} {above}");
    assert!(low > below && high < above, "{low} {high}");
}
