//! What reports say of variants by their seeds, on made-up scores.

use super::document::{Block, Cell, Document, Table};
use super::render::{Format, render};
use super::sweeps::{block_on, blueprint, cohort, records, score, start, started};
use super::*;
use sweep_spec::expect::Expect;
use sweep_spec::job::Job;
use sweep_spec::knobs::Knob;
use sweep_spec::metric::Metric;
use sweep_spec::objective::Objective;
use sweep_spec::sweep::Sweep as File;
use sweep_store::{NewEntry, NewSweep, Store};
use sweep_wire::event::{Cause, Event};

/// Wasserstein distances of a variant by seed and step; NaN where the job diverges.
type Scores = fn(u64, u64) -> f64;

/// GAN, and variants that are better, the same and worse: each 0 to 0.7 by the seed, and somewhat more or less by itself.
const VARIANTS: [(&str, Scores); 4] = [
    ("GAN", |seed, step| 2.0 + common(seed, step)),
    ("Better", |seed, step| 1.5 + common(seed, step) + own(seed)),
    ("Same", |seed, step| 1.99 + common(seed, step) + own(seed)),
    ("Worse", |seed, step| 2.5 + common(seed, step) + own(seed)),
];

fn common(seed: u64, step: u64) -> f64 {
    0.1 * seed as f64 + if step < 100 { 1.0 } else { 0.0 }
}

fn own(seed: u64) -> f64 {
    [0.05, -0.06, 0.03, -0.02, 0.04, -0.05, 0.02, -0.01][seed as usize % 8]
}

/// A report on variants with so many seeds: those whose name begins with GAN are GANs, the others D2GAN.
fn reported(variants: &[(&str, Scores)], seeds: u64, expect: &str, step: Step) -> Report {
    block_on(async {
        let store = Store::open_in_memory().await.unwrap();
        let (mut entries, mut ordinal) = (Vec::new(), 0);
        for (index, (name, _)) in variants.iter().enumerate() {
            let objective =
                if name.starts_with("GAN") { Objective::Gan { saturating: false } } else { Objective::D2gan };
            for seed in 0..seeds {
                let knobs = [(Knob::LrGenerator, 1e-4 * (index + 1) as f64)].into_iter().collect();
                let job = Job { blueprint: blueprint(objective), knobs, seed };
                let (variant, axes) = ((*name).to_owned(), serde_json::Map::new());
                entries.push(NewEntry { ordinal, variant, axes, id: job.id(), job });
                ordinal += 1;
            }
        }
        let new = NewSweep { name: "s".into(), file: "s.yaml".into(), source: "sweep: s\n".into(), at: 1.0, entries };
        store.register(&new).await.unwrap();
        for (index, (name, scores)) in variants.iter().enumerate() {
            let part = new.entries.iter().filter(|entry| entry.variant == *name).cloned().collect();
            let cohort = cohort(&NewSweep { entries: part, ..new.clone() });
            start(&store, &cohort, &format!("runs/{index}")).await;
            let events = cohort.members.iter().flat_map(|(job, Job { seed, .. })| ended(*job, *seed, *scores));
            store.ingest(cohort.id, 1, &records([started(0)].into_iter().chain(events)), 1).await.unwrap();
        }
        let options = Options { step, ..Options::default() };
        let mut results = store.results(&store.sweep(None).await.unwrap()).await.unwrap();
        let wanted = curves_wanted(&results, options);
        store.read_curves(&mut results, &wanted).await.unwrap();
        if let Some(steps) = steps_wanted(&results, options) {
            store.read_scores(&mut results, &steps).await.unwrap();
        }
        report(&[(results, expects(expect))], options).unwrap()
    })
}

fn ended(job: sweep_spec::id::JobId, seed: u64, scores: Scores) -> Vec<Event> {
    let scored = |step| {
        let value = scores(seed, step);
        let scores = vec![score(Metric::Wasserstein, value), score(Metric::ModesCovered, (8.0 - 2.0 * value).floor())];
        Event::Scored { job, step, scores, seconds: 0.1 }
    };
    if scores(seed, 100).is_nan() {
        let diverged = Event::JobFailed { job, step: 70, cause: Cause::Diverged, message: "loss is NaN".into() };
        return vec![scored(50), diverged];
    }
    vec![scored(50), scored(100), Event::JobDone { job, step: 100, seconds: 1.0 }]
}

