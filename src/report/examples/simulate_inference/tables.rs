//! The tables, as Markdown.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sweep_report::document::Document;
use sweep_report::render::{Format, render};
use sweep_spec::expect::{Aggregate, Expect, Term};
use sweep_spec::metric::Metric;
use sweep_spec::relation::Relation;

use super::draw::{Random, Shape, chance, interquartile_mean};
use super::settings::{
    EIGHT_OR_SEVEN, EIGHT_OR_TWO, LONG, LONG_MEAN, MODES, NARROW, NORMAL, Setting, VERDICTS, WIDE, Wrong,
};
use super::sweep::{Variant, drawn, interval, p, reported, results, verdicts};

macro_rules! say {
    ($($text:tt)*) => {
        say(format_args!($($text)*))
    };
}

/// Prints a line. Errors are ignored, because the reader may have closed the pipe.
pub(crate) fn say(text: Arguments) {
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// The size of a simulation.
pub(crate) struct Run {
    /// Sweeps per figure.
    pub sweeps: usize,
    pub threads: usize,
}

const SEEDS: [usize; 7] = [5, 6, 8, 10, 12, 20, 40];

impl Run {
    /// Computes `count` figures of a table on several threads; each has its own random numbers.
    pub(crate) fn figures(&self, count: usize, figure: impl Fn(usize, &mut Random) -> String + Sync) -> Vec<String> {
        let (next, done) = (AtomicUsize::new(0), std::sync::Mutex::new((0, vec![String::new(); count])));
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        if place >= count {
                            return;
                        }
                        let found = figure(place, &mut Random::new(place as u64));
                        let mut done = done.lock().expect("no thread panics");
                        done.1[place] = found;
                        done.0 += 1;
                        progress(done.0, count, start);
                    }
                });
            }
        });
        done.into_inner().expect("no thread panics").1
    }

    /// Prints a table with a row for each name and a column for each number of seeds.
    fn table(&self, names: &[String], seeds: &[usize], figure: impl Fn(usize, usize, &mut Random) -> String + Sync) {
        let figures = self.figures(names.len() * seeds.len(), |place, random| {
            figure(place / seeds.len(), seeds[place % seeds.len()], random)
        });
        let heads: Vec<String> = seeds.iter().map(|n| format!("n = {n}")).collect();
        say!("| | {} |\n|---|{}", heads.join(" | "), "--:|".repeat(seeds.len()));
        for (name, row) in names.iter().zip(figures.chunks(seeds.len())) {
            say!("| {name} | {} |", row.join(" | "));
        }
        say!("");
    }
}

fn of_cells(cells: usize) -> String {
    if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") }
}

/// Shows the progress of a table on a terminal, with the estimated time left.
fn progress(done: usize, count: usize, start: Instant) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let left = start.elapsed().as_secs_f64() / done as f64 * (count - done) as f64;
    eprint!(
        "\r\x1b[K{done} of {count} figures of this table, about {:.0} min {:.0} s left",
        (left / 60.0).floor(),
        left % 60.0
    );
    if done == count {
        eprint!("\r\x1b[K");
    }
}

/// Formats a percentage with one decimal.
pub(crate) fn percent(count: usize, of: usize) -> String {
    if of == 0 { "–".to_owned() } else { format!("{:.1}", 100.0 * count as f64 / of as f64) }
}

/// Whether a report has a wrong verdict.
fn is_wrong(setting: &Setting, document: &Document) -> bool {
    let (better, worse) = verdicts(document);
    match setting.wrong {
        Wrong::Any => better + worse > 0,
        Wrong::Better => better > 0,
        Wrong::Worse => worse > 0,
    }
}

