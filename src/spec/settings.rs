//! Settings: what a file says about a job, layer over layer, and the blueprint and knobs that follow from it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::arch::{Activation, Design, Norm};
use super::blueprint::{Blueprint, Optimizer, Precision, Train};
use super::dataset::Dataset;
use super::error::Mistakes;
use super::keys::Key;
use super::knobs::{Knob, Knobs};
use super::metric::Metric;
use super::objective::Objective;
use super::value::{Arch, Value};

/// The smallest images that convolutional networks halve three times.
const MIN_SIDE: usize = 8;

/// Where something stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// The key's path.
    pub path: Arc<str>,
    /// Bytes of the file.
    pub span: Range<usize>,
}

/// A value with its place.
#[derive(Debug, PartialEq)]
pub(super) struct Setting {
    /// `None` after a mistake, which is reported already: what depends on it is then not checked.
    pub value: Option<Value>,
    /// Where it was set.
    pub place: Place,
}

/// The value of each key that the file sets. Groups (`lr`) are stored as their parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings(BTreeMap<Key, Arc<Setting>>);

impl Settings {
    /// Sets `key`, or its parts.
    pub(super) fn set(&mut self, key: Key, setting: &Arc<Setting>) {
        match (key.parts(), &setting.value) {
            ([], _) => {
                self.0.insert(key, Arc::clone(setting));
            }
            (&[first, second], &Some(Value::Pair(a, b))) => {
                for (part, number) in [(first, a), (second, b)] {
                    let value = Some(Value::Number(number));
                    self.0.insert(part, Arc::new(Setting { value, place: setting.place.clone() }));
                }
            }
            (parts, _) => {
                for &part in parts {
                    self.0.insert(part, Arc::clone(setting));
                }
            }
        }
    }

