//! What a search requests, and what is wrong with it.

use serde_json::json;

use super::expand::{Entry, Expansion};
use super::metric::Direction;
use super::point::{Dimension, Point};
use super::search::{Given, Round, is_trials};
use super::sweep::Sweep;

fn file(search: &str, rest: &str) -> String {
    format!(
        "sweep: s\ndataset: gaussians\nseeds: 2\ntrain: {{steps: 10}}\nvariants:\n  - {{name: GAN, objective: gan}}\n  \
         - {{name: D2GAN, objective: d2gan, beta: 0.1, search: {search}}}\n{rest}"
    )
}

fn read(search: &str) -> Result<Sweep, String> {
    Sweep::parse("f", &file(search, "")).map_err(|errors| errors.render(200, false))
}

const SEARCH: &str = "{metric: wasserstein, trials: 6, startup: 3, batch: 2, seeds: 2, confirm: 2, \
    space: {alpha: {min: 0.01, max: 1, distribution: log_uniform}, lr: {choices: [1e-3, 1e-4]}, \
    batch: {min: 8, max: 16}}}";

/// Returns the variants with their numbers of jobs, and the seeds of each.
fn shape(expansion: &Expansion) -> Vec<String> {
    let of = |name: &str| {
        let seeds: std::collections::BTreeSet<u64> =
            expansion.entries.iter().filter(|entry| &*entry.variant == name).map(|entry| entry.job.seed).collect();
        let jobs = expansion.entries.iter().filter(|entry| &*entry.variant == name).count();
        format!("{name}: {jobs} {seeds:?}")
    };
    expansion.variants.iter().map(|variant| of(&variant.name)).collect()
}

#[test]
fn trials_come_before_what_is_found_and_have_other_seeds() {
    let mut sweep = read(SEARCH).unwrap();
    let search = sweep.searches().next().unwrap().clone();
    let first = sweep.expand().unwrap();
    assert_eq!(shape(&first), ["GAN: 2 {0, 1}", "D2GAN (search): 6 {1000000, 1000001}", "D2GAN: 0 {}"]);
    assert_eq!((search.plan.trials, search.better, search.drawn(3).len()), (6, Direction::Lower, 3));
    // Only the number of trials can change without changing the identity.
    let asked = |sweep: &Sweep| {
        let expansion = sweep.expand().unwrap();
        let trials = expansion.entries.into_iter().filter(|entry| is_trials(&entry.variant));
        sweep.searches().next().unwrap().identity(trials.map(|entry| (entry.id, String::new())), &[])
    };
    let id = asked(&sweep);
    for same in [("trials: 6", "trials: 60"), ("batch: 2", "batch: 5"), ("confirm: 2", "confirm: 1")] {
        assert_eq!(asked(&read(&SEARCH.replace(same.0, same.1)).unwrap()), id, "{same:?}");
    }
    for other in [
        ("min: 0.01", "min: 0.02"),
        ("seeds: 2", "seeds: 1"),
        ("wasserstein", "modes_covered"),
        ("startup: 3", "startup: 4"),
    ] {
        assert_ne!(asked(&read(&SEARCH.replace(other.0, other.1)).unwrap()), id, "{other:?}");
    }
    // Replaying rounds: those of another search, after too few trials, or confirmed too early are ignored.
    let points = |alphas: &[f64]| -> Vec<Point> {
        let point = |alpha: &f64| json!({"alpha": alpha, "lr": 0.001, "batch": 9}).as_object().unwrap().clone();
        alphas.iter().map(point).collect()
    };
    let round = |after, confirm, alphas: &[f64]| Round {
        variant: "D2GAN".to_owned(),
        identity: id.clone(),
        after,
        confirm,
        at: 0.0,
        points: points(alphas),
    };
    let mut other = round(3, None, &[0.7, 0.8]);
    other.identity = "another".to_owned();
    let rounds = [
        other,
        round(3, None, &[0.1, 0.2]),
        round(3, None, &[0.9]),
        round(5, None, &[0.3]),
        round(6, Some((6, 2)), &[0.2, 0.3]),
    ];
    let given = search.given(&rounds, &id);
    assert_eq!((given.trials[3..].to_vec(), given.confirmed.clone()), (points(&[0.1, 0.2, 0.3]), points(&[0.2, 0.3])));
    assert_eq!(search.given(&rounds[..4], &id).confirmed, []);
    sweep.give("D2GAN", given);
    let whole = sweep.expand().unwrap();
    assert_eq!(shape(&whole), ["GAN: 2 {0, 1}", "D2GAN (search): 12 {1000000, 1000001}", "D2GAN: 4 {0, 1}"]);
    let alpha = |entry: &Entry| entry.axes.iter().find(|(key, _)| &**key == "alpha").unwrap().1.to_string();
    assert_eq!(whole.entries.iter().rev().take(4).map(alpha).collect::<Vec<_>>(), ["0.3", "0.3", "0.2", "0.2"]);
    // With more trials, the search continues from the existing ones and confirms again; with fewer, it keeps the first
    // ones.
    let more = read(&SEARCH.replace("trials: 6", "trials: 8")).unwrap().searches().next().unwrap().given(&rounds, &id);
    assert_eq!((more.trials.len(), more.confirmed.len()), (6, 0));
    let fewer = read(&SEARCH.replace("trials: 6", "trials: 4")).unwrap().searches().next().unwrap().given(&rounds, &id);
    assert_eq!((fewer.trials[3..].to_vec(), fewer.confirmed), (points(&[0.1]), Vec::new()));
}