/// Prints the sweeps with a wrong verdict, for one variant against a baseline.
fn verdicts_of(run: &Run, settings: &[Setting], (rivals, cells): (usize, usize), seeds: &[usize]) {
    let names: Vec<String> = settings.iter().map(|setting| setting.name.to_owned()).collect();
    run.table(&names, seeds, |row, n, random| {
        let setting = &settings[row];
        let wrong = |_: &usize| {
            let variants = drawn(setting, (rivals, cells, n), random);
            is_wrong(setting, &reported(results(&variants, false), Vec::new(), true))
        };
        percent((0..run.sweeps).filter(wrong).count(), run.sweeps)
    });
}

pub(crate) fn wrong(run: &Run) {
    say!(
        "## Wrong verdicts\n\nPercent of {} sweeps each in which the best cell of a variant is wrongly called better \
        or worse than a baseline.\n",
        run.sweeps
    );
    for cells in [1, 4, 16, 36] {
        say!("{}:\n", of_cells(cells));
        verdicts_of(run, &VERDICTS, (1, cells), &SEEDS);
    }
    say!("1 cell, the variants without a common seed:\n");
    let names: Vec<String> = VERDICTS.iter().map(|setting| setting.name.to_owned()).collect();
    run.table(&names, &SEEDS, |row, n, random| {
        let setting = &VERDICTS[row];
        let wrong = |_: &usize| {
            is_wrong(setting, &reported(results(&drawn(setting, (1, 1, n), random), true), Vec::new(), true))
        };
        percent((0..run.sweeps).filter(wrong).count(), run.sweeps)
    });
}

/// Prints the sweeps with any wrong verdict among many.
pub(crate) fn many(run: &Run) {
    say!("## Many comparisons\n\nPercent of {} sweeps in which any verdict is wrong.\n", run.sweeps);
    for (rivals, cells) in [(6, 1), (6, 4), (20, 1)] {
        say!("{rivals} variants of {} against a baseline:\n", of_cells(cells));
        verdicts_of(run, &VERDICTS, (rivals, cells), &[8, 10, 12, 20]);
    }
}

/// Prints the distribution of p if nothing differs: p ≤ a in at most a share a of sweeps.
pub(crate) fn small(run: &Run) {
    say!(
        "## p\n\nPercent of {} sweeps with one comparison of runs that are alike in which p is at most this large.\n",
        run.sweeps
    );
    const LEVELS: [f64; 6] = [0.01, 0.05, 0.1, 0.2, 0.5, 0.8];
    for apart in [false, true] {
        say!("1 cell, {}:\n", if apart { "the variants without a common seed" } else { "seeds in common" });
        let rows: Vec<(Setting, usize)> =
            [0, 1, 3, 4].iter().flat_map(|&at| [8, 12, 20].map(|n| (VERDICTS[at], n))).collect();
        let figures = run.figures(rows.len(), |place, random| {
            let (setting, n) = &rows[place];
            let one = |_| p(&reported(results(&drawn(setting, (1, 1, *n), random), apart), Vec::new(), false), 1);
            let found: Vec<f64> = (0..run.sweeps).filter_map(one).collect();
            let at_most = |level: &f64| found.iter().filter(|p| **p <= *level).count();
            LEVELS.iter().map(|level| percent(at_most(level), found.len())).collect::<Vec<_>>().join(" | ")
        });
        let heads = LEVELS.map(|level| format!("p ≤ {level}")).join(" | ");
        say!("| | {heads} |\n|---|{}", "--:|".repeat(LEVELS.len()));
        rows.iter().zip(figures).for_each(|((setting, n), row)| say!("| {}, n = {n} | {row} |", setting.name));
        say!("");
    }
}

/// Prints the sweeps in which a better variant is called better.
pub(crate) fn power(run: &Run) {
    say!(
        "## Power\n\nPercent of {} sweeps in which a variant is called better whose cells all are (normal scores, SD \
        1).\n",
        run.sweeps
    );
    let rows: Vec<(usize, f64)> =
        [1, 4, 16, 36].iter().flat_map(|&cells| [0.5, 1.0, 2.0].map(|by| (cells, by))).collect();
    let names: Vec<String> = rows.iter().map(|&(cells, by)| format!("{}, by {by} SD", of_cells(cells))).collect();
    run.table(&names, &SEEDS, |row, n, random| {
        let (cells, mean) = rows[row];
        let setting = Setting { cells: Shape::Normal { mean, std: 1.0 }, ..VERDICTS[0] };
        let said = |_: &usize| {
            verdicts(&reported(results(&drawn(&setting, (1, cells, n), random), false), Vec::new(), true)).0 > 0
        };
        percent((0..run.sweeps).filter(said).count(), run.sweeps)
    });
}

