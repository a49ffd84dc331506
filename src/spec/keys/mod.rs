//! The keys of a sweep file, each described once: its name, section, kind of values, default, and what uses it.
//! Reading, advice on misspelled names, axes, defaults, warnings about keys without effect, flags of `sweep score` and
//! the reference page all follow from the descriptions.
//!
//! To add a key of training or of a model, add an entry in `train.rs` or `model.rs` and the code that uses it. For a
//! key of a score, add an entry in `score.rs` and use it in the score. Parameters of an objective are described with
//! it: [`super::objective`].

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
use super::value::{Reader, SettingValue};
use super::vocabulary::Vocabulary;
use super::yaml;

/// A section of the file and of each variant that contains keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Outside of the sections.
    Top,
    /// `model:`
    Model,
    /// `train:`
    Train,
    /// `score:`
    Score,
}

impl Section {
    /// The sections that have a name.
    pub const NAMED: [Section; 3] = [Section::Model, Section::Train, Section::Score];

    /// Returns the name in YAML; empty at the top.
    pub fn name(self) -> &'static str {
        match self {
            Section::Top => "",
            Section::Model => "model",
            Section::Train => "train",
            Section::Score => "score",
        }
    }

    /// Returns its keys.
    pub fn keys(self) -> &'static [&'static Described] {
        match self {
            Section::Top => job::ALL,
            Section::Model => model::ALL,
            Section::Train => train::ALL,
            Section::Score => score::ALL,
        }
    }
}

