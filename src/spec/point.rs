//! Points that are not written in a sweep file: proposed in the course of a run, or found in another sweep.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::error::Mistakes;
use super::keys::Key;
use super::parameters::Plain;
use super::settings::{Place, Setting};
use super::value::{Reader, Value};
use super::yaml::{self, Content, Node};

/// The values of the keys that are swept, as they stand in the database and in files of a home directory.
pub type Point = Map<String, Json>;

/// Where a number of a point is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dimension {
    /// Between two numbers.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// One of so many, which have no order: a whole number from 0.
    Choices(usize),
}

/// A value, from which it can be told: of what a user's own trainer takes, as JSON where the text could be something else (the word 1.10 is no
/// number).
pub(super) fn text(key: &Key, value: &Value) -> String {
    match (key, value) {
        (Key::Own(_), Value::Plain(Plain::Text(text))) if serde_json::from_str::<Json>(text).is_ok() => {
            serde_json::json!(text).to_string()
        }
        (Key::Own(_), Value::Plain(list @ Plain::List(_))) => serde_json::json!(list).to_string(),
        (_, value) => value.to_string(),
    }
}

/// A value that is shown so as JSON: a number where it is one.
pub fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// The same of a value of this key.
pub(super) fn value(key: &Key, value: &Value) -> Json {
    json(&text(key, value))
}

/// Reads the value of a key in a point that is asked for at `place`; without one after a mistake, which is reported.
pub(super) fn read(key: &Key, value: &Json, place: &Place, mistakes: &mut Mistakes) -> Arc<Setting> {
    let text = match (key, value) {
        // JSON of its own is YAML, too.
        (Key::Own(_), value) => value.to_string(),
        (_, Json::String(text)) => text.clone(),
        (_, value) => value.to_string(),
    };
    let value = match yaml::load(&text) {
        Ok(mut node) => {
            put(&mut node, place);
            Reader { node: &node, path: &place.path, mistakes }.read(key)
        }
        Err(error) => {
            mistakes.add(&*place.path, &place.span, format!("`{}` cannot be `{text}`: {}", key.name(), error.message));
            None
        }
    };
    Arc::new(Setting { value, place: place.clone() })
}

/// What was read elsewhere stands here.
fn put(node: &mut Node, place: &Place) {
    node.span = place.span.clone();
    match &mut node.content {
        Content::Scalar { .. } => {}
        Content::List(nodes) => nodes.iter_mut().for_each(|node| put(node, place)),
        Content::Map(entries) => entries.iter_mut().for_each(|(name, node)| {
            name.span = place.span.clone();
            put(node, place);
        }),
    }
}