/// The quantity of an interval.
#[derive(Clone, Copy)]
enum Kind {
    /// The probability to score better, for the best of this many cells; with seeds apart or in pairs.
    Chance { cells: usize, apart: bool },
    /// The interquartile mean over this many cells.
    Middle { cells: usize },
    /// The rate of diverging runs, which is a third.
    Rate,
    /// `score(VARIANT, mean) > number` over this many cells.
    Number { cells: usize },
    /// `score(VARIANT, mean) > score(GAN, mean)` over this many cells.
    Scores { cells: usize },
}

/// Prints how often intervals contain the true value.
pub(crate) fn intervals(run: &Run) {
    say!("## Intervals\n\nPercent of {} intervals that contain the true value; – if none is shown.\n", run.sweeps);
    let shift = |mean| Shape::Normal { mean, std: 1.0 };
    let pairs = [
        ("normal, alike", NORMAL, NORMAL, 0.0),
        ("normal, 1 SD apart", shift(1.0), NORMAL, 0.0),
        ("normal, 2 SD apart", shift(2.0), NORMAL, 0.0),
        ("SD 3 against SD 1", WIDE, NORMAL, 0.0),
        ("lognormal against N(1, 0.1)", LONG_MEAN, NARROW, 0.0),
        ("8 or 2 modes against 8 or 7", EIGHT_OR_TWO, EIGHT_OR_SEVEN, 0.0),
        ("8 or 2 modes, alike", EIGHT_OR_TWO, EIGHT_OR_TWO, 0.0),
        ("a third diverges, alike", Shape::Diverging, Shape::Diverging, 0.0),
        ("seeds have SD 2 in common", NORMAL, NORMAL, 2.0),
    ];
    let mut rows: Vec<(String, Kind, Setting)> = Vec::new();
    let mut add = |what: &str, kind: Kind, (name, cells, baseline, common): (&str, Shape, Shape, f64)| {
        rows.push((format!("{what}: {name}"), kind, Setting { cells, baseline, common, ..VERDICTS[0] }));
    };
    for pair in pairs {
        add("P, pairs", Kind::Chance { cells: 1, apart: false }, pair);
    }
    for pair in pairs.into_iter().take(8) {
        add("P, no common seeds", Kind::Chance { cells: 1, apart: true }, pair);
    }
    for (cells, what) in [(4, "P, best of 4 cells"), (36, "P, best of 36 cells")] {
        for pair in [pairs[0], pairs[1], pairs[3]] {
            add(what, Kind::Chance { cells, apart: false }, pair);
        }
    }
    let alone = [
        ("normal", NORMAL),
        ("lognormal", LONG),
        ("8 or 2 modes", EIGHT_OR_TWO),
        ("8 or 7 modes", EIGHT_OR_SEVEN),
        ("8, 7, 6 or 2 modes", MODES),
    ];
    for (name, shape) in alone {
        add("IQM, 1 cell", Kind::Middle { cells: 1 }, (name, shape, NORMAL, 0.0));
        add("IQM, 4 cells", Kind::Middle { cells: 4 }, (name, shape, NORMAL, 0.0));
    }
    add("rate of divergence", Kind::Rate, ("a third", Shape::Diverging, NORMAL, 0.0));
    for (name, shape) in [alone[0], alone[1], alone[4]] {
        add("expected > number, 1 cell", Kind::Number { cells: 1 }, (name, shape, NORMAL, 0.0));
        add("expected > number, 4 cells", Kind::Number { cells: 4 }, (name, shape, NORMAL, 0.0));
    }
    for pair in [pairs[1], pairs[3], pairs[8]] {
        add("expected > GAN, 4 cells", Kind::Scores { cells: 4 }, pair);
    }
    let truths: Vec<f64> = rows.iter().map(|(_, kind, setting)| truth(*kind, setting)).collect();
    let names: Vec<String> = rows.iter().map(|(name, ..)| name.clone()).collect();
    run.table(&names, &SEEDS, |row, n, random| {
        let (_, kind, setting) = &rows[row];
        let shown: Vec<(f64, f64)> = (0..run.sweeps).filter_map(|_| shown(*kind, setting, n, random)).collect();
        let holds = |&&(low, high): &&(f64, f64)| low <= truths[row] + 0.001 && truths[row] - 0.001 <= high;
        percent(shown.iter().filter(holds).count(), shown.len())
    });
}

