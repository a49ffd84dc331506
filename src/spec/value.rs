//! The typed values of keys: read from YAML, compared in conditions, shown as axes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::arch::{Activation, Design, Init, NoiseDistribution, Norm};
use super::blueprint::{Checkpoints, Optimizer, Precision, Sheets};
use super::dataset::Dataset;
use super::error::Mistakes;
use super::keys::train::{ADAM_BETA1, ADAM_BETA2};
use super::keys::{Described, Key, Kind};
use super::metric::Metric;
use super::moves::{Moves, Weights};
use super::network::Network;
use super::objective::{Objective, Written};
use super::own_data::{OwnData, Source};
use super::parameters::Plain;
use super::penalty::Penalty;
use super::schedule::Written as Schedule;
use super::scoring::ScoringNetwork;
use super::yaml::{Content, Name, Node};

/// Kinds of network architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// Fully connected.
    Mlp,
    /// Convolutional.
    Conv(Design),
    /// Convolutional and residual.
    Resnet,
}

impl Arch {
    /// All kinds.
    pub const ALL: [Arch; 4] = [Arch::Mlp, Arch::Conv(Design::Dcgan), Arch::Conv(Design::Metz), Arch::Resnet];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Mlp => "mlp",
            Arch::Conv(Design::Dcgan) => "dcgan",
            Arch::Conv(Design::Metz) => "metz",
            Arch::Resnet => "resnet",
        }
    }
}

/// The hidden layers of a network.
#[derive(Clone, Debug, PartialEq)]
pub enum Hidden {
    /// Only their sizes.
    Sizes(Vec<u32>),
    /// The whole network, layer by layer.
    Layers(Network),
}

impl Hidden {
    /// Returns their sizes; empty if the network is written out layer by layer.
    pub(super) fn sizes(&self) -> &[u32] {
        match self {
            Hidden::Sizes(sizes) => sizes,
            Hidden::Layers(_) => &[],
        }
    }
}

/// The value of a [`Key`].
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// A number, a flag, a text or a list.
    Plain(Plain),
    /// A number that changes during training.
    Schedule(Schedule),
    /// Adam's two decay rates.
    Pair(f64, f64),
    /// Hidden layers.
    Hidden(Hidden),
    /// A data set.
    Dataset(Dataset),
    /// One of the user's own data sets: what the file says, and what was found at its path.
    Own(Arc<Source>, OwnData),
    /// A built-in objective with its settings at their defaults.
    Objective(Objective),
    /// An objective written out in the file.
    Formulas(Arc<Written>),
    /// Gradient penalties.
    Penalties(Arc<[Penalty]>),
    /// A kind of architecture.
    Arch(Arch),
    /// The distribution that noise is drawn from.
    NoiseDistribution(NoiseDistribution),
    /// A normalisation.
    Norm(Norm),
    /// An activation; `None` for none.
    Activation(Option<Activation>),
    /// How weights are initialised.
    Init(Init),
    /// An optimiser.
    Optimizer(Optimizer),
    /// The precision of matrix products.
    Precision(Precision),
    /// What happens to the final checkpoint of a training.
    Checkpoints(Checkpoints),
    /// When sample sheets are drawn.
    Sheets(Sheets),
    /// The order in which players move.
    Moves(Moves),
    /// Which of a generator's weights make samples.
    Weights(Weights),
    /// Scores.
    Metrics(BTreeSet<Metric>),
    /// The network that scores images.
    Network(ScoringNetwork),
}

impl SettingValue {
    /// Returns a whole number, which must not exceed `i64::MAX`.
    pub(super) fn count(count: u64) -> SettingValue {
        SettingValue::Plain(Plain::Whole(count as i64))
    }

    /// Returns a finite number.
    pub(super) fn number(number: f64) -> SettingValue {
        SettingValue::Plain(number.into())
    }

