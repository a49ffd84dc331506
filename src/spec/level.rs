//! Reads what the file as a whole, or one of its variants, sets and sweeps.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::axes::{self, Axis};
use super::condition::{self, Condition};
use super::error::Mistakes;
use super::from;
use super::keys::{Key, Section};
use super::parts;
use super::race::Race;
use super::search;
use super::settings::{Place, Setting};
use super::unused::Said;
use super::value::Reader;
use super::yaml::{Content, Name, Node};

/// The key for the user's own trainer.
pub(super) const TRAINER: &str = "trainer";
/// The largest seed: SQLite's integers are signed.
const MAX_SEED: u64 = i64::MAX as u64;
/// The largest first seed of a range.
pub(super) const MAX_FIRST: u64 = MAX_SEED - MAX_SEEDS;
/// Maximum number of seeds of a variant.
const MAX_SEEDS: u64 = 100_000;

/// What the file, or one of its variants, says.
#[derive(Default)]
pub(super) struct Level {
    pub settings: Vec<(Key, Arc<Setting>)>,
    pub seeds: Option<Vec<u64>>,
    /// Set if seeds are added while a comparison is undecided.
    pub race: Option<Race>,
    pub grid: Vec<Axis>,
    pub zip: Option<Axis>,
    pub random: Option<Axis>,
    pub search: Option<search::Declared>,
    pub from: Option<from::Declared>,
    pub exclude: Option<Vec<Condition>>,
    pub when: Option<Vec<(Key, Condition, Place)>>,
}

/// What a file and each of its variants may have in addition to keys.
const OWN: [&str; 9] = ["seeds", "grid", "zip", "random", "search", "from", "exclude", "when", TRAINER];
/// Names used only in a file, a variant, `random` or `seeds`.
const ELSEWHERE: [&str; 10] =
    ["sweep", "variants", "name", "expect", "published", "run", "prune", "stop", "count", "seed"];

/// Names used inside a written-out objective, which no other key has.
const OF_OBJECTIVES: [&str; 4] = ["where", "parameters", "combine", "discriminators"];

/// Returns whether something in a file other than a key has this name.
pub(super) fn is_of_files(name: &str) -> bool {
    OWN.contains(&name) || ELSEWHERE.contains(&name) || Section::NAMED.iter().any(|section| section.name() == name)
}

pub(super) fn items<'a>(node: &'a Node, path: &str, what: &str, mistakes: &mut Mistakes) -> &'a [Node] {
    match &node.content {
        Content::List(nodes) => nodes,
        Content::Scalar { .. } | Content::Map(_) => {
            mistakes.add(path, &node.span, format!("expected {what}, found {}", node.describe()));
            &[]
        }
    }
}

