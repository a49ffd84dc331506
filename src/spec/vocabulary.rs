//! The names that a part of a file may use. They depend on the trainer: the user's own has other parameters than the
//! built-in one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::keys::{Key, Section};
use super::penalty::AMOUNTS;
use super::trainer::Trainer;
use super::yaml::{Content, Node};
use sweep_formula::parse::{is_name, is_taken};

/// The names that can be set for the jobs of a variant.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    /// The user's own trainer; `None` for the built-in one.
    pub trainer: Option<Arc<Trainer>>,
    /// Trainers of other variants that read the same part of the file: names that only they know are fine.
    pub others: Vec<Option<Arc<Trainer>>>,
    /// Whether the part was already read for another trainer, and its unknown names were reported.
    pub again: bool,
    /// Parameters that the file's own objectives and penalties name.
    pub named: Arc<BTreeSet<Arc<str>>>,
}

impl Vocabulary {
    /// Returns the names for this trainer, in a file that names these parameters.
    pub(super) fn of(trainer: Option<Arc<Trainer>>, named: Arc<BTreeSet<Arc<str>>>) -> Self {
        Vocabulary { trainer, others: Vec::new(), again: false, named }
    }

    /// Returns the key with this full path or name.
    pub(super) fn find(&self, text: &str) -> Option<Key> {
        self.known(self.trainer.as_ref(), text).or_else(|| self.elsewhere(text))
    }

    /// Returns the key with this name in this section.
    pub(super) fn within(&self, section: Section, text: &str) -> Option<Key> {
        let stands = |key: &Key| key.section() == section && key.name() == text;
        let here = match (&self.trainer, section) {
            // Next to a trainer's parameters, only `dataset` keeps its meaning.
            (Some(_), Section::Top) if text == DATASET => Key::find(text),
            (Some(_), Section::Score) => Key::find(text),
            (trainer, _) => self.known(trainer.as_ref(), text),
        };
        here.filter(stands).or_else(|| {
            let find = |trainer: &Option<Arc<Trainer>>| self.known(trainer.as_ref(), text).filter(stands);
            self.others.iter().find_map(find).map(|_| Key::Elsewhere(text.into()))
        })
    }

    /// Returns whether variants with the built-in trainer read the same part of the file.
    pub(super) fn has_built_in(&self) -> bool {
        self.trainer.is_none() || self.others.iter().any(Option::is_none)
    }

    fn elsewhere(&self, text: &str) -> Option<Key> {
        let find = |trainer: &Option<Arc<Trainer>>| self.known(trainer.as_ref(), text);
        self.others.iter().find_map(find).map(|_| Key::Elsewhere(text.into()))
    }

    /// Returns whether another trainer has a number with this name. If so, it is fine that it is not a number here.
    pub(super) fn numeric_elsewhere(&self, text: &str) -> bool {
        let find = |trainer: &Option<Arc<Trainer>>| self.known(trainer.as_ref(), text);
        self.others.iter().filter_map(find).any(|key| key.numeric())
    }

    fn known(&self, trainer: Option<&Arc<Trainer>>, text: &str) -> Option<Key> {
        let Some(trainer) = trainer else {
            let named = || self.named.get(text).map(|name| Key::Parameter(Arc::clone(name)));
            return Key::find(text).or_else(named);
        };
        let own = trainer.parameter(text).map(|declared| Key::Own(Arc::clone(declared)));
        own.or_else(|| Key::find(text).filter(|key| text == DATASET || key.section() == Section::Score))
    }

    /// Returns all names in a section.
    pub(super) fn names(&self, section: Section) -> Vec<&str> {
        match (&self.trainer, section) {
            (None, Section::Top) => {
                Key::names(section).into_iter().chain(self.named.iter().map(|name| &**name)).collect()
            }
            (None, section) => Key::names(section),
            (Some(trainer), Section::Top) => {
                trainer.parameters.iter().map(|declared| declared.name()).chain([DATASET]).collect()
            }
            (Some(_), Section::Score) => Key::names(Section::Score),
            (Some(_), Section::Model | Section::Train) => Vec::new(),
        }
    }
}

/// The only built-in key next to the parameters of the user's own trainer.
const DATASET: &str = "dataset";

/// Returns the parameters that a sweep file names, in `parameters` of objectives and in penalties.
pub(super) fn named(node: &Node) -> BTreeSet<Arc<str>> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![node];
    while let Some(node) = waiting.pop() {
        match &node.content {
            Content::Scalar { .. } => {}
            Content::List(nodes) => waiting.extend(nodes),
            Content::Map(entries) => {
                let is_objective =
                    entries.iter().any(|(name, _)| name.text == "generator" || name.text == "discriminator");
                let is_penalty = entries.iter().any(|(name, _)| name.text == "at");
                for (name, node) in entries {
                    match (&node.content, name.text.as_str()) {
                        (Content::Map(parameters), "parameters") if is_objective => {
                            found.extend(parameters.iter().map(|(name, _)| Arc::from(name.text.as_str())));
                        }
                        (Content::Scalar { text, .. }, key)
                            if is_penalty && AMOUNTS.contains(&key) && is_name(text) && node.value().is_string() =>
                        {
                            found.insert(text.as_str().into());
                        }
                        _ => waiting.push(node),
                    }
                }
            }
        }
    }
    // A built-in key cannot be the file's own; it is reported where it is declared.
    found.retain(|name| !matches!(Key::find(name), Some(Key::Fixed(_))) && !is_taken(name));
    found
}
