//! The typed values of keys: read from YAML, compared in conditions, shown as axes.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::arch::{Activation, Design, Init, NoiseDistribution, Norm};
use super::blueprint::{Optimizer, Precision};
use super::dataset::{Dataset, Gaussians};
use super::error::Mistakes;
use super::keys::Key;
use super::knobs::Knob;
use super::metric::Metric;
use super::network::Network;
use super::objective::Objective;
use super::own::{Own, Source};
use super::scoring::ScoringNetwork;
use super::yaml::{Content, Name, Node};

/// Kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// Fully connected.
    Mlp,
    /// Convolutional.
    Conv(Design),
}

impl Arch {
    /// Every kind, with its name in YAML.
    pub const ALL: [(&str, Arch); 3] =
        [("mlp", Arch::Mlp), ("dcgan", Arch::Conv(Design::Dcgan)), ("metz", Arch::Conv(Design::Metz))];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Mlp => "mlp",
            Arch::Conv(Design::Dcgan) => "dcgan",
            Arch::Conv(Design::Metz) => "metz",
        }
    }
}

/// The value of a [`Key`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// Any finite number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Adam's two decay rates.
    Pair(f64, f64),
    /// Hidden sizes.
    Sizes(Vec<u32>),
    /// A network layer by layer.
    Layers(Network),
    /// A data set.
    Dataset(Dataset),
    /// A data set of the user's own: what the file says, and what lies there.
    Own(Arc<Source>, Own),
    /// An objective, its own settings at their defaults.
    Objective(Objective),
    /// A kind of networks.
    Arch(Arch),
    /// What noise is drawn from.
    NoiseDistribution(NoiseDistribution),
    /// A normalisation.
    Norm(Norm),
    /// An activation, or none.
    Activation(Option<Activation>),
    /// How weights start.
    Init(Init),
    /// An optimiser.
    Optimizer(Optimizer),
    /// How products are computed.
    Precision(Precision),
    /// Scores.
    Metrics(BTreeSet<Metric>),
    /// What sees images.
    Network(ScoringNetwork),
}

impl Value {
    /// The number that it is, for comparisons by size.
    pub fn number(&self) -> Option<f64> {
        match *self {
            Value::Count(count) => Some(count as f64),
            Value::Number(number) => Some(number),
            _ => None,
        }
    }
}

/// As a sweep file would spell it, on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        match self {
            Value::Count(count) => write!(f, "{count}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Pair(first, second) => write!(f, "[{first}, {second}]"),
            Value::Sizes(sizes) => f.write_str(&list(sizes.iter().map(u32::to_string).collect())),
            Value::Layers(network) => network.fmt(f),
            Value::Dataset(Dataset::Gaussians(Gaussians::RING)) => f.write_str("gaussians"),
            Value::Dataset(Dataset::Gaussians(Gaussians::Ring { modes, radius, covariance })) => {
                write!(f, "{{gaussians: {{layout: ring, modes: {modes}, radius: {radius}, covariance: {covariance}}}}}")
            }
            Value::Dataset(Dataset::Gaussians(Gaussians::Grid { side, spacing, covariance })) => {
                write!(f, "{{gaussians: {{layout: grid, side: {side}, spacing: {spacing}, covariance: {covariance}}}}}")
            }
            Value::Dataset(dataset) => f.write_str(dataset.name()),
            Value::Own(source, _) => source.fmt(f),
            Value::Objective(objective) => f.write_str(objective.name()),
            Value::Activation(None) => f.write_str("none"),
            Value::Activation(Some(activation)) => activation.fmt(f),
            Value::Init(init) => init.fmt(f),
            Value::Arch(arch) => f.write_str(arch.name()),
            Value::NoiseDistribution(distribution) => f.write_str(distribution.name()),
            Value::Norm(norm) => f.write_str(norm.name()),
            Value::Precision(precision) => f.write_str(precision.name()),
            Value::Optimizer(optimizer) => f.write_str(optimizer.name()),
            Value::Network(network) => f.write_str(network.name()),
            Value::Metrics(metrics) => f.write_str(&list(metrics.iter().map(|m| m.name().to_owned()).collect())),
        }
    }
}

