//! Every key of a sweep file with values of the wrong kind: none is misread, and no message contradicts itself.

use super::keys::{Key, Section, fixed};
use super::sweep::Sweep;

const BASE: &str = "sweep: s\ndataset: gaussians\nobjective: gan\ntrain: {steps: 10}\n";

/// Returns the file with `key: value` in place of its own value of the key.
fn with(section: Option<&str>, key: &str, value: &str) -> String {
    let line = match section {
        None => format!("{key}: {value}"),
        Some("train") if key == "steps" => format!("train: {{steps: {value}}}"),
        Some("train") => format!("train: {{steps: 10, {key}: {value}}}"),
        Some("published") => format!("published: [{{{key}: {value}}}]"),
        Some(section) => format!("{section}: {{{key}: {value}}}"),
    };
    let start = line.split(':').next().unwrap_or_default();
    let others = BASE.lines().filter(|other| !other.starts_with(&format!("{start}:")));
    others.chain([line.as_str()]).map(|line| line.to_owned() + "\n").collect()
}

/// Returns the messages about the file; empty if it has jobs.
fn messages(text: &str) -> Vec<String> {
    match Sweep::parse("f", text).and_then(|sweep| sweep.expand()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.mistakes.iter().map(|mistake| mistake.message.clone()).collect(),
    }
}

/// Every place for a value, as a section and a key in it.
fn places() -> Vec<(Option<&'static str>, String)> {
    let keys = |section: Section| {
        let name = Section::NAMED.contains(&section).then(|| section.name());
        Key::names(section).into_iter().map(move |key| (name, key.to_owned()))
    };
    let mut places: Vec<_> = [Section::Top].into_iter().chain(Section::NAMED).flat_map(keys).collect();
    assert!(places.len() > 60 && fixed().all(|key| places.iter().any(|(_, name)| name == key.name)));
    let whole =
        ["sweep", "seeds", "grid", "zip", "random", "exclude", "when", "expect", "published", "run", "variants"];
    places.extend(whole.into_iter().chain(Section::NAMED.map(Section::name)).map(|key| (None, key.to_owned())));
    for section in ["grid", "zip", "when"] {
        places.extend(["lr", "optimizer", "generator", "dataset"].map(|key| (Some(section), key.to_owned())));
    }
    for key in ["retries", "backoff", "job_time", "run_time", "max_failures", "on_max_failures"] {
        places.push((Some("run"), key.to_owned()));
    }
    for key in ["variant", "metric", "value", "std", "error", "n", "source"] {
        places.push((Some("published"), key.to_owned()));
    }
    for key in ["gaussians", "name", "path"] {
        places.push((Some("dataset"), key.to_owned()));
    }
    places
}

const NOTHING: [&str; 3] = ["", "~", "null"];
const EMPTY: [&str; 2] = ["[]", "{}"];
const WRONG: [&str; 8] = ["[~]", "[[]]", "[{}]", "[1, 2]", "{a: 1}", "{\"\": 1}", "[[a, b], {c: ~}]", "\"\""];

#[test]
fn no_message_contradicts_itself() {
    let mut wrong = Vec::new();
    for (section, key) in places() {
        for value in NOTHING.iter().chain(&EMPTY).chain(&WRONG) {
            for message in messages(&with(section, &key, value)) {
                let (expected, found) = message.split_once(", found ").unwrap_or((&message, ""));
                let (list, map) = (expected.starts_with("expected a list"), expected.starts_with("expected a map"));
                let (of_list, of_map) =
                    ["list", "map"].map(|kind| (format!("the {kind}"), format!("a {kind} of"))).into();
                let is = |kind: &(String, String)| found.starts_with(&kind.0) || found.starts_with(&kind.1);
                if list && is(&of_list) || map && is(&of_map) || message.contains("``") {
                    wrong.push(format!("{section:?} {key}: {value}: {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_taken_for_something() {
    let mut taken = Vec::new();
    for (section, key) in places() {
        for value in NOTHING.iter().chain(&EMPTY) {
            if messages(&with(section, &key, value)).is_empty() {
                taken.push(format!("{}{key}: {value}", section.map_or(String::new(), |section| format!("{section}."))));
            }
        }
    }
    let meant = [
        // No hidden layer, and no score.
        "model.generator: []",
        "model.discriminator: []",
        "model.encoder: []",
        "model.denoiser: []",
        "score.metrics: []",
        // No penalty.
        "penalties: []",
        // Nothing swept, excluded, expected or set.
        "grid: {}",
        "zip: {}",
        "exclude: []",
        "when: {}",
        "expect: []",
        "published: []",
        "run: {}",
        "model: {}",
        "score: {}",
        "dataset.gaussians: {}",
    ];
    let unexpected: Vec<_> = taken.iter().filter(|taken| !meant.contains(&taken.as_str())).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let refused: Vec<_> = meant.iter().filter(|meant| !taken.iter().any(|taken| taken == *meant)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn seeds_are_not_swept_as_keys_are() {
    for text in ["grid: {seed: [1, 2]}", "zip: {seeds: [1, 2]}", "exclude: [{seed: 1}]", "exclude: [seed > 1]"] {
        let errors = Sweep::parse("f", &format!("{BASE}{text}\n")).unwrap_err();
        let help = errors.mistakes[0].help.as_deref().unwrap_or_default();
        assert!(help.contains("`seeds: 3`"), "{text}: {errors}");
    }
}
