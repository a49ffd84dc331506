//! Axes: what `grid:`, `zip:` and `random:` sweep.
//!
//! - `grid: {alpha: [0.1, 0.2], lr: [1e-4, 1e-3]}` has one axis per key, and trains all combinations.
//! - `zip: {alpha: [0.1, 0.2], beta: [0.2, 0.4]}` is one axis of pairs: first both first values, then both second
//!   values.
//! - `random: {count: 20, seed: 7, lr: {min: 1e-5, max: 1e-2, distribution: log_uniform}, batch: {choices: [32, 64]}}`
//!   is one axis of `count` points. A draw depends only on the seed (default 0), the key and the point's number, so it
//!   is the same on every machine, in every file and whatever else is swept. Draws are rounded to six digits.

use std::sync::Arc;

use super::error::Mistakes;
use super::keys::Key;
use super::law::{Law, uniform};
use super::parts::{column, entries, here};
use super::settings::{Place, Setting};
use super::value::Reader;
use super::yaml::Node;

/// Maximum number of points of a `random:`.
const MAX_POINTS: u64 = 100_000;

/// Keys that are swept together.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// The swept keys.
    pub keys: Vec<Key>,
    /// The points, each with one setting per key.
    pub points: Vec<Vec<Arc<Setting>>>,
    /// Where the axis stands in the file.
    pub place: Place,
}

/// Reads a `grid:` into one axis per key.
pub(super) fn grid(node: &Node, path: &str, mistakes: &mut Mistakes) -> Vec<Axis> {
    let entries = entries(node, path, mistakes).unwrap_or_default();
    entries
        .iter()
        .filter_map(|(name, node)| {
            let key = here(&name.text, &name.span, path, mistakes)?;
            let path = format!("{path}.{}", name.text);
            let values = column(&key, node, &path, true, mistakes).unwrap_or_else(|| vec![mistaken(node, &path)]);
            let points = values.into_iter().map(|value| vec![value]).collect();
            Some(Axis { keys: vec![key], points, place: Place { path: path.into(), span: name.span.clone() } })
        })
        .collect()
}

