//! Whole reports on synthetic sweeps.

use std::collections::HashMap;
use std::sync::Arc;

use super::render::agreement::agree;
use super::render::{Format, render};
use super::sweeps::{block_on, blueprint, cohort, records, start, started, sweep};
use super::*;
use sweep_spec::blueprint::{Blueprint, BuiltIn, Score as Scoring};
use sweep_spec::dataset::Dataset;
use sweep_spec::job::{Job, Scores};
use sweep_spec::metric::Metric;
use sweep_spec::objective::Objective;
use sweep_spec::sweep::Sweep as Written;
use sweep_store::{NewEntry, NewSweep, Results, Store};
use sweep_wire::event::{Cause, Event, Score};

/// All metrics.
pub(super) fn all_scores() -> Scores {
    [Arc::new(Scoring { metrics: Metric::ALL.into(), samples: 1000, every: 50, ..Scoring::default() })].into()
}

const SOURCE: &str = "\
sweep: alpha-beta
dataset: mnist
seeds: 3
train: {steps: 100}
score: {metrics: [mode_score, modes_covered, frechet]}
variants:
  - name: D2GAN
    objective: d2gan
    grid: {alpha: [0.05, 0.1], beta: [0.1, 0.2]}
  - {name: 'GAN | \"plain\" <b>', objective: gan}
expect:
  - mode_score(D2GAN, best) > 8.9
  - mode_score(D2GAN, mean) > 8.9
