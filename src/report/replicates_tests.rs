//! Comparisons of variants over seeds, with synthetic scores.

use super::document::{Block, Cell, Document, Table};
use super::render::agreement::agree;
use super::render::{Format, render};
use super::sweeps::{block_on, blueprint, cohort, records, score, start, started};
use super::tests::all_scores;
use super::*;
use std::collections::HashMap;
use sweep_spec::blueprint::Blueprint;
use sweep_spec::job::Job;
use sweep_spec::metric::Metric;
use sweep_spec::objective::Objective;
use sweep_spec::sweep::Sweep as Written;
use sweep_store::{NewEntry, NewSweep, Store};
use sweep_wire::event::{Cause, Event};

/// Wasserstein distances by seed and step; at the last step NaN if the job diverges, ∞ if it fails, −∞ if it runs.
pub(super) type Scores = fn(u64, u64) -> f64;

/// GAN, and variants that are better, the same and worse: each score is 0 to 0.7 by the seed, plus the variant's own.
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

/// A variant of a sweep.
#[derive(Clone)]
pub(super) struct Variant {
    name: &'static str,
    scores: Scores,
    seeds: Vec<u64>,
    /// The steps at which it is scored; the last one is the last of training.
    steps: Vec<u64>,
    /// The number of cells, which have the same scores.
    pub(super) cells: u64,
    /// Hits that make a mode covered; in its protocol if more than 1.
    pub(super) at_least: u64,
}

