//! Values of schedules, and what files say about them.

use super::*;
use crate::expand::{Entry, Expansion};
use crate::keys::{Key, Section};
use crate::parameters::{Parameters, Plain};
use crate::sweep::Sweep;

const BASE: &str = "sweep: s\ndataset: gaussians\n";
const COSINE: &str = "{from: 2e-4, to: 5e-5, shape: cosine}";

fn expand(rest: &str) -> Result<Expansion, String> {
    let expansion = Sweep::parse("f", &format!("{BASE}{rest}")).and_then(|sweep| sweep.expand());
    expansion.map_err(|errors| errors.to_string())
}

fn entries(rest: &str) -> Vec<Entry> {
    expand(rest).unwrap_or_else(|errors| panic!("{errors}")).entries
}

#[test]
fn values_are_those_of_the_formulas() {
    let of = |course| Schedule { from: 2.0, to: -1.0, course };
    let (start, end) = (10, 30);
    let root = 0.5f64.sqrt();
    for (course, values) in [
        (Course::Linear { start, end }, [2.0, 2.0, 1.25, 0.5, -0.25, -1.0, -1.0]),
        // cos 0, cos π/4, cos π/2, cos 3π/4, cos π.
        (Course::Cosine { start, end }, [2.0, 2.0, 0.5 + 1.5 * root, 0.5, 0.5 - 1.5 * root, -1.0, -1.0]),
        (Course::Step { start }, [2.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0]),
    ] {
        for (step, value) in [0, 10, 15, 20, 25, 30, 1000].into_iter().zip(values) {
            let found = of(course).at(step);
            assert!((found - value).abs() < 1e-15, "{course:?} at {step}: {found}");
        }
    }
    assert_eq!(of(Course::Step { start }).at(9), 2.0);
    // The ends are the exact numbers of the file, however their difference is rounded.
    for course in [Course::Linear { start: 0, end: 7 }, Course::Cosine { start: 0, end: 7 }] {
        let schedule = Schedule { from: 0.1, to: 1e17, course };
        assert_eq!([schedule.at(0), schedule.at(7)], schedule.ends());
    }
}

#[test]
fn a_job_has_its_schedules_with_their_ends() {
    let text = format!("objective: gan\ntrain: {{steps: 400, lr: {COSINE}, lr_generator: 1e-3}}");
    let found = &entries(&text)[0].job.parameters;
    let json = serde_json::to_string(found).unwrap();
    let expected = concat!(
        r#"{"adam_beta1":0.5,"adam_beta2":0.999,"#,
        r#""lr_discriminator":{"end":400,"from":0.0002,"shape":"cosine","start":0,"to":0.00005},"#,
        r#""lr_generator":0.001}"#
    );
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<Parameters>(&json).unwrap(), *found);
    assert_eq!(found.get("lr_discriminator").unwrap().to_string(), "0.0002→0.00005 cosine 0–400");
    assert_eq!((found.number("lr_discriminator"), found.number("lr_generator")), (None, Some(1e-3)));
    assert_eq!((found.at("lr_discriminator", 0), found.at("lr_generator", 7)), (Some(2e-4), Some(1e-3)));
    // Both parts of a group.
    let both = &entries(&format!("objective: gan\ntrain: {{steps: 400, lr: {COSINE}}}"))[0].job.parameters;
    assert_eq!(both.get("lr_generator"), both.get("lr_discriminator"));
    for (written, shown) in [
        ("{from: 1, to: 0.5, shape: linear, start: 5}", "1→0.5 linear 5–400"),
        ("{from: 1, to: 0.5, shape: cosine, start: 5, end: 900}", "1→0.5 cosine 5–900"),
        ("{from: 1, to: 1e-5, shape: step, start: 5}", "1→0.00001 step at 5"),
    ] {
        let found = entries(&format!("objective: gan\ntrain: {{steps: 400, lr: {written}}}"));
        let value = found[0].job.parameters.get("lr_generator").unwrap();
        assert_eq!(value.to_string(), shown);
        let json = serde_json::to_string(value).unwrap();
        assert_eq!(serde_json::from_str::<Plain>(&json).unwrap(), *value, "{json}");
    }
}

