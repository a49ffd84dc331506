//! Reports on variants whose cells were searched, and the cells another sweep picks.

use super::document::{Block, Cell, Document};
use super::options::{Options, Step};
use super::replicates_tests::{table, terminal};
use super::search::{Best, Trial, Unpicked, Worth, best, trials};
use super::sweeps::{block_on, blueprint, cohort, records, score, start, started, sweep};
use super::{File, Report, report};
use sweep_figure::Plot;
use sweep_spec::job::Job;
use sweep_spec::metric::{Measure, Metric};
use sweep_spec::objective::Objective;
use sweep_spec::sweep::Sweep;
use sweep_store::{NewEntry, NewSweep, Results, Store};
use sweep_wire::event::{Cause, Event};

const SOURCE: &str = "sweep: s\ndataset: gaussians\ntrain: {steps: 100}\nseeds: 8\nscore: \
    {metrics: [wasserstein]}\nvariants:\n  \
                      - {name: GAN, objective: gan}\n  - \
                      {name: D2GAN, objective: d2gan, beta: 0.5, search: {metric: wasserstein, trials: 4, startup: 3, \
                      seeds: 2, confirm: 2, space: {alpha: {min: 0.1, max: 1}}}}\n";

/// Jobs of a variant: alpha, the first seed, and each job's score; NaN means that it diverges, and infinity that it
/// fails.
type Jobs<'a> = (&'a str, Option<f64>, u64, &'a [f64]);

fn made(jobs: &[Jobs]) -> Results {
    let mut new: NewSweep = sweep("s", &[0.5], &[0.5], 1);
    let scores = new.entries[0].scores.clone();
    new.entries.clear();
    let mut values = Vec::new();
    for &(variant, alpha, first, of) in jobs {
        for (seed, value) in (first..).zip(of) {
            let objective = if alpha.is_some() { Objective::D2GAN } else { Objective::Gan { saturating: false } };
            let parameters = alpha.into_iter().map(|alpha| ("alpha", alpha)).collect();
            let job = Job { blueprint: blueprint(objective), parameters, seed };
            let mut axes = serde_json::Map::new();
            axes.extend(alpha.map(|alpha| ("alpha".to_owned(), alpha.into())));
            let (ordinal, id) = (new.entries.len() as u64, job.id());
            new.entries.push(NewEntry { ordinal, variant: variant.into(), axes, id, job, scores: scores.clone() });
            values.push(*value);
        }
    }
    block_on(async {
        let store = Store::open_in_memory().await.unwrap();
        store.register(&new).await.unwrap();
        for (at, (entry, value)) in new.entries.iter().zip(values).enumerate() {
            let cohort = cohort(&NewSweep { entries: vec![entry.clone()], ..new.clone() });
            start(&store, &cohort, format!("runs/{at}")).await;
            let failed = |cause| Event::JobFailed { job: entry.id, step: 50, cause, message: "lost".into() };
            let mut events = vec![started(0)];
            match value {
                value if value.is_nan() => events.push(failed(Cause::Diverged)),
                value if value.is_infinite() => events.push(failed(Cause::Failed)),
                value => {
                    let scores = vec![score(Metric::Wasserstein, value)];
                    events.push(Event::Scored { job: entry.id, step: 100, scores, seconds: 0.1 });
                    events.push(Event::JobDone { job: entry.id, step: 100, seconds: 1.0 });
                }
            }
            store.ingest(cohort.id, 1, &records(events), 1).await.unwrap();
        }
        store.results(&store.sweep(None).await.unwrap()).await.unwrap()
    })
}

/// The trials are far better than GAN, by luck with their seeds; the confirmed cells are worse.
const LUCKY: [Jobs; 7] = [
    ("D2GAN (search)", Some(0.1), 1_000_000, &[0.3, 0.1]),
    ("D2GAN (search)", Some(0.2), 1_000_000, &[0.1, 0.1]),
    ("D2GAN (search)", Some(0.3), 1_000_000, &[f64::NAN, 0.01]),
    ("D2GAN (search)", Some(0.4), 1_000_000, &[0.01, f64::INFINITY]),
    ("D2GAN", Some(0.2), 0, &[2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7]),
    ("D2GAN", Some(0.1), 0, &[3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.7]),
    ("GAN", None, 0, &[1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]),
];

fn reported(jobs: &[Jobs], options: Options) -> Document {
    reported_of(jobs, SOURCE, options)
}

fn reported_of(jobs: &[Jobs], source: &str, options: Options) -> Document {
    let file = File::from(Sweep::parse("s.yaml", source).unwrap());
    let Report { document, .. } = report(&[(made(jobs), file)], options).unwrap();
    document
}