#[test]
fn a_round_that_does_not_fit_ends_what_is_known() {
    let search = read(SEARCH).unwrap().searches().next().unwrap().clone();
    let round = |after, point: serde_json::Value| Round {
        variant: "D2GAN".to_owned(),
        identity: "it".to_owned(),
        after,
        confirm: None,
        at: 0.0,
        points: vec![point.as_object().unwrap().clone()],
    };
    let good = || json!({"alpha": 0.5, "lr": 0.001, "batch": 9});
    for bad in [json!({}), json!({"alpha": 5, "lr": 0.001, "batch": 9}), json!({"alpha": 0.5, "lr": 7, "batch": 9})] {
        let rounds = [round(3, good()), round(4, bad), round(4, good())];
        assert_eq!(search.given(&rounds, "it").trials.len(), 4);
    }
}

#[test]
fn a_point_is_its_job_to_the_last_digit() {
    let space = "{n: {min: 100000, max: 900000, distribution: log_uniform}, x: {min: 0.12345678, max: 7}, \
        m: {min: 1, max: 9007199254740991}}";
    let text = format!(
        "sweep: s\ntrainer: {{command: [x, \"${{n}}\", \"${{x}}\", \"${{m}}\"], steps: 1, parameters: {{n: 1, x: 0.5, \
        m: 1}}, scores: {{q: higher}}}}\n\
         search: {{metric: q, trials: 400, startup: 1, space: {space}}}\n"
    );
    let mut sweep = Sweep::parse("f", &text).unwrap_or_else(|errors| panic!("{errors}"));
    let search = sweep.searches().next().unwrap().clone();
    let ends = search.dimensions();
    let at = |share: f64| -> Vec<f64> {
        let of = |dimension: &Dimension| match *dimension {
            Dimension::Number { min, max } => min + share * (max - min),
            Dimension::Choices(_) => panic!("there are no choices"),
        };
        ends.iter().map(of).collect()
    };
    let trials: Vec<Point> = (0..400).map(|at_| search.point(&at(f64::from(at_) / 399.0))).collect();
    assert!(trials.iter().all(|point| search.place(point).is_some()));
    sweep.give("s", Given { trials: trials.clone(), confirmed: Vec::new() });
    let entries = sweep.expand().unwrap().entries;
    assert_eq!(entries.len(), trials.len());
    for (entry, point) in entries.iter().zip(&trials) {
        for (key, text) in entry.axes.iter() {
            assert_eq!(super::point::json(text), point[&**key], "{key}");
        }
    }
}

#[test]
fn points_and_places_are_the_same() {
    let sweep = read(SEARCH).unwrap();
    let search = sweep.searches().next().unwrap();
    let dimensions = search.dimensions();
    assert_eq!(dimensions[0], Dimension::Number { min: 0.01_f64.ln(), max: 0.0 });
    assert_eq!(dimensions[1..], [Dimension::Choices(2), Dimension::Number { min: 8.0, max: 17.0 }]);
    for point in search.drawn(50) {
        let place = search.place(&point).unwrap();
        assert_eq!(search.point(&place), point);
    }
    assert_eq!(json!(search.point(&[0.1_f64.ln(), 1.0, 16.999])), json!({"alpha": 0.1, "lr": 0.0001, "batch": 16}));
    assert_eq!(
        json!(search.point(&[5.0, 7.0, 17.0])),
        json!({"alpha": 1, "lr": 0.0001, "batch": 16}),
        "within the space"
    );
    let strange = |name: &str, value: serde_json::Value| {
        let mut point = search.drawn(1).remove(0);
        point.insert(name.to_owned(), value);
        search.place(&point)
    };
    assert_eq!(
        (strange("alpha", json!(2.0)), strange("lr", json!(0.5)), strange("batch", json!("x"))),
        (None, None, None)
    );
}

