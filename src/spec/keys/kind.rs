//! The kinds of values of keys: how they are read, described and stored.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Head, Typed};
use crate::arch::{Activation, Init, NoiseDistribution, Norm};
use crate::blueprint::{Checkpoints, Optimizer, Precision, Sheets};
use crate::dataset::{Dataset, Gaussians, Toy};
use crate::metric::Metric;
use crate::moves::{Moves, Weights};
use crate::objective::Objective;
use crate::own_data;
use crate::parameters::Plain;
use crate::penalty::Penalty;
use crate::scoring::ScoringNetwork;
use crate::value::{Arch, Hidden, Reader, SettingValue};

/// The kind of values that a key takes.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A whole number in this range, ends included.
    Whole(u64, u64),
    /// A number.
    Number(Range),
    /// `true` or `false`.
    Flag,
    /// Adam's two decay rates.
    Betas,
    /// One of these names. The text describes what they name.
    Choice(&'static str, fn() -> Vec<(&'static str, SettingValue)>),
    /// Hidden sizes.
    Sizes,
    /// Hidden sizes, or a network layer by layer.
    Network,
    /// An activation, or `none` if this is true.
    Activation(bool),
    /// An initialisation of weights.
    Init,
    /// Scores.
    Metrics,
    /// A data set.
    Dataset,
    /// An objective by its name, or its formulas.
    Objective,
    /// Gradient penalties.
    Penalties,
}

impl Kind {
    /// Returns whether a value is never a list.
    pub(crate) fn is_one_value(&self) -> bool {
        match self {
            Kind::Whole(..) | Kind::Number(_) | Kind::Flag | Kind::Choice(..) | Kind::Activation(_) | Kind::Init => {
                true
            }
            Kind::Betas
            | Kind::Sizes
            | Kind::Network
            | Kind::Metrics
            | Kind::Dataset
            | Kind::Objective
            | Kind::Penalties => false,
        }
    }

    /// Returns whether values are ordered numbers.
    pub fn numeric(&self) -> bool {
        match self {
            Kind::Whole(..) | Kind::Number(_) => true,
            Kind::Flag
            | Kind::Betas
            | Kind::Choice(..)
            | Kind::Sizes
            | Kind::Network
            | Kind::Activation(_)
            | Kind::Init
            | Kind::Metrics
            | Kind::Dataset
            | Kind::Objective
            | Kind::Penalties => false,
        }
    }

    /// Returns whether a single value is a list, so that several are a list of lists.
    pub(crate) fn listed(&self) -> bool {
        match self {
            Kind::Betas | Kind::Sizes | Kind::Network | Kind::Metrics | Kind::Penalties => true,
            Kind::Whole(..)
            | Kind::Number(_)
            | Kind::Flag
            | Kind::Choice(..)
            | Kind::Activation(_)
            | Kind::Init
            | Kind::Dataset
            | Kind::Objective => false,
        }
    }

    /// Reads a value; `None` after a mistake, which is reported.
    pub(crate) fn read(&self, mut reader: Reader) -> Option<SettingValue> {
        match self {
            Kind::Whole(least, most) => reader.count(*least, *most).map(SettingValue::count),
            Kind::Number(range) => reader.number(&range.to_string(), |x| range.holds(x)).map(SettingValue::number),
            Kind::Flag => reader.flag(),
            Kind::Betas => reader.betas(),
            Kind::Choice(what, known) => reader.named(what, &known()),
            Kind::Sizes => reader.sizes(),
            Kind::Network => reader.network(),
            Kind::Activation(or_none) => reader.activation(*or_none),
            Kind::Init => reader.init(),
            Kind::Metrics => reader.metrics(),
            Kind::Dataset => reader.dataset(),
            Kind::Objective => reader.objective(Objective::WHAT, &Objective::known()),
            Kind::Penalties => reader.penalties(),
        }
    }

    /// Describes the accepted values in words.
    pub fn words(&self) -> String {
        let names = |known: Vec<String>| format!("`{}`", known.join("`, `"));
        match self {
            Kind::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Kind::Number(range) => range.to_string(),
            Kind::Flag => "`true` or `false`".to_owned(),
            Kind::Betas => "two numbers, in (-1, 1) and in [0, 1)".to_owned(),
            Kind::Choice(_, known) => names(known().into_iter().map(|(name, _)| name.to_owned()).collect()),
            Kind::Sizes => "a list of layer sizes".to_owned(),
            Kind::Network => "a list of layer sizes, or a network layer by layer".to_owned(),
            Kind::Activation(or_none) => {
                let none = or_none.then(|| "none".to_owned()).into_iter();
                names(none.chain(Activation::ALL.map(|known| known.to_string())).collect())
            }
            Kind::Init => names(Init::ALL.map(|known| known.to_string()).into()),
            Kind::Metrics => "a list of scores".to_owned(),
            Kind::Objective => {
                let known = names(Objective::known().into_iter().map(|(name, _)| name.to_owned()).collect());
                format!("{known}, or formulas: `{{discriminator: …, generator: …}}`")
            }
            Kind::Penalties => "a list of penalties, such as `[{at: real, half_square: gamma}]`".to_owned(),
            Kind::Dataset => {
                let mut takes =
                    vec![Gaussians::RING, Gaussians::GRID].into_iter().map(Dataset::Gaussians).collect::<Vec<_>>();
                takes.extend(Toy::ALL.map(Dataset::Toy));
                takes.extend(Dataset::IMAGES);
                let known = takes.into_iter().map(|dataset| SettingValue::Dataset(dataset).to_string());
                let own = own_data::Kind::ALL.into_iter().map(|kind| own_data::Source::example(kind).to_string());
                names(known.chain(own).collect())
            }
        }
    }
}