published:
  - {variant: D2GAN, metric: mode_score, value: 8.5, std: 0.25, n: 10, source: 'A paper & another, Table 3'}
  - {variant: 'GAN | \"plain\" <b>', metric: frechet, value: 33, error: 1.5, source: \"Somebody's blog\"}
";

/// Returns the blueprint of a variant on MNIST.
fn mnist(objective: Objective) -> Arc<Blueprint> {
    let built_in = blueprint(objective).built_in().unwrap().clone();
    Arc::new(Blueprint::BuiltIn(BuiltIn { dataset: Dataset::Mnist, ..built_in }))
}

/// Returns a sweep of D2GAN on a 2 × 2 grid and GAN, with three seeds each.
pub(super) fn paper() -> NewSweep {
    let mut entries = sweep("x", &[0.05, 0.1], &[0.1, 0.2], 3).entries;
    for entry in &mut entries {
        entry.job.blueprint = mnist(Objective::D2GAN);
    }
    for seed in 0..3 {
        let parameters = [("lr_generator", 2e-4)].into_iter().collect();
        let job = Job { blueprint: mnist(Objective::Gan { saturating: false }), parameters, seed };
        let variant = "GAN | \"plain\" <b>".to_owned();
        let (axes, id, scores) = (serde_json::Map::new(), job.id(), all_scores());
        entries.push(NewEntry { ordinal: 12 + seed, variant, axes, id, job, scores });
    }
    for entry in &mut entries {
        (entry.id, entry.scores) = (entry.job.id(), all_scores());
    }
    let (name, file, source) = ("alpha-beta".into(), "sweeps/a.yaml".into(), SOURCE.into());
    NewSweep {
        name,
        file,
        source,
        at: 1.0,
        entries,
        renamed: HashMap::new(),
        scripts: Default::default(),
        looks: Vec::new(),
        rounds: Vec::new(),
        picked: Vec::new(),
    }
}

/// Returns the scores of the job at this index at a step.
fn scores(index: usize, step: u64) -> Vec<Score> {
    let (cell, seed) = (index / 3, index % 3);
    let quality = [7.0, 8.0, 8.5, 8.25, 7.5][cell] + 0.25 * seed as f64 - if step < 100 { 2.0 } else { 0.0 };
    // One job was scored with fewer samples, by an earlier version of the file.
    let protocol = |metric: Metric| {
        let samples = if index == 14 && metric == Metric::Frechet { 1000 } else { 10_000 };
        serde_json::json!({"samples": samples, "network": "digits", "checksum": "0123456789abcdef", "version": 1})
    };
    let score = |metric: Metric, value| Score {
        metric: metric.into(),
        value,
        std: None,
        protocol: protocol(metric),
        asked: None,
    };
    let frechet = if index == 13 { f64::NAN } else { 40.0 - quality };
    vec![
        score(Metric::ModeScore, quality),
        score(Metric::ModesCovered, if cell == 0 { 9.0 } else { 10.0 }),
        score(Metric::Frechet, frechet),
    ]
}

/// Returns a database in which the first `done` jobs of a sweep have ended; the fourth of them diverged.
async fn stored(sweep: &NewSweep, done: usize) -> Store {
    let store = Store::open_in_memory().await.unwrap();
    store.register(sweep).await.unwrap();
    let by_objective = |entry: &NewEntry| entry.job.blueprint.objective_name() == "d2gan";
    for (ordinal, objective) in [(0, true), (1, false)] {
        let entries: Vec<_> = sweep.entries.iter().filter(|entry| by_objective(entry) == objective).collect();
        if entries.is_empty() {
            continue;
        }
        let part = NewSweep { entries: entries.iter().map(|&entry| entry.clone()).collect(), ..sweep.clone() };
        let cohort = cohort(&part);
        start(&store, &cohort, ["runs/a", "runs/b"][ordinal]).await;
        let mut events = vec![started(0)];
        for entry in entries.iter().filter(|entry| (entry.ordinal as usize) < done) {
            let (index, job) = (entry.ordinal as usize, entry.id);
            events.push(Event::Scored { job, step: 50, scores: scores(index, 50), seconds: 0.1 });
            if index == 3 {
                events.push(Event::JobFailed { job, step: 70, cause: Cause::Diverged, message: "loss is NaN".into() });
                continue;
            }
            events.push(Event::Scored { job, step: 100, scores: scores(index, 100), seconds: 0.1 });
            events.push(Event::JobDone { job, step: 100, seconds: 2.0 });
        }
        store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
    }
    store
}

pub(super) async fn read(store: &Store) -> (Results, File) {
    let sweep = store.sweep(None).await.unwrap();
    let file = Written::parse("a.yaml", &sweep.source).map(File::from);
    let mut results = store.results(&sweep).await.unwrap();
    let wanted = curves_wanted(&results, Options::default());
    store.read_curves(&mut results, &wanted).await.unwrap();
    store.read_shown(&mut results).await.unwrap();
    // Attempts would have the times of the test.
    results.as_of = None;
    (results, file.unwrap_or_default())
}

/// Returns a database in which the first `begun` jobs of a sweep were scored at the steps 25 and 50, and none has
/// ended.
pub(super) async fn stored_in_part(sweep: &NewSweep, begun: usize) -> Store {
    let store = stored(sweep, 0).await;
    let first: Vec<NewEntry> = sweep.entries.iter().filter(|entry| entry.ordinal < 12).cloned().collect();
    let cohort = cohort(&NewSweep { entries: first.clone(), ..sweep.clone() });
    let scored = |(index, entry): (usize, &NewEntry)| {
        [25, 50].map(|step| Event::Scored { job: entry.id, step, scores: scores(index, 50), seconds: 0.1 })
    };
    let events = [started(0)].into_iter().chain(first.iter().enumerate().take(begun).flat_map(scored));
    store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
    store
}

/// Returns the results of a sweep with this many ended jobs.
pub(super) async fn stored_and_read(sweep: &NewSweep, done: usize) -> (Results, File) {
    read(&stored(sweep, done).await).await
}

/// Reports on a sweep with this many ended jobs.
pub(super) fn reported_of(sweep: &NewSweep, done: usize) -> document::Document {
    block_on(async { report(&[read(&stored(sweep, done).await).await], Options::default()).unwrap().document })
}

async fn reported(done: usize, options: Options) -> Report {
    report(&[read(&stored(&paper(), done).await).await], options).unwrap()
}

#[test]
fn the_whole_report_in_every_format() {
    block_on(async {
        let Report { document, outcomes } = reported(15, Options::default()).await;
        assert_eq!(outcomes, [Outcome::Holds(Certainty::Unknown), Outcome::Fails(Certainty::Unknown)]);
        insta::assert_snapshot!("terminal", render(&document, Format::Terminal { width: Some(80), colours: false }));
        insta::assert_snapshot!("markdown", render(&document, Format::Markdown));
        insta::assert_snapshot!("latex", render(&document, Format::Latex));
        insta::assert_snapshot!("csv", render(&document, Format::Csv));
        insta::assert_snapshot!("json", render(&document, Format::Json));
        agree(&document);
    });
}

#[test]
fn a_narrow_terminal_has_no_long_line() {
    block_on(async {
        let Report { document, .. } = reported(15, Options::default()).await;
        for width in [60, 80, 120] {
            let text = render(&document, Format::Terminal { width: Some(width), colours: false });
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(width), "{longest} > {width} in\n{text}");
        }
    });
}