/// Reads `entries`, except for the keys in `handled`.
pub(super) fn level(entries: &[(Name, Node)], path: &str, handled: &[&'static str], mistakes: &mut Mistakes) -> Level {
    let mut level = Level::default();
    let vocabulary = mistakes.vocabulary.clone();
    for (name, node) in entries {
        let text = name.text.as_str();
        let here = join(path, text);
        match text {
            "seeds" if has_looks(node) => {
                level.race = Race::read(node, &here, mistakes);
                level.seeds = level.race.as_ref().map(Race::seeds);
                if !path.is_empty() {
                    let help = "`seeds: {looks: …}` belongs at the top of the file; a variant can have `seeds: 5` or a \
                        list of seeds";
                    mistakes.advise(
                        &here,
                        &node.span,
                        "looks apply to all variants, which are compared on the same seeds",
                        help,
                    );
                }
            }
            "seeds" => level.seeds = seeds(node, &here, mistakes),
            "grid" => level.grid = axes::grid(node, &here, mistakes),
            "zip" => level.zip = axes::zip(node, &here, mistakes),
            "random" => level.random = axes::random(node, &here, mistakes),
            "search" => level.search = search::Declared::read(node, &here, mistakes),
            "from" => level.from = from::Declared::read(node, &here, mistakes),
            "exclude" => level.exclude = Some(exclude(node, &here, mistakes)),
            "when" => level.when = Some(when(node, &here, mistakes)),
            // Was already read.
            TRAINER => {}
            _ if handled.contains(&text) => {}
            _ => match Section::NAMED.into_iter().find(|section| section.name() == text) {
                Some(section) => of_section(section, &mut level, (name, node), &here, mistakes),
                None => match vocabulary.within(Section::Top, text) {
                    Some(key) => level.set(key, node, &here, mistakes),
                    None => {
                        let sections = Section::NAMED.map(Section::name);
                        let known = handled.iter().copied().chain(OWN).chain(sections);
                        let known: Vec<&str> = known.chain(vocabulary.names(Section::Top)).collect();
                        unknown(&here, name, "a key that is allowed here", &known, mistakes);
                    }
                },
            },
        }
    }
    // Groups come first, so that their parts override them.
    level.settings.sort_by_key(|(key, _)| key.parts().is_empty());
    level
}

/// Reads a key of a section.
fn of_section(section: Section, level: &mut Level, (name, node): (&Name, &Node), path: &str, mistakes: &mut Mistakes) {
    let vocabulary = mistakes.vocabulary.clone();
    let text = section.name();
    if vocabulary.trainer.is_some() && matches!(section, Section::Model | Section::Train) {
        // Already read for variants with the built-in trainer.
        if vocabulary.trainer.as_ref().is_some_and(|trainer| trainer.parameter(text).is_some()) {
            let help = format!(
                "set the parameter of this name in `trainer: {{parameters: {{{text}: …}}}}`, or sweep it in `grid`"
            );
            mistakes.advise(path, &name.span, format!("`{text}` is a section here, not a parameter"), help);
        } else if !vocabulary.has_built_in() {
            let message = format!("`{text}` belongs to sweep's built-in trainer, but this variant uses your own");
            let help = "declare settings for your program in `trainer: {parameters: …}`, and its length of training in \
                `trainer: {steps: …}`";
            mistakes.advise(path, &name.span, message, help);
        }
        return;
    }
    for (name, node) in parts::entries(node, path, mistakes).unwrap_or_default() {
        let path = join(path, &name.text);
        match vocabulary.within(section, &name.text) {
            Some(key) => level.set(key, node, &path, mistakes),
            None => unknown(&path, name, &format!("a key of `{text}`"), &vocabulary.names(section), mistakes),
        }
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Reports a key that does not belong here, and says where it belongs.
fn unknown(path: &str, name: &Name, what: &str, known: &[&str], mistakes: &mut Mistakes) {
    if mistakes.vocabulary.again {
        return;
    }
    let found = Key::find(&name.text).map(|key| (key.section(), key));
    let own = mistakes.vocabulary.trainer.is_some();
    match found {
        Some((section, key)) if own && section != Section::Score => {
            let name_of = key.name();
            let help =
                format!("declare it as a parameter of your trainer: `trainer: {{parameters: {{{name_of}: …}}}}`");
            let message = format!("`{name_of}` belongs to sweep's built-in trainer, but this variant uses your own");
            mistakes.advise(path, &name.span, message, help);
        }
        Some((Section::Top, key)) => {
            let help = format!("`{}` belongs next to `objective`, not in a section", key.name());
            mistakes.advise(path, &name.span, format!("`{}` is not {what}", name.text), help);
        }
        Some((section, key)) => {
            let help = format!("it belongs in `{0}`: `{0}: {{{1}: …}}`", section.name(), key.name());
            mistakes.advise(path, &name.span, format!("`{}` is not {what}", name.text), help);
        }
        None if !own && OF_OBJECTIVES.contains(&name.text.as_str()) => {
            let help = format!("it belongs inside the objective: `objective: {{…, {}: …}}`", name.text);
            mistakes.advise(path, &name.span, format!("`{}` is not {what}", name.text), help);
        }
        None => mistakes.unknown(path, &name.span, what, &name.text, known),
    }
}

impl Level {
    fn set(&mut self, key: Key, node: &Node, path: &str, mistakes: &mut Mistakes) {
        if matches!(key, Key::Elsewhere(_)) {
            return;
        }
        let value = Reader { node, path, mistakes }.read(&key);
        let place = Place { path: path.into(), span: node.span.clone() };
        self.settings.push((key, Arc::new(Setting { value, place })));
    }

    /// Returns the keys set here.
    pub(super) fn said(&self) -> Vec<Said> {
        self.settings.iter().map(|(key, setting)| Said { key: key.clone(), place: setting.place.clone() }).collect()
    }

    /// Returns the keys swept here.
    pub(super) fn swept(&self) -> impl Iterator<Item = Said> {
        let axes = self.grid.iter().chain(&self.zip).chain(&self.random);
        axes.flat_map(|axis| axis.keys.iter().map(|key| Said { key: key.clone(), place: axis.place.clone() }))
    }

    pub(super) fn sets(&self, key: &Key) -> bool {
        self.settings.iter().any(|(other, _)| overlap(other, key))
    }
}

/// Returns whether setting one of these keys sets part of the other.
pub(super) fn overlap(a: &Key, b: &Key) -> bool {
    let part = |group: &Key, of: &Key| group.parts().iter().any(|part| part.name == of.name());
    a == b || part(a, b) || part(b, a)
}

fn seeds(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Vec<u64>> {
    let nodes = match &node.content {
        Content::Scalar { .. } => {
            return Reader { node, path, mistakes }.count(1, MAX_SEEDS).map(|count| (0..count).collect());
        }
        Content::Map(_) => return counted(node, path, mistakes),
        Content::List(nodes) => nodes,
    };
    if nodes.is_empty() || nodes.len() as u64 > MAX_SEEDS {
        mistakes.add(path, &node.span, format!("expected 1 to {MAX_SEEDS} seeds, found {}", nodes.len()));
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut seeds = Vec::new();
    for node in nodes {
        let Some(seed) = Reader { node, path, mistakes }.count(0, MAX_SEED) else { continue };
        if !seen.insert(seed) {
            mistakes.add(path, &node.span, format!("the seed {seed} is listed twice"));
        }
        seeds.push(seed);
    }
    Some(seeds)
}

/// Returns whether `seeds` declares looks.
fn has_looks(node: &Node) -> bool {
    let Content::Map(entries) = &node.content else { return false };
    entries.iter().any(|(name, _)| ["looks", "alpha", "spending"].contains(&&*name.text))
}

/// Reads a number of seeds, and optionally the first one.
fn counted(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Vec<u64>> {
    let (mut first, mut count) = (Some(0), None);
    let entries = parts::entries(node, path, mistakes)?;
    if entries.iter().all(|(name, _)| name.text == "first") {
        let help = "write `seeds: {first: 100, count: 50}`, or `seeds: {looks: [8, 12, 16, 20]}` to add seeds while a \
            comparison is undecided";
        mistakes.advise(path, &node.span, "`count` is not set", help);
    }
    for (name, node) in entries {
        let path = join(path, &name.text);
        let mut reader = Reader { node, path: &path, mistakes };
        match name.text.as_str() {
            "first" => first = reader.count(0, MAX_FIRST),
            "count" => count = reader.count(1, MAX_SEEDS),
            _ => mistakes.unknown(&path, &name.span, "a key of `seeds`", &name.text, &["first", "count", "looks"]),
        }
    }
    first.zip(count).map(|(first, count)| (first..first + count).collect())
}

fn exclude(node: &Node, path: &str, mistakes: &mut Mistakes) -> Vec<Condition> {
    let nodes = items(node, path, "a list of conditions", mistakes);
    nodes
        .iter()
        .enumerate()
        .filter_map(|(at, node)| Condition::read(node, &format!("{path}[{at}]"), mistakes))
        .collect()
}

fn when(node: &Node, path: &str, mistakes: &mut Mistakes) -> Vec<(Key, Condition, Place)> {
    let entries = parts::entries(node, path, mistakes).unwrap_or_default();
    entries
        .iter()
        .filter_map(|(name, node)| {
            let key = condition::find(&name.text, &name.span, path, mistakes)?;
            let path = format!("{path}.{}", name.text);
            let condition = Condition::read(node, &path, mistakes)?;
            Some((key, condition, Place { path: path.into(), span: name.span.clone() }))
        })
        .collect()
}