/// A range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: f64,
    with_low: bool,
    high: f64,
    with_high: bool,
}

impl Range {
    /// Returns the range of all numbers.
    pub const fn any() -> Range {
        Range { low: f64::NEG_INFINITY, with_low: false, high: f64::INFINITY, with_high: false }
    }

    /// Returns the range between two bounds, each with whether it is included.
    pub(crate) fn between(low: Option<(f64, bool)>, high: Option<(f64, bool)>) -> Range {
        let Range { low: no_low, high: no_high, .. } = Range::any();
        let ((low, with_low), (high, with_high)) = (low.unwrap_or((no_low, false)), high.unwrap_or((no_high, false)));
        Range { low, with_low, high, with_high }
    }

    /// Returns the bounds.
    pub(crate) fn bounds(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Returns the range of numbers above `low`.
    pub const fn above(low: f64) -> Range {
        Range { low, with_low: false, high: f64::INFINITY, with_high: false }
    }

    /// Returns the range of numbers of at least `low`.
    pub const fn from(low: f64) -> Range {
        Range { low, with_low: true, high: f64::INFINITY, with_high: false }
    }

    /// Limits the range to numbers up to and including `high`.
    pub const fn up_to(self, high: f64) -> Range {
        Range { high, with_high: true, ..self }
    }

    /// Limits the range to numbers below `high`.
    pub const fn below(self, high: f64) -> Range {
        Range { high, with_high: false, ..self }
    }

    /// Limits the range to numbers above 0.
    pub(crate) fn above_0(self) -> Range {
        if self.low > 0.0 { self } else { Range { low: 0.0, with_low: false, ..self } }
    }

    /// Returns whether the range contains `x`, which must be finite.
    pub fn holds(&self, x: f64) -> bool {
        let low = if self.with_low { self.low <= x } else { self.low < x };
        let high = if self.with_high { x <= self.high } else { x < self.high };
        low && high
    }

    /// Returns whether the range contains `x`, or has it as an excluded bound that values can approach.
    pub(crate) fn nears(&self, x: f64) -> bool {
        self.holds(x) || x.is_finite() && (x == self.low || x == self.high)
    }
}

/// As in "expected a number in (0, 1]".
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { low, with_low, high, with_high } = self;
        match (high.is_finite(), with_low) {
            (false, _) if low.is_infinite() => f.write_str("a number"),
            (true, _) if low.is_infinite() && *with_high => write!(f, "a number up to {high}"),
            (true, _) if low.is_infinite() => write!(f, "a number below {high}"),
            (false, true) => write!(f, "a number of at least {low}"),
            (false, false) => write!(f, "a number above {low}"),
            (true, _) => {
                let (open, close) = (if *with_low { '[' } else { '(' }, if *with_high { ']' } else { ')' });
                write!(f, "a number in {open}{low}, {high}{close}")
            }
        }
    }
}

/// The Rust type of the values of some kind.
pub trait Held: Sized {
    /// Returns the content of `value`, or `None` if it is of another kind.
    fn of(value: &SettingValue) -> Option<Self>;
}

/// Types whose values have names.
pub trait Named: Held + Copy + 'static {
    /// What it is, as in "`sgdd` is not an optimiser".
    const WHAT: &'static str;

    /// Returns all values with their names in YAML.
    fn known() -> Vec<(&'static str, SettingValue)>;
}

macro_rules! held {
    ($($type:ty: $pattern:pat => $held:expr;)*) => {
        $(impl Held for $type {
            fn of(value: &SettingValue) -> Option<Self> {
                match value {
                    $pattern => Some($held),
                    _ => None,
                }
            }
        })*
    };
}

