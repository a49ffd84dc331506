//! Points that are not written in the sweep file: proposed during a run, or taken from another sweep.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::error::Mistakes;
use super::keys::Key;
use super::parameters::Plain;
use super::settings::{Place, Setting};
use super::value::{Reader, SettingValue};
use super::yaml::{self, Content, Node};

/// The values of the swept keys, as stored in the database and in files of a home directory.
pub type Point = Map<String, Json>;

/// The range of one coordinate of a search space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dimension {
    /// A number in a range.
    Number {
        /// The minimum.
        min: f64,
        /// The maximum.
        max: f64,
    },
    /// One of this many unordered choices: an index from 0.
    Choices(usize),
}

/// Returns a value as unambiguous text. For a parameter of the user's own trainer, this is JSON if plain text could be
/// read as something else (the word 1.10 is not a number).
pub(super) fn text(key: &Key, value: &SettingValue) -> String {
    match (key, value) {
        (Key::Own(_), SettingValue::Plain(Plain::Text(text))) if serde_json::from_str::<Json>(text).is_ok() => {
            serde_json::json!(text).to_string()
        }
        (Key::Own(_), SettingValue::Plain(list @ Plain::List(_))) => serde_json::json!(list).to_string(),
        (_, value) => value.to_string(),
    }
}

/// Returns a value shown as text as JSON: a number if it is one.
pub fn json(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// The same for a value of this key.
pub(super) fn value(key: &Key, value: &SettingValue) -> Json {
    json(&text(key, value))
}

/// Reads the value of a key in a point that is used at `place`. After a mistake, which is reported, the setting has no
/// value.
pub(super) fn read(key: &Key, value: &Json, place: &Place, mistakes: &mut Mistakes) -> Arc<Setting> {
    let text = match (key, value) {
        // JSON is valid YAML too.
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

/// Sets the place in this file for a value that was read elsewhere.
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