/// A number with scores on both sides.
const NUMBER: f64 = 7.5;

fn truth(kind: Kind, setting: &Setting) -> f64 {
    let number = Shape::Some(&[(NUMBER, 1.0)]);
    match kind {
        Kind::Chance { .. } | Kind::Scores { .. } => chance(setting.cells, setting.baseline),
        Kind::Middle { .. } => interquartile_mean(setting.cells),
        Kind::Rate => 1.0 / 3.0,
        Kind::Number { .. } => match setting.cells {
            Shape::Some(_) => chance(setting.cells, number),
            other => chance(other, Shape::Some(&[(0.5, 1.0)])),
        },
    }
}

/// Returns the interval in the report on one sweep.
fn shown(kind: Kind, setting: &Setting, n: usize, random: &mut Random) -> Option<(f64, f64)> {
    let mut document = |cells: usize, apart: bool, expects: Vec<Expect>| {
        let variants: Vec<Variant> = drawn(setting, (1, cells, n), random);
        reported(results(&variants, apart), expects, false)
    };
    let score = |variant: &str| Term::Score {
        metric: Metric::ModeScore.into(),
        variant: variant.into(),
        aggregate: Aggregate::Mean,
    };
    let expect =
        |right: Term| vec![Expect { text: String::new(), left: score("Rival 1"), relation: Relation::Greater, right }];
    match kind {
        Kind::Chance { cells, apart } => interval(&document(cells, apart, Vec::new()), "comparisons", 1, 5),
        Kind::Middle { cells } => interval(&document(cells, false, Vec::new()), "profile", 1, 3),
        Kind::Rate => interval(&document(1, false, Vec::new()), "collapse", 1, 1),
        Kind::Number { cells } => {
            let number = if matches!(setting.cells, Shape::Some(_)) { NUMBER } else { 0.5 };
            interval(&document(cells, false, expect(Term::Number(number))), "expectations", 0, 4)
        }
        Kind::Scores { cells } => interval(&document(cells, false, expect(score("GAN"))), "expectations", 0, 4),
    }
}

/// Prints how long reports take.
pub(crate) fn time(_: &Run) {
    say!("## Time\n\nSeconds to make a whole report of drawn scores, and to write it:\n");
    let mut random = Random::new(0);
    for (rivals, cells, seeds, by) in
        [(1, 4, 9, 2.0), (1, 36, 40, 0.0), (1, 36, 40, 2.0), (6, 36, 40, 2.0), (25, 1, 10, 2.0)]
    {
        let setting = Setting { cells: Shape::Normal { mean: by, std: 1.0 }, ..VERDICTS[0] };
        let results = results(&drawn(&setting, (rivals, cells, seeds), &mut random), false);
        let start = Instant::now();
        let text = render(&reported(results, Vec::new(), false), Format::Markdown);
        say!(
            "- {rivals} variants of {}, {seeds} seeds, {by} SD better than the baseline: {:.2} s ({} characters)",
            of_cells(cells),
            start.elapsed().as_secs_f64(),
            text.len()
        );
    }
    say!("");
}