    /// Returns a flag.
    pub(super) fn flag(flag: bool) -> SettingValue {
        SettingValue::Plain(Plain::Flag(flag))
    }

    /// Returns hidden sizes.
    pub(super) fn sizes<'a>(sizes: impl IntoIterator<Item = &'a u32>) -> SettingValue {
        SettingValue::Hidden(Hidden::Sizes(sizes.into_iter().copied().collect()))
    }

    /// Returns the value as a number for comparisons by size, or `None` if it has no size.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            SettingValue::Plain(plain) => plain.number(),
            _ => None,
        }
    }

    /// Returns the largest number that it is at any step, or `None` if it is not a number.
    pub(super) fn greatest(&self) -> Option<f64> {
        match self {
            SettingValue::Schedule(schedule) => schedule.ends().into_iter().reduce(f64::max),
            other => other.as_number(),
        }
    }
}

/// As written in a sweep file, on one line; a schedule is shortened.
impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        match self {
            SettingValue::Plain(plain) => plain.fmt(f),
            SettingValue::Schedule(schedule) => schedule.fmt(f),
            SettingValue::Pair(first, second) => write!(f, "[{first}, {second}]"),
            SettingValue::Hidden(Hidden::Sizes(sizes)) => {
                f.write_str(&list(sizes.iter().map(u32::to_string).collect()))
            }
            SettingValue::Hidden(Hidden::Layers(network)) => network.fmt(f),
            SettingValue::Dataset(Dataset::Gaussians(mixture)) => mixture.fmt(f),
            SettingValue::Dataset(Dataset::Toy(toy)) => toy.fmt(f),
            SettingValue::Dataset(dataset) => f.write_str(dataset.name()),
            SettingValue::Own(source, _) => source.fmt(f),
            SettingValue::Objective(objective) => f.write_str(objective.name()),
            SettingValue::Formulas(written) => written.fmt(f),
            SettingValue::Penalties(penalties) => {
                f.write_str(&list(penalties.iter().map(Penalty::to_string).collect()))
            }
            SettingValue::Activation(None) => f.write_str("none"),
            SettingValue::Activation(Some(activation)) => activation.fmt(f),
            SettingValue::Init(init) => init.fmt(f),
            SettingValue::Arch(arch) => f.write_str(arch.name()),
            SettingValue::NoiseDistribution(distribution) => f.write_str(distribution.name()),
            SettingValue::Norm(norm) => f.write_str(norm.name()),
            SettingValue::Precision(precision) => f.write_str(precision.name()),
            SettingValue::Checkpoints(checkpoints) => f.write_str(checkpoints.name()),
            SettingValue::Sheets(sheets) => f.write_str(sheets.name()),
            SettingValue::Moves(moves) => f.write_str(moves.name()),
            SettingValue::Weights(weights) => f.write_str(weights.name()),
            SettingValue::Optimizer(optimizer) => f.write_str(optimizer.name()),
            SettingValue::Network(network) => f.write_str(network.name()),
            SettingValue::Metrics(metrics) => f.write_str(&list(metrics.iter().map(|m| m.name().to_owned()).collect())),
        }
    }
}

/// Maximum number of training steps.
pub(super) const MAX_STEPS: u64 = 1_000_000_000;
/// Maximum size of a layer.
pub(super) const MAX_SIZE: u64 = 1 << 16;

/// Reads one value. Holds where it stands and where its mistakes go.
pub(super) struct Reader<'a> {
    pub node: &'a Node,
    pub path: &'a str,
    pub mistakes: &'a mut Mistakes,
}

/// Returns a hint where to write several values of a key.
fn swept(key: &Key) -> String {
    format!("to sweep several values, write `grid: {{{}: […]}}`", key.name())
}

