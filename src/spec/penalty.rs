//! Gradient penalties: functions of r = ‖∇ₓ d(x)‖ that are added to a discriminator's loss.
//!
//! ```yaml
//! penalties:
//!   - {at: real, half_square: gamma}                  # γ · ½ E r², R1 of Mescheder et al. 2018; `at: fake` is R2
//!   - {at: between, distance: 10}                     # 10 · E (r − 1)², WGAN-GP; `target: 0` replaces the 1
//!   - {at: around, excess: lambda, every: 4}          # λ · E max(0, r − 1)², in every fourth move, times 4
//!   - {at: both, power: k, exponent: 6}               # k · E rᵖ, WGAN-div
//! ```

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::error::Mistakes;
use super::keys::Range;
use super::value::{Reader, SettingValue};
use super::yaml::{Content, Node};

/// A penalty term of every discriminator's loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Penalty {
    /// The points x at which gradients are penalised.
    pub at: At,
    /// The function of the gradient's norm.
    #[serde(flatten)]
    pub form: Form,
    /// Applies in one of this many discriminator moves, with its weight multiplied by the same number.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub every: u32,
}

fn one() -> u32 {
    1
}

fn is_one(every: &u32) -> bool {
    *every == 1
}

/// The points x at which gradients are penalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// Real samples.
    Real,
    /// Generated samples.
    Fake,
    /// Real and generated samples; the mean is over both.
    Both,
    /// εx + (1 − ε)G(z), with one ε ~ U[0, 1) per sample: between a real and a generated sample.
    Between,
    /// x + ½su with u ~ U[0, 1) per number and s the standard deviation of all numbers in the batch: around the real
    /// samples.
    Around,
}

/// The penalty: a mean over the samples of a function of r.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Form {
    /// w · ½ E r².
    HalfSquare {
        /// w.
        half_square: Amount,
    },
    /// w · E (r − c)².
    Distance {
        /// w.
        distance: Amount,
        /// c.
        target: Amount,
    },
    /// w · E max(0, r − c)².
    Excess {
        /// w.
        excess: Amount,
        /// c.
        target: Amount,
    },
    /// w · E rᵖ.
    Power {
        /// w.
        power: Amount,
        /// p.
        exponent: Amount,
    },
}

impl At {
    /// All kinds of points.
    pub const ALL: [At; 5] = [At::Real, At::Fake, At::Both, At::Between, At::Around];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            At::Real => "real",
            At::Fake => "fake",
            At::Both => "both",
            At::Between => "between",
            At::Around => "around",
        }
    }
}

impl Form {
    /// Returns the name of the form in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Form::HalfSquare { .. } => "half_square",
            Form::Distance { .. } => "distance",
            Form::Excess { .. } => "excess",
            Form::Power { .. } => "power",
        }
    }

    /// Returns its weight.
    pub fn weight(&self) -> &Amount {
        match self {
            Form::HalfSquare { half_square: weight }
            | Form::Distance { distance: weight, .. }
            | Form::Excess { excess: weight, .. }
            | Form::Power { power: weight, .. } => weight,
        }
    }

    /// Returns its second number with its name in YAML, if it has one.
    fn other(&self) -> Option<(&'static str, &Amount)> {
        match self {
            Form::HalfSquare { .. } => None,
            Form::Distance { target, .. } | Form::Excess { target, .. } => Some(("target", target)),
            Form::Power { exponent, .. } => Some(("exponent", exponent)),
        }
    }
}

const WEIGHT: Range = Range::from(0.0);
const TARGET: Range = Range::from(0.0);
/// Below 2, the gradient of rᵖ is unbounded at 0.
const EXPONENT: Range = Range::from(2.0).up_to(100.0);
/// How to schedule a number of a penalty.
const EXAMPLE: &str =
    "`half_square: gamma` in the penalty, and `gamma: {from: 1, to: 0.1, shape: linear}` next to the objective";
/// Maximum interval of a lazy penalty, in moves.
const MAX_EVERY: u64 = 1000;

impl Penalty {
    /// Returns the parameters that it names, with their ranges.
    pub fn parameters(&self) -> impl Iterator<Item = (&Arc<str>, Range)> {
        let other = self.form.other().map(|(name, amount)| (amount, if name == "target" { TARGET } else { EXPONENT }));
        let all = [(self.form.weight(), WEIGHT)].into_iter().chain(other);
        all.filter_map(|(amount, range)| Some((amount.parameter()?, range)))
    }
}

/// As written in a sweep file.
impl fmt::Display for Penalty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{at: {}, {}: {}", self.at.name(), self.form.name(), self.form.weight())?;
        match self.form.other() {
            Some(("target", Amount::Number(1.0))) | None => {}
            Some((name, amount)) => write!(f, ", {name}: {amount}")?,
        }
        if self.every > 1 {
            write!(f, ", every: {}", self.every)?;
        }
        f.write_str("}")
    }
}