    /// The value of `key`: what the file says, else the default; of a group whose parts differ, none.
    pub(super) fn get(&self, key: Key) -> Option<Value> {
        match *key.parts() {
            [] => match self.0.get(&key) {
                Some(setting) => setting.value.clone(),
                None => self.usual(key),
            },
            [first, second] => match (self.get(first)?, self.get(second)?) {
                (Value::Number(a), Value::Number(b)) if key == Key::AdamBetas => Some(Value::Pair(a, b)),
                (a, b) if a == b => Some(a),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether all of `keys` are free of mistakes.
    pub(super) fn sound(&self, keys: &[Key]) -> bool {
        keys.iter().all(|key| self.0.get(key).is_none_or(|setting| setting.value.is_some()))
    }

    /// Where the first of `keys` that the file sets was set, else `otherwise`.
    pub(super) fn place<'a>(&'a self, keys: &[Key], otherwise: &'a Place) -> &'a Place {
        keys.iter().find_map(|key| self.0.get(key)).map_or(otherwise, |setting| &setting.place)
    }

    /// The data set, if it is known.
    pub(super) fn dataset(&self) -> Option<Dataset> {
        match self.0.get(&Key::Dataset)?.value {
            Some(Value::Dataset(dataset)) => Some(dataset),
            Some(Value::Own(_, own)) => Some(Dataset::Own(own)),
            _ => None,
        }
    }

    pub(super) fn count(&self, key: Key) -> u64 {
        match self.get(key) {
            Some(Value::Count(count)) => count,
            _ => 0,
        }
    }

    pub(super) fn number(&self, key: Key) -> f64 {
        match self.get(key) {
            Some(Value::Number(number)) => number,
            _ => 0.0,
        }
    }

    pub(super) fn sizes(&self, key: Key) -> Vec<u32> {
        match self.get(key) {
            Some(Value::Sizes(sizes)) => sizes,
            _ => Vec::new(),
        }
    }

    pub(super) fn norm(&self, key: Key) -> Norm {
        match self.get(key) {
            Some(Value::Norm(norm)) => norm,
            _ => Norm::None,
        }
    }

    pub(super) fn activation(&self, key: Key) -> Option<Activation> {
        match self.get(key) {
            Some(Value::Activation(activation)) => activation,
            _ => None,
        }
    }

    fn optimizer(&self, key: Key) -> Optimizer {
        match self.get(key) {
            Some(Value::Optimizer(optimizer)) => optimizer,
            _ => Optimizer::Adam,
        }
    }

    fn precision(&self) -> Precision {
        match self.get(Key::Precision) {
            Some(Value::Precision(precision)) => precision,
            _ => Precision::Float32,
        }
    }

    /// Which convolutional networks, where they are that.
    pub(super) fn design(&self) -> Option<Design> {
        match self.get(Key::Arch) {
            Some(Value::Arch(Arch::Conv(design))) => Some(design),
            _ => None,
        }
    }

    pub(super) fn metrics(&self) -> BTreeSet<Metric> {
        match self.get(Key::Metrics) {
            Some(Value::Metrics(metrics)) => metrics,
            _ => BTreeSet::new(),
        }
    }

    /// Whether the job would be another one if `key` had another value: SGD has no Adam betas, GAN no α.
    pub(super) fn matters(&self, key: Key) -> bool {
        // After a mistake nobody knows, and the mistake is what there is to report.
        let uses = |optimizer| {
            let keys = [Key::OptimizerGenerator, Key::OptimizerDiscriminator];
            !self.sound(&keys) || keys.iter().any(|&key| self.optimizer(key) == optimizer)
        };
        let design = || if self.sound(&[Key::Arch]) { self.design() } else { None };
        let hidden = |key| design().is_some() || !self.sound(&[key]) || !self.sizes(key).is_empty();
        let objective = || match self.get(Key::Objective) {
            Some(Value::Objective(objective)) => Some(objective),
            _ => None,
        };
        match key {
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
            | Key::Diversity => {
                objective().is_none_or(|o| o.declares().knobs.iter().any(|&knob| key.knob() == Some(knob)))
            }
            Key::UnrollSteps => objective().is_none_or(|objective| matches!(objective, Objective::Unrolled { .. })),
            Key::FeatureMatching | Key::MinibatchKernels | Key::MinibatchDims => {
                objective().is_none_or(|o| o.declares().minibatch)
            }
            Key::MarginEpoch => objective().is_none_or(|objective| matches!(objective, Objective::Magan { .. })),
            Key::Generators => objective().is_none_or(|objective| matches!(objective, Objective::Mgan { .. })),
            Key::Encoder => {
                design().is_none() && objective().is_none_or(|objective| objective.declares().encoder.is_some())
            }
            Key::Denoiser => objective().is_none_or(|o| o.declares().denoiser),
            Key::Saturating => objective().is_none_or(|objective| matches!(objective, Objective::Gan { .. })),
            Key::AdamBetas | Key::AdamBeta1 | Key::AdamBeta2 => uses(Optimizer::Adam),
            Key::RmspropDecay => uses(Optimizer::Rmsprop),
            Key::Momentum => uses(Optimizer::Sgd),
            Key::Splits
            | Key::Bins
            | Key::Range
            | Key::WassersteinSamples
            | Key::RealSamples
            | Key::Projections
            | Key::SinkhornReg
            | Key::Neighbours
            | Key::Classifier => self.scores_with(key),
            Key::GeneratorNorm | Key::GeneratorActivation => hidden(Key::Generator),
            Key::DiscriminatorNorm | Key::DiscriminatorActivation => hidden(Key::Discriminator),
            Key::Dropout => design().is_none() && hidden(Key::Discriminator),
            Key::Generator | Key::Discriminator => design().is_none(),
            Key::Output => design().is_some() || !self.layer_by_layer(Key::Generator),
            Key::Width | Key::DiscriminatorWidth => !self.sound(&[Key::Arch]) || design().is_some(),
            Key::Kernel => !self.sound(&[Key::Arch]) || design() == Some(Design::Dcgan),
            Key::Dataset
            | Key::Objective
            | Key::Arch
            | Key::Pack
            | Key::Noise
            | Key::NoiseDistribution
            | Key::Init
            | Key::Steps
            | Key::Batch
            | Key::DSteps
            | Key::Lr
            | Key::LrGenerator
            | Key::LrDiscriminator
            | Key::Optimizer
            | Key::OptimizerGenerator
            | Key::OptimizerDiscriminator
            | Key::Precision
            | Key::Every
            | Key::Samples
            | Key::Metrics => true,
        }
    }

    /// The knobs of a job: those in `matter`, which are those that [`Settings::matters`] says. `None` after a mistake.
    pub(super) fn knobs(&self, matter: &[Knob], variant: &Place, mistakes: &mut Mistakes) -> Option<Knobs> {
        let Some(Value::Objective(objective)) = self.get(Key::Objective) else { return None };
        let mut knobs = Knobs::default();
        let mut complete = true;
        for &knob in matter {
            let key = Key::of_knob(knob);
            match self.get(key) {
                Some(Value::Number(number)) => knobs.set(knob, number),
                _ if !self.sound(&[key]) => complete = false,
                _ => {
                    complete = false;
                    let place = self.place(&[Key::Objective], variant);
                    let (objective, name) = (objective.name(), key.name());
                    mistakes.advise(
                        &*place.path,
                        &place.span,
                        format!("`{objective}` needs `{name}`, which is not set"),
                        format!(
                            "set it beside the objective (`{name}: 0.1`), or sweep it in `grid`, `zip` or `random`"
                        ),
                    );
                }
            }
        }
        complete.then_some(knobs)
    }

    /// The blueprint; `None` after a mistake. `variant`: the place of what is not set anywhere.
    pub(super) fn blueprint(&self, variant: &Place, mistakes: &mut Mistakes) -> Option<Blueprint> {
        let before = mistakes.len();
        for (key, example) in [(Key::Dataset, "gaussians"), (Key::Objective, "d2gan"), (Key::Steps, "10000")] {
            if !self.0.contains_key(&key) {
                let help = match key.section() {
                    super::keys::Section::Top => format!("add `{}: {example}`", key.name()),
                    section => format!("add `{}: {{{}: {example}}}`", section.name(), key.name()),
                };
                mistakes.advise(&*variant.path, &variant.span, format!("`{}` is not set", key.path()), help);
            }
        }
        self.check(variant, mistakes);
        if mistakes.len() > before || !self.sound(&Key::ALL) {
            return None;
        }
        let Some(Value::Objective(objective)) = self.get(Key::Objective) else { return None };
        let dataset = self.dataset()?;
        let objective = match objective {
            Objective::Gan { .. } => {
                Objective::Gan { saturating: self.get(Key::Saturating) == Some(Value::Flag(true)) }
            }
            Objective::Unrolled { .. } => Objective::Unrolled { steps: self.count(Key::UnrollSteps) as u32 },
            Objective::ImprovedGan { .. } => {
                Objective::ImprovedGan { feature_matching: self.get(Key::FeatureMatching) == Some(Value::Flag(true)) }
            }
            Objective::Magan { .. } => Objective::Magan { epoch: self.count(Key::MarginEpoch) as u32 },
            Objective::Mgan { .. } => Objective::Mgan { generators: self.count(Key::Generators) as u32 },
            other => other,
        };
        let model = self.model(&dataset, objective, variant, mistakes)?;
        let train = Train {
            steps: self.count(Key::Steps),
            batch: self.count(Key::Batch) as u32,
            d_steps: self.count(Key::DSteps) as u32,
            generator: self.optimizer(Key::OptimizerGenerator),
            discriminator: self.optimizer(Key::OptimizerDiscriminator),
            precision: self.precision(),
        };
        Some(Blueprint::new(dataset, objective, model, train, self.score(&dataset)))
    }

    /// Values that are right each by itself and wrong together.
    fn check(&self, variant: &Place, mistakes: &mut Mistakes) {
        if let (Some(dataset), Some(Value::Arch(arch @ Arch::Conv(_)))) = (self.dataset(), self.get(Key::Arch)) {
            let (arch, name) = (arch.name(), dataset.name());
            let trouble = match *dataset.shape() {
                [_, height, width] if height != width || height < MIN_SIDE => Some(format!(
                    "`{arch}` is for square images of at least {MIN_SIDE}×{MIN_SIDE} pixels, but {name} has {height}×{width}"
                )),
                [_, _, _] => None,
                _ => Some(format!("`{arch}` is for images, but {name} has points")),
            };
            if let Some(message) = trouble {
                let place = self.place(&[Key::Arch], variant);
                mistakes.advise(&*place.path, &place.span, message, "take `arch: mlp`, or a data set that fits");
            }
        }
        self.check_batch(variant, mistakes);
        self.check_margin(variant, mistakes);
        self.check_written(variant, mistakes);
        self.check_score(variant, mistakes);
    }
}
