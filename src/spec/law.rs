//! How one key is drawn: at random, or by a search.

use serde_json::Value as Json;

use super::error::Mistakes;
use super::keys::Key;
use super::parameters::Plain;
use super::parts::{column, entries};
use super::point::{self, Dimension};
use super::value::{Reader, SettingValue};
use super::yaml::Node;

/// The distribution of one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Law {
    Uniform { min: f64, max: f64 },
    LogUniform { min: f64, max: f64 },
    Whole { min: i64, max: i64 },
    LogWhole { min: i64, max: i64 },
    Choices(Vec<SettingValue>),
}

impl Law {
    pub(super) fn read(key: &Key, node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Law> {
        let (mut min, mut max, mut log, mut choices) = (None, None, false, None);
        for (name, node) in entries(node, path, mistakes)? {
            let path = format!("{path}.{}", name.text);
            let mut one = || Reader { node, path: &path, mistakes: &mut *mistakes }.read(key);
            match name.text.as_str() {
                "min" => min = Some((one()?, &node.span)),
                "max" => max = Some((one()?, &node.span)),
                "distribution" => {
                    let known = [("uniform", false), ("log_uniform", true)];
                    log = Reader { node, path: &path, mistakes }.named("a distribution", &known)?;
                }
                "choices" => choices = Some(column(key, node, &path, false, mistakes)?),
                text => {
                    let known = ["min", "max", "distribution", "choices"];
                    mistakes.unknown(&path, &name.span, "a setting of a random key", text, &known);
                    return None;
                }
            }
        }
        match (min, max, choices) {
            (None, None, Some(choices)) => {
                choices.iter().map(|setting| setting.value.clone()).collect::<Option<_>>().map(Law::Choices)
            }
            (Some((min, low)), Some((max, _)), None) => {
                if let (SettingValue::Schedule(_), _) | (_, SettingValue::Schedule(_)) = (&min, &max) {
                    mistakes.advise(path, low, "a schedule is not a number", "use `choices`, or draw numbers");
                    return None;
                }
                let (SettingValue::Plain(min), SettingValue::Plain(max)) = (min, max) else {
                    mistakes.add(path, low, format!("`{}` is not a number: use `choices`", key.name()));
                    return None;
                };
                let law = match (min, max, log) {
                    (Plain::Number(min), Plain::Number(max), false) if min < max => Law::Uniform { min, max },
                    (Plain::Number(min), Plain::Number(max), true) if 0.0 < min && min < max => {
                        Law::LogUniform { min, max }
                    }
                    (Plain::Whole(min), Plain::Whole(max), false) if min < max => Law::Whole { min, max },
                    (Plain::Whole(min), Plain::Whole(max), true) if 0 < min && min < max => Law::LogWhole { min, max },
                    (Plain::Number(_) | Plain::Whole(_), ..) => {
                        let message = if log { "expected 0 < min < max" } else { "expected min < max" };
                        mistakes.add(path, low, message);
                        return None;
                    }
                    _ => {
                        mistakes.add(path, low, format!("`{}` is not a number: use `choices`", key.name()));
                        return None;
                    }
                };
                Some(law)
            }
            _ => {
                mistakes.add(path, &node.span, "expected either `min` and `max`, or `choices`");
                None
            }
        }
    }

    /// Returns the value at `u` in [0, 1).
    pub(super) fn draw(&self, u: f64) -> SettingValue {
        let whole = |whole| SettingValue::Plain(Plain::Whole(whole));
        let log = |min: f64, max: f64| (min.ln() + u * (max.ln() - min.ln())).exp();
        match *self {
            Law::Uniform { min, max } => SettingValue::number(rounded(min + u * (max - min)).clamp(min, max)),
            Law::LogUniform { min, max } => SettingValue::number(rounded(log(min, max)).clamp(min, max)),
            Law::Whole { min, max } => {
                // The user's own parameters may be any whole numbers, so the range may exceed an i64.
                let span = i128::from(max) - i128::from(min) + 1;
                let drawn = i128::from(min) + (u * span as f64) as i128;
                whole(i64::try_from(drawn).unwrap_or(max).min(max))
            }
            // Draw from [min, max + 1) on a log scale and round down, so that `max` gets its share too.
            Law::LogWhole { min, max } => whole((rounded(log(min as f64, max as f64 + 1.0)) as i64).clamp(min, max)),
            Law::Choices(ref choices) => choices[((u * choices.len() as f64) as usize).min(choices.len() - 1)].clone(),
        }
    }

    /// Returns its range for a search.
    pub(super) fn dimension(&self) -> Dimension {
        match *self {
            Law::Uniform { min, max } => Dimension::Number { min, max },
            Law::LogUniform { min, max } => Dimension::Number { min: min.ln(), max: max.ln() },
            Law::Whole { min, max } => Dimension::Number { min: min as f64, max: max as f64 + 1.0 },
            Law::LogWhole { min, max } => Dimension::Number { min: (min as f64).ln(), max: (max as f64 + 1.0).ln() },
            Law::Choices(ref choices) => Dimension::Choices(choices.len()),
        }
    }

    /// Returns the value at a place in its [dimension](Law::dimension).
    pub(super) fn at(&self, place: f64) -> SettingValue {
        let whole = |place: f64, min: i64, max: i64| SettingValue::Plain(Plain::Whole((place as i64).clamp(min, max)));
        match *self {
            Law::Uniform { min, max } => SettingValue::number(rounded(place).clamp(min, max)),
            Law::LogUniform { min, max } => SettingValue::number(rounded(place.exp()).clamp(min, max)),
            Law::Whole { min, max } => whole(place.floor(), min, max),
            Law::LogWhole { min, max } => whole(place.exp().floor(), min, max),
            Law::Choices(ref choices) => choices[(place as usize).min(choices.len() - 1)].clone(),
        }
    }

    /// Returns the value in a point, or `None` if it cannot be drawn.
    pub(super) fn value(&self, key: &Key, value: &Json) -> Option<SettingValue> {
        match *self {
            Law::Uniform { min, max } | Law::LogUniform { min, max } => {
                value.as_f64().filter(|number| (min..=max).contains(number)).map(SettingValue::number)
            }
            Law::Whole { min, max } | Law::LogWhole { min, max } => {
                let whole = value.as_i64().filter(|whole| (min..=max).contains(whole))?;
                Some(SettingValue::Plain(Plain::Whole(whole)))
            }
            Law::Choices(ref choices) => choices.iter().find(|choice| point::value(key, choice) == *value).cloned(),
        }
    }

    /// Returns the place of a value in a point, or `None` if it cannot be drawn.
    pub(super) fn place(&self, key: &Key, value: &Json) -> Option<f64> {
        let number = value.as_f64();
        let within = |min: f64, max: f64| number.filter(|number| (min..=max).contains(number));
        match *self {
            Law::Uniform { min, max } => within(min, max),
            Law::LogUniform { min, max } => within(min, max).map(f64::ln),
            // The middle of the interval that is rounded to it.
            Law::Whole { min, max } => within(min as f64, max as f64).map(|whole| whole + 0.5),
            Law::LogWhole { min, max } => within(min as f64, max as f64).map(|whole| (whole + 0.5).ln()),
            Law::Choices(ref choices) => {
                choices.iter().position(|choice| point::value(key, choice) == *value).map(|place| place as f64)
            }
        }
    }
}

/// Rounds to six digits: the last bits of a logarithm differ between machines, but a job's id must not.
fn rounded(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}

/// Returns a number in [0, 1) that depends only on its arguments.
pub(super) fn uniform(seed: u64, key: &Key, point: u64) -> f64 {
    let hash = blake3::hash(format!("sweep/random/{seed}/{}/{point}", key.path()).as_bytes());
    let bits = hash.as_bytes()[..8].iter().fold(0, |bits: u64, &byte| bits << 8 | u64::from(byte));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