/// The keys of a penalty whose values may be parameters.
pub(super) const AMOUNTS: [&str; 6] = ["half_square", "distance", "excess", "power", "target", "exponent"];

impl Reader<'_> {
    /// Reads a list of penalties.
    pub(super) fn penalties(&mut self) -> Option<SettingValue> {
        let Content::List(items) = &self.node.content else {
            self.expected("a list of penalties, such as [{at: real, half_square: gamma}], or [] for no penalties");
            return None;
        };
        let mut all = Vec::with_capacity(items.len());
        for (at, node) in items.iter().enumerate() {
            let path = format!("{}[{at}]", self.path);
            all.push(penalty(node, &path, self.mistakes));
        }
        all.into_iter().collect::<Option<Vec<_>>>().map(|all| SettingValue::Penalties(all.into()))
    }
}

fn penalty(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Penalty> {
    let entries = super::parts::entries(node, path, mistakes)?;
    let before = mistakes.len();
    let (mut at, mut every, mut weight, mut target, mut exponent) = (None, 1, None, None, None);
    for (name, node) in entries {
        let path = format!("{path}.{}", name.text);
        let mut reader = Reader { node, path: &path, mistakes };
        match name.text.as_str() {
            "at" => at = reader.named("a place to penalise gradients", &At::ALL.map(|at| (at.name(), at))),
            "every" => every = reader.count(1, MAX_EVERY)?,
            "target" => target = Some((reader.amount(TARGET, EXAMPLE)?, &name.span)),
            "exponent" => exponent = Some((reader.amount(EXPONENT, EXAMPLE)?, &name.span)),
            form @ ("half_square" | "distance" | "excess" | "power") => match weight {
                None => weight = Some((form, reader.amount(WEIGHT, EXAMPLE)?)),
                Some((first, _)) => {
                    let message = format!("`{form}` in addition to `{first}`: a penalty has only one form");
                    mistakes.advise(&*path, &name.span, message, "write two penalties");
                }
            },
            text => {
                let known: Vec<&str> = ["at", "every"].into_iter().chain(AMOUNTS).collect();
                mistakes.unknown(&path, &name.span, "a key of a penalty", text, &known);
            }
        }
    }
    if mistakes.len() > before {
        return None;
    }
    let Some(at) = at else {
        let names = At::ALL.map(At::name).join(", ");
        mistakes.advise(path, &node.span, "`at` is missing", format!("say where gradients are penalised: {names}"));
        return None;
    };
    let Some((form, weight)) = weight else {
        let help = "set a function of the gradient norm r: `half_square` (½r²), `distance` ((r − 1)²), `excess` \
            (max(0, r − 1)²) or `power`, each with its weight";
        mistakes.advise(path, &node.span, "the penalty has no form", help);
        return None;
    };
    let unfit = match (form, &target, &exponent) {
        ("half_square" | "power", Some((_, span)), _) => Some(("target", *span)),
        ("half_square" | "distance" | "excess", _, Some((_, span))) => Some(("exponent", *span)),
        _ => None,
    };
    if let Some((name, span)) = unfit {
        let help = "`target` belongs to `distance` and `excess`, `exponent` to `power`";
        mistakes.advise(path, span, format!("`{form}` has no `{name}`"), help);
        return None;
    }
    let target = target.map_or(Amount::Number(1.0), |(target, _)| target);
    let form = match (form, exponent) {
        ("half_square", _) => Form::HalfSquare { half_square: weight },
        ("distance", _) => Form::Distance { distance: weight, target },
        ("excess", _) => Form::Excess { excess: weight, target },
        (_, Some((exponent, _))) => Form::Power { power: weight, exponent },
        (_, None) => {
            mistakes.advise(
                path,
                &node.span,
                "`exponent` is missing",
                "set the power of the gradient norm: `exponent: 6`",
            );
            return None;
        }
    };
    Some(Penalty { at, form, every: every as u32 })
}

impl Reader<'_> {
    /// Reads a number in `range`, or the name of a parameter. A number with a schedule has to be a parameter, as in
    /// `example`.
    pub(super) fn amount(&mut self, range: Range, example: &str) -> Option<Amount> {
        match self.node.text().filter(|text| sweep_formula::parse::is_name(text) && !self.node.is_nothing()) {
            Some(name) if self.node.value().is_string() => {
                super::objective::written::may_be_called(name, self.path, &self.node.span, self.mistakes)
                    .then(|| Amount::Parameter(name.into()))
            }
            _ => {
                let what = format!("{range}, or the name of a parameter");
                if matches!(&self.node.content, Content::Map(all) if all.iter().any(|(name, _)| name.text == "from")) {
                    let message = format!("expected {what}, found a schedule");
                    self.mistakes.advise(
                        self.path,
                        &self.node.span,
                        message,
                        format!("give the schedule a name: {example}"),
                    );
                    return None;
                }
                self.number(&what, |x| range.holds(x)).map(Amount::Number)
            }
        }
    }
}