/// The largest layer.
pub(super) const MAX_SIZE: u64 = 1 << 16;

/// Reads one value: where it stands, and where its mistakes go.
pub(super) struct Reader<'a> {
    pub node: &'a Node,
    pub path: &'a str,
    pub mistakes: &'a mut Mistakes,
}

impl<'a> Reader<'a> {
    /// The value of `key`; `None` after a mistake, which is reported.
    pub(super) fn read(mut self, key: Key) -> Option<Value> {
        match key {
            Key::Steps => self.count(1, 1_000_000_000).map(Value::Count),
            Key::Every => self.count(0, 1_000_000_000).map(Value::Count),
            Key::Batch => self.count(1, 1 << 14).map(Value::Count),
            Key::DSteps => self.count(1, 1000).map(Value::Count),
            Key::UnrollSteps => self.count(0, 100).map(Value::Count),
            Key::Noise => self.count(1, MAX_SIZE).map(Value::Count),
            Key::Samples => self.count(1, 1_000_000).map(Value::Count),
            Key::Splits => self.count(1, 1000).map(Value::Count),
            Key::Bins => self.count(2, 1000).map(Value::Count),
            Key::WassersteinSamples => self.count(1, 50_000).map(Value::Count),
            Key::RealSamples => self.count(1, 10_000_000).map(Value::Count),
            Key::Projections => self.count(1, 100_000).map(Value::Count),
            Key::SinkhornReg => self.number("a number above 0", |reg| reg > 0.0).map(Value::Number),
            Key::Neighbours => self.count(1, 1000).map(Value::Count),
            Key::Classifier => {
                let known = ScoringNetwork::ALL.map(|network| (network.name(), network));
                self.named("what sees images", &known).map(Value::Network)
            }
            Key::Alpha
            | Key::Beta
            | Key::Clip
            | Key::GradientPenalty
            | Key::PenaltyPower
            | Key::Reconstruction
            | Key::ModeWeight
            | Key::Denoising
            | Key::DiversityRatio
            | Key::BalanceRate
            | Key::Diversity
            | Key::LrGenerator
            | Key::LrDiscriminator
            | Key::AdamBeta1
            | Key::AdamBeta2
            | Key::RmspropDecay
            | Key::Momentum => key.knob().and_then(|knob| self.knob(knob)),
            Key::Lr => self.knob(Knob::LrGenerator),
            Key::AdamBetas => self.betas(),
            Key::Dropout => self.number("a number in [0, 1)", |rate| (0.0..1.0).contains(&rate)).map(Value::Number),
            Key::Range => self.number("a number above 0", |range| range > 0.0).map(Value::Number),
            Key::Saturating | Key::FeatureMatching => self.typed("`true` or `false`").map(Value::Flag),
            Key::MarginEpoch => self.count(1, u32::MAX.into()).map(Value::Count),
            Key::Generators => self.count(2, 1000).map(Value::Count),
            Key::MinibatchKernels => self.count(1, 1000).map(Value::Count),
            Key::MinibatchDims => self.count(1, 100).map(Value::Count),
            Key::Pack => self.count(1, 64).map(Value::Count),
            Key::Encoder | Key::Denoiser => self.sizes(),
            Key::Generator | Key::Discriminator => self.network(),
            Key::Arch => self.named("an architecture", &Arch::ALL).map(Value::Arch),
            Key::Width | Key::DiscriminatorWidth => self.count(1, 1024).map(Value::Count),
            Key::Kernel => self.count(3, 5).map(Value::Count),
            Key::GeneratorNorm | Key::DiscriminatorNorm => {
                self.named("a normalisation", &Norm::ALL.map(|norm| (norm.name(), norm))).map(Value::Norm)
            }
            Key::NoiseDistribution => {
                let known = NoiseDistribution::ALL.map(|distribution| (distribution.name(), distribution));
                self.named("a distribution of noise", &known).map(Value::NoiseDistribution)
            }
            Key::Optimizer | Key::OptimizerGenerator | Key::OptimizerDiscriminator => {
                let known = Optimizer::ALL.map(|optimizer| (optimizer.name(), optimizer));
                self.named("an optimiser", &known).map(Value::Optimizer)
            }
            Key::Precision => {
                let known = Precision::ALL.map(|precision| (precision.name(), precision));
                self.named("a precision", &known).map(Value::Precision)
            }
            Key::Objective => {
                let known = Objective::ALL.map(|objective| (objective.name(), objective));
                self.named("an objective", &known).map(Value::Objective)
            }
            Key::Output => self.activation(true),
            // A hidden layer without an activation is no layer.
            Key::GeneratorActivation | Key::DiscriminatorActivation => self.activation(false),
            Key::Init => self.init(),
            Key::Metrics => self.metrics(),
            Key::Dataset => self.dataset(),
        }
    }

