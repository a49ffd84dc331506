use crate::blueprint::Blueprint;
use crate::expand::{Entry, Expansion};
use crate::parameters::Plain;
use crate::sweep::Sweep;

fn expand(text: &str) -> Expansion {
    Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn mistakes(text: &str) -> Vec<String> {
    match Sweep::parse("f", text).and_then(|sweep| sweep.expand()) {
        Ok(expansion) => panic!("{} jobs", expansion.entries.len()),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

/// Returns a file with a trainer, and `rest` after it.
fn own(rest: &str) -> String {
    format!(
        "sweep: s\ntrainer:\n  command: [python3, train.py, \"${{args}}\"]\n  parameters: {{alpha: 0.1, width: 64, \
        norm: batch, skip: false, sizes: [64, 32]}}\n  \
         scores: {{fid: lower}}\n  steps: 5000\n{rest}\n"
    )
}

fn parameters(entry: &Entry) -> String {
    entry.job.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn axes(entry: &Entry) -> String {
    entry.axes.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn ids_never_change() {
    let expansion = expand(&own("seeds: [7]\nvariants: [{name: a}, {name: b, dataset: gaussians, width: 128}]"));
    let ids: Vec<_> = expansion.entries.iter().map(|e| format!("{} {}", e.job.blueprint.id(), e.id)).collect();
    assert_eq!(ids, ["cd612185c99e122db4e9 b57e2bc92bd87a6c6cf3", "3216b27df006c0abcb8d 3de8c335e2361afc7d07"]);
    assert_eq!(
        serde_json::to_string(&expansion.entries[0].job.blueprint).unwrap(),
        "{\"command\":[\"python3\",\"train.py\",\"${args}\"],\"version\":1,\"steps\":5000}"
    );
    for entry in &expansion.entries {
        let json = serde_json::to_string(&entry.job).unwrap();
        assert_eq!(serde_json::from_str::<crate::job::Job>(&json).unwrap(), entry.job);
    }
}

#[test]
fn what_is_measured_and_how_many_run_at_once_is_no_part_of_a_job() {
    let id = |text: &str| expand(text).entries[0].id;
    let reference = id(&own(""));
    for same in [
        own("").replace("scores: {fid: lower}", "scores: {fid: {better: lower, pattern: 'FID ([0-9.]+)'}, x: higher}"),
        own("").replace("steps: 5000", "steps: 5000\n  at_once: 3\n  step_pattern: 'step ([0-9]+)'\n  version: 1"),
        own("").replace("alpha: 0.1", "alpha: 1e-1").replace("width: 64", "width: 8") + "width: 64",
    ] {
        assert_eq!(id(&same), reference, "{same}");
    }
    for other in [
        own("").replace("steps: 5000", "steps: 5001"),
        own("").replace("steps: 5000", "steps: 5000\n  version: 2"),
        own("").replace("train.py", "main.py"),
        own("width: 65"),
        own("").replace("skip: false", "skip: false, new: 0"),
        own("dataset: gaussians"),
        own("seeds: [1]"),
    ] {
        assert_ne!(id(&other), reference, "{other}");
    }
}

#[test]
fn parameters_are_swept_like_keys() {
    let text = own("seeds: 2\nvariants:
  - {name: a, grid: {alpha: [0.1, 0.2], width: [8, 16]}, exclude: [width == 16 and alpha > 0.15], norm: layer}
  - {name: b, zip: {norm: [batch, none], skip: [true, false]}, grid: {sizes: [[1], [2, 3]]}, \
     when: {sizes: {norm: none}}}
  - {name: c, random: {count: 2, width: {min: 1, max: 100}, alpha: {min: 0.5, max: 0.6}, norm: {choices: [x, y]}}}");
    let entries = expand(&text).entries;
    let of = |name: &str| entries.iter().filter(|e| &*e.variant == name && e.job.seed == 0).collect::<Vec<_>>();
    assert_eq!(
        of("a").iter().map(|e| axes(e)).collect::<Vec<_>>(),
        ["alpha=0.1 width=8", "alpha=0.1 width=16", "alpha=0.2 width=8"]
    );
    assert_eq!(parameters(of("a")[1]), "alpha=0.1 norm=layer sizes=[64, 32] skip=false width=16");
    assert_eq!(
        of("b").iter().map(|e| axes(e)).collect::<Vec<_>>(),
        ["norm=batch skip=true", "norm=none skip=false sizes=[1]", "norm=none skip=false sizes=[2,3]"]
    );
    assert_eq!(of("c").len(), 2);
    assert!(matches!(of("c")[0].job.parameters.get("width"), Some(Plain::Whole(1..=100))));
}

#[test]
fn a_file_has_trainers_of_both_kinds() {
    let text = "sweep: s
dataset: gaussians
seeds: 2
trainer: {command: [./a, \"${args}\"], parameters: {alpha: 0.1, order: up}, scores: {fid: lower}, steps: 10}
train: {steps: 20}
alpha: 0.5
beta: 0.25
order: down
grid: {lr: [1e-3, 1e-4], order: [left, right]}
exclude: [order == left and alpha > 0.4, lr == 1e-4]
variants:
  - {name: mine}
  - {name: GAN, objective: d2gan, trainer: built-in}
  - {name: other, trainer: {parameters: {alpha: word}, version: 3}, alpha: another}
expect: [\"fid(mine) < fid(other, best)\"]
";
    let expansion = expand(text);
    let of = |name: &str| expansion.entries.iter().filter(|e| &*e.variant == name).map(axes).collect::<Vec<_>>();
    // Jobs of one kind do not have the other's keys: conditions on these do not hold, except for `!=`.
    assert_eq!(of("mine"), ["order=right"; 2]);
    assert_eq!(of("GAN"), ["lr=0.001"; 2]);
    // `alpha > 0.4` does not hold for a word.
    assert_eq!(of("other"), ["order=left", "order=left", "order=right", "order=right"]);
    let first = |name: &str| expansion.entries.iter().find(|entry| &*entry.variant == name).unwrap();
    assert_eq!(parameters(first("mine")), "alpha=0.5 order=right");
    assert_eq!(parameters(first("other")), "alpha=another order=left");
    assert_eq!(first("GAN").job.parameters.number("alpha"), Some(0.5));
    assert_eq!(first("GAN").job.blueprint.steps(), 20);
    assert_eq!(first("mine").job.blueprint.objective_name(), "own");
    let Blueprint::Own(own) = &*first("other").job.blueprint else { panic!() };
    assert_eq!((own.version, own.steps, own.command.len()), (3, 10, 2));
    assert_eq!(expansion.trainers.len(), 2);
    // What each of them requests.
    let names = |name: &str| first(name).score.measures().map(|measure| measure.name()).collect::<Vec<_>>();
    assert_eq!(names("mine"), ["wasserstein", "symmetric_kl", "modes_covered", "high_quality", "fid"]);
    assert_eq!(names("GAN"), ["wasserstein", "symmetric_kl", "modes_covered", "high_quality"]);
    assert_eq!(expansion.warnings, [""; 0]);
}

#[test]
fn mistakes_have_places() {
    let variants = |rest: &str| own(&format!("variants:\n  - {{name: a}}\n{rest}"));
    for (text, what) in [
        (own("widht: 3"), "f:7:1: widht: `widht` is not a key that is allowed here (did you mean `width`?)"),
        (
            own("width: 0.5"),
            "f:7:8: width: expected a whole number, like its default 64, found `0.5` (if fractions are allowed, write \
            the default with a decimal point: 64.0)",
        ),
        (own("alpha: x"), "f:7:8: alpha: expected a number, like its default 0.1, found `x`"),
        (own("skip: 1"), "f:7:7: skip: expected `true` or `false`, like its default false, found `1`"),
        (own("sizes: 3"), "expected a list, like its default [64, 32], found `3`"),
        (own("norm: ~"), "expected a word, like its default batch, found nothing"),
        (own("model: {noise: 3}"), "`model` belongs to sweep's built-in trainer, but this variant uses your own"),
        (own("objective: gan"), "`objective` belongs to sweep's built-in trainer, but this variant uses your own"),
        (
            own("score: {metrics: [wasserstein]}"),
            "f:7:18: score.metrics: these scores compare samples with real ones, but no data set is set",
        ),
        (own("grid: {lr: [1]}"), "grid: `lr` is not a key that a job has"),
        (own("").replace("  steps: 5000\n", ""), "trainer.steps: `steps` is not set (set the number of steps"),
        (own("").replace("\"${args}\"", "\"${gamma}\""), "trainer.command: `gamma` is not a parameter of this trainer"),
        (
            own("").replace("\"${args}\"", "\"x ${args}\""),
            "`${args}` stands for several arguments, so it must be an argument by itself",
        ),
        (
            own("").replace("${args}", "x${args_no_boolean_flags}"),
            "`${args_no_boolean_flags}` stands for several arguments, so it must be an argument by itself",
        ),
        (own("").replace("\"${args}\"", "\"${alpha\""), "trainer.command[2]: `${alpha` is not closed by `}`"),
        (own("").replace("{fid: lower}", "{fid: down}"), "trainer.scores.fid: `down` is not a direction of a score"),
        (own("").replace("{fid: lower}", "{recall: lower}"), "`recall` is a score that sweep computes itself"),
        (own("").replace("{fid: lower}", "{step: lower}"), "(to read steps, set next to `scores`: `step_pattern"),
        (own("").replace("{fid: lower}", "{a b: lower}"), "expected a name of at most 64 letters, digits and `_ - .`"),
        (
            own("").replace("{fid: lower}", "{fid: {better: lower, pattern: '('}}"),
            "trainer.scores.fid.pattern: not a regular expression",
        ),
        (own("").replace("{fid: lower}", "{fid: {pattern: '.'}}"), "`better` is not set"),
        (own("").replace("skip: false", "seed: 3"), "`seed` cannot be a parameter (each job gets one from `seeds`"),
        (own("").replace("skip: false", "skip: {a: 1}"), "a word, `true` or `false`, or a list of these"),
        (
            own("").replace("  steps", "  stpes: 3\n  steps"),
            "trainer.stpes: `stpes` is not a key of `trainer` (did you mean `steps`?)",
        ),
        (
            "sweep: s\ntrainer: mine".to_owned(),
            "f:2:10: trainer: expected `built-in`, or a map with a `command`, found `mine`",
        ),
        (
            variants("  - {name: b, trainer: {scores: {fid: higher}}}"),
            "`fid` is declared `lower` in one variant and `higher` in another",
        ),
        (variants("  - {name: b, trainer: built-in, dataset: gaussians, train: {steps: 3}}"), "`objective` is not set"),
        (variants("expect: [\"fdi(a) < 3\"]"), "expect[0]: `fdi` is not a score (did you mean `fid`?)"),
    ] {
        let found = mistakes(&text);
        assert!(found.iter().any(|mistake| mistake.contains(what)), "{what}\n{}", found.join("\n"));
        assert!(found.len() == 1, "{found:#?}");
    }
}

#[test]
fn mistakes_of_the_file_are_said_once_for_all_its_trainers() {
    let text = own("dataset: gaussians\nwidht: 3\nlr: 0\ngrid: {gamma: [1]}\nvariants:\n  - {name: a}\n  - \
        {name: b, trainer: built-in, objective: gan, train: {steps: 3}}\n  \
                    - {name: c, trainer: {version: 2}}");
    let found = mistakes(&text);
    assert_eq!(found.iter().filter(|mistake| mistake.contains("widht")).count(), 1, "{found:#?}");
    assert_eq!(found.iter().filter(|mistake| mistake.contains("gamma")).count(), 1, "{found:#?}");
}

#[test]
fn values_that_look_alike_are_told_apart() {
    let text = own("variants:
  - {name: a, trainer: {parameters: {release: x}}, grid: {release: ['1.1', '1.10', 'true', x]}}
  - {name: b, grid: {sizes: [[1], [1.0], ['1'], [[1]]]}}");
    let shown: Vec<String> = expand(&text).entries.iter().map(axes).collect();
    assert_eq!(
        shown,
        [
            "release=\"1.1\"",
            "release=\"1.10\"",
            "release=\"true\"",
            "release=x",
            "sizes=[1]",
            "sizes=[1.0]",
            "sizes=[\"1\"]",
            "sizes=[[1]]"
        ]
    );
    let huge = own("").replace("width: 64", "width: 9223372036854775808");
    assert!(mistakes(&huge)[0].contains("whole ones up to 9223372036854775807"));
    let whole = own("random: {count: 9, seed: 1, width: {min: 0, max: 9223372036854775807}}");
    assert_eq!(expand(&whole).entries.len(), 9);
}