/// Reads a `zip:` into one axis.
pub(super) fn zip(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Axis> {
    let mut columns: Vec<(Key, &str, Vec<Arc<Setting>>)> = Vec::new();
    let mut wrong: Vec<(Key, Arc<Setting>)> = Vec::new();
    for (name, node) in entries(node, path, mistakes)? {
        let Some(key) = here(&name.text, &name.span, path, mistakes) else { continue };
        let path = format!("{path}.{}", name.text);
        let values = column(&key, node, &path, false, mistakes);
        match (values, columns.first()) {
            (Some(values), Some((_, first, before))) if before.len() != values.len() => {
                let have = before.len();
                let message = format!("{} values, but `{first}` has {have}: a zip pairs them one by one", values.len());
                mistakes.add(&*path, &node.span, message);
                wrong.push((key, mistaken(node, &path)));
            }
            (Some(values), _) => columns.push((key, &name.text, values)),
            (None, _) => wrong.push((key, mistaken(node, &path))),
        }
    }
    if columns.is_empty() && wrong.is_empty() {
        return None;
    }
    let count = columns.first().map_or(1, |(.., values)| values.len());
    let point = |i: usize| {
        let values = columns.iter().map(|(.., values)| &values[i]);
        values.chain(wrong.iter().map(|(_, setting)| setting)).map(Arc::clone).collect()
    };
    Some(Axis {
        points: (0..count).map(point).collect(),
        keys: columns.iter().map(|(key, ..)| key.clone()).chain(wrong.iter().map(|(key, _)| key.clone())).collect(),
        place: Place { path: path.into(), span: node.span.clone() },
    })
}

/// Returns a placeholder for a setting whose mistake has been reported. The key still counts as swept.
fn mistaken(node: &Node, path: &str) -> Arc<Setting> {
    Arc::new(Setting { value: None, place: Place { path: path.into(), span: node.span.clone() } })
}

/// Reads a `random:` into one axis.
pub(super) fn random(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Axis> {
    let entries = entries(node, path, mistakes)?;
    let mut count = None;
    let mut seed = Some(0);
    let mut keys = Vec::new();
    for (name, node) in entries {
        let key_path = format!("{path}.{}", name.text);
        let mut reader = Reader { node, path: &key_path, mistakes };
        match name.text.as_str() {
            "count" => count = reader.count(1, MAX_POINTS),
            "seed" => seed = reader.count(0, u64::MAX),
            text => {
                if let Some(key) = here(text, &name.span, path, mistakes) {
                    let law = Law::read(&key, node, &key_path, mistakes);
                    keys.push((key, law, Place { path: key_path.into(), span: node.span.clone() }));
                }
            }
        }
    }
    if !entries.iter().any(|(name, _)| name.text == "count") {
        mistakes.advise(path, &node.span, "`count` is missing", "set how many points to draw, for example `count: 20`");
    }
    if entries.iter().all(|(name, _)| ["count", "seed"].contains(&name.text.as_str())) {
        let help = "add a key to draw, for example `lr: {min: 1e-5, max: 1e-2, distribution: log_uniform}`";
        mistakes.advise(path, &node.span, "no key is drawn", help);
    }
    if keys.is_empty() {
        return None;
    }
    let points = (0..count.unwrap_or(1)).map(|point| {
        keys.iter()
            .map(|(key, law, place)| {
                let value = law.as_ref().zip(seed).map(|(law, seed)| law.draw(uniform(seed, key, point)));
                Arc::new(Setting { value, place: place.clone() })
            })
            .collect()
    });
    Some(Axis {
        points: points.collect(),
        keys: keys.iter().map(|(key, ..)| key.clone()).collect(),
        place: Place { path: path.into(), span: node.span.clone() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::SettingValue;
    use crate::yaml;

    fn read(text: &str) -> (Option<Axis>, usize) {
        let mut mistakes = Mistakes::default();
        let axis = random(&yaml::load(text).unwrap(), "random", &mut mistakes);
        (axis, mistakes.len())
    }

    #[test]
    fn draws_follow_their_law_and_never_change() {
        let (axis, mistakes) = read(
            "{count: 2000, lr: {min: 1e-4, max: 1e-2, distribution: log_uniform}, alpha: {min: 0.2, max: 0.4}, \
             batch: {min: 8, max: 11}, optimizer: {choices: [adam, sgd]}}",
        );
        let axis = axis.unwrap();
        assert_eq!((mistakes, axis.points.len()), (0, 2000));
        let column = |i: usize| axis.points.iter().map(move |point| point[i].value.clone().unwrap());
        let below = |i, x| column(i).filter(|value| value.as_number().unwrap() < x).count();
        assert!((900..1100).contains(&below(0, 1e-3)), "half of the mass lies below the geometric mean");
        assert!((900..1100).contains(&below(1, 0.3)), "half of the mass lies below the mean");
        for batch in 8..=11 {
            assert!((400..600).contains(&column(2).filter(|value| *value == SettingValue::count(batch)).count()));
        }
        assert_eq!(column(3).filter(|value| value.to_string() == "adam").count() / 100, 9);
        let first: Vec<String> =
            axis.points[0].iter().map(|setting| setting.value.as_ref().unwrap().to_string()).collect();
        assert_eq!(first, ["0.000705199", "0.234967", "8", "sgd"]);
    }

    #[test]
    fn a_law_must_be_whole() {
        for text in [
            "{lr: {min: 1e-4, max: 1e-2}}",
            "{count: 0, lr: {min: 1e-4, max: 1e-2}}",
            "{count: 2, lr: {min: 1e-2, max: 1e-4}}",
            "{count: 2, lr: {min: 1e-4}}",
            "{count: 2, lr: {min: 1e-4, max: 1e-2, choices: [1]}}",
            "{count: 2, lr: {min: 1e-4, max: 1e-2, distribution: normal}}",
            "{count: 2, momentum: {min: 0, max: 0.9, distribution: log_uniform}}",
            "{count: 2, optimizer: {min: adam, max: sgd}}",
            "{count: 2, rate: {min: 0, max: 1}}",
            "{count: 2, lr: {choices: []}}",
            "{count: 2, lr: {min: 1e-4, max: 1e-2, distribution: [uniform]}}",
            "{count: 2, seed: 3}",
        ] {
            assert!(read(text).1 > 0, "{text}");
        }
    }
}