fn expects(lines: &str) -> Vec<Expect> {
    if lines.is_empty() {
        return Vec::new();
    }
    let source = format!(
        "sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\nvariants:\n  - {{name: GAN, objective: gan}}\n  \
         - {{name: Better, objective: lsgan}}\n  - {{name: Same, objective: lsgan}}\n  - {{name: Worse, objective: lsgan}}\nexpect:\n{lines}"
    );
    File::parse("s.yaml", &source).unwrap().expects().cloned().collect()
}

fn terminal(document: &Document) -> String {
    render(document, Format::Terminal { width: None, colours: false }).replace('\n', " ")
}

fn table<'a>(document: &'a Document, name: &str) -> &'a Table {
    let found = document.blocks.iter().find_map(|block| match block {
        Block::Table(table) if table.name == name => Some(table),
        Block::Table(_) | Block::Section(_) | Block::Paragraph(_) => None,
    });
    found.unwrap_or_else(|| panic!("no table {name}"))
}

#[test]
fn better_and_worse_are_said_only_where_the_corrected_p_is_small() {
    let report = reported(&VARIANTS, 8, "", Step::Last);
    let text = terminal(&report.document);
    // 2/256 for each of the four that are certain, among six comparisons: wasserstein and modes_covered of three.
    for expected in [
        "Better beats GAN in mean modes_covered: ",
        "It beats GAN in mean wasserstein: ",
        "a difference of −0.500 (95 % interval −0.535 to −0.467, p = 0.047)",
        "Worse is worse than GAN in mean modes_covered: ",
        "No difference between Same and GAN can be told in mean modes_covered: ",
        "Nor in mean wasserstein: ",
        "p is of an exact sign-flip test of the pairs, corrected for 6 comparisons (Holm); better or worse",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains("Same beats") && !text.contains("too small"), "{text}");
}

#[test]
fn with_few_seeds_there_is_no_verdict_but_how_many_it_takes() {
    let text = terminal(&reported(&VARIANTS[..2], 4, "", Step::Last).document);
    let expected = "No verdict on Better against GAN in mean modes_covered, as n = 4 is too small for one (7 seeds are the least): ";
    assert!(text.contains(expected) && text.contains("Nor in mean wasserstein: "), "{text}");
    assert!(!text.contains("beats") && !text.contains("p ="), "{text}");
}

#[test]
fn from_ten_pairs_on_the_p_is_that_of_a_t_test() {
    let text = terminal(&reported(&VARIANTS, 10, "", Step::Last).document);
    assert!(text.contains("It beats GAN in mean wasserstein") && text.contains("p < 0.001"), "{text}");
    assert!(text.contains("p is of a paired t-test, corrected for 6 comparisons"), "{text}");
}

#[test]
fn a_seed_that_is_lost_on_one_side_is_lost_to_the_pair() {
    let lossy: [(&str, Scores); 2] = [
        VARIANTS[0],
        ("Better", |seed, step| if seed == 7 && step == 100 { f64::NAN } else { (VARIANTS[1].1)(seed, step) }),
    ];
    let report = reported(&lossy, 9, "", Step::Last);
    let text = terminal(&report.document);
    assert!(text.contains("(n = 8 of 9 jobs)") && text.contains("8 of 9 pairs)"), "{text}");
    assert!(text.contains("Where some runs have no finite score, what is compared is the others."), "{text}");
    let rates = &table(&report.document, "collapse").rows[1][1..];
    let rate = |cell: &Cell| match cell {
        Cell::Rate { count, of, .. } => (*count, *of),
        other => panic!("{other:?}"),
    };
    // Of the eight that are left, two cover 3 of 8 modes, the others 4.
    assert_eq!((rate(&rates[0]), rate(&rates[1])), ((1, 9), (2, 8)), "{text}");
    // Of nine jobs one counts as the worst score here, 2, beside two of 3 and six of 4.
    let best = table(&report.document, "best_of_n");
    assert!(best.notes[1].contains("counts as the worst score of all jobs here, 2.00."), "{:?}", best.notes);
    assert!(matches!(best.rows[1][2], Cell::Number(mean) if (mean - 32.0 / 9.0).abs() < 1e-12), "{:?}", best.rows);
}