impl<'a> Reader<'a> {
    /// Reads the value of `key`; `None` after a mistake, which is reported.
    pub(super) fn read(mut self, key: &Key) -> Option<SettingValue> {
        if let Some(changing) = self.changing(key) {
            return changing;
        }
        match key {
            Key::Own(declared) => self.like(&declared.usual).map(SettingValue::Plain),
            // Only sweeps that have this key can read it.
            Key::Elsewhere(_) => None,
            // Several objectives may have a parameter of this name, so the range is checked where it is used.
            Key::Parameter(name) if self.mistakes.vocabulary.named.contains(&**name) => {
                let before = self.mistakes.len();
                let found = self.number("a number", |_| true).map(SettingValue::number);
                if let Content::List(_) = self.node.content {
                    self.mistakes.help_from(before, &swept(key));
                }
                found
            }
            Key::Fixed(_) | Key::Parameter(_) => {
                let kind = &key.described()?.kind;
                let before = self.mistakes.len();
                let list = matches!(self.node.content, Content::List(_));
                let both = self.node.text() == Some("both");
                let found = kind.read(self.again());
                if list && kind.is_one_value() || both && matches!(kind, Kind::Choice(..)) {
                    self.mistakes.help_from(before, &swept(key));
                }
                found
            }
        }
    }

