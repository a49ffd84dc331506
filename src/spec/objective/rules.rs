//! Games that only need logits: the losses of discriminators and generator as formulas. Built-in games are in
//! [`super::games`]; those of a file are read by `written`. The same code plays both.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sweep_formula::ast::Expr;
use sweep_formula::mistake::Mistake;
use sweep_formula::parse::Names;
use sweep_formula::program::Program;
use sweep_formula::rewrite::stable;
use sweep_formula::terms::{Term, terms};

use super::{Declaration, PLAIN};
use crate::amount::Amount;
use crate::keys::{Described, Kind, Range, Usual};
use crate::penalty::Penalty;

/// A loss in numerically stable form.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The formula as a tree.
    pub formula: Expr,
    /// The formula as a list of operations.
    pub program: Program,
    /// Its terms, if it is a sum of c · mean f(±logit).
    pub terms: Option<Vec<Term>>,
}

impl Loss {
    /// Compiles a formula.
    ///
    /// # Errors
    ///
    /// If the kinds of values do not match.
    pub fn new(written: &Expr) -> Result<Loss, Mistake> {
        let formula = stable(written);
        Ok(Loss { program: Program::new(&formula)?, terms: terms(&formula), formula })
    }
}

/// A game.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The number of discriminators that output logits.
    pub discriminators: usize,
    /// The joint loss of the discriminators.
    pub discriminator: Loss,
    /// The loss of the generator.
    pub generator: Loss,
    /// Penalties in the discriminators' loss.
    pub penalties: Vec<Penalty>,
    /// The bound c of [−c, c] to which the discriminators' weights are clipped after each of their moves.
    pub clip: Option<Amount>,
}

impl Rules {
    /// Returns whether the generator's loss includes real samples.
    pub fn generator_uses_real(&self) -> bool {
        self.generator.program.rows.iter().any(|row| row.real)
    }
}

/// A parameter that a file declares.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    pub name: Arc<str>,
    pub usual: f64,
    pub range: Range,
}

/// A game with formulas from the file. A process has few of them, so each is created once and never freed.
#[derive(Clone, Copy, Debug)]
pub struct Formulas(&'static Made);

#[derive(Debug)]
struct Made {
    rules: Rules,
    /// The part that is hashed.
    canonical: Canonical,
    /// The parameters as declared in the file. They are not part of what is trained.
    parameters: Vec<Parameter>,
    declaration: Declaration,
}

/// The part of a game that determines what is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Canonical {
    discriminators: usize,
    discriminator: String,
    generator: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clip: Option<Amount>,
}

impl Formulas {
    /// Returns the game with these `rules` and declared parameters.
    pub(super) fn new(rules: Rules, parameters: Vec<Parameter>) -> Formulas {
        static ALL: LazyLock<Mutex<Vec<&'static Made>>> = LazyLock::new(Mutex::default);
        let canonical = Canonical {
            discriminators: rules.discriminators,
            discriminator: rules.discriminator.formula.text(rules.discriminators),
            generator: rules.generator.formula.text(rules.discriminators),
            clip: rules.clip.clone(),
        };
        // The list is only appended to, so it is still valid after another thread panicked.
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().find(|made| made.canonical == canonical && made.parameters == parameters);
        let made = known.copied().unwrap_or_else(|| {
            let declaration = Declaration {
                parameters: parameters.iter().map(described).collect::<Vec<_>>().leak(),
                discriminators: rules.discriminators,
                ..PLAIN
            };
            let made: &'static Made = Box::leak(Box::new(Made { rules, canonical, parameters, declaration }));
            all.push(made);
            made
        });
        Formulas(made)
    }

    /// Returns the rules of the game.
    pub fn rules(self) -> &'static Rules {
        &self.0.rules
    }

    /// Returns the declaration with its parameters and number of discriminators.
    pub fn declares(self) -> &'static Declaration {
        &self.0.declaration
    }

    /// Returns the losses of discriminators and generator in their canonical form.
    pub fn texts(self) -> [&'static str; 2] {
        [&self.0.canonical.discriminator, &self.0.canonical.generator]
    }
}

fn described(parameter: &Parameter) -> Described {
    let name: &'static str = String::leak(parameter.name.to_string());
    let help = "A parameter of the file's own objective.";
    Described::of_objective(name, help, Kind::Number(parameter.range), Usual::Number(parameter.usual))
}

/// Games are equal if they train the same.
impl PartialEq for Formulas {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0) || self.0.canonical == other.0.canonical
    }
}

impl Eq for Formulas {}

impl Hash for Formulas {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0.canonical.discriminator, &self.0.canonical.generator).hash(state);
    }
}

impl Serialize for Formulas {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.canonical.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Formulas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let canonical = Canonical::deserialize(deserializer)?;
        let names = Names::new(canonical.discriminators, None);
        let loss = |text: &str| {
            let made = names.parse(text).and_then(|written| Loss::new(&written));
            made.map_err(|mistake| serde::de::Error::custom(format!("`{text}`: {}", mistake.message)))
        };
        let (discriminator, generator) = (loss(&canonical.discriminator)?, loss(&canonical.generator)?);
        let clip = canonical.clip.as_ref().and_then(Amount::parameter).cloned();
        let names: HashSet<Arc<str>> =
            [&discriminator, &generator].into_iter().flat_map(|loss| loss.formula.parameters()).chain(clip).collect();
        let mut parameters: Vec<Parameter> =
            names.into_iter().map(|name| Parameter { name, usual: 1.0, range: Range::any() }).collect();
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        let Canonical { discriminators, clip, .. } = canonical;
        let rules = Rules { discriminators, discriminator, generator, penalties: Vec::new(), clip };
        Ok(Formulas::new(rules, parameters))
    }
}