#[test]
fn schedules_are_swept_excluded_and_told_apart() {
    let linear = "{from: 2e-4, to: 5e-5, shape: linear}";
    let sweep =
        |rest: &str| format!("objective: gan\ntrain: {{steps: 400}}\ngrid: {{lr: [1e-4, {COSINE}, {linear}]}}{rest}");
    let found = entries(&sweep(""));
    let texts: Vec<&str> = found.iter().map(|entry| &*entry.axes[0].1).collect();
    assert_eq!(texts, ["0.0001", "0.0002→0.00005 cosine", "0.0002→0.00005 linear"]);
    assert!(found.iter().all(|entry| entry.job.blueprint == found[0].job.blueprint), "they train together");
    let plain = entries("objective: gan\ntrain: {steps: 400, lr: 1e-4}");
    assert_eq!(found[0].id, plain[0].id);
    for (exclude, left) in [
        // Ending at the last step is the same as not setting an end.
        ("{lr: {from: 2e-4, to: 5e-5, shape: cosine, end: 400}}", 2),
        ("{lr: {from: 2e-4, to: 5e-5, shape: cosine, end: 399}}", 3),
        ("{lr: [1e-4, {from: 2e-4, to: 5e-5, shape: cosine}]}", 1),
        ("lr != 1e-4", 1),
        ("lr > 0", 2),
        ("lr < 1", 2),
    ] {
        assert_eq!(
            entries(&sweep(&format!("\nexclude: [\"{exclude}\"]").replace("\"{", "{").replace("}\"", "}"))).len(),
            left,
            "{exclude}"
        );
    }
    let zip = "objective: d2gan\ntrain: {steps: 9}\nzip: \
        {alpha: [{from: 1, to: 2, shape: linear}, 1], beta: [1, {from: 1, to: 2, shape: linear}]}";
    assert_eq!(entries(zip).len(), 2);
    let random =
        format!("objective: gan\ntrain: {{steps: 9}}\nrandom: {{count: 20, lr: {{choices: [{COSINE}, 1e-3]}}}}");
    assert_eq!(entries(&random).len(), 2);
    // A schedule that ends with training differs for a longer training.
    let longer = entries(&format!("objective: gan\ntrain: {{lr: {COSINE}}}\ngrid: {{steps: [300, 400]}}"));
    assert_ne!(longer[0].job.parameters, longer[1].job.parameters);
}

/// A value that training only approaches does not occur.
#[test]
fn a_learning_rate_may_go_to_zero_at_the_end() {
    for schedule in ["shape: linear", "shape: cosine, end: 50", "shape: linear, start: 49", "shape: linear, end: 1000"]
    {
        let text = format!("objective: gan\ntrain: {{steps: 50, lr: {{from: 1e-3, to: 0, {schedule}}}}}");
        let found = entries(&text);
        let lr = |step| found[0].job.parameters.at("lr_generator", step).unwrap();
        assert!((0..50).all(|step| lr(step) > 0.0) && lr(1000) == 0.0, "{schedule}");
    }
}

/// Parameters that jobs always had, and those added later.
#[test]
fn all_numbers_of_members_take_schedules() {
    for (objective, key) in [
        ("gan", "lr_generator"),
        ("gan", "adam_beta1"),
        ("gan", "epsilon"),
        ("gan", "weight_decay"),
        ("gan", "clip_gradient"),
        ("gan", "ema"),
        ("gan", "ema_half_life"),
        ("gan\npenalties: [{at: real, half_square: gamma}]", "gamma"),
        ("wgan", "clip"),
        ("wgan_gp", "gradient_penalty"),
        ("d2gan", "beta"),
        ("{discriminator: c * mean(fake) - mean(real), generator: -mean(fake), clip: 0.1, parameters: {c: 1}}", "c"),
    ] {
        let at = |value: &str| {
            let (top, train) = match Key::find(key).map(|key| key.section()) {
                Some(Section::Train) => (String::new(), format!(", {key}: {value}")),
                _ => (format!("{key}: {value}\n"), String::new()),
            };
            let others = if objective == "d2gan" { "alpha: 0.3\n" } else { "" };
            entries(&format!("{top}{others}train: {{steps: 100{train}}}\nobjective: {objective}"))
                .remove(0)
                .job
                .parameters
        };
        let expected = Schedule { from: 0.25, to: 0.5, course: Course::Linear { start: 0, end: 100 } };
        let found = at("{from: 0.25, to: 0.5, shape: linear}");
        assert_eq!(found.get(key), Some(&Plain::Schedule(expected)), "{key}");
        let rest = |all: &Parameters| all.iter().filter(|(name, _)| *name != key).count();
        assert_eq!(rest(&found), rest(&at("0.25")), "{key}");
    }
    // An average that starts from 0 still uses the keys of an average.
    let found =
        &entries("objective: gan\ntrain: {steps: 9, ema: {from: 0, to: 0.9, shape: step, start: 3}, ema_start: 2}")[0];
    assert_eq!(found.job.parameters.number("ema_start"), Some(2.0));
}