#[test]
fn many_variants_are_compared_in_a_table() {
    block_on(async {
        let mut sweep = paper();
        for entry in &mut sweep.entries[..12] {
            (entry.variant, entry.axes) = (format!("D2GAN {}", entry.ordinal), serde_json::Map::new());
        }
        let report = report(&[read(&stored(&sweep, 15).await).await], Options::default()).unwrap();
        agree(&report.document);
        let text = render(&report.document, Format::Terminal { width: None, colours: false });
        assert!(
            text.contains("Probability that a run of each variant scores better than a run of GAN | \"plain\" <b>\n"),
            "{text}"
        );
        assert!(!text.contains("beat") && !text.contains("can't tell"), "{text}");
        let summed = "In mode_score, compared with GAN | \"plain\" <b>: 12 variants have too few seeds for a verdict.";
        assert!(text.replace('\n', " ").contains(summed), "{text}");
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        // One pair, of seed 0: 7 against 7.5.
        let found = rows.iter().find(|row| row.starts_with(&["D2GAN", "0"])).unwrap();
        assert_eq!(found[2..], ["1", "7.00", "0.00", "1.000", "n", "too", "small"], "{text}");
    });
}

#[test]
fn a_half_finished_and_an_empty_sweep_say_so() {
    block_on(async {
        let text = |report: Report| render(&report.document, Format::Terminal { width: Some(80), colours: false });
        let half = reported(8, Options::default()).await;
        assert_eq!(half.outcomes, [Outcome::Open, Outcome::Open]);
        let half = text(half);
        assert!(half.contains("7 of 15 jobs done, 7 running and 1 diverged."), "{half}");
        insta::assert_snapshot!("nothing_done", text(reported(0, Options::default()).await));
        let empty =
            report(&[read(&stored(&NewSweep { entries: Vec::new(), ..paper() }, 0).await).await], Options::default());
        assert!(text(empty.unwrap()).contains("The sweep has no jobs."));
    });
}

#[test]
fn another_metric_changes_what_is_best() {
    block_on(async {
        let options = Options { metric: Some(Metric::Frechet.into()), short: false, ..Options::default() };
        let Report { document, .. } = reported(15, options).await;
        let text = render(&document, Format::Terminal { width: Some(100), colours: false });
        assert!(text.contains("by mean frechet over seeds") && !text.contains("mode_score by step"), "{text}");
        let error = report(
            &[read(&stored(&paper(), 15).await).await],
            Options { metric: Some(Metric::Wasserstein.into()), short: false, ..Options::default() },
        );
        let error = error.unwrap_err().to_string();
        assert!(error.contains("measured: frechet, mode_score, modes_covered"), "{error}");
    });
}

