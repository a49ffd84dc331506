//! Which values a key takes: how they are read, told and held.

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
use crate::own;
use crate::parameters::Plain;
use crate::penalty::Penalty;
use crate::scoring::ScoringNetwork;
use crate::value::{Arch, Hidden, Reader, Value};

/// Which values a key takes.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A whole number from the first to the second.
    Whole(u64, u64),
    /// A number.
    Number(Range),
    /// `true` or `false`.
    Flag,
    /// Adam's two decay rates.
    Betas,
    /// One of these names; what it names is told in words.
    Choice(&'static str, fn() -> Vec<(&'static str, Value)>),
    /// Hidden sizes.
    Sizes,
    /// Hidden sizes, or a network layer by layer.
    Network,
    /// An activation, or, where this is so, none.
    Activation(bool),
    /// How weights start.
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
    /// Whether a value is never a list.
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

    /// Whether its values are numbers, which have an order.
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

    /// Whether one value is a list, so that several are a list of lists.
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
    pub(crate) fn read(&self, mut reader: Reader) -> Option<Value> {
        match self {
            Kind::Whole(least, most) => reader.count(*least, *most).map(Value::count),
            Kind::Number(range) => reader.number(&range.to_string(), |x| range.holds(x)).map(Value::number),
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

    /// What it takes, in words.
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
                let known = takes.into_iter().map(|dataset| Value::Dataset(dataset).to_string());
                let own = own::Kind::ALL.into_iter().map(|kind| own::Source::example(kind).to_string());
                names(known.chain(own).collect())
            }
        }
    }
}

/// Numbers between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    low: f64,
    with_low: bool,
    high: f64,
    with_high: bool,
}

impl Range {
    /// All numbers.
    pub const fn any() -> Range {
        Range { low: f64::NEG_INFINITY, with_low: false, high: f64::INFINITY, with_high: false }
    }

    /// Those between two bounds, each with whether it is one of them.
    pub(crate) fn between(low: Option<(f64, bool)>, high: Option<(f64, bool)>) -> Range {
        let Range { low: no_low, high: no_high, .. } = Range::any();
        let ((low, with_low), (high, with_high)) = (low.unwrap_or((no_low, false)), high.unwrap_or((no_high, false)));
        Range { low, with_low, high, with_high }
    }

    /// The bounds.
    pub(crate) fn bounds(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// All above `low`.
    pub const fn above(low: f64) -> Range {
        Range { low, with_low: false, high: f64::INFINITY, with_high: false }
    }

    /// All from `low` on.
    pub const fn from(low: f64) -> Range {
        Range { low, with_low: true, high: f64::INFINITY, with_high: false }
    }

    /// Those of them up to `high`.
    pub const fn up_to(self, high: f64) -> Range {
        Range { high, with_high: true, ..self }
    }

    /// Those of them below `high`.
    pub const fn below(self, high: f64) -> Range {
        Range { high, with_high: false, ..self }
    }

    /// Those of them above 0.
    pub(crate) fn above_0(self) -> Range {
        if self.low > 0.0 { self } else { Range { low: 0.0, with_low: false, ..self } }
    }

    /// Whether it is one of them; none is infinite.
    pub fn holds(&self, x: f64) -> bool {
        let low = if self.with_low { self.low <= x } else { self.low < x };
        let high = if self.with_high { x <= self.high } else { x < self.high };
        low && high
    }

    /// Whether it is one of them, or a bound that they come as near to as one likes.
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
            (false, true) => write!(f, "a number from {low} on"),
            (false, false) => write!(f, "a number above {low}"),
            (true, _) => {
                let (open, close) = (if *with_low { '[' } else { '(' }, if *with_high { ']' } else { ')' });
                write!(f, "a number in {open}{low}, {high}{close}")
            }
        }
    }
}

/// What a [`Value`] of some kind holds.
pub trait Held: Sized {
    /// What is in `value`; none if that is another kind.
    fn of(value: &Value) -> Option<Self>;
}

/// What goes by one of a few names.
pub trait Named: Held + Copy + 'static {
    /// What it is, as in "`sgdd` is not an optimiser".
    const WHAT: &'static str;

    /// All, with their names in YAML.
    fn known() -> Vec<(&'static str, Value)>;
}

macro_rules! held {
    ($($type:ty: $pattern:pat => $held:expr;)*) => {
        $(impl Held for $type {
            fn of(value: &Value) -> Option<Self> {
                match value {
                    $pattern => Some($held),
                    _ => None,
                }
            }
        })*
    };
}

held! {
    f64: Value::Plain(Plain::Number(number)) => *number;
    bool: Value::Plain(Plain::Flag(flag)) => *flag;
    (f64, f64): Value::Pair(first, second) => (*first, *second);
    Vec<u32>: Value::Hidden(Hidden::Sizes(sizes)) => sizes.clone();
    Hidden: Value::Hidden(hidden) => hidden.clone();
    Option<Activation>: Value::Activation(activation) => *activation;
    Activation: Value::Activation(Some(activation)) => *activation;
    Init: Value::Init(init) => *init;
    BTreeSet<Metric>: Value::Metrics(metrics) => metrics.clone();
    Arch: Value::Arch(arch) => *arch;
    NoiseDistribution: Value::NoiseDistribution(distribution) => *distribution;
    Norm: Value::Norm(norm) => *norm;
    Optimizer: Value::Optimizer(optimizer) => *optimizer;
    Precision: Value::Precision(precision) => *precision;
    Checkpoints: Value::Checkpoints(checkpoints) => *checkpoints;
    Sheets: Value::Sheets(sheets) => *sheets;
    Moves: Value::Moves(moves) => *moves;
    Weights: Value::Weights(weights) => *weights;
    Arc<[Penalty]>: Value::Penalties(penalties) => Arc::clone(penalties);
    ScoringNetwork: Value::Network(network) => *network;
}

impl Held for u64 {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Plain(Plain::Whole(whole)) => u64::try_from(*whole).ok(),
            _ => None,
        }
    }
}

impl Held for u32 {
    fn of(value: &Value) -> Option<Self> {
        u64::of(value).and_then(|whole| whole.try_into().ok())
    }
}

impl Held for Objective {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Objective(objective) => Some(*objective),
            Value::Formulas(written) => Some(written.objective),
            _ => None,
        }
    }
}

impl Held for Dataset {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Dataset(dataset) => Some(*dataset),
            Value::Own(_, own) => Some(Dataset::Own(*own)),
            _ => None,
        }
    }
}

macro_rules! named {
    ($($type:ty: $what:literal, $value:path;)*) => {
        $(impl Named for $type {
            const WHAT: &'static str = $what;

            fn known() -> Vec<(&'static str, Value)> {
                Self::ALL.into_iter().map(|one| (one.name(), $value(one))).collect()
            }
        })*
    };
}

named! {
    Arch: "an architecture", Value::Arch;
    NoiseDistribution: "a distribution of noise", Value::NoiseDistribution;
    Norm: "a normalisation", Value::Norm;
    Optimizer: "an optimiser", Value::Optimizer;
    Precision: "a precision", Value::Precision;
    Checkpoints: "what becomes of a state", Value::Checkpoints;
    Sheets: "a choice of sheets", Value::Sheets;
    Moves: "an order of moves", Value::Moves;
    Weights: "a choice of weights", Value::Weights;
    Objective: "an objective", Value::Objective;
    ScoringNetwork: "what sees images", Value::Network;
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
    // A hidden layer without an activation is no layer.
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
