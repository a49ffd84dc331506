//! Conditions on the settings of a job, for `exclude:` and `when:`.
//!
//! A map holds if all its keys have the given value, or one of a list of values: `{alpha: 0.01, beta: [0.1, 0.2]}`. A
//! text contains comparisons joined by `and`: `beta > alpha and optimizer == adam`. A comparison has a key on its left,
//! and a value or another key on its right. A schedule has no size: it equals itself, and is neither above nor below
//! anything. `lr`, `optimizer` and `adam_betas` have a value only if both players' values are the same.

use super::error::Mistakes;
use super::keys::{Key, Section};
use super::relation::Relation;
use super::settings::Settings;
use super::value::{Reader, SettingValue};
use super::yaml::{self, Content, Node};

/// Holds if all its clauses hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition(Vec<Clause>);

#[derive(Clone, Debug, PartialEq)]
struct Clause {
    key: Key,
    relation: Relation,
    right: Right,
}

#[derive(Clone, Debug, PartialEq)]
enum Right {
    Key(Key),
    OneOf(Vec<SettingValue>),
}

impl Condition {
    /// Returns whether a job with `settings` meets the condition.
    pub(super) fn holds(&self, settings: &Settings) -> bool {
        self.0.iter().all(|clause| clause.holds(settings))
    }

    /// Reads a condition; `None` after a mistake, which is reported.
    pub(super) fn read(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Condition> {
        let before = mistakes.len();
        let clauses: Vec<Clause> = match &node.content {
            Content::Map(entries) => entries
                .iter()
                .filter_map(|(name, node)| {
                    let key = find(&name.text, &name.span, path, mistakes)?;
                    let values = values(&key, node, &format!("{path}.{}", name.text), mistakes)?;
                    Some(Clause { key, relation: Relation::Equal, right: Right::OneOf(values) })
                })
                .collect(),
            Content::Scalar { text, .. } if !node.is_nothing() && !text.trim().is_empty() => {
                text.split(" and ").filter_map(|part| comparison(part.trim(), node, path, mistakes)).collect()
            }
            Content::Scalar { .. } | Content::List(_) => Vec::new(),
        };
        if clauses.is_empty() && mistakes.len() == before {
            mistakes.advise(
                path,
                &node.span,
                format!("expected a condition, found {}", node.describe()),
                "write `{alpha: 0.01, beta: 0.2}` or `beta > alpha`",
            );
        }
        (mistakes.len() == before).then_some(Condition(clauses))
    }
}

impl Clause {
    fn holds(&self, settings: &Settings) -> bool {
        let left = settings.value(&self.key);
        let one = |right: Option<&SettingValue>| match (left.as_ref().zip(right), self.relation) {
            (Some((left, right)), relation) => match (left.as_number(), right.as_number(), relation) {
                (Some(left), Some(right), _) => relation.holds(left, right),
                (_, _, Relation::Equal) => settings.agree(left, right),
                (_, _, Relation::NotEqual) => !settings.agree(left, right),
                _ => false,
            },
            // A missing value differs from everything.
            (None, relation) => relation == Relation::NotEqual,
        };
        match &self.right {
            Right::Key(key) => one(settings.value(key).as_ref()),
            Right::OneOf(values) => values.iter().any(|value| one(Some(value))),
        }
    }
}

/// Returns the key with this name; reports a mistake if there is none.
pub(super) fn find(text: &str, span: &std::ops::Range<usize>, path: &str, mistakes: &mut Mistakes) -> Option<Key> {
    let key = mistakes.vocabulary.find(text);
    match key {
        Some(_) => {}
        None if mistakes.vocabulary.again => {}
        None if text == "seed" || text == "seeds" => {
            let help = "every point is trained with each seed; set `seeds` at the top of the file or in a variant: \
                `seeds: 3`, or `seeds: [0, 7]`";
            mistakes.advise(path, span, format!("`{text}` cannot be swept or used in a condition"), help);
        }
        None => {
            let vocabulary = mistakes.vocabulary.clone();
            let sections = [Section::Top].into_iter().chain(Section::NAMED);
            let known: Vec<&str> = sections.flat_map(|section| vocabulary.names(section)).collect();
            mistakes.unknown(path, span, "a key that a job has", text, &known);
        }
    }
    key
}

/// Reads one value of `key`, or a list of them.
fn values(key: &Key, node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Vec<SettingValue>> {
    // If a single value is a list, several values are a list of lists.
    if matches!(key, Key::Elsewhere(_)) {
        // Only sweeps that have this key can read it; no job here has a value of it.
        return Some(Vec::new());
    }
    let listed = key.listed();
    match &node.content {
        Content::List(nodes) if !listed && nodes.is_empty() => {
            mistakes.add(path, &node.span, "the list is empty, so no value can match");
            None
        }
        Content::List(nodes) if !listed || nodes.iter().any(|node| matches!(node.content, Content::List(_))) => {
            nodes.iter().map(|node| Reader { node, path, mistakes }.read(key)).collect()
        }
        _ => Reader { node, path, mistakes }.read(key).map(|value| vec![value]),
    }
}

fn comparison(text: &str, node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Clause> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))).unwrap_or(text.len());
    let (left, rest) = text.split_at(end);
    let Some((relation, right)) = Relation::strip(rest.trim_start()) else {
        mistakes.advise(
            path,
            &node.span,
            format!("`{text}` is not a comparison"),
            "write a key, one of < <= > >= == !=, and a value or another key, such as `beta > alpha`",
        );
        return None;
    };
    let key = find(left, &node.span, path, mistakes)?;
    let by_size = !matches!(relation, Relation::Equal | Relation::NotEqual);
    let numeric = key.numeric() || mistakes.vocabulary.numeric_elsewhere(left);
    if by_size && !numeric {
        mistakes.add(path, &node.span, format!("`{}` has no size: compare it with == or !=", key.name()));
        return None;
    }
    if matches!(key, Key::Elsewhere(_)) {
        return Some(Clause { key, relation, right: Right::OneOf(vec![SettingValue::flag(false)]) });
    }
    let right = right.trim();
    let right = match (mistakes.vocabulary.find(right), right.parse::<f64>()) {
        (Some(other), _) => Right::Key(other),
        // Any number can be a bound, even one that the key itself cannot have.
        (None, Ok(number)) if numeric && number.is_finite() => Right::OneOf(vec![SettingValue::number(number)]),
        _ => {
            // The value is parsed as YAML by itself; its mistakes are reported at the place of the whole text.
            let mut value = match yaml::load(&format!("[{right}]")).map(|list| list.content) {
                Ok(Content::List(mut nodes)) if nodes.len() == 1 => nodes.remove(0),
                _ => Node { span: 0..0, content: Content::Scalar { text: right.to_owned(), plain: false } },
            };
            place(&mut value, &node.span);
            Right::OneOf(vec![Reader { node: &value, path, mistakes }.read(&key)?])
        }
    };
    Some(Clause { key, relation, right })
}