/// The default value of a key.
#[derive(Clone, Copy)]
pub enum Usual {
    /// None: a file must set it. The text is an example.
    Said(&'static str),
    /// A fixed value.
    Always(fn() -> SettingValue),
    /// A number that a file declares.
    Number(f64),
    /// A value that depends on other settings: described in words, and as a function.
    From(&'static str, fn(&Settings) -> Option<SettingValue>),
}

/// Which jobs use the key. In others it has no effect.
#[derive(Clone, Copy)]
pub enum Used {
    /// All jobs.
    Always,
    /// Jobs whose objective declares this.
    ByObjectives(fn(&Declaration) -> bool),
    /// Jobs whose objective declares this and for which the function holds. The text describes them.
    ByObjectivesWith(fn(&Declaration) -> bool, &'static str, fn(&Settings) -> bool),
    /// Jobs with a score that reads it.
    ByScores,
    /// Jobs with a player that one of these optimisers moves.
    ByOptimizer(&'static [Optimizer]),
    /// Jobs for which the function holds. The text describes them.
    Where(&'static str, fn(&Settings) -> bool),
}

/// The description of a key.
pub struct Described {
    /// The name in YAML, in the database and in reports; unique over all sections.
    pub name: &'static str,
    /// The section it belongs to.
    pub section: Section,
    /// What it is, in a sentence or two.
    pub help: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// The keys that a group sets; empty for other keys.
    pub parts: &'static [&'static Described],
    /// Whether it is a parameter: a number that may differ between members of a cohort.
    pub parameter: bool,
    /// For a parameter that was added later: the number that older jobs used.
    pub before: Option<f64>,
    /// Whether its value decides which other keys matter, although it is a parameter.
    pub decides: bool,
    /// The default.
    pub usual: Usual,
    /// Which jobs use it.
    pub used: Used,
    /// The flag of `sweep score` and `sweep rescore` that sets it, and the placeholder for its value.
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

    /// Describes a parameter of an objective. A number may differ between members of a cohort; another kind changes the
    /// program.
    pub(super) const fn of_objective(name: &'static str, help: &'static str, kind: Kind, usual: Usual) -> Described {
        let parameter = matches!(kind, Kind::Number(_));
        Described { parameter, usual, ..Described::new(name, Section::Top, help, kind) }
    }

    /// Marks a parameter that was added later. Older jobs behaved as with this value, so a parameter with this value is
    /// not part of a job.
    pub(super) const fn since(mut self, value: f64) -> Described {
        self.before = Some(value);
        self
    }

    /// Returns the range of values that a schedule may have, or `None` if the key cannot have one.
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

    /// Returns the full path inside the file or a variant, such as `train.lr`.
    pub fn path(&self) -> String {
        match self.section {
            Section::Top => self.name.to_owned(),
            section => format!("{}.{}", section.name(), self.name),
        }
    }

    /// Parses `text`, which is not in a file, as a value.
    ///
    /// # Errors
    ///
    /// Says what was expected and what was found.
    pub fn parse(&self, text: &str) -> Result<SettingValue, String> {
        let node = yaml::scalar(text);
        let mut mistakes = Mistakes::default();
        self.kind.read(Reader { node: &node, path: self.name, mistakes: &mut mistakes }).ok_or_else(|| mistakes.words())
    }

    /// Says in words which jobs use it; `None` if all do.
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

/// Lists the objectives for which `has` holds.
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
    /// A built-in key.
    Fixed(&'static Described),
    /// A parameter of objectives or penalties, by name. Its range depends on them.
    Parameter(Arc<str>),
    /// A parameter of the user's own trainer.
    Own(Arc<Declared>),
    /// A key that only other variants have, which read the same part of the file. No job here has it.
    Elsewhere(Arc<str>),
}

impl Key {
    /// Returns the name in YAML, in the database and in reports.
    pub fn name(&self) -> &str {
        match self {
            Key::Fixed(described) => described.name,
            Key::Parameter(name) | Key::Elsewhere(name) => name,
            Key::Own(declared) => declared.name(),
        }
    }

    /// Returns a name that is unique over all kinds of keys.
    fn identity(&self) -> &str {
        match self {
            Key::Own(declared) => declared.path(),
            Key::Fixed(_) | Key::Parameter(_) | Key::Elsewhere(_) => self.name(),
        }
    }

    /// Returns the full path inside the file or a variant, such as `train.lr`.
    pub fn path(&self) -> String {
        match self {
            Key::Fixed(described) => described.path(),
            Key::Parameter(_) | Key::Own(_) | Key::Elsewhere(_) => self.name().to_owned(),
        }
    }

    /// Returns the key with this full path or name.
    pub fn find(text: &str) -> Option<Key> {
        let fixed = fixed().find(|key| key.name == text || key.path() == text).map(Key::Fixed);
        fixed.or_else(|| parameters().any(|known| known.name == text).then(|| Key::Parameter(text.into())))
    }

    /// Returns the section it belongs to.
    pub fn section(&self) -> Section {
        match self {
            Key::Fixed(described) => described.section,
            Key::Parameter(_) | Key::Own(_) | Key::Elsewhere(_) => Section::Top,
        }
    }

    /// Returns its description if it is built in. If several objectives have the parameter, returns one description,
    /// since they take the same values.
    pub(super) fn described(&self) -> Option<&'static Described> {
        match self {
            Key::Fixed(described) => Some(described),
            Key::Parameter(name) => parameters().find(|known| known.name == &**name),
            Key::Own(_) | Key::Elsewhere(_) => None,
        }
    }

    /// Returns whether its values are ordered numbers.
    pub fn numeric(&self) -> bool {
        match self {
            Key::Own(declared) => declared.usual.number().is_some(),
            Key::Elsewhere(_) => true,
            // A file's own parameters are numbers.
            Key::Fixed(_) | Key::Parameter(_) => self.described().is_none_or(|described| described.kind.numeric()),
        }
    }

    /// Returns the range of values that a schedule may have, or `None` if the key cannot have one.
    pub(super) fn scheduled(&self, vocabulary: &Vocabulary) -> Option<Range> {
        match self {
            // Several objectives may have a parameter of this name, so the range is checked where it is used.
            Key::Parameter(name) if vocabulary.named.contains(&**name) => Some(Range::any()),
            Key::Fixed(_) | Key::Parameter(_) => self.described()?.scheduled(),
            Key::Own(_) | Key::Elsewhere(_) => None,
        }
    }

    /// Returns whether a single value is a list, so that several are a list of lists.
    pub(super) fn listed(&self) -> bool {
        match self {
            Key::Own(declared) => matches!(declared.usual, Plain::List(_)),
            Key::Fixed(_) | Key::Parameter(_) | Key::Elsewhere(_) => {
                self.described().is_some_and(|described| described.kind.listed())
            }
        }
    }

    /// Returns the keys that a group sets; empty for other keys.
    pub(super) fn parts(&self) -> &'static [&'static Described] {
        match self {
            Key::Fixed(described) => described.parts,
            Key::Parameter(_) | Key::Own(_) | Key::Elsewhere(_) => &[],
        }
    }

    /// Returns whether it only sets parameters, so that it changes neither the blueprint nor which other keys matter.
    pub(super) fn only_parameters(&self) -> bool {
        match self.described() {
            Some(Described { parts: [], parameter, decides, .. }) => *parameter && !decides,
            Some(Described { parts, .. }) => parts.iter().all(|part| part.parameter),
            None => true,
        }
    }

    /// Returns an example value for a key that a file must set.
    pub(super) fn example(&self) -> &'static str {
        match self.described().map(|described| described.usual) {
            Some(Usual::Said(example)) => example,
            Some(Usual::Always(_) | Usual::Number(_) | Usual::From(..)) | None => "1",
        }
    }

    /// Says in words which jobs use it; `None` if all do.
    pub(super) fn owner(&self) -> Option<String> {
        match self {
            Key::Fixed(described) => described.owner(),
            Key::Parameter(name) => {
                self.described()?;
                let named = objectives(|objective| objective.declares().parameter(name).is_some());
                // The file's own objectives can have `clip` too.
                let formulas = if **name == *"clip" { "; for formulas, set it inside `objective: {…}`" } else { "" };
                Some(named + formulas)
            }
            Key::Own(_) | Key::Elsewhere(_) => None,
        }
    }

    /// Returns the names of all keys in this section.
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

/// Returns the built-in keys, section by section.
pub fn fixed() -> impl Iterator<Item = &'static Described> {
    [Section::Top].into_iter().chain(Section::NAMED).flat_map(|section| section.keys().iter().copied())
}

/// Returns the parameters of all objectives, repeated if objectives share a name.
pub fn parameters() -> impl Iterator<Item = &'static Described> {
    Objective::ALL.into_iter().flat_map(|objective| objective.declares().parameters)
}

/// Returns the names of the numbers that may differ between members of a cohort, in the order in which tables show
/// them.
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

/// Names of built-in keys are unique, so a key can be looked up by name.
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
