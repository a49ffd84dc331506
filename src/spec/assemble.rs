//! The networks of a job, from its settings.

use super::arch::{Architecture, Conv, Mlp, Model, Norm, Overlay, Unfit, Wanted};
use super::dataset::Dataset;
use super::error::Mistakes;
use super::keys::Key;
use super::objective::Objective;
use super::settings::{Place, Settings};
use super::value::Value;

impl Settings {
    /// The networks for samples of `dataset`; `None` after a mistake.
    pub(super) fn model(
        &self,
        dataset: &Dataset,
        objective: Objective,
        variant: &Place,
        mistakes: &mut Mistakes,
    ) -> Option<Model> {
        let Some(Value::Init(init)) = self.get(Key::Init) else { return None };
        let Some(Value::NoiseDistribution(distribution)) = self.get(Key::NoiseDistribution) else { return None };
        let noise = self.count(Key::Noise) as u32;
        let minibatch = [Key::MinibatchKernels, Key::MinibatchDims].map(|key| self.count(key) as u32);
        let wanted = Wanted::of(objective, self.count(Key::Pack) as u32, minibatch);
        let model = wanted.networks(&*self.architecture(dataset, noise)?, (noise, distribution), init);
        model
            .map_err(|unfit| {
                let (key, message) = match unfit {
                    Unfit::Generator(message) => (Key::Generator, message),
                    Unfit::Discriminator(message) => (Key::Discriminator, message),
                };
                let place = self.place(&[key, Key::Objective], variant);
                mistakes.add(&*place.path, &place.span, format!("the {} must {message}", key.name()));
            })
            .ok()
    }

    fn architecture(&self, dataset: &Dataset, noise: u32) -> Option<Box<dyn Architecture>> {
        let output = self.activation(Key::Output);
        let (generator_norm, discriminator_norm) = (self.norm(Key::GeneratorNorm), self.norm(Key::DiscriminatorNorm));
        let generator_activation = self.activation(Key::GeneratorActivation)?;
        let discriminator_activation = self.activation(Key::DiscriminatorActivation)?;
        let denoiser = self.sizes(Key::Denoiser);
        Some(match (self.design(), dataset.shape()) {
            (Some(design), &[channels, side, _]) => Box::new(Conv {
                design,
                width: self.count(Key::Width) as u32,
                discriminator_width: self.count(Key::DiscriminatorWidth) as u32,
                kernel: self.count(Key::Kernel) as u32,
                noise,
                generator_norm,
                discriminator_norm,
                generator_activation,
                discriminator_activation,
                output,
                denoiser,
                channels: channels as u32,
                side: side as u32,
            }),
            (Some(_), _) => return None,
            (None, _) => {
                let base = Mlp {
                    generator: self.sizes(Key::Generator),
                    discriminator: self.sizes(Key::Discriminator),
                    encoder: self.sizes(Key::Encoder),
                    denoiser,
                    features: dataset.features() as u32,
                    noise,
                    generator_norm,
                    discriminator_norm,
                    generator_activation,
                    discriminator_activation,
                    dropout: self.number(Key::Dropout),
                    output,
                };
                let written = |key| self.written(key, dataset).transpose().ok();
                let (generator, discriminator) = (written(Key::Generator)?, written(Key::Discriminator)?);
                Box::new(Overlay { base, generator, discriminator })
            }
        })
    }

    /// Reports a MAGAN whose generator would never move.
    pub(super) fn check_margin(&self, variant: &Place, mistakes: &mut Mistakes) {
        let magan = matches!(self.get(Key::Objective), Some(Value::Objective(Objective::Magan { .. })));
        if !magan || !self.sound(&[Key::Steps, Key::MarginEpoch]) {
            return;
        }
        let (steps, epoch) = (self.count(Key::Steps), self.count(Key::MarginEpoch));
        if steps <= 2 * epoch {
            let place = self.place(&[Key::MarginEpoch, Key::Steps, Key::Objective], variant);
            let message = format!(
                "the critic learns alone for 2 epochs of {epoch} steps, and the {steps} steps leave none to the generator"
            );
            let help = "take a smaller `margin_epoch`, or more `steps`";
            mistakes.advise(&*place.path, &place.span, message, help);
        }
    }

    /// What the size of a batch does not go with.
    pub(super) fn check_batch(&self, variant: &Place, mistakes: &mut Mistakes) {
        if !self.sound(&[Key::Batch, Key::Pack, Key::Generators]) {
            return;
        }
        let (batch, pack) = (self.count(Key::Batch), self.count(Key::Pack));
        let objective = match self.get(Key::Objective) {
            Some(Value::Objective(objective)) => Some(objective),
            _ => None,
        };
        for (norm, player, rows) in
            [(Key::GeneratorNorm, "generator", batch), (Key::DiscriminatorNorm, "discriminator", batch / pack)]
        {
            if rows == 1 && self.norm(norm) == Norm::Batch && self.matters(norm) {
                let place = self.place(&[Key::Batch, norm], variant);
                let message = format!("a batch of 1 cannot be normalised, but the {player} has batch norm");
                mistakes.add(&*place.path, &place.span, message);
            }
        }
        let groups = match objective {
            Some(Objective::Mgan { .. }) => self.count(Key::Generators),
            _ => 1,
        };
        if !batch.is_multiple_of(pack * groups) {
            let place = self.place(&[Key::Batch, Key::Pack, Key::Generators], variant);
            let into = match (pack, groups) {
                (pack, 1) => format!("packs of {pack}"),
                (1, groups) => format!("equal parts of {groups} generators"),
                (pack, groups) => format!("packs of {pack} from each of {groups} generators"),
            };
            let help = format!("take a multiple of {}", pack * groups);
            mistakes.advise(&*place.path, &place.span, format!("a batch of {batch} does not go into {into}"), help);
        }
        if self.matters(Key::MinibatchKernels) && objective.is_some() && batch / pack < 2 {
            let place = self.place(&[Key::Pack, Key::Batch, Key::Objective], variant);
            mistakes.add(&*place.path, &place.span, "minibatch discrimination needs at least 2 samples to compare");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sweep::Sweep;

    #[test]
    fn a_magan_must_leave_its_generator_a_step() {
        let expand = |steps: u64, epoch: u64| {
            let text = format!(
                "sweep: s\ndataset: gaussians\nobjective: magan\nmargin_epoch: {epoch}\ntrain: {{steps: {steps}}}\n"
            );
            Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).map_err(|errors| errors.to_string())
        };
        assert!(expand(21, 10).is_ok());
        let error = expand(20, 10).unwrap_err();
        assert!(error.contains("f:4:15: margin_epoch: the critic learns alone for 2 epochs of 10 steps"), "{error}");
        assert!(expand(20, 1 << 32).unwrap_err().contains("margin_epoch"), "more than a job can hold");
    }
}