fn place(node: &mut Node, span: &std::ops::Range<usize>) {
    node.span = span.clone();
    match &mut node.content {
        Content::Scalar { .. } => {}
        Content::List(nodes) => nodes.iter_mut().for_each(|node| place(node, span)),
        Content::Map(entries) => entries.iter_mut().for_each(|(_, node)| place(node, span)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::settings::{Place, Setting};

    fn holds(condition: &str) -> Option<bool> {
        let Content::List(nodes) = yaml::load(&format!("[{condition}]")).unwrap().content else { panic!() };
        let mut settings = Settings::default();
        for (key, value) in [
            ("alpha", SettingValue::number(0.1)),
            ("beta", SettingValue::number(0.2)),
            ("generator", SettingValue::sizes(&[4, 4])),
            ("encoder", SettingValue::sizes(&[4])),
            ("lr_generator", SettingValue::number(1e-3)),
        ] {
            let place = Place { path: "".into(), span: 0..0 };
            settings.set(&Key::find(key).unwrap(), &Arc::new(Setting { value: Some(value), place }));
        }
        Condition::read(&nodes[0], "exclude[0]", &mut Mistakes::default()).map(|condition| condition.holds(&settings))
    }

    #[test]
    fn conditions_hold_where_they_should() {
        for (condition, expected) in [
            ("{alpha: 0.1, beta: 0.2}", true),
            ("{alpha: 0.1, beta: 0.3}", false),
            ("{alpha: [0.1, 0.5]}", true),
            ("{alpha: [0.4, 0.5]}", false),
            ("beta > alpha", true),
            ("alpha > beta", false),
            ("beta > alpha and alpha > 0.1", false),
            ("\"beta > alpha and train.optimizer == adam\"", true),
            ("optimizer != sgd", true),
            ("{generator: [4, 4]}", true),
            ("{generator: [[4], [4, 4]]}", true),
            ("\"generator == [4, 4]\"", true),
            ("{encoder: [4]}", true),
            ("{encoder: [[4, 4], [5]]}", false),
            // The two learning rates differ, so `lr` has no value.
            ("lr == 1e-3", false),
            ("lr != 1e-3", true),
            ("lr_generator >= 0.001", true),
            ("alpha < 5 and batch == 64 and batch > alpha", true),
        ] {
            assert_eq!(holds(condition), Some(expected), "{condition}");
        }
    }

    #[test]
    fn what_is_no_condition_is_a_mistake() {
        for text in [
            "alpha",
            "alpha > ",
            "gamma > 1",
            "{}",
            "{gamma: 1}",
            "optimizer > adam",
            "{alpha: -7}",
            "alpha = 1",
            "~",
            "{alpha: []}",
            "{alpha: }",
        ] {
            assert_eq!(holds(text), None, "{text}");
        }
    }
}
