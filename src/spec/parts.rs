//! Helpers that read maps, keys and lists of values from the file.

use std::ops::Range;
use std::sync::Arc;

use super::condition;
use super::error::Mistakes;
use super::keys::Key;
use super::settings::{Place, Setting};
use super::value::Reader;
use super::yaml::{Content, Name, Node};

/// Returns the entries of a map. Reports a mistake if the node is not a map or has a key twice.
pub(super) fn entries<'a>(node: &'a Node, path: &str, mistakes: &mut Mistakes) -> Option<&'a [(Name, Node)]> {
    let Content::Map(entries) = &node.content else {
        mistakes.add(path, &node.span, format!("expected a map, found {}", node.describe()));
        return None;
    };
    for (at, (name, _)) in entries.iter().enumerate() {
        if entries[..at].iter().any(|(other, _)| other.text == name.text) {
            mistakes.add(path, &name.span, format!("`{}` is set twice", name.text));
        }
    }
    Some(entries)
}

/// Returns the key with this name if jobs of this sweep have it. Reports a mistake if no sweep has such a key.
pub(super) fn here(text: &str, span: &Range<usize>, path: &str, mistakes: &mut Mistakes) -> Option<Key> {
    condition::find(text, span, path, mistakes).filter(|key| !matches!(key, Key::Elsewhere(_)))
}

/// Reads a list of values of one key.
pub(super) fn column(
    key: &Key,
    node: &Node,
    path: &str,
    distinct: bool,
    mistakes: &mut Mistakes,
) -> Option<Vec<Arc<Setting>>> {
    let Content::List(nodes) = &node.content else {
        let found = node.describe();
        mistakes.advise(path, &node.span, format!("expected a list of values, found {found}"), "write them as `[…]`");
        return None;
    };
    if nodes.is_empty() {
        mistakes.add(path, &node.span, "the list is empty, so there is nothing to train");
        return None;
    }
    let mut settings: Vec<Arc<Setting>> = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{at}]");
        let value = Reader { node, path: &path, mistakes }.read(key);
        if distinct && value.is_some() && settings.iter().any(|other| other.value == value) {
            mistakes.add(&*path, &node.span, format!("{} is listed twice", node.describe()));
        }
        settings.push(Arc::new(Setting { value, place: Place { path: path.into(), span: node.span.clone() } }));
    }
    Some(settings)
}
