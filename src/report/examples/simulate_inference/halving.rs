//! Simulates sweeps whose cells are stopped early by their scores during training, from the first rung to the report.

use sweep_report::{File, Options, report};
use sweep_spec::metric::{Direction, Metric};
use sweep_spec::prune::{Prune, Rule, Standing, ladder};
use sweep_store::Results;
use sweep_wire::status::Status;

use super::draw::{Random, Shape};
use super::settings::{NORMAL, Setting, VERDICTS};
use super::sweep::{Variant, drawn, reported, results, verdicts};
use super::tables::{Run, percent, say};

const SEEDS: usize = 12;
/// Steps of training.
const STEPS: u64 = 100;
const RULE: Rule = Rule::Halving { first: 10, eta: 3 };

/// Simulates one sweep. Returns its verdicts of better and of worse, and its share of all steps. `way`: the weights of
/// the final score and of noise in scores during training.
fn halved(variants: &[Variant], way: (f64, f64), random: &mut Random) -> (usize, usize, f64) {
    let prune = Prune { metric: Metric::ModeScore.into(), better: Direction::Higher, rule: RULE, keep: 1 };
    let mut results: Results = results(variants, false);
    let (mut steps, mut all) = (0, 0);
    for (place, variant) in variants.iter().enumerate() {
        let rungs = RULE.rungs(STEPS).len();
        let mut on_the_way = || -> Vec<Vec<Option<f64>>> {
            let value =
                |last: &f64, random: &mut Random| (!last.is_nan()).then(|| way.0 * last + way.1 * random.normal());
            variant.iter().map(|cell| cell.iter().map(|last| value(last, random)).collect()).collect()
        };
        let scores: Vec<Vec<Vec<Option<f64>>>> = (0..rungs).map(|_| on_the_way()).collect();
        let at = |cell: usize, step: u64| {
            let rung = RULE.rungs(STEPS).iter().position(|rung| *rung == step)?;
            Some(Standing::of(scores[rung][cell].iter().copied()))
        };
        let decided = ladder(&prune, STEPS, variant.len(), at);
        for (cell, scores) in variant.iter().enumerate() {
            let stopped = decided.iter().find(|rung| rung.stopped().any(|(other, _)| other == cell));
            let until = stopped.map_or(STEPS, |rung| rung.step);
            steps += until * scores.len() as u64;
            all += STEPS * scores.len() as u64;
            let name = if place == 0 { "GAN".to_owned() } else { format!("Rival {place}") };
            let is_of = |entry: &&mut sweep_store::Entry| {
                entry.variant == name && entry.axes.get("cell").is_none_or(|at| *at == serde_json::json!(cell))
            };
            // A diverged job has ended before.
            for entry in
                results.entries.iter_mut().filter(is_of).filter(|entry| entry.status == Status::Done && until < STEPS)
            {
                (entry.status, entry.step) = (Status::Pruned, until);
                entry.scores.clear();
            }
        }
    }
    let file = File { pruned_by: Some(Metric::ModeScore.into()), ..File::default() };
    let options = Options { short: true, ..Options::default() };
    let document = report(&[(results, file)], options).expect("scores were drawn").document;
    let (better, worse) = verdicts(&document);
    (better, worse, steps as f64 / all as f64)
}

/// A row of the table.
struct Row {
    name: String,
    setting: Setting,
    cells: usize,
    /// Whether the baseline has as many cells.
    against_many: bool,
    /// The weights of the final score and of noise in scores during training.
    way: (f64, f64),
}

/// Prints wrong verdicts and power if cells are stopped early, next to those of full grids.
pub(crate) fn halving(run: &Run) {
    say(format_args!(
        "## Cells that are stopped early\n\nHalving with eta 3 at 10, 30 and 90 of 100 steps, down to one cell, \
        {SEEDS} seeds; percent of {} sweeps with a verdict of better or \
         worse (where nothing differs, each is wrong), and of better where something does; percent of the steps of the \
         full grid. Scores on the way are the last ones, or \
         differ from them by 1 SD of their own, or are their opposite, so that the worst are left.\n",
        run.sweeps
    ));
    let shifted = |by: f64| Shape::Normal { mean: by, std: 1.0 };
    let mut rows: Vec<Row> = Vec::new();
    for cells in [9, 27] {
        let mut add = |name: String, setting: Setting, against_many: bool, way: (f64, f64)| {
            rows.push(Row { name, setting, cells, against_many, way });
        };
        for at in [0, 3, 4, 5] {
            add(VERDICTS[at].name.to_owned(), VERDICTS[at], false, (1.0, 0.0));
        }
        add("alike: normal, 1 SD off".to_owned(), VERDICTS[0], false, (1.0, 1.0));
        add("alike: normal, opposite".to_owned(), VERDICTS[0], false, (-1.0, 0.0));
        add("alike: normal, against as many cells".to_owned(), VERDICTS[0], true, (1.0, 0.0));
        add("alike: normal, opposite, against as many cells".to_owned(), VERDICTS[0], true, (-1.0, 0.0));
        for (name, cells_are, first) in [
            ("all better by 1 SD", shifted(1.0), None),
            ("all better by 2 SD", shifted(2.0), None),
            ("one better by 2 SD", NORMAL, Some(shifted(2.0))),
        ] {
            let setting = Setting { cells: cells_are, first, baseline: NORMAL, ..VERDICTS[0] };
            add(format!("{name}, 1 SD off"), setting, false, (1.0, 1.0));
        }
    }
    let figures = run.figures(rows.len(), |place, random: &mut Random| {
        let Row { setting, cells, against_many, way, .. } = &rows[place];
        let is_alike = setting.cells == setting.baseline && setting.first.is_none();
        let (mut full, mut stopped, mut share) = (0, 0, 0.0);
        for _ in 0..run.sweeps {
            let mut variants = drawn(setting, (1 + usize::from(*against_many), *cells, SEEDS), random);
            if *against_many {
                variants.remove(0);
            }
            let count = |(better, worse): (usize, usize)| usize::from(better + if is_alike { worse } else { 0 } > 0);
            full += count(verdicts(&reported(results(&variants, false), Vec::new(), true)));
            let (better, worse, steps) = halved(&variants, *way, random);
            stopped += count((better, worse));
            share += steps;
        }
        let share = format!("{:.0}", 100.0 * share / run.sweeps as f64);
        format!("{} | {} | {} | {share}", cells, percent(full, run.sweeps), percent(stopped, run.sweeps))
    });
    say(format_args!("| | cells | full grid | halving | steps |\n|---|--:|--:|--:|--:|"));
    rows.iter().zip(figures).for_each(|(Row { name, .. }, row)| say(format_args!("| {name} | {row} |")));
    say(format_args!(""));
}