    /// Returns a reader of the same node.
    fn again(&mut self) -> Reader<'_> {
        Reader { node: self.node, path: self.path, mistakes: self.mistakes }
    }

    pub(super) fn expected(&mut self, what: &str) {
        self.mistakes.add(self.path, &self.node.span, format!("expected {what}, found {}", self.node.describe()));
    }

    /// Reads a flag.
    pub(super) fn flag(&mut self) -> Option<SettingValue> {
        let flag = self.node.value().as_bool();
        if flag.is_none() {
            self.expected("`true` or `false`");
        }
        flag.map(SettingValue::flag)
    }

    /// Reads a number, a word, a flag, or a list of these.
    pub(super) fn plain(&mut self) -> Option<Plain> {
        let found = match &self.node.content {
            Content::List(nodes) => {
                nodes.iter().map(|node| self.at(node).plain()).collect::<Option<_>>().map(Plain::List)
            }
            Content::Scalar { .. } if !self.node.is_nothing() => match self.node.value() {
                serde_yaml::Value::Bool(flag) => Some(Plain::Flag(flag)),
                _ if self.is_huge() => None,
                serde_yaml::Value::Number(number) => match number.as_i64() {
                    Some(whole) => Some(Plain::Whole(whole)),
                    None => number.as_f64().filter(|number| number.is_finite()).map(Plain::from),
                },
                _ => self.node.text().filter(|text| !text.contains('\0')).map(|text| Plain::Text(text.into())),
            },
            Content::Scalar { .. } | Content::Map(_) => None,
        };
        if found.is_none() && !matches!(self.node.content, Content::List(_)) {
            self.expected(
                "a number (whole ones up to 9223372036854775807), a word, `true` or `false`, or a list of these",
            );
        }
        found
    }

    /// Returns whether this is a whole number too large to be stored exactly.
    fn is_huge(&self) -> bool {
        match &self.node.content {
            Content::Scalar { text, plain: true } => {
                let digits = text.trim_start_matches(['+', '-']);
                let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                whole && text.parse::<i64>().is_err()
            }
            Content::Scalar { .. } | Content::List(_) | Content::Map(_) => false,
        }
    }

    /// Reads a value of the same kind as `usual`.
    pub(super) fn like(&mut self, usual: &Plain) -> Option<Plain> {
        let (path, span) = (self.path, self.node.span.clone());
        let of = |what: &str| format!("{what}, like its default {usual}");
        match usual {
            Plain::Flag(_) => {
                let flag = self.node.value().as_bool();
                if flag.is_none() {
                    self.expected(&of("`true` or `false`"));
                }
                flag.map(Plain::Flag)
            }
            Plain::Whole(_) => {
                let whole = self.node.value().as_i64();
                if whole.is_none() {
                    let message = format!("expected {}, found {}", of("a whole number"), self.node.describe());
                    let help = format!("if fractions are allowed, write the default with a decimal point: {usual}.0");
                    self.mistakes.advise(path, &span, message, help);
                }
                whole.map(Plain::Whole)
            }
            // The defaults that a trainer declares are never schedules.
            Plain::Number(_) | Plain::Schedule(_) => self.number(&of("a number"), |_| true).map(Plain::from),
            Plain::Text(_) => {
                let text = self.node.text().filter(|text| !self.node.is_nothing() && !text.contains('\0'));
                if text.is_none() {
                    self.expected(&of("a word"));
                }
                text.map(|text| Plain::Text(text.into()))
            }
            Plain::List(_) => match &self.node.content {
                Content::List(_) => self.plain(),
                Content::Scalar { .. } | Content::Map(_) => {
                    self.expected(&of("a list"));
                    None
                }
            },
        }
    }

    /// Reads a whole number; `1e4` counts as one.
    pub(super) fn count(&mut self, min: u64, max: u64) -> Option<u64> {
        let value = self.node.value();
        let whole = |x: f64| x.fract() == 0.0 && x >= 0.0 && x <= max as f64;
        let count = value.as_u64().or_else(|| value.as_f64().filter(|&x| whole(x)).map(|x| x as u64));
        let count = count.filter(|count| (min..=max).contains(count));
        if count.is_none() {
            self.expected(&format!("a whole number from {min} to {max}"));
        }
        count
    }

    /// Reads a finite number for which `ok` holds; −0 becomes 0.
    pub(super) fn number(&mut self, what: &str, ok: impl Fn(f64) -> bool) -> Option<f64> {
        let number = self.node.value().as_f64().filter(|&x| x.is_finite() && ok(x));
        if number.is_none() {
            self.expected(what);
        }
        number.map(|x| x + 0.0)
    }

    /// Reads Adam's two decay rates.
    pub(super) fn betas(&mut self) -> Option<SettingValue> {
        let takes = |key: &Described, x: f64| matches!(key.kind, Kind::Number(range) if range.holds(x));
        match serde_yaml::from_value::<(f64, f64)>(self.node.value()) {
            Ok((first, second)) if takes(&ADAM_BETA1, first) && takes(&ADAM_BETA2, second) => {
                Some(SettingValue::Pair(first + 0.0, second + 0.0))
            }
            _ => {
                self.expected("two numbers, in (-1, 1) and in [0, 1), such as [0.5, 0.999]");
                None
            }
        }
    }

    pub(super) fn at<'b>(&'b mut self, node: &'b Node) -> Reader<'b> {
        Reader { node, path: self.path, mistakes: self.mistakes }
    }

    pub(super) fn named<T: Clone>(&mut self, what: &str, known: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let Some(text) = self.node.text().filter(|_| !self.node.is_nothing()) else {
            self.expected(&format!("{what} ({})", names.join(", ")));
            return None;
        };
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone());
        if found.is_none() {
            self.mistakes.unknown(self.path, &self.node.span, what, text, &names);
        }
        found
    }

    /// Returns the entry of a map with a single one, `{name: …}`.
    pub(super) fn single(&self) -> Option<(&'a Name, &'a Node)> {
        let node: &'a Node = self.node;
        match &node.content {
            Content::Map(entries) if entries.len() == 1 => entries.first().map(|(name, node)| (name, node)),
            _ => None,
        }
    }

    /// Reads a list of scores.
    pub(super) fn metrics(&mut self) -> Option<SettingValue> {
        let Content::List(items) = &self.node.content else {
            self.expected("a list of scores, such as [wasserstein, modes_covered], or [] for no scores");
            return None;
        };
        let known = Metric::ALL.map(|metric| (metric.name(), metric));
        let found: Vec<Option<Metric>> = items.iter().map(|node| self.at(node).named("a score", &known)).collect();
        found.into_iter().collect::<Option<_>>().map(SettingValue::Metrics)
    }
}