/// Returns variants with this many seeds, scored at two steps.
pub(super) fn variants(named: &[(&'static str, Scores)], seeds: u64) -> Vec<Variant> {
    let variant = |&(name, scores): &_| Variant {
        name,
        scores,
        seeds: (0..seeds).collect(),
        steps: vec![50, 100],
        cells: 1,
        at_least: 1,
    };
    named.iter().map(variant).collect()
}

pub(super) fn reported(named: &[(&'static str, Scores)], seeds: u64, expect: &str, step: Step) -> Report {
    report_on(&variants(named, seeds), expect, step)
}

/// Reports on variants: those whose names start with GAN are GANs, the others D2GAN.
pub(super) fn report_on(variants: &[Variant], expect: &str, step: Step) -> Report {
    block_on(async {
        let store = Store::open_in_memory().await.unwrap();
        let (mut entries, mut ordinal) = (Vec::new(), 0);
        for (index, Variant { name, seeds, steps, cells, .. }) in variants.iter().enumerate() {
            let objective =
                if name.starts_with("GAN") { Objective::Gan { saturating: false } } else { Objective::D2GAN };
            for (cell, &seed) in (0..*cells).flat_map(|cell| seeds.iter().map(move |seed| (cell, seed))) {
                let parameters =
                    [("lr_generator", 1e-4 * (index + 1) as f64), ("alpha", cell as f64)].into_iter().collect();
                let mut built_in = blueprint(objective).built_in().unwrap().clone();
                built_in.train.steps = steps[steps.len() - 1];
                let job = Job { blueprint: Blueprint::BuiltIn(built_in).into(), parameters, seed };
                let (variant, axes) = ((*name).to_owned(), [("alpha".to_owned(), cell.into())].into_iter().collect());
                entries.push(NewEntry { ordinal, variant, axes, id: job.id(), job, scores: all_scores() });
                ordinal += 1;
            }
        }
        let (name, file, source) = ("s".into(), "s.yaml".into(), "sweep: s\n".into());
        let new = NewSweep {
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
        };
        store.register(&new).await.unwrap();
        for (index, variant) in variants.iter().enumerate() {
            let part = new.entries.iter().filter(|entry| entry.variant == variant.name).cloned().collect();
            let cohort = cohort(&NewSweep { entries: part, ..new.clone() });
            start(&store, &cohort, &format!("runs/{index}")).await;
            let events = cohort.members.iter().flat_map(|(job, Job { seed, .. })| ended(*job, *seed, variant));
            store.ingest(cohort.id, 1, &records([started(0)].into_iter().chain(events)), 1).await.unwrap();
        }
        let options = Options { step, ..Options::default() };
        let mut results = store.results(&store.sweep(None).await.unwrap()).await.unwrap();
        let wanted = curves_wanted(&results, options);
        store.read_curves(&mut results, &wanted).await.unwrap();
        if let Some(steps) = steps_wanted(&results, options) {
            store.read_scores(&mut results, &steps).await.unwrap();
        }
        report(&[(results, expecting(expect))], options).unwrap()
    })
}

fn ended(job: sweep_spec::id::JobId, seed: u64, variant: &Variant) -> Vec<Event> {
    let scored = |&step: &u64| {
        let value = (variant.scores)(seed, step);
        let mut modes = score(Metric::ModesCovered, (8.0 - 2.0 * value).floor());
        if variant.at_least > 1 {
            modes.protocol["at_least"] = variant.at_least.into();
        }
        let scores = vec![score(Metric::Wasserstein, value), modes];
        Event::Scored { job, step, scores, seconds: 0.1 }
    };
    let (last, before) = variant.steps.split_last().unwrap();
    let mut events: Vec<Event> = before.iter().map(scored).collect();
    let step = last * 7 / 10;
    match (variant.scores)(seed, *last) {
        diverges if diverges.is_nan() => {
            events.push(Event::JobFailed { job, step, cause: Cause::Diverged, message: "loss is NaN".into() });
        }
        f64::INFINITY => events.push(Event::JobFailed { job, step, cause: Cause::Failed, message: "broken".into() }),
        f64::NEG_INFINITY => events.push(Event::Progress { step, rate: 1.0 }),
        _ => events.extend([scored(last), Event::JobDone { job, step: *last, seconds: 1.0 }]),
    }
    events
}

fn expecting(expects: &str) -> File {
    if expects.is_empty() {
        return File::default();
    }
    let source = format!(
        "sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\nvariants:\n  - {{name: GAN, objective: gan}}\n  \
         - {{name: Better, objective: lsgan}}\n  - {{name: Same, objective: lsgan}}\n  - {{name: Worse, objective: \
         lsgan}}\nexpect:\n{expects}"
    );
    Written::parse("s.yaml", &source).unwrap().into()
}

pub(super) fn terminal(document: &Document) -> String {
    agree(document);
    render(document, Format::Terminal { width: None, colours: false }).replace('\n', " ")
}

pub(super) fn table<'a>(document: &'a Document, name: &str) -> &'a Table {
    let found = document.blocks.iter().find_map(|block| match block {
        Block::Table(table) if table.name == name => Some(table),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no table {name}"))
}

#[test]
fn better_and_worse_are_said_only_where_the_corrected_p_is_small() {
    let report = reported(&VARIANTS, 8, "", Step::Last);
    let text = terminal(&report.document);
    // 2/256 for each of the four significant ones, among six comparisons: wasserstein and modes_covered of three. The
    // probability is scipy.stats.mannwhitneyu(GAN, Better).statistic / 64.
    for expected in [
        "Better beats GAN in modes_covered: a run of Better scores better with probability 0.84 (",
        "It beats GAN in wasserstein: a run of Better scores better with probability 0.94 (95 % interval 0.73 to 0.99, \
        p = 0.047); mean ",
        "Worse is worse than GAN in modes_covered: a run of Worse scores better with probability 0.09 (",
        "No significant difference between Same and GAN in modes_covered: ",
        "Nor in wasserstein: ",
        "Runs with the same seed are paired (seeds 0–7).",
        "p is from a permutation test that swaps runs between the two variants (all swaps), corrected for 6 \
        comparisons (Holm).",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(!text.contains("Same beats") && !text.contains("too small"), "{text}");
}

#[test]
fn with_few_seeds_there_is_no_verdict_but_how_many_it_takes() {
    let text = terminal(&reported(&VARIANTS[..2], 4, "", Step::Last).document);
    let expected = "No verdict on Better against GAN in modes_covered, because n = 4 is too small (a verdict needs at \
        least 7 \
        seeds): ";
    assert!(text.contains(expected) && text.contains("Nor in wasserstein: "), "{text}");
    assert!(!text.contains("beats") && !text.contains("p ="), "{text}");
}

#[test]
fn no_p_is_below_what_so_many_pairs_can_show() {
    // 2/1024, among six.
    let text = terminal(&reported(&VARIANTS, 10, "", Step::Last).document);
    assert!(text.contains("It beats GAN in wasserstein") && text.contains("p = 0.012"), "{text}");
    assert!(!text.contains("p < 0.001"), "{text}");
}

#[test]
fn comparisons_of_equal_runs_do_not_count() {
    let even: [(&str, Scores); 3] =
        [("GAN", |_, _| 1.0), ("Twin", |_, _| 1.0), ("Better", |seed, _| 0.9 - 1e-3 * seed as f64)];
    // Better differs only in wasserstein, so one of four comparisons is a test: 2/64.
    let text = terminal(&reported(&even, 6, "", Step::Last).document);
    assert!(text.contains("Better beats GAN in wasserstein") || text.contains("It beats GAN in wasserstein"), "{text}");
    assert!(text.contains("p = 0.031") && !text.contains("Holm); better"), "{text}");
}

#[test]
fn seeds_that_both_sides_have_are_pairs_in_the_test_and_in_the_interval() {
    let mut both = variants(&VARIANTS[..2], 10);
    // Seed 9 of GAN diverges, and Better has none.
    both[0].scores = |seed, step| if seed == 9 && step == 100 { f64::NAN } else { (VARIANTS[0].1)(seed, step) };
    both[1].seeds.pop();
    let text = terminal(&report_on(&both, "", Step::Last).document);
    let same = terminal(&reported(&VARIANTS[..2], 9, "", Step::Last).document);
    let evidence = |text: &str| {
        let after =
            text.split("It beats GAN in wasserstein: ").nth(1).unwrap_or_else(|| panic!("no verdict in\n{text}"));
        after.split([')', ';']).next().unwrap().trim_end_matches(", 9 of 10 pairs: seeds 0–8").to_owned()
    };
    assert_eq!(evidence(&text), evidence(&same));
    assert!(text.contains("9 of 10 pairs: seeds 0–8)") && text.contains("(n = 9 of 10 jobs, 1 lost)"), "{text}");
}

#[test]
fn nobody_beats_another_by_having_lost_more() {
    // Equal except for the seeds' noise; in one variant the six worst of twenty diverge, so its survivors are better.
    let lossy: [(&str, Scores); 2] = [
        ("GAN", |seed, _| 2.0 + 0.1 * ((seed * 7) % 20) as f64),
        ("Lossy", |seed, step| match (seed * 11 + 3) % 20 {
            worst if worst >= 14 && step == 100 => f64::NAN,
            rank => 2.0 + 0.1 * rank as f64,
        }),
    ];
    let report = reported(&lossy, 20, "", Step::Last);
    let rows = &table(&report.document, "comparisons").rows;
    // By hand: of the 400 pairs of runs 91 + 14 / 2 are won by the 14 survivors against as many, and 84 against the six
    // worst.
    let wasserstein =
        rows.iter().find(|row| row[0] == Cell::Text("wasserstein".into()) && row[1] == Cell::Text("Lossy".into()));
    assert!(
        matches!(wasserstein.unwrap()[4], Cell::Number(chance) if (chance - 182.0 / 400.0).abs() < 1e-12),
        "{rows:?}"
    );
    assert!(rows.iter().all(|row| row[7] != Cell::Text("better".into())), "{rows:?}");
}

#[test]
fn a_variant_of_which_nothing_is_left_is_told() {
    let lost: [(&str, Scores); 2] = [VARIANTS[0], ("Lost", |_, step| if step == 100 { f64::NAN } else { 0.1 })];
    for (named, expected) in [
        (
            vec![lost[0], lost[1]],
            "Lost is worse than GAN in modes_covered: a run of Lost scores better with probability 0.00 (",
        ),
        (
            vec![("GAN", lost[1].1), ("Better", VARIANTS[1].1)],
            "Better beats GAN in modes_covered: a run of Better scores better with probability 1.00 (",
        ),
    ] {
        let report = reported(&named, 9, "", Step::Last);
        let text = terminal(&report.document);
        assert!(text.contains(expected) && text.contains("– (n = 0 of 9 jobs, 9 lost)"), "{text}");
        assert!(text.contains("Lost: diverged, collapsed, or without a finite score"), "{text}");
    }
}

#[test]
fn the_best_of_more_steps_is_not_compared() {
    let noisy: Scores = |seed, step| 2.0 + ((seed * 31 + step * 17) % 23) as f64 / 23.0;
    let mut both = variants(&[("GAN", noisy), ("Better", noisy)], 12);
    let expected = "  - wasserstein(Better, mean) < wasserstein(GAN, mean)\n";
    let sure = |both: &[Variant]| report_on(both, expected, Step::Best).outcomes;
    assert!(
        said(&both, Step::Best).0
            && !matches!(sure(&both)[..], [Outcome::Holds(Certainty::Unknown) | Outcome::Fails(Certainty::Unknown)])
    );
    both[1].steps = (1..=20).map(|step| 5 * step).collect();
    let (compared, text) = said(&both, Step::Best);
    assert_eq!(sure(&both), [Outcome::Holds(Certainty::Unknown)]);
    let expected = "No verdict on Better against GAN: their runs were not all scored at the same steps";
    assert!(!compared && text.contains(expected) && !text.contains("beats"), "{text}");
    assert!(said(&both, Step::Last).0 && said(&both, Step::At(50)).0);
    // Nor are lost runs that were scored at more steps than the others.
    both[1].scores =
        |seed, step| if step == 100 { f64::NAN } else { 2.0 + ((seed * 31 + step * 17) % 23) as f64 / 23.0 };
    assert!(!said(&both, Step::Best).0);
}

#[test]
fn the_interval_of_a_picked_cell_holds_for_all_that_could_have_been_picked() {
    let mut both = variants(&VARIANTS[..2], 8);
    both[1].cells = 3;
    let report = report_on(&both, "", Step::Last);
    let is = |row: &&Vec<Cell>| row[..2] == [Cell::Text("wasserstein".into()), Cell::Text("Better".into())];
    // As in the test above of equal jobs, from a variance of numpy.var(…, ddof=1) / 8, with scipy.stats.t.ppf(1 - 0.025
    // / 3, 7) below and scipy.stats.t.ppf(0.975, 7) above.
    match table(&report.document, "comparisons").rows.iter().find(is).unwrap()[5] {
        Cell::Interval { low, high } => {
            assert!((low - 0.645_489_006_312_832_1).abs() < 1e-9 && (high - 0.987_919_582_852_262_4).abs() < 1e-9);
        }
        ref other => panic!("{other:?}"),
    }
    assert!(terminal(&report.document).contains(
        "was picked as the best of 3 cells by the scores of these same runs, so its mean and probability look too \
        good; p and the interval account for this."
    ));
}

/// Returns whether anything was compared, and the whole report.
fn said(variants: &[Variant], step: Step) -> (bool, String) {
    let Report { document, .. } = report_on(variants, "", step);
    let is = |block: &Block| matches!(block, Block::Table(table) if table.name == "comparisons");
    (document.blocks.iter().any(is), terminal(&document))
}

#[test]
fn a_run_that_failed_has_no_best_step() {
    let both = variants(&[VARIANTS[0], ("Better", |_, step| if step == 100 { f64::INFINITY } else { 0.1 })], 8);
    let (compared, text) = said(&both, Step::Best);
    assert!(!compared && text.contains("8 of 16 jobs done, 8 failed"), "{text}");
    let scores = &table(&report_on(&both, "", Step::Best).document, "scores").rows.clone();
    let lost = scores.iter().find(|row| row[1] == Cell::Text("Better".into())).unwrap();
    assert_eq!(lost[2], Cell::Part { count: 0, of: 8 });
    // Its score at a step that it reached is known.
    assert!(said(&both, Step::At(50)).0);
}

#[test]
fn a_run_is_lost_at_a_step_only_where_it_was_to_be_scored_there_and_was_not() {
    let mut both = variants(&[VARIANTS[0], ("Better", |_, step| if step < 100 { 0.1 } else { f64::NAN })], 8);
    both[0].steps = vec![50, 80, 100];
    // All diverge after 70 steps: at 80 they are lost, and at 50 that is unknown.
    both[1].steps = vec![100];
    assert!(said(&both, Step::At(80)).1.contains("Better is worse than GAN in modes_covered"));
    assert!(!said(&both, Step::At(50)).0);
    // Shorter ones were never meant to get that far.
    both[1] =
        Variant { scores: |_, step| if step < 60 { 0.1 } else { f64::NAN }, steps: vec![30, 60], ..both[1].clone() };
    assert!(!said(&both, Step::At(80)).0);
}

#[test]
fn variants_are_compared_once_all_their_jobs_have_ended() {
    let open: Scores =
        |seed, step| if seed == 8 && step == 100 { f64::NEG_INFINITY } else { (VARIANTS[1].1)(seed, step) };
    let waits: Scores = |_, step| if step == 100 { f64::NEG_INFINITY } else { 1.0 };
    let named: [(&str, Scores); 4] = [VARIANTS[0], ("Better", open), VARIANTS[3], ("Later", waits)];
    let all = variants(&named, 9);
    let text = said(&all, Step::Last).1;
    for expected in [
        "No verdict yet on Better against GAN in modes_covered, because 1 of their jobs has not ended: so far a run of \
         Better scores better with probability 0.84 (8 of 9 pairs: seeds 0–7); mean ",
        "Nor in wasserstein: so far a run of Better ",
        // 2/512 for each significant one, among six: two of them are of Better, and two are unknown.
        "It is worse than GAN in wasserstein: a run of Worse scores better with probability 0.10 (95 % interval 0.03 \
        to 0.28, p = 0.023)",
        "corrected for 6 comparisons (Holm)",
        "Two variants are compared once all their jobs have ended. Checking again and again until",
    ] {
        assert!(text.contains(&expected.replace("         ", "")), "{expected} is not in\n{text}");
    }
    let report = report_on(&all, "", Step::Last);
    let rows = &table(&report.document, "comparisons").rows;
    let early = rows.iter().find(|row| row[1] == Cell::Text("Better".into())).unwrap();
    assert_eq!(early[5..], [Cell::Empty, Cell::Empty, Cell::Text("too early".into())]);
    // At step 50, everything is known.
    let text = said(&all, Step::At(50)).1;
    assert!(text.contains("Better beats GAN in wasserstein") || text.contains("It beats GAN in wasserstein"), "{text}");
}

#[test]
fn no_share_is_of_no_jobs() {
    let named: [(&str, Scores); 2] = [VARIANTS[0], ("Lost", |_, _| f64::INFINITY)];
    let report = reported(&named, 5, "", Step::Last);
    let profile = table(&report.document, "profile");
    assert!(profile.rows[1][2..].iter().all(|cell| *cell == Cell::Empty), "{:?}", profile.rows[1]);
}

#[test]
fn a_lost_run_is_the_worst_of_its_pair() {
    let lossy: [(&str, Scores); 2] = [
        VARIANTS[0],
        ("Better", |seed, step| if seed == 7 && step == 100 { f64::NAN } else { (VARIANTS[1].1)(seed, step) }),
    ];
    let report = reported(&lossy, 9, "", Step::Last);
    let text = terminal(&report.document);
    assert!(text.contains("(n = 8 of 9 jobs, 1 lost)") && text.contains("are paired (seeds 0–8)"), "{text}");
    let rates = &table(&report.document, "collapse").rows[1][1..3];
    let rate = |cell: &Cell| match cell {
        Cell::Rate { count, of, .. } => (*count, *of),
        other => panic!("{other:?}"),
    };
    // Of the eight remaining, two cover 3 of 8 modes, the others 4.
    assert_eq!((rate(&rates[0]), rate(&rates[1])), ((1, 9), (2, 8)), "{text}");
    // Of nine jobs, one counts as the worst score here, 2; two have 3 and six have 4.
    let best = table(&report.document, "best_of_n");
    assert!(best.notes[1].contains("counts as the worst score of all jobs here, 2.00."), "{:?}", best.notes);
    assert!(matches!(best.rows[1][2], Cell::Number(mean) if (mean - 32.0 / 9.0).abs() < 1e-12), "{:?}", best.rows);
}

#[test]
fn several_gans_are_all_baselines_and_without_one_the_first_variant_is() {
    let named = |name: &'static str, index: usize| (name, VARIANTS[index].1);
    let variants = [named("GAN", 0), named("GAN, worse", 3), named("Better", 1)];
    let rows = |variants: &[(&'static str, Scores)]| {
        let report = reported(variants, 8, "", Step::Last);
        let rows = table(&report.document, "comparisons").rows.clone();
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
    // Ten comparisons need at least nine pairs; here are eight.
    let expected = ["GAN: (baseline)", "GAN, worse: n too small", "A: n too small", "B: n too small"];
    assert_eq!(rows(&many)[..4], expected);
    assert_eq!(rows(&[named("Same", 2), named("Better", 1)]), ["Same: (baseline)", "Better: better"]);
}

#[test]
fn expectations_say_how_surely_they_hold() {
    let lines = "  - wasserstein(Better, mean) < wasserstein(GAN, mean)\n  - wasserstein(Same, mean) < \
        wasserstein(GAN, mean)\n  \
                 - wasserstein(Worse, median) < wasserstein(GAN, median)\n  - wasserstein(Same, mean) > \
                 wasserstein(GAN, mean)\n  \
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
    assert_eq!((title.as_str(), gan, early), ("Report on s, scores at the last step", (2.05, 2), (3.0, 1)));
    assert_eq!(scores, "Final scores, over all jobs of a variant");
    let (title, scores, gan, early) = means(Step::At(50));
    assert_eq!((title.as_str(), gan, early), ("Report on s, scores at step 50", (3.05, 2), (1.0, 2)));
    assert_eq!(scores, "Scores at step 50, over all jobs of a variant");
    let (title, _, gan, early) = means(Step::Best);
    let expected = "Report on s, scores at each run's best step by modes_covered";
    assert_eq!((title.as_str(), gan, early), (expected, (2.05, 2), (1.0, 2)));
}

#[test]
fn of_equal_main_scores_the_next_one_decides_which_step_is_best() {
    let gan: [(&str, Scores); 1] = [("GAN", |_, step| if step < 100 { 1.1 } else { 1.2 })];
    // Both steps cover 5 modes.
    let row = table(&reported(&gan, 1, "", Step::Best).document, "scores").rows[0].clone();
    assert_eq!(row[3], Cell::Number(1.1), "{row:?}");
}
