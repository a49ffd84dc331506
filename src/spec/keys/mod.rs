//! The keys of a sweep file, each described once: its name, its section, which values it takes, what holds where the file says nothing, and
//! what uses it. Reading, advice on misspelled names, axes, defaults, warnings of keys that change nothing, flags of `sweep score` and the
//! reference page follow from that.
//!
//! A key of training or of a model is an entry in `train.rs` or `model.rs`, and the code that uses it; one of a score is an entry in
//! `score.rs`, and the score. Parameters of an objective are described with it: [`super::objective`].

pub mod job;
pub mod kind;
pub mod model;
pub mod reference;
pub mod score;
pub mod train;
mod typed;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use kind::{Held, Kind, Range};
pub use typed::Typed;
use typed::{Head, keys};

use super::blueprint::Optimizer;
use super::error::Mistakes;
use super::objective::{Declaration, Objective};
use super::parameters::Plain;
use super::settings::Settings;
use super::trainer::Declared;
use super::value::{Reader, Value};
use super::vocabulary::Vocabulary;
use super::yaml;

/// A part of the file, and of each variant, that holds keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Not in a section.
    Top,
    /// `model:`
    Model,
    /// `train:`
    Train,
    /// `score:`
    Score,
}

impl Section {
    /// The sections with a name.
    pub const NAMED: [Section; 3] = [Section::Model, Section::Train, Section::Score];

    /// The name in YAML; empty at the top.
    pub fn name(self) -> &'static str {
        match self {
            Section::Top => "",
            Section::Model => "model",
            Section::Train => "train",
            Section::Score => "score",
        }
    }

    /// The keys in it.
    pub fn keys(self) -> &'static [&'static Described] {
        match self {
            Section::Top => job::ALL,
            Section::Model => model::ALL,
            Section::Train => train::ALL,
            Section::Score => score::ALL,
        }
    }
}