#[test]
fn mistakes_are_told() {
    let lr = |schedule: &str| format!("objective: gan\ntrain: {{steps: 100, lr: {schedule}}}");
    let mut wrong = Vec::new();
    let known = "alpha: 0.1\nbeta: {from: 1, to: 0.5, shape: linear}\ntrain: {steps: 9}\nobjective:";
    for (text, expected) in [
        (lr("{from: 1e-3, to: -1, shape: linear}"), "f:4:42: train.lr.to: expected a number above 0, found `-1`"),
        (lr("{from: 0, to: 1, shape: linear}"), "f:4:32: train.lr.from: expected a number above 0, found `0`"),
        (
            lr("{from: 1, to: 0, shape: linear, end: 99}"),
            "f:4:25: train.lr: expected a number above 0, found 0 (a \
            `linear` or `cosine` schedule that ends with training approaches 0 without reaching it)",
        ),
        (lr("{from: 1, to: 0, shape: step, start: 99}"), "f:4:25: train.lr: expected a number above 0, found 0"),
        (
            lr("1, adam_beta2: {from: 0.5, to: 1, shape: cosine, end: 20}"),
            "train.adam_beta2: expected a number in [0, \
            1), found 1",
        ),
        (
            lr("1, adam_beta2: {from: 0.5, to: 2, shape: cosine, end: 900}"),
            "train.adam_beta2.to: expected a number in \
            [0, 1), found `2`",
        ),
        (
            lr("1, clip_gradient: {from: 1, to: 0, shape: step, start: 9}"),
            "train.clip_gradient: expected a number \
            above 0, found 0",
        ),
        (lr("{from: -1, to: 1, shape: linear}"), "f:4:32: train.lr.from: expected a number above 0, found `-1`"),
        (lr("{from: a, to: 1, shape: linear}"), "train.lr.from: expected a number above 0, found `a`"),
        (lr("{from: 1, to: 2, shape: cosinus}"), "train.lr.shape: `cosinus` is not a shape of a schedule"),
        (lr("{from: 1, to: 2}"), "f:4:25: train.lr: `shape` is missing"),
        (lr("{to: 2, shape: linear}"), "train.lr: `from` is missing"),
        (lr("{from: 2, shape: linear}"), "train.lr: `to` is missing"),
        (lr("{}"), "train.lr: `from` is missing"),
        (lr("{from: 1, to: 2, shape: linear, until: 5}"), "train.lr.until: `until` is not a key of a schedule"),
        (lr("{from: 1, to: 2, to: 3, shape: linear}"), "`to` is set twice"),
        (lr("{from: 1, to: 1, shape: linear}"), "train.lr: this schedule changes nothing"),
        (lr("{from: 1, to: 2, shape: step}"), "train.lr: `start` is missing"),
        (
            lr("{from: 1, to: 2, shape: step, start: 0}"),
            "train.lr.start: the schedule starts at step 0, but no step \
            comes before that",
        ),
        (lr("{from: 1, to: 2, shape: step, start: 2, end: 9}"), "train.lr.end: a `step` has no `end`"),
        (
            lr("{from: 1, to: 2, shape: linear, start: 9, end: 9}"),
            "train.lr.end: the schedule begins at step 9, but \
            ends at step 9",
        ),
        (lr("{from: 1, to: 2, shape: linear, start: 1.5}"), "train.lr.start: expected a whole number from 0"),
        (
            lr("{from: 1, to: 2, shape: linear, start: 100}"),
            "f:4:25: train.lr: the schedule begins at step 100, but \
            training ends at step 100",
        ),
        (lr("{from: 1, to: 2, shape: step, start: 200}"), "begins at step 200, but training ends at step 100"),
        (
            "objective: gan\ntrain: {steps: {from: 1, to: 2, shape: linear}}".to_owned(),
            "f:4:16: train.steps: `steps` \
            cannot have a schedule: it is the same at all steps",
        ),
        (
            lr("1\n  , batch: {from: 1, to: 2, shape: linear}"),
            "`batch` cannot have a schedule: it is the same at all \
            steps",
        ),
        (lr("1, ema: 0.5, ema_start: {from: 1, to: 2, shape: linear}"), "`ema_start` cannot have a schedule"),
        (
            lr("1, ema: {from: 0, to: 0.5, shape: linear}, ema_half_life: 9"),
            "f:4:83: train.ema_half_life: `ema` and \
            `ema_half_life` are both set",
        ),
        (lr("1, optimizer: {from: adam, to: sgd}"), "`optimizer` cannot have a schedule"),
        (lr("1, adam_betas: {from: 0.5, to: 0.6, shape: linear}"), "set its parts, each with its own schedule"),
        (
            "objective: mgan\ngenerators: {from: 1, to: 2, shape: step, start: 5}\ntrain: {steps: 9}".to_owned(),
            "`generators` cannot have a schedule",
        ),
        (
            "objective: gan\ntrain: {steps: 9}\nscore: {samples: {from: 1, to: 2}}".to_owned(),
            "`samples` cannot have a \
            schedule",
        ),
        (
            "objective: gan\ntrain: {steps: 9}\nrandom: \
            {count: 2, lr: {min: {from: 1, to: 2, shape: linear}, max: 3}}"
                .to_owned(),
            "a schedule is not a number",
        ),
        (
            "trainer: {command: [x, \"${args}\"], parameters: {rate: 0.1}, steps: 9}\nrate: \
            {from: 1, to: 2, shape: linear}"
                .to_owned(),
            "`rate` cannot have a schedule: it is the same at all steps",
        ),
        // What only the use of a parameter shows.
        (
            format!(
                "{known} {{discriminator: alpha * mean(fake) - mean(real), generator: -beta * mean(fake), clip: 0.1, \
            parameters: {{alpha: 1, beta: {{default: 1, above: 0.7}}}}}}"
            ),
            "f:4:7: beta: expected a number above 0.7, found 0.5",
        ),
    ] {
        let errors = expand(&text).err().unwrap_or_default();
        if !errors.contains(expected) {
            wrong.push(format!("{text}\n  expected {expected}\n  found {errors}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a loss does at the start and end of schedules, and, with several, where one has ended and another has not.
#[test]
fn losses_are_looked_at_where_schedules_turn() {
    let text = |schedules: &str| {
        format!(
            "objective: {{discriminator: a * b * (mean(softplus(-real)) + mean(softplus(fake))), generator: \
            mean(softplus(-fake)), parameters: {{a: 1, b: 1}}}}\n{schedules}train: {{steps: 100}}"
        )
    };
    let found = |schedules: &str| match expand(&text(schedules)) {
        Ok(expansion) => expansion.warnings.len(),
        Err(errors) => errors.lines().count(),
    };
    assert_eq!(found(""), 0);
    let wrong = found("a: -1\n");
    assert!(wrong > 0);
    for schedules in [
        "a: {from: -1, to: 1, shape: linear}\n",
        "a: {from: 1, to: -1, shape: cosine}\n",
        // Both change sign, one after the other.
        "a: {from: 1, to: -1, shape: step, start: 20}\nb: {from: 1, to: -1, shape: step, start: 60}\n",
    ] {
        assert_eq!(found(schedules), wrong, "{schedules}");
    }
    assert_eq!(found("a: {from: 1, to: 2, shape: linear}\n"), 0);
}