held! {
    f64: SettingValue::Plain(Plain::Number(number)) => *number;
    bool: SettingValue::Plain(Plain::Flag(flag)) => *flag;
    (f64, f64): SettingValue::Pair(first, second) => (*first, *second);
    Vec<u32>: SettingValue::Hidden(Hidden::Sizes(sizes)) => sizes.clone();
    Hidden: SettingValue::Hidden(hidden) => hidden.clone();
    Option<Activation>: SettingValue::Activation(activation) => *activation;
    Activation: SettingValue::Activation(Some(activation)) => *activation;
    Init: SettingValue::Init(init) => *init;
    BTreeSet<Metric>: SettingValue::Metrics(metrics) => metrics.clone();
    Arch: SettingValue::Arch(arch) => *arch;
    NoiseDistribution: SettingValue::NoiseDistribution(distribution) => *distribution;
    Norm: SettingValue::Norm(norm) => *norm;
    Optimizer: SettingValue::Optimizer(optimizer) => *optimizer;
    Precision: SettingValue::Precision(precision) => *precision;
    Checkpoints: SettingValue::Checkpoints(checkpoints) => *checkpoints;
    Sheets: SettingValue::Sheets(sheets) => *sheets;
    Moves: SettingValue::Moves(moves) => *moves;
    Weights: SettingValue::Weights(weights) => *weights;
    Arc<[Penalty]>: SettingValue::Penalties(penalties) => Arc::clone(penalties);
    ScoringNetwork: SettingValue::Network(network) => *network;
}

impl Held for u64 {
    fn of(value: &SettingValue) -> Option<Self> {
        match value {
            SettingValue::Plain(Plain::Whole(whole)) => u64::try_from(*whole).ok(),
            _ => None,
        }
    }
}

impl Held for u32 {
    fn of(value: &SettingValue) -> Option<Self> {
        u64::of(value).and_then(|whole| whole.try_into().ok())
    }
}

impl Held for Objective {
    fn of(value: &SettingValue) -> Option<Self> {
        match value {
            SettingValue::Objective(objective) => Some(*objective),
            SettingValue::Formulas(written) => Some(written.objective),
            _ => None,
        }
    }
}

impl Held for Dataset {
    fn of(value: &SettingValue) -> Option<Self> {
        match value {
            SettingValue::Dataset(dataset) => Some(*dataset),
            SettingValue::Own(_, own) => Some(Dataset::Own(*own)),
            _ => None,
        }
    }
}

macro_rules! named {
    ($($type:ty: $what:literal, $value:path;)*) => {
        $(impl Named for $type {
            const WHAT: &'static str = $what;

            fn known() -> Vec<(&'static str, SettingValue)> {
                Self::ALL.into_iter().map(|one| (one.name(), $value(one))).collect()
            }
        })*
    };
}

named! {
    Arch: "an architecture", SettingValue::Arch;
    NoiseDistribution: "a distribution of noise", SettingValue::NoiseDistribution;
    Norm: "a normalisation", SettingValue::Norm;
    Optimizer: "an optimiser", SettingValue::Optimizer;
    Precision: "a precision", SettingValue::Precision;
    Checkpoints: "a choice for checkpoints", SettingValue::Checkpoints;
    Sheets: "a choice of sheets", SettingValue::Sheets;
    Moves: "an order of moves", SettingValue::Moves;
    Weights: "a choice of weights", SettingValue::Weights;
    Objective: "an objective", SettingValue::Objective;
    ScoringNetwork: "a scoring network", SettingValue::Network;
}

impl<T: Named> Typed<T> {
    pub(super) const fn choice(head: Head) -> Self {
        Typed::of(head, Kind::Choice(T::WHAT, T::known))
    }
}

impl Typed<u64> {
    pub(super) const fn whole(head: Head, least: u64, most: u64) -> Self {
        Typed::of(head, Kind::Whole(least, most))
    }
}

impl Typed<bool> {
    pub(super) const fn yes_or_no(head: Head) -> Self {
        Typed::of(head, Kind::Flag)
    }
}

impl Typed<f64> {
    pub(super) const fn number(head: Head, range: Range) -> Self {
        Typed::of(head, Kind::Number(range))
    }
}

impl Typed<(f64, f64)> {
    pub(super) const fn betas(head: Head) -> Self {
        Typed::of(head, Kind::Betas)
    }
}

impl Typed<Vec<u32>> {
    pub(super) const fn sizes(head: Head) -> Self {
        Typed::of(head, Kind::Sizes)
    }
}

impl Typed<Hidden> {
    pub(super) const fn network(head: Head) -> Self {
        Typed::of(head, Kind::Network)
    }
}

impl Typed<Option<Activation>> {
    pub(super) const fn activation_or_none(head: Head) -> Self {
        Typed::of(head, Kind::Activation(true))
    }
}

impl Typed<Activation> {
    // A hidden layer needs an activation.
    pub(super) const fn activation(head: Head) -> Self {
        Typed::of(head, Kind::Activation(false))
    }
}

impl Typed<Init> {
    pub(super) const fn init(head: Head) -> Self {
        Typed::of(head, Kind::Init)
    }
}

impl Typed<BTreeSet<Metric>> {
    pub(super) const fn metrics(head: Head) -> Self {
        Typed::of(head, Kind::Metrics)
    }
}

impl Typed<Objective> {
    pub(super) const fn objective(head: Head) -> Self {
        Typed::of(head, Kind::Objective)
    }
}

impl Typed<Arc<[Penalty]>> {
    pub(super) const fn penalties(head: Head) -> Self {
        Typed::of(head, Kind::Penalties)
    }
}

impl Typed<Dataset> {
    pub(super) const fn dataset(head: Head) -> Self {
        Typed::of(head, Kind::Dataset)
    }
}