#[test]
fn several_gans_are_all_baselines_and_without_one_the_first_variant_is() {
    let named = |name, index: usize| (name, VARIANTS[index].1);
    let variants = [named("GAN", 0), named("GAN, worse", 3), named("Better", 1)];
    let rows = |variants: &[(&str, Scores)]| {
        let report = reported(variants, 8, "", Step::Last);
        let rows = table(&report.document, "differences").rows.clone();
        let text = |cell: &Cell| if let Cell::Text(text) = cell { text.clone() } else { String::new() };
        rows.iter().map(|row| [text(&row[1]), text(&row[7])].join(": ")).take(rows.len() / 2).collect::<Vec<_>>()
    };
    let expected = [
        "GAN: (baseline)",
        "Better against GAN: better",
        "GAN, worse: (baseline)",
        "Better against GAN, worse: better",
    ];
    assert_eq!(rows(&variants), expected);
    let many = [variants[0], variants[1], named("A", 1), named("B", 2), named("C", 3), named("D", 1)];
    // Ten comparisons take nine pairs at least; here are eight.
    let expected = ["GAN: (baseline)", "GAN, worse: n too small", "A: n too small", "B: n too small"];
    assert_eq!(rows(&many)[..4], expected);
    assert_eq!(rows(&[named("Same", 2), named("Better", 1)]), ["Same: (baseline)", "Better: better"]);
}

#[test]
fn expectations_say_how_surely_they_hold() {
    let lines = "  - wasserstein(Better, mean) < wasserstein(GAN, mean)\n  - wasserstein(Same, mean) < wasserstein(GAN, mean)\n  \
                 - wasserstein(Worse, median) < wasserstein(GAN, median)\n  - wasserstein(Same, mean) > wasserstein(GAN, mean)\n  \
                 - wasserstein(Better, best) < wasserstein(GAN, best)\n  - 1.9 < wasserstein(GAN, mean)\n  \
                 - wasserstein(GAN, mean) == 2\n  - wasserstein(GAN, mean) != 2.36\n";
    let Report { document, outcomes } = reported(&VARIANTS, 8, lines, Step::Last);
    use Certainty::{Clear, Unknown, WithinNoise};
    let expected = [
        Outcome::Holds(Clear),
        Outcome::Holds(WithinNoise),
        Outcome::Fails(Clear),
        Outcome::Fails(WithinNoise),
        Outcome::Holds(Unknown),
        Outcome::Holds(Clear),
        Outcome::Fails(Clear),
        Outcome::Holds(WithinNoise),
    ];
    assert_eq!(outcomes, expected, "{:#?}", table(&document, "expectations").rows);
    let few = reported(&VARIANTS, 3, "  - wasserstein(Better, mean) < wasserstein(GAN, mean)\n", Step::Last);
    assert_eq!(few.outcomes, [Outcome::Holds(Unknown)]);
    assert_eq!(table(&few.document, "expectations").rows[0][1], Cell::Text("3 and 3".into()));
}

#[test]
fn the_step_that_is_shown_stands_in_the_title() {
    // Its best step is the earlier one, and it diverges with seed 0.
    let early: Scores = |seed, step| match (seed, step) {
        (0, 100) => f64::NAN,
        (_, 100) => 3.0,
        (_, _) => 1.0,
    };
    let variants = [VARIANTS[0], ("Early", early)];
    let means = |step| {
        let report = reported(&variants, 2, "", step);
        let scores = table(&report.document, "scores");
        let mean = |variant: &str| {
            let is = |row: &&Vec<Cell>| row[..2] == [Cell::Text("wasserstein".into()), Cell::Text(variant.into())];
            match scores.rows.iter().find(is).unwrap()[5] {
                Cell::Mean { mean, n, .. } => (mean, n),
                ref other => panic!("{other:?}"),
            }
        };
        (report.document.title.clone(), scores.title.clone(), mean("GAN"), mean("Early"))
    };
    let (title, scores, gan, early) = means(Step::Last);
    assert_eq!((title.as_str(), gan, early), ("Report on s, scores of the last step", (2.05, 2), (3.0, 1)));
    assert_eq!(scores, "Final scores, over all jobs of a variant");
    let (title, scores, gan, early) = means(Step::At(50));
    assert_eq!((title.as_str(), gan, early), ("Report on s, scores of step 50", (3.05, 2), (1.0, 2)));
    assert_eq!(scores, "Scores of step 50, over all jobs of a variant");
    let (title, _, gan, early) = means(Step::Best);
    let expected = "Report on s, scores of each run's best step by modes_covered";
    assert_eq!((title.as_str(), gan, early), (expected, (2.05, 2), (1.0, 2)));
}

#[test]
fn of_equal_main_scores_the_next_one_decides_which_step_is_best() {
    let gan: [(&str, Scores); 1] = [("GAN", |_, step| if step < 100 { 1.1 } else { 1.2 })];
    let report = reported(&gan, 1, "", Step::Best);
    // Both steps cover 5 modes.
    let row = &table(&report.document, "scores").rows[0];
    assert_eq!(row[3], Cell::Number(1.1), "{row:?}");
}