#[test]
fn csv_and_json_are_read_back_whole() {
    block_on(async {
        let Report { document, .. } = reported(15, Options::default()).await;
        let text = render(&document, Format::Csv);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        let found = rows
            .iter()
            .find(|row| &row[1] == "scores" && &row[2] == "mode_score / GAN | \"plain\" <b>" && &row[3] == "mean");
        assert_eq!(found.map(|row| row[4].to_owned()).as_deref(), Some("7.75"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&render(&document, Format::Json)).unwrap();
        let tables = json["sections"][0]["tables"].as_array().unwrap();
        let grid = tables.iter().find(|table| table["name"] == "grid").unwrap();
        assert_eq!(grid["rows"][1]["beta 0.1"], serde_json::json!({"mean": 8.75, "std": 0.25, "n": 3, "of": 3}));
    });
}

#[test]
fn three_axes_become_a_list_and_points_are_ranked_by_coverage_then_distance() {
    block_on(async {
        let mut wide = sweep("wide", &[0.1, 0.2, 0.3, 0.4], &[0.1, 0.2], 2);
        let copies: Vec<NewEntry> = wide.entries.clone();
        for entry in &mut wide.entries {
            entry.axes.insert("lr".into(), serde_json::json!(1e-3));
        }
        for mut entry in copies {
            entry.axes.insert("lr".into(), serde_json::json!(1e-4));
            entry.job.parameters.set("lr_generator", 1e-4);
            (entry.id, entry.ordinal) = (entry.job.id(), entry.ordinal + 100);
            wide.entries.push(entry);
        }
        let store = Store::open_in_memory().await.unwrap();
        store.register(&wide).await.unwrap();
        let cohort = cohort(&wide);
        start(&store, &cohort, "runs/a").await;
        let scored = |(index, entry): (usize, &NewEntry)| {
            let score = |metric: Metric, value| Score {
                metric: metric.into(),
                value,
                std: None,
                protocol: serde_json::json!({"samples": 10}),
                asked: None,
            };
            // All cover eight modes; the last cell is the nearest.
            let scores =
                vec![score(Metric::ModesCovered, 8.0), score(Metric::Wasserstein, 1.0 / (1 + index / 2) as f64)];
            Event::Scored { job: entry.id, step: 100, scores, seconds: 0.1 }
        };
        let events = [started(0)].into_iter().chain(wide.entries.iter().enumerate().map(scored));
        store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
        let report = report(&[read(&store).await], Options::default()).unwrap();
        let cells = report.document.blocks.iter().find_map(|block| match block {
            document::Block::Table(table) if table.name == "cells" => Some(table),
            _ => None,
        });
        let cells = cells.unwrap();
        assert_eq!(cells.title, "D2GAN: the 10 best of 16 cells, by mean modes_covered over seeds");
        let text = |text: &str| document::Cell::Text(text.into());
        assert_eq!(cells.rows[0][..3], [text("0.4"), text("0.2"), text("0.0001")]);
        assert_eq!(cells.rows.len(), 10);
    });
}

/// As with `grid: {k: [3, 5]}`: the same jobs, with another protocol in each cell.
#[test]
fn jobs_that_are_scored_in_several_ways_stand_in_each_cell_and_count_once() {
    let tables = |lrs: &'static [f64]| {
        block_on(async {
            let mut sweep = sweep("how", &[0.1, 0.2], &[0.1], 2);
            let copies = std::mem::take(&mut sweep.entries);
            for (lr, neighbours) in lrs.iter().flat_map(|lr| [(lr, 3), (lr, 5)]) {
                for mut entry in copies.clone() {
                    entry.axes.insert("k".into(), neighbours.into());
                    entry.axes.insert("lr".into(), serde_json::json!(lr));
                    entry.job.parameters.set("lr_generator", *lr);
                    (entry.id, entry.ordinal) = (entry.job.id(), sweep.entries.len() as u64);
                    let metrics = [Metric::Precision].into();
                    entry.scores = [Arc::new(Scoring { neighbours, metrics, ..Scoring::default() })].into();
                    sweep.entries.push(entry);
                }
            }
            let store = Store::open_in_memory().await.unwrap();
            store.register(&sweep).await.unwrap();
            let mut jobs = sweep.clone();
            jobs.entries.retain(|entry| entry.axes["k"] == 3);
            let cohort = cohort(&jobs);
            start(&store, &cohort, "runs/a").await;
            let scored = |entry: &NewEntry| {
                let (metric, how) = (Metric::Precision, &entry.scores[0]);
                let protocol = serde_json::json!({"samples": 10, "k": how.neighbours});
                let value = f64::from(how.neighbours) / 10.0;
                let asked = Some(how.asked(metric));
                let scores = vec![Score { metric: metric.into(), value, std: None, protocol, asked }];
                Event::Scored { job: entry.id, step: 100, scores, seconds: 0.1 }
            };
            let events = [started(0)].into_iter().chain(sweep.entries.iter().map(scored));
            store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
            let report = report(&[read(&store).await], Options::default()).unwrap();
            let tables = report.document.blocks.into_iter().filter_map(|block| match block {
                document::Block::Table(table) if ["scores", "grid", "cells"].contains(&table.name) => Some(table),
                _ => None,
            });
            tables.collect::<Vec<_>>()
        })
    };
    let said = "Scored in another way than most: cells with k 5. That alone may explain why they differ.";
    let means = |table: &document::Table| -> Vec<(f64, usize)> {
        let mean = |cell: &document::Cell| match cell {
            document::Cell::Mean { mean, n, .. } => Some((*mean, *n)),
            _ => None,
        };
        table.rows.iter().flatten().filter_map(mean).collect()
    };
    // Two axes: one table with both, with two seeds each. In tables over the whole variant, the four jobs count once.
    let [all, matrix] = &tables(&[1e-3])[..] else { panic!("two tables") };
    assert_eq!(means(all), [(0.3, 4)]);
    assert_eq!(means(matrix), [(0.3, 2), (0.5, 2), (0.3, 2), (0.5, 2)]);
    assert_eq!((&*matrix.notes[0], matrix.notes.len()), (said, 2));
    // More axes: cells are ranked, by one protocol.
    let [_, best] = &tables(&[1e-3, 1e-4])[..] else { panic!("two tables") };
    assert_eq!(means(best), [(0.3, 2); 4]);
    assert!(best.notes.contains(&format!("Left out: 4 cells. {said}")), "{:?}", best.notes);
}

