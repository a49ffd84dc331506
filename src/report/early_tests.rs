//! Reports on cells that were stopped early.

use super::document::{Block, Cell, Document};
use super::render::agreement::agree;
use super::replicates_tests::{table, terminal};
use super::sweeps::{block_on, blueprint, cohort, records, score, start, started, sweep};
use super::*;
use sweep_figure::{Plot, SingleOf};
use sweep_spec::expect::Expect;
use sweep_spec::job::Job;
use sweep_spec::metric::Metric;
use sweep_spec::objective::Objective;
use sweep_spec::sweep::Sweep as Written;
use sweep_store::{Decision, NewEntry, NewSweep, Stopped, Store, Write};
use sweep_wire::event::Event;
use sweep_wire::status::Early;

const SEEDS: u64 = 8;

/// Makes a sweep of `cells` D2GAN cells, all but the last stopped at step 50, and GAN, which is worse than the last
/// with each seed.
fn made(cells: usize, options: Options, expects: Vec<Expect>) -> Report {
    let alphas: Vec<f64> = (1..=cells).map(|cell| cell as f64 / 10.0).collect();
    let mut new: NewSweep = sweep("s", &alphas, &[0.5], SEEDS);
    for seed in 0..SEEDS {
        let parameters = [("lr_generator", 2e-4)].into_iter().collect();
        let job = Job { blueprint: blueprint(Objective::Gan { saturating: false }), parameters, seed };
        let (ordinal, axes, id) = (new.entries.len() as u64, serde_json::Map::new(), job.id());
        new.entries.push(NewEntry {
            ordinal,
            variant: "GAN".into(),
            axes,
            id,
            job,
            scores: new.entries[0].scores.clone(),
        });
    }
    block_on(async {
        let store = Store::open_in_memory().await.unwrap();
        store.register(&new).await.unwrap();
        let many = cells * SEEDS as usize;
        for (at, part) in [&new.entries[..many], &new.entries[many..]].into_iter().enumerate() {
            let cohort = cohort(&NewSweep { entries: part.to_vec(), ..new.clone() });
            start(&store, &cohort, format!("runs/{at}")).await;
            let mut events = vec![started(0)];
            for (place, entry) in part.iter().enumerate() {
                let (cell, seed) = (place / SEEDS as usize, entry.job.seed as f64);
                let value = if at == 0 { 2.0 - 0.1 * cell as f64 } else { 3.0 } + 0.01 * seed;
                let scored = |step, value| {
                    let scores = vec![score(Metric::Wasserstein, value)];
                    Event::Scored { job: entry.id, step, scores, seconds: 0.1 }
                };
                events.push(scored(50, value + 1.0));
                // A stopped job may have trained for a moment longer.
                events.push(scored(100, value));
                if at > 0 || cell + 1 == cells {
                    events.push(Event::JobDone { job: entry.id, step: 100, seconds: 1.0 });
                }
            }
            store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
        }
        let jobs = new.entries[..many - SEEDS as usize].iter().map(|entry| entry.id).collect();
        let stopped = Stopped { early: Early::Pruned, step: 50, why: "others were better".to_owned() };
        store.record(&[Write::Decided { jobs, decision: Decision::Stop(stopped) }]).await.unwrap();
        let mut results = store.results(&store.sweep(None).await.unwrap()).await.unwrap();
        let wanted = curves_wanted(&results, options);
        store.read_curves(&mut results, &wanted).await.unwrap();
        if let Some(steps) = steps_wanted(&results, options) {
            store.read_scores(&mut results, &steps).await.unwrap();
        }
        let file = File { expects, pruned_by: Some(Metric::Wasserstein.into()), ..File::default() };
        report(&[(results, file)], options).unwrap()
    })
}

fn of(document: &Document) -> (f64, String) {
    let rows = &table(document, "comparisons").rows;
    let row = rows.iter().find(|row| row[1] == Cell::Text("D2GAN".into())).unwrap();
    let Cell::Probability(p) = row[6] else { panic!("{row:?}") };
    let Cell::Text(verdict) = &row[7] else { panic!("{row:?}") };
    (p, verdict.clone())
}

#[test]
fn a_cell_that_is_left_pays_for_all_that_there_were() {
    // All eight pairs are better: p is 2/256 for one cell, times the number of cells.
    for (cells, verdict) in [(1, "better"), (2, "better"), (6, "better"), (7, "n too small")] {
        let Report { document, .. } = made(cells, Options::default(), Vec::new());
        agree(&document);
        let p = 2.0 / 256.0 * cells as f64;
        assert_eq!(of(&document), (p, verdict.to_owned()), "{cells} cells");
    }
    let text = terminal(&made(7, Options { short: true, ..Options::default() }, Vec::new()).document);
    for expected in [
        "Stopped early, because other cells of the variant were better in mean wasserstein over seeds at the same \
        step: 6 of 7 cells of D2GAN (6 at step 50).",
        "n = 8 is too small (a verdict needs at least 9 seeds)",
        "was picked as the best of 7 cells (6 stopped early) by the scores of these same runs",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

#[test]
fn what_was_known_of_a_cell_when_it_was_stopped_is_shown_and_no_more() {
    let Report { document, .. } = made(3, Options::default(), Vec::new());
    let rows = &table(&document, "stopped").rows;
    let means: Vec<(&Cell, f64)> = rows
        .iter()
        .map(|row| match &row[3] {
            Cell::Mean { mean, n: 8, of: 8, .. } => (&row[1], (mean * 1000.0).round() / 1000.0),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(means, [(&Cell::Count(50), 2.935), (&Cell::Count(50), 3.035)], "the best first");
    let rungs = document.blocks.iter().find_map(|block| match block {
        Block::Figure(figure) if figure.name.starts_with("rungs-D2GAN") => Some(figure),
        _ => None,
    });
    let Some(Plot::Curves(curves)) = rungs.map(|figure| &figure.plot) else { panic!("no figure of rungs") };
    let names: Vec<&str> = curves.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["to the end (1 cell)", "up to 50 (2 cells)"]);
    assert_eq!(curves.lines[1].points.len(), 1, "nothing after they were stopped");
    assert_eq!(curves.lines[1].singles[0].of, SingleOf::Cell("alpha 0.1".into()));
    // At the step at which all were scored, all are compared as usual: by the best of three, picked again.
    let at = Options { step: Step::At(50), ..Options::default() };
    assert_eq!(of(&made(3, at, Vec::new()).document).1, "better");
    let text = terminal(&made(3, at, Vec::new()).document);
    assert!(!text.contains("6 stopped early"), "{text}");
}

#[test]
fn an_expectation_of_all_jobs_is_of_those_that_are_left() {
    let source = "sweep: s\ndataset: gaussians\ntrain: {steps: 100}\nscore: {metrics: [wasserstein]}\nvariants:\n  - \
        {name: GAN, objective: gan}\n  \
                  - {name: D2GAN, objective: d2gan, alpha: 1, beta: 1}\nexpect: [\"wasserstein(D2GAN, mean) < \
                  wasserstein(GAN, mean)\"]\n";
    let expects = Written::parse("s.yaml", source).unwrap().expects().cloned().collect();
    let Report { document, outcomes } = made(3, Options::default(), expects);
    assert_eq!(outcomes, [Outcome::Holds(Certainty::Unknown)]);
    let notes = table(&document, "expectations").notes.join(" ");
    assert!(
        notes.contains(
            "wasserstein of D2GAN covers the 8 jobs of the remaining cells. The other 16 were stopped \
            early"
        ),
        "{notes}"
    );
}