#[test]
fn nothing_is_said_of_a_variant_by_the_trials_that_have_picked_its_cells() {
    let document = reported(&LUCKY, Options::default());
    let rows = &table(&document, "comparisons").rows;
    assert_eq!(rows.len(), 2, "GAN and D2GAN");
    let row = rows.iter().find(|row| row[1] == Cell::Text("D2GAN".into())).unwrap();
    assert_eq!(row[7], Cell::Text("worse".into()), "{row:?}");
    for block in &document.blocks {
        let Block::Table(table) = block else { continue };
        let is_of_trials = |row: &Vec<Cell>| row.contains(&Cell::Text("D2GAN (search)".into()));
        let is_of_all = ["jobs", "failures"].contains(&table.name);
        assert_eq!(table.rows.iter().any(is_of_trials), is_of_all, "{}", table.name);
    }
    // Best first, each with its number; trials that lost a seed are not included.
    let rows = &table(&document, "trials").rows;
    let shown: Vec<(&Cell, &Cell)> = rows.iter().map(|row| (&row[0], &row[1])).collect();
    let (first, second) = (Cell::Text("0.2".into()), Cell::Text("0.1".into()));
    assert_eq!(shown, [(&first, &Cell::Count(2)), (&second, &Cell::Count(1))]);
    let notes = &table(&document, "trials").notes;
    assert_eq!(
        notes[..2],
        [
            "1 trial lost: a replicate diverged or collapsed.",
            "1 trial without a score for each \
        seed."
        ]
    );
    let figure = document.blocks.iter().find_map(|block| match block {
        Block::Figure(figure) if figure.name.starts_with("search-") => Some(figure),
        _ => None,
    });
    let Some(Plot::Curves(curves)) = figure.map(|figure| &figure.plot) else { panic!("no figure of the search") };
    let points: Vec<(f64, f64)> = curves.lines[0].points.iter().map(|point| (point.x, point.y)).collect();
    assert_eq!(points, [(1.0, 0.2), (2.0, 0.1), (3.0, 0.1), (4.0, 0.1)]);
    let text = terminal(&document);
    let words = "D2GAN was searched by wasserstein: 4 trials with 2 seeds each (the first 3 drawn at random, the \
        others \
        proposed by TPE). The best 2 are trained again with other seeds";
    assert!(text.contains(words), "{text}");
    // Variants that are searched alike share a sentence.
    let also = |of: Jobs<'static>, name| (name, of.1, of.2, of.3);
    let renamed = LUCKY.map(|of| if of.0.contains("search") { also(of, "LSGAN (search)") } else { also(of, "LSGAN") });
    let both: Vec<Jobs> = LUCKY.into_iter().chain(renamed.into_iter().take(6)).collect();
    let text = terminal(&reported_of(
        &both,
        &SOURCE.replace(
            "- {name: GAN",
            "- {name: LSGAN, objective: d2gan, beta: 0.5, search: {metric: wasserstein, trials: 4, \
                      startup: 3, seeds: 2, confirm: 2, space: {alpha: {min: 0.1, max: 1}}}}\n  - {name: GAN",
        ),
        Options::default(),
    ));
    assert!(
        text.contains(
            "D2GAN and LSGAN were searched by wasserstein, each separately: 4 trials with 2 seeds \
        each"
        ),
        "{text}"
    );
    // A better one that had failed was trained since.
    let mut since = LUCKY;
    since[3].3 = &[0.01, 0.01];
    let text = terminal(&reported(&since, Options::default()));
    assert!(text.contains("The 2 that were best when the trials first ended are trained again"), "{text}");
    // Picked cells are no random draw.
    let drawn = document.blocks.iter().find_map(|block| match block {
        Block::Table(table) if table.name == "best_of_n" => Some(table),
        _ => None,
    });
    assert!(drawn.is_none_or(|table| table.rows.iter().all(|row| row[0] == Cell::Text("GAN".into()))));
    // Scores at another step did not pick the cells.
    let at = reported(&LUCKY, Options { step: Step::At(100), ..Options::default() });
    assert!(!at.blocks.iter().any(|block| matches!(block, Block::Table(table) if table.name == "trials")));
}

#[test]
fn what_is_not_confirmed_yet_says_so() {
    let text = terminal(&reported(&[LUCKY[0], LUCKY[6]], Options::default()));
    assert!(text.contains("1 of 4 trials with 2 seeds each"), "{text}");
    assert!(text.contains("The best are trained again with other seeds once all have ended"), "{text}");
    let lost = |alpha: f64| ("D2GAN (search)", Some(alpha), 1_000_000, &[f64::NAN, f64::NAN][..]);
    let text = terminal(&reported(&[lost(0.1), LUCKY[6]], Options::default()));
    assert!(text.contains("No trial has a usable score so far. The best are trained"), "{text}");
    let all = [lost(0.1), lost(0.2), lost(0.3), lost(0.4), LUCKY[6]];
    let text = terminal(&reported(&all, Options::default()));
    assert!(text.contains("No trial has a usable score.") && !text.contains("trained again"), "{text}");
}

#[test]
fn trials_are_known_by_all_of_their_seeds() {
    let search = Sweep::parse("s.yaml", SOURCE).unwrap().searches().next().unwrap().clone();
    let found: Vec<Worth> =
        trials(&made(&LUCKY), &search, true).unwrap().iter().map(|trial: &Trial| trial.worth).collect();
    assert_eq!(found, [Worth::Known(-0.2), Worth::Known(-0.1), Worth::Nothing, Worth::Unknown]);
}

#[test]
fn the_best_cells_come_with_all_seeds_that_have_picked_them() {
    let results = made(&LUCKY);
    let Best { points, of, seeds } = best(&results, "D2GAN", None, 1).unwrap();
    assert_eq!((points[0]["alpha"].as_f64(), of), (Some(0.2), 2));
    assert_eq!(seeds, (0..8).chain(1_000_000..1_000_002).collect());
    assert_eq!(best(&results, "D2GAN", None, 3), Err(Unpicked::TooFew(2, 2)));
    assert_eq!(best(&results, "GAN", None, 1), Err(Unpicked::NothingSwept));
    assert_eq!(best(&results, "LSGAN", None, 1), Err(Unpicked::NoVariant(vec!["D2GAN".into(), "GAN".into()])));
    let unknown = best(&results, "D2GAN", Some("mode_score"), 1);
    assert_eq!(unknown, Err(Unpicked::NoScore(vec![Measure::from(Metric::Wasserstein).name()])));
    let sought = made(&[LUCKY[0], LUCKY[6]]);
    assert_eq!(best(&sought, "D2GAN", None, 1), Err(Unpicked::Sought));
}