#[test]
fn what_rests_on_survivors_says_so_and_ranks_after_complete_cells() {
    block_on(async {
        let grid = sweep("grid", &[0.1, 0.2], &[0.1, 0.2], 4);
        let store = Store::open_in_memory().await.unwrap();
        store.register(&grid).await.unwrap();
        let cohort = cohort(&grid);
        start(&store, &cohort, "runs/a").await;
        // By cell: 4 of 4 alive, 3 of 4 (one infinite), 1 of 4 with the best score, none.
        let ended = |(index, entry): (usize, &NewEntry)| {
            let (job, cell, seed) = (entry.id, index / 4, index % 4);
            if cell == 3 || (cell == 2 && seed > 0) {
                let message = "loss is NaN".to_owned();
                return vec![Event::JobFailed { job, step: 70, cause: Cause::Diverged, message }];
            }
            let value = if (cell, seed) == (1, 3) { f64::INFINITY } else { [3.0, 2.0, 1.0][cell] };
            let score = Score {
                metric: Metric::Wasserstein.into(),
                value,
                std: None,
                protocol: serde_json::json!({}),
                asked: None,
            };
            let scored = Event::Scored { job, step: 100, scores: vec![score], seconds: 0.1 };
            vec![scored, Event::JobDone { job, step: 100, seconds: 2.0 }]
        };
        let events = [started(0)].into_iter().chain(grid.entries.iter().enumerate().flat_map(ended));
        store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
        let (results, _) = read(&store).await;
        let source = "sweep: grid\ndataset: {gaussians: {layout: ring, modes: 8, radius: 2, covariance: 0.02}}\n\
                      train: {steps: 100}\nvariants: [{name: D2GAN, objective: d2gan, alpha: 0.1, beta: 0.1}]\n\
                      expect: ['wasserstein(D2GAN, mean) < 2.9', 'wasserstein(D2GAN, best) < 2']\n";
        let file = File::from(Written::parse("a.yaml", source).unwrap());
        let report = report(&[(results, file)], Options::default()).unwrap();
        assert_eq!(report.outcomes, [Outcome::Holds(Certainty::Unknown); 2]);
        let text = render(&report.document, Format::Markdown);
        for expected in [
            "| wasserstein | D2GAN | 8 of 16 |",
            "| D2GAN | alpha 0.1, beta 0.1 | 4 | 3.00 ± 0.00 |",
            "Cells with seeds that have no finite wasserstein rank after complete ones.",
            "| 0.1 | 3.00 (4) | 2.00 (3 of 4) |",
            "| 0.2 | 1.00 (1 of 4) | 0 of 4 |",
            "wasserstein of D2GAN rests on 8 of 16 jobs; the others ended without a finite score or were measured in \
            another way.",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert_eq!(text.matches("rests on").count(), 1, "{text}");
        let csv = render(&report.document, Format::Csv);
        assert!(
            csv.contains("grid,grid,0.1,beta 0.2,2,0,3,4\n") && csv.contains("best_cells,D2GAN,n,4,,,4\n"),
            "{csv}"
        );
    });
}

#[test]
fn several_sweeps_stand_side_by_side() {
    block_on(async {
        let store = stored(&paper(), 15).await;
        let (results, file) = read(&store).await;
        let mut other = results.clone();
        other.sweep.name = "again".into();
        let report =
            report(&[(results, file), (other, File::default())], Options { short: true, ..Options::default() })
                .unwrap();
        insta::assert_snapshot!(
            "two_sweeps",
            render(&report.document, Format::Terminal { width: Some(80), colours: false })
        );
    });
}