/// What holds where the file says nothing.
#[derive(Clone, Copy)]
pub enum Usual {
    /// Nothing: a file has to say it, such as this.
    Said(&'static str),
    /// Always the same.
    Always(fn() -> Value),
    /// This number, which a file declares.
    Number(f64),
    /// What follows from other settings: in words, and by them.
    From(&'static str, fn(&Settings) -> Option<Value>),
}

/// Which jobs have the key: in others it changes nothing.
#[derive(Clone, Copy)]
pub enum Used {
    /// All.
    Always,
    /// Those of objectives that declare this.
    ByObjectives(fn(&Declaration) -> bool),
    /// Those of them for which this holds, too; what they have is said in words.
    ByObjectivesWith(fn(&Declaration) -> bool, &'static str, fn(&Settings) -> bool),
    /// Those with a score that reads it.
    ByScores,
    /// Those with a player that one of these optimisers moves.
    ByOptimizer(&'static [Optimizer]),
    /// Those for which this holds; what they have is said in words.
    Where(&'static str, fn(&Settings) -> bool),
}

/// A key as it is described.
pub struct Described {
    /// The name in YAML, in the database and in reports: unique over all sections.
    pub name: &'static str,
    /// Where it stands.
    pub section: Section,
    /// What it is, in a sentence or two.
    pub help: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// What a group sets; empty for a key that stands for itself.
    pub parts: &'static [&'static Described],
    /// Whether it is a parameter: a number that may differ between the members of a cohort.
    pub parameter: bool,
    /// Of a parameter that there was not always: the number that jobs without it have.
    pub before: Option<f64>,
    /// Whether it is a matter of its value which other keys change something, though it is a parameter.
    pub decides: bool,
    /// What holds where the file says nothing.
    pub usual: Usual,
    /// Which jobs have it.
    pub used: Used,
    /// The flag of `sweep score` and `sweep rescore` that sets it, and what stands for its value.
    pub flag: Option<(&'static str, &'static str)>,
}

impl Described {
    const fn new(name: &'static str, section: Section, help: &'static str, kind: Kind) -> Described {
        Described {
            name,
            section,
            help,
            kind,
            parts: &[],
            parameter: false,
            before: None,
            decides: false,
            usual: Usual::Said(""),
            used: Used::Always,
            flag: None,
        }
    }

    /// A parameter of an objective: of a number, one that may differ between the members of a cohort; of another kind, one that changes
    /// the program.
    pub(super) const fn of_objective(name: &'static str, help: &'static str, kind: Kind, usual: Usual) -> Described {
        let parameter = matches!(kind, Kind::Number(_));
        Described { parameter, usual, ..Described::new(name, Section::Top, help, kind) }
    }

    /// A parameter that jobs had not at first, and were as those are that have this value now: where they have it, it is no part of them.
    pub(super) const fn since(mut self, value: f64) -> Described {
        self.before = Some(value);
        self
    }

    /// Between which numbers its schedules go; none if it takes none.
    pub fn scheduled(&self) -> Option<Range> {
        let parameter = match self.parts {
            [] => self.parameter,
            parts => parts.iter().all(|part| part.parameter),
        };
        match self.kind {
            Kind::Number(range) if parameter => Some(range),
            _ => None,
        }
    }

    /// The full path inside the file or a variant: `train.lr`.
    pub fn path(&self) -> String {
        match self.section {
            Section::Top => self.name.to_owned(),
            section => format!("{}.{}", section.name(), self.name),
        }
    }

    /// The value that `text` is, where it stands by itself.
    ///
    /// # Errors
    ///
    /// What is expected, and what was found.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let node = yaml::scalar(text);
        let mut mistakes = Mistakes::default();
        self.kind.read(Reader { node: &node, path: self.name, mistakes: &mut mistakes }).ok_or_else(|| mistakes.words())
    }

    /// What has it, in words; none if every job does.
    pub fn owner(&self) -> Option<String> {
        match self.used {
            Used::Always => None,
            Used::ByObjectives(has) => Some(objectives(|objective| has(objective.declares()))),
            Used::ByObjectivesWith(has, words, _) => {
                Some(format!("{} with {words}", objectives(|objective| has(objective.declares()))))
            }
            Used::ByScores => {
                let readers: Vec<&str> =
                    super::scoring::readers(self).into_iter().map(|metric| metric.name()).collect();
                Some(format!("the score `{}`", readers.join("` or `")))
            }
            Used::ByOptimizer(optimizers) => {
                let names: Vec<&str> = optimizers.iter().map(|optimizer| optimizer.name()).collect();
                Some(format!("`optimizer: {}`", names.join("` or `")))
            }
            Used::Where(words, _) => Some(words.to_owned()),
        }
    }
}

/// The objectives for which `has` holds.
fn objectives(has: impl Fn(Objective) -> bool) -> String {
    let names: Vec<&str> =
        Objective::ALL.into_iter().filter(|&objective| has(objective)).map(Objective::name).collect();
    format!("`objective: {}`", names.join("` or `"))
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// Anything that can be set for a job, and swept.
#[derive(Clone)]
pub enum Key {
    /// A key that the program describes.
    Fixed(&'static Described),
    /// A parameter of objectives or penalties, by its name: what it takes depends on them.
    Parameter(Arc<str>),
    /// A parameter of a trainer of the user's own.
    Own(Arc<Declared>),
    /// What is known where others read the same part of the file, and not here: no job here has it.
    Elsewhere(Arc<str>),
}

impl Key {
    /// The name in YAML, in the database and in reports.
    pub fn name(&self) -> &str {
        match self {
            Key::Fixed(described) => described.name,
            Key::Parameter(name) | Key::Elsewhere(name) => name,
            Key::Own(declared) => declared.name(),
        }
    }

    /// The name that no other key has, of whichever kind.
    fn identity(&self) -> &str {
        match self {
            Key::Own(declared) => declared.path(),
            Key::Fixed(_) | Key::Parameter(_) | Key::Elsewhere(_) => self.name(),
        }
    }

    /// The full path inside the file or a variant: `train.lr`.
    pub fn path(&self) -> String {
        match self {
            Key::Fixed(described) => described.path(),
            Key::Parameter(_) | Key::Own(_) | Key::Elsewhere(_) => self.name().to_owned(),
        }
    }

    /// The key with this full path or name.
    pub fn find(text: &str) -> Option<Key> {
        let fixed = fixed().find(|key| key.name == text || key.path() == text).map(Key::Fixed);
        fixed.or_else(|| parameters().any(|known| known.name == text).then(|| Key::Parameter(text.into())))
    }

    /// Where it stands.
    pub fn section(&self) -> Section {
        match self {
            Key::Fixed(described) => described.section,
            Key::Parameter(_) | Key::Own(_) | Key::Elsewhere(_) => Section::Top,
        }
    }

    /// Its description, where the program has one; of a parameter that several objectives have, that of one of them, which take the same
    /// values.
    pub(super) fn described(&self) -> Option<&'static Described> {
        match self {
            Key::Fixed(described) => Some(described),
            Key::Parameter(name) => parameters().find(|known| known.name == &**name),
            Key::Own(_) | Key::Elsewhere(_) => None,
        }
    }

    /// Whether its values are numbers, which have an order.
    pub fn numeric(&self) -> bool {
        match self {
            Key::Own(declared) => declared.usual.number().is_some(),
            Key::Elsewhere(_) => true,
            // A file's own parameters are numbers.
            Key::Fixed(_) | Key::Parameter(_) => self.described().is_none_or(|described| described.kind.numeric()),
        }
    }

    /// Between which numbers its schedules go; none if it takes none.
    pub(super) fn scheduled(&self, vocabulary: &Vocabulary) -> Option<Range> {
        match self {
            // Of several with one name, each says where it is used which numbers it takes.
            Key::Parameter(name) if vocabulary.named.contains(&**name) => Some(Range::any()),
            Key::Fixed(_) | Key::Parameter(_) => self.described()?.scheduled(),
            Key::Own(_) | Key::Elsewhere(_) => None,
        }
    }

    /// Whether one value is a list, so that several are a list of lists.
    pub(super) fn listed(&self) -> bool {
        match self {
            Key::Own(declared) => matches!(declared.usual, Plain::List(_)),
            Key::Fixed(_) | Key::Parameter(_) | Key::Elsewhere(_) => {
                self.described().is_some_and(|described| described.kind.listed())
            }
        }
    }

    /// What a group sets; empty for a key that stands for itself.
    pub(super) fn parts(&self) -> &'static [&'static Described] {
        match self {
            Key::Fixed(described) => described.parts,
            Key::Parameter(_) | Key::Own(_) | Key::Elsewhere(_) => &[],
        }
    }

    /// Whether it sets parameters and nothing else, so that it can change neither the blueprint nor which other keys matter.
    pub(super) fn only_parameters(&self) -> bool {
        match self.described() {
            Some(Described { parts: [], parameter, decides, .. }) => *parameter && !decides,
            Some(Described { parts, .. }) => parts.iter().all(|part| part.parameter),
            None => true,
        }
    }

    /// A value that it may have, where a file has to say one.
    pub(super) fn example(&self) -> &'static str {
        match self.described().map(|described| described.usual) {
            Some(Usual::Said(example)) => example,
            Some(Usual::Always(_) | Usual::Number(_) | Usual::From(..)) | None => "1",
        }
    }

    /// What has it, in words; none if every job does.
    pub(super) fn owner(&self) -> Option<String> {
        match self {
            Key::Fixed(described) => described.owner(),
            Key::Parameter(name) => {
                self.described()?;
                let named = objectives(|objective| objective.declares().parameter(name).is_some());
                // The one that objectives of the file's own have, too.
                let formulas =
                    if **name == *"clip" { "; that of a formula stands inside `objective: {…}`" } else { "" };
                Some(named + formulas)
            }
            Key::Own(_) | Key::Elsewhere(_) => None,
        }
    }

    /// The names of all that stand in this section.
    pub(super) fn names(section: Section) -> Vec<&'static str> {
        let mut names: Vec<&str> = section.keys().iter().map(|key| key.name).collect();
        if section == Section::Top {
            names.extend(parameters().map(|known| known.name));
        }
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(*name));
        names
    }
}

