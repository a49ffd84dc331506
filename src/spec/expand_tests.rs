//! What files request, and what is wrong with them.

use std::collections::HashSet;
use std::sync::Arc;

use super::dataset::Dataset;
use super::expand::{Entry, Expansion};
use super::id::JobId;
use super::job::Task;
use super::sweep::Sweep;

fn expand(text: &str) -> Expansion {
    Sweep::parse("test.yaml", text).and_then(|sweep| sweep.expand()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Returns the mistakes in `text`, one per line, without the file's name.
fn mistakes(text: &str) -> String {
    match Sweep::parse("f", text).and_then(|sweep| sweep.expand()) {
        Ok(expansion) => panic!("{} jobs", expansion.entries.len()),
        Err(errors) => errors.to_string(),
    }
}

/// Returns a minimal file with `rest` added.
fn least(rest: &str) -> String {
    format!("sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\n{rest}\n")
}

fn axes(entry: &Entry) -> String {
    entry.axes.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

fn points(rest: &str) -> Vec<String> {
    expand(&least(rest)).entries.iter().map(axes).collect()
}

#[test]
fn ids_never_change() {
    // A change here makes everybody retrain everything. It needs a new canonical::FORMAT, a way to find trained jobs
    // under their new ids, and a good reason.
    let expansion = expand(
        "sweep: pins
dataset: mnist
model: {generator: [400, 400], discriminator: [256, 256], noise: 100, generator_norm: batch, dropout: 0.5}
train: {steps: 10000, batch: 64, lr: 2e-4}
score: {every: 2000, metrics: [mode_score, frechet]}
seeds: [7]
variants:
  - {name: D2GAN, objective: d2gan, alpha: 0.2, beta: 0.1}
  - {name: GAN, objective: gan, train: {optimizer: sgd, momentum: 0.9}}
  - {name: ring, objective: gan, dataset: gaussians, score: {metrics: [wasserstein, symmetric_kl]}}
",
    );
    let ids: Vec<_> = expansion.entries.iter().map(|e| format!("{} {}", e.job.blueprint.id(), e.id)).collect();
    assert_eq!(
        ids,
        [
            "14380531ac924a6b9a0e cb80098101226cfeeafc",
            "e6a81cb23b49693055c3 4c8ecb73bbd8d26b1072",
            "88532756d8ff434cc327 9201e83569a04ef41ac7"
        ]
    );
    assert!(expansion.entries.iter().all(|entry| entry.job.id() == entry.id));
}

#[test]
fn what_means_the_same_is_the_same_job() {
    let id = |text: &str| expand(text).entries[0].id;
    let reference = id(&least("objective: d2gan\nalpha: 1\nbeta: 0.1\nseeds: [3]"));
    for same in [
        "objective: d2gan\nalpha: 1.0\nbeta: 1e-1\nseeds: [3]",
        "variants: [{name: x, objective: d2gan, grid: {beta: [0.1], alpha: [1]}, seeds: [3]}]",
        "seeds: [3]\nbeta: 0.1\nalpha: 1\nobjective: d2gan\nsaturating: true\nmodel: {arch: mlp, noise: 256}",
        "objective: d2gan\nalpha: 1\nbeta: 0.1\nseeds: [3]\nscore: {every: 100, splits: 4}",
        "objective: d2gan\nalpha: 1\nbeta: 0.1\nseeds: [3]\nscore: {every: 50}",
        "objective: d2gan\nalpha: 1\nbeta: 0.1\nseeds: [3]\nscore: {metrics: [recall], samples: 7}",
        "objective: d2gan\nalpha: 1\nbeta: 0.1\nseeds: [3]\nvariants: [{name: x, train: {precision: float32}}]",
    ] {
        assert_eq!(id(&least(same)), reference, "{same}");
    }
    for other in [
        "objective: d2gan\nalpha: 1\nbeta: 0.1\nseeds: [4]",
        "objective: d2gan\nalpha: 1\nbeta: 0.2\nseeds: [3]",
        "objective: d2gan\nalpha: 1\nbeta: 0.1\nseeds: [3]\nvariants: [{name: x, train: {precision: tf32}}]",
        "objective: d2gan\nalpha: 1\nbeta: 0.1\nseeds: [3]\nvariants: [{name: x, train: {precision: bf16}}]",
    ] {
        assert_ne!(id(&least(other)), reference, "{other}");
    }
}

#[test]
fn what_is_measured_is_no_part_of_a_job() {
    let expansion = expand(&least(
        "seeds: 2\nvariants:
  - {name: a, objective: gan, score: {samples: 100, every: 10}}
  - {name: b, objective: gan, score: {samples: 200}, grid: {k: [3, 4], metrics: [[recall], [wasserstein]]}}",
    ));
    let ids: HashSet<JobId> = expansion.entries.iter().map(|entry| entry.id).collect();
    // The number of neighbours does not affect the Wasserstein distance, so that point occurs once.
    assert_eq!((expansion.entries.len(), ids.len()), (2 + 2 * 3, 2));
    let tasks = expansion.tasks();
    let scores = |task: &Task| task.scores.iter().map(|s| (s.samples, s.every, s.neighbours)).collect::<Vec<_>>();
    assert_eq!(tasks.len(), 2);
    for task in &tasks {
        assert_eq!(scores(task), [(100, 10, 5), (200, 0, 3), (200, 0, 5), (200, 0, 4)], "{task:?}");
    }
    assert!(Arc::ptr_eq(&tasks[0].scores[0], &tasks[1].scores[0]));
}

#[test]
fn only_parameters_that_matter_are_in_a_job() {
    let parameters = |rest: &str| -> Vec<String> {
        expand(&least(rest)).entries[0].job.parameters.iter().map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(
        parameters("objective: gan\nalpha: 0.1"),
        ["adam_beta1", "adam_beta2", "lr_discriminator", "lr_generator"]
    );
    assert_eq!(
        parameters(
            "objective: d2gan\nalpha: 0.1\nbeta: 0.1\nmodel: {}\nvariants: [{train: {optimizer: sgd}, name: x}]"
        ),
        ["alpha", "beta", "lr_discriminator", "lr_generator", "momentum"]
    );
}

#[test]
fn a_variant_overrides_by_key_and_parts_beat_groups() {
    let expansion = expand(&least(
        "seeds: 2
model: {noise: 10, generator: [8]}
variants:
  - {name: a, objective: gan, train: {lr: 1e-3, lr_generator: 5e-4}}
  - {name: b, objective: gan, model: {noise: 20}, seeds: [5], dataset: mnist}",
    ));
    let [a, a1, b] = &expansion.entries[..] else { panic!("{expansion:?}") };
    assert_eq!((a.job.seed, a1.job.seed, b.job.seed), (0, 1, 5));
    assert_eq!(a.job.parameters.number("lr_generator"), Some(5e-4));
    assert_eq!(a.job.parameters.number("lr_discriminator"), Some(1e-3));
    let noise = |entry: &Entry| entry.job.blueprint.built_in().unwrap().model.noise;
    assert_eq!((noise(a), noise(b)), (10, 20));
    assert_eq!((b.job.blueprint.steps(), b.job.blueprint.dataset()), (100, Some(&Dataset::Mnist)));
    assert!(Arc::ptr_eq(&a.job.blueprint, &a1.job.blueprint));
}

#[test]
fn grids_zips_and_conditions_make_the_points_that_they_say() {
    assert_eq!(
        points("objective: d2gan\ngrid: {alpha: [0.1, 0.2], beta: [0.1, 0.2]}\nexclude: [beta > alpha]"),
        ["alpha=0.1 beta=0.1", "alpha=0.2 beta=0.1", "alpha=0.2 beta=0.2"]
    );
    assert_eq!(
        points("objective: d2gan\nzip: {alpha: [0.1, 0.2], beta: [0.3, 0.4]}\ngrid: {batch: [8, 16]}"),
        [
            "batch=8 alpha=0.1 beta=0.3",
            "batch=8 alpha=0.2 beta=0.4",
            "batch=16 alpha=0.1 beta=0.3",
            "batch=16 alpha=0.2 beta=0.4"
        ]
    );
    assert_eq!(
        points("objective: gan\ngrid: {lr: [1e-3, 1e-4], optimizer: [adam, sgd]}\nwhen: {lr: {optimizer: sgd}}"),
        ["optimizer=adam", "optimizer=sgd lr=0.001", "optimizer=sgd lr=0.0001"]
    );
    // Without a `when`, a key that has no effect is not swept.
    assert_eq!(
        points("objective: gan\ngrid: {momentum: [0, 0.9], optimizer: [adam, sgd]}"),
        ["optimizer=adam", "momentum=0 optimizer=sgd", "momentum=0.9 optimizer=sgd"]
    );
    assert_eq!(
        points(
            "grid: {lr: [1, 2], alpha: [0.1, 0.2]}\nbeta: 1\nvariants: [{objective: gan}, \
            {objective: d2gan, train: {lr: 3}}]"
        ),
        ["lr=1", "lr=2", "alpha=0.1", "alpha=0.2"]
    );
    assert_eq!(points("objective: gan\nrandom: {count: 5, lr: {min: 1e-4, max: 1e-2}}").len(), 5);
}

#[test]
fn mistakes_of_jobs_come_with_those_of_the_text() {
    let text = "sweep: s\ndataset: gaussians\ntrain: {stepz: 5}\nscore: \
        {samples: 100, splits: 200, wasserstein_samples: 200}\n\
                variants:\n- {name: a, objective: d2gan, alpha: 0.5}\n- \
                {name: a, objective: gan, train: {batch: 0, precision: tf23}}\n";
    let found = mistakes(text);
    for expected in [
        "f:3:9: train.stepz: `stepz` is not a key of `train` (did you mean `steps`?)",
        "`train.steps` is not set",
        "f:4:57: score.wasserstein_samples: 200 wasserstein_samples, but only 100 samples",
        "two variants have the name `a`",
        "f:7:44: variants[1].train.batch: expected a whole number from 1 to 16384, found `0`",
        "f:7:58: variants[1].train.precision: `tf23` is not a precision (did you mean `tf32`?)",
    ] {
        assert!(found.contains(expected), "{expected}\nis not in\n{found}");
    }
    assert!(!found.contains("splits"), "no score has splits here\n{found}");
}

#[test]
fn too_many_jobs_are_refused_before_they_are_made() {
    let values: Vec<String> = (1..=1000).map(|i| format!("{}", f64::from(i) / 1000.0)).collect();
    let values = values.join(", ");
    let grid = format!("grid: {{alpha: [{values}], beta: [{values}], momentum: [{values}]}}\n");
    assert!(mistakes(&least(&format!("objective: d2gan\n{grid}"))).contains("more than 1000000 jobs"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(lines in proptest::collection::vec(proptest::sample::select(&[
        "sweep: x", "dataset: gaussians", "dataset: {gaussians: {layout: grid, side: 2}}",
        "train: {steps: 10, batch: 1}", "objective: d2gan", "objective: gan", "alpha: 0.1", "beta: 7",
        "grid: {alpha: [0.1, 0.2]}", "grid: [1]", "zip: {lr: [1], beta: [1, 2]}", "when: {alpha: alpha > 1}",
        "when: {alpha: {objective: d2gan}}", "exclude: [alpha > beta, {alpha: 0.1}]", "seeds: 2", "seeds: [1, x]",
        "variants: [{name: a, objective: gan}, {name: b, grid: {alpha: [1]}}]", "variants: {}",
        "expect: [wasserstein(a) < 1]", "random: {count: 3, lr: {min: 1, max: 2}}",
        "model: {generator: [2], generator_norm: batch}", "score: {metrics: [mode_score]}",
    ]), 0..12)) {
        let read = Sweep::parse("f", &lines.join("\n"));
        let _ = read.and_then(|sweep| sweep.expand()).map_err(|errors| errors.render(60, false));
    }
}