#[test]
fn mistakes_say_what_to_do() {
    for (search, says) in [
        ("{trials: 6, space: {alpha: {min: 0.1, max: 1}}}", "`metric` is not set"),
        ("{metric: wasserstein, trials: 6}", "`space` is not set"),
        ("{metric: wasserstien, trials: 6, space: {alpha: {min: 0.1, max: 1}}}", "`wasserstien` is not a score"),
        ("{metric: frechet, trials: 6, space: {alpha: {min: 0.1, max: 1}}}", "`frechet` is not a score of `D2GAN`"),
        (
            "{metric: wasserstein, trials: 6, startup: 7, space: {alpha: {min: 0.1, max: 1}}}",
            "`startup` is more than the number of trials (6)",
        ),
        ("{metric: wasserstein, trials: 6, space: {every: {min: 1, max: 5}}}", "scores that cannot be compared"),
        (
            "{metric: wasserstein, trials: 6, space: {dataset: {choices: [gaussians]}}}",
            "scores that cannot be compared",
        ),
        ("{metric: wasserstein, trials: 6, space: {}}", "the search space is empty"),
        (
            "{metric: wasserstein, trials: 6, space: {lr: {min: 0.1, max: 1}, lr_generator: {min: 0.1, max: 1}}}",
            "searched twice",
        ),
        (
            "{metric: wasserstein, method: grid, trials: 6, space: {alpha: {min: 0.1, max: 1}}}",
            "`grid` is not a method",
        ),
        (
            "{metric: wasserstein, trials: 6, space: {alpha: {min: 0.1, max: 1}}}, grid: {lr: [1e-3]}",
            "cannot be combined with other points",
        ),
        (
            "{metric: wasserstein, trials: 6, space: {alpha: {min: 0.1, max: 1}}}, exclude: [alpha > 0.5]",
            "cannot be combined with other points",
        ),
        (
            "{metric: wasserstein, trials: 6, seeds: 2, space: {alpha: {min: 0.1, max: 1}}}, seeds: [1000001]",
            "is reserved for trials",
        ),
    ] {
        let found = read(search).and_then(|sweep| sweep.expand().map_err(|errors| errors.render(200, false)));
        let found = found.map(|_| ()).unwrap_err();
        assert!(found.contains(says), "{search}: {found}");
    }
    let found =
        Sweep::parse("f", &file(SEARCH, "prune: {metric: wasserstein, rule: halving, first: 5}\n")).unwrap_err();
    assert!(found.to_string().contains("cannot be combined"), "{found}");
    let found = Sweep::parse("f", &file(SEARCH, "  - {name: D2GAN (search), objective: gan}\n")).unwrap_err();
    assert!(found.to_string().contains("this name is reserved for trials"), "{found}");
}

#[test]
fn a_variant_that_says_more_is_not_sought() {
    let text = "sweep: s\ndataset: gaussians\ntrain: {steps: 10}\nsearch: \
        {metric: wasserstein, trials: 4, space: {lr: {min: 1e-4, max: 1e-2}, batch: {min: 8, max: 9}}}\n\
        variants:\n  \
        - {name: grid, objective: gan, grid: {lr: [1e-3]}}\n  \
        - {name: set, objective: gan, train: {lr: 1e-3}}\n  \
        - {name: whole, objective: gan, train: {lr: 1e-3, batch: 8}}\n";
    let sweep = Sweep::parse("f", text).unwrap();
    let found: Vec<_> = sweep.searches().map(|search| (search.variant.as_str(), search.dimensions().len())).collect();
    assert_eq!(found, [("set", 1)]);
    assert_eq!(sweep.expand().unwrap().warnings, Vec::<String>::new());
    let idle = text.replace(", batch: {min: 8, max: 9}", "");
    let warnings = Sweep::parse("f", &idle).unwrap().expand().unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("`search` applies to no variant of this file"), "{warnings:?}");
}

#[test]
fn all_variants_of_a_file_may_be_sought_alike() {
    let text = "sweep: s\ndataset: gaussians\ntrain: {steps: 10}\nsearch: \
        {metric: wasserstein, trials: 4, confirm: 1, space: {lr: {min: 1e-4, max: 1e-2}}}\n\
                variants:\n  - {name: GAN, objective: gan}\n  - {name: LSGAN, objective: lsgan}\n";
    let sweep = Sweep::parse("f", text).unwrap();
    assert_eq!(sweep.searches().map(|search| search.variant.as_str()).collect::<Vec<_>>(), ["GAN", "LSGAN"]);
    let axes: Vec<String> = sweep.expand().unwrap().entries.iter().map(|entry| format!("{:?}", entry.axes)).collect();
    assert_eq!(axes[..4], axes[4..], "the same points, so that they compare");
}