/// The keys that the program describes, section by section.
pub fn fixed() -> impl Iterator<Item = &'static Described> {
    [Section::Top].into_iter().chain(Section::NAMED).flat_map(|section| section.keys().iter().copied())
}

/// The parameters of all objectives; of those with one name, each.
pub fn parameters() -> impl Iterator<Item = &'static Described> {
    Objective::ALL.into_iter().flat_map(|objective| objective.declares().parameters)
}

/// The names of the numbers that may differ between the members of a cohort, in the order in which tables show them.
pub fn parameter_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for key in parameters().chain(fixed()).filter(|key| key.parameter && key.parts.is_empty()) {
        if !names.contains(&key.name) {
            names.push(key.name);
        }
    }
    names
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.identity().cmp(other.identity())
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// Names of the program's own keys are unique.
impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        self.identity()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_unambiguous() {
        let parameters = Key::names(Section::Top).into_iter().filter(|name| fixed().all(|key| key.name != *name));
        let names: Vec<&str> = fixed().map(|key| key.name).chain(parameters).collect();
        assert!(names.len() > 60);
        for name in &names {
            assert_eq!(names.iter().filter(|other| other == &name).count(), 1, "{name}");
            let key = Key::find(name).unwrap();
            assert_eq!((key.name(), Key::find(&key.path())), (*name, Some(key.clone())));
        }
        for known in self::parameters() {
            assert!(fixed().all(|key| key.name != known.name), "{} is a key, too", known.name);
            assert_eq!(
                Key::find(known.name).unwrap().described().unwrap().kind.words(),
                known.kind.words(),
                "{}",
                known.name
            );
        }
    }

    #[test]
    fn parameters_do_not_change_the_blueprint() {
        let only = |name: &str| Key::find(name).unwrap().only_parameters();
        assert!(only("lr") && only("adam_betas") && only("momentum") && only("alpha") && only("gradient_penalty"));
        assert!(only("epsilon") && only("weight_decay") && only("clip_gradient") && !only("ema"));
        assert!(!only("optimizer") && !only("batch") && !only("generators") && !only("saturating"));
    }
}