    pub(super) fn expected(&mut self, what: &str) {
        self.mistakes.add(self.path, &self.node.span, format!("expected {what}, found {}", self.node.describe()));
    }

    fn typed<T: serde::de::DeserializeOwned>(&mut self, what: &str) -> Option<T> {
        let value = serde_yaml::from_value(self.node.value()).ok();
        if value.is_none() {
            self.expected(what);
        }
        value
    }

    /// A whole number; `1e4` is one too.
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

    /// A finite number for which `ok` holds; −0 becomes 0.
    pub(super) fn number(&mut self, what: &str, ok: impl Fn(f64) -> bool) -> Option<f64> {
        let number = self.node.value().as_f64().filter(|&x| x.is_finite() && ok(x));
        if number.is_none() {
            self.expected(what);
        }
        number.map(|x| x + 0.0)
    }

    fn knob(&mut self, knob: Knob) -> Option<Value> {
        let number = self.number("a number", |_| true)?;
        match knob.check(number) {
            Ok(()) => Some(Value::Number(number)),
            Err(what) => {
                self.expected(what);
                None
            }
        }
    }

    fn betas(&mut self) -> Option<Value> {
        match serde_yaml::from_value::<(f64, f64)>(self.node.value()) {
            Ok((first, second)) if Knob::AdamBeta1.check(first).is_ok() && Knob::AdamBeta2.check(second).is_ok() => {
                Some(Value::Pair(first + 0.0, second + 0.0))
            }
            _ => {
                self.expected("two numbers in [0, 1), such as [0.5, 0.999]");
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

    /// The one entry of a map `{name: …}`.
    pub(super) fn single(&self) -> Option<(&'a Name, &'a Node)> {
        let node: &'a Node = self.node;
        match &node.content {
            Content::Map(entries) if entries.len() == 1 => entries.first().map(|(name, node)| (name, node)),
            _ => None,
        }
    }

    fn metrics(&mut self) -> Option<Value> {
        let Content::List(items) = &self.node.content else {
            self.expected("a list of scores, such as [wasserstein, modes_covered], or [] for none");
            return None;
        };
        let known = Metric::ALL.map(|metric| (metric.name(), metric));
        let found: Vec<Option<Metric>> = items.iter().map(|node| self.at(node).named("a score", &known)).collect();
        found.into_iter().collect::<Option<_>>().map(Value::Metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn read(key: Key, text: &str) -> Option<Value> {
        // A map around it, since the parser takes whole documents.
        let Content::Map(entries) = yaml::load(&format!("key: {text}")).unwrap().content else { panic!() };
        let mut mistakes = Mistakes::default();
        let value = Reader { node: &entries[0].1, path: "key", mistakes: &mut mistakes }.read(key);
        assert_eq!(value.is_none(), mistakes.len() > 0, "{key:?} {text}: a mistake is reported, and nothing else");
        value
    }

    #[test]
    fn what_a_value_shows_reads_as_the_same_value() {
        for (key, texts) in [
            (Key::Alpha, &["0.01", "1"][..]),
            (Key::Lr, &["0.0002"]),
            (Key::AdamBetas, &["[0.5, 0.999]"]),
            (Key::Generator, &["[400, 400]", "[]", "[{linear: 400}, relu]"]),
            (Key::Steps, &["10000"]),
            (Key::Saturating, &["true"]),
            (Key::Output, &["none", "tanh", "elu", "{leaky_relu: 0.1}"]),
            (Key::Init, &["{normal: 0.02}", "{uniform: 0.05}", "he_uniform", "xavier_normal", "{orthogonal: 0.8}"]),
            (Key::Optimizer, &["sgd"]),
            (Key::Precision, &["float32", "tf32", "bf16"]),
            (Key::NoiseDistribution, &["normal", "uniform"]),
            (Key::GeneratorNorm, &["batch", "layer", "none"]),
            (Key::Objective, &["d2gan"]),
            (Key::Arch, &["mlp", "dcgan", "metz"]),
            (Key::Width, &["128"]),
            (Key::DiscriminatorWidth, &["64"]),
            (Key::Kernel, &["4"]),
            (Key::Classifier, &["shipped", "inception", "self"]),
            (Key::SinkhornReg, &["0.5"]),
            (Key::Metrics, &["[wasserstein, modes_covered]", "[]"]),
            (
                Key::Dataset,
                &[
                    "gaussians",
                    "mnist",
                    "mnist_1k",
                    "cifar10",
                    "{gaussians: {layout: grid, side: 3, spacing: 2, covariance: 0.1}}",
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(read(key, text).unwrap().to_string(), *text);
            }
        }
    }

    #[test]
    fn spellings_that_mean_the_same_are_the_same() {
        assert_eq!(read(Key::Lr, "2e-4"), read(Key::Lr, "0.0002"));
        assert_eq!(read(Key::Alpha, "1.0"), read(Key::Alpha, "1"));
        assert_eq!(read(Key::Steps, "1e4"), Some(Value::Count(10_000)));
        assert_eq!(read(Key::Dataset, "{gaussians: {}}"), read(Key::Dataset, "gaussians"));
        assert_eq!(read(Key::Output, "leaky_relu"), read(Key::Output, "{leaky_relu: 0.2}"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (key, text) in [
            (Key::Alpha, "0"),
            (Key::Alpha, "1.5"),
            (Key::Lr, ".nan"),
            (Key::Lr, "\"0.1\""),
            (Key::AdamBetas, "[0.5]"),
            (Key::AdamBetas, "[0.5, 1]"),
            (Key::Batch, "0"),
            (Key::Batch, "2.5"),
            (Key::Batch, "-1"),
            (Key::Arch, "cnn"),
            (Key::Precision, "float16"),
            (Key::Precision, "32"),
            (Key::Width, "0"),
            (Key::Kernel, "6"),
            (Key::Range, ".inf"),
            (Key::SinkhornReg, "0"),
            (Key::Classifier, "resnet"),
            (Key::Generator, "400"),
            (Key::Generator, "[400, 0]"),
            (Key::NoiseDistribution, "gaussian"),
            (Key::Init, "normal"),
            (Key::Init, "{uniform: 0}"),
            (Key::Init, "{he_normal: 2}"),
            (Key::Init, "orthogonl"),
            (Key::DiscriminatorActivation, "none"),
            (Key::Metrics, "none"),
            (Key::Dataset, "{gaussians: {layout: ring, side: 3}}"),
            (Key::Dataset, "{mnist: {}}"),
        ] {
            assert_eq!(read(key, text), None, "{key:?} {text}");
        }
    }
}
