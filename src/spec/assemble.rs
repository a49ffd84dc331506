//! Builds the networks of a job from its settings, and checks settings against each other.

use super::arch::{Architecture, Conv, Mlp, Model, Norm, Overlay, Resnet, Unfit, Wanted};
use super::dataset::Dataset;
use super::error::Mistakes;
use super::keys::job::{OBJECTIVE, PENALTIES};
use super::keys::model::{
    ARCH, DENOISER, DISCRIMINATOR, DISCRIMINATOR_ACTIVATION, DISCRIMINATOR_NORM, DISCRIMINATOR_WIDTH, DROPOUT, ENCODER,
    GENERATOR, GENERATOR_ACTIVATION, GENERATOR_NORM, INIT, KERNEL, MINIBATCH_DIMS, MINIBATCH_KERNELS, NOISE,
    NOISE_DISTRIBUTION, OUTPUT, PACK, WIDTH,
};
use super::keys::train::{BATCH, CLIP_GRADIENT, EMA, EMA_HALF_LIFE, EMA_START, STEPS};
use super::keys::{Described, Key, Kind, Range};
use super::objective::{Objective, Rules};
use super::penalty::Penalty;
use super::settings::{Place, Settings};
use super::value::Arch;

impl Settings {
    /// Builds the networks for samples of `dataset`; `None` after a mistake.
    pub(super) fn model(
        &self,
        dataset: &Dataset,
        objective: Objective,
        variant: &Place,
        mistakes: &mut Mistakes,
    ) -> Option<Model> {
        let (init, distribution, noise) = (self.get(&INIT)?, self.get(&NOISE_DISTRIBUTION)?, self.get(&NOISE)? as u32);
        let minibatch = [self.get(&MINIBATCH_KERNELS)? as u32, self.get(&MINIBATCH_DIMS)? as u32];
        let wanted = Wanted::of(objective, self.get(&PACK)? as u32, minibatch);
        let model = wanted.networks(&*self.architecture(dataset, noise)?, (noise, distribution), init);
        model
            .map_err(|unfit| {
                let (key, message) = match unfit {
                    Unfit::Generator(message) => (&GENERATOR, message),
                    Unfit::Discriminator(message) => (&DISCRIMINATOR, message),
                };
                let place = self.place(&[key.name, OBJECTIVE.name], variant);
                mistakes.add(&*place.path, &place.span, format!("the {} must {message}", key.name));
            })
            .ok()
    }

    fn architecture(&self, dataset: &Dataset, noise: u32) -> Option<Box<dyn Architecture>> {
        let output = self.get(&OUTPUT)?;
        let (generator_norm, discriminator_norm) = (self.get(&GENERATOR_NORM)?, self.get(&DISCRIMINATOR_NORM)?);
        let generator_activation = self.get(&GENERATOR_ACTIVATION)?;
        let discriminator_activation = self.get(&DISCRIMINATOR_ACTIVATION)?;
        let denoiser = self.get(&DENOISER)?;
        Some(match (self.get(&ARCH)?, dataset.shape()) {
            (Arch::Conv(design), &[channels, side, _]) => Box::new(Conv {
                design,
                width: self.get(&WIDTH)? as u32,
                discriminator_width: self.get(&DISCRIMINATOR_WIDTH)? as u32,
                kernel: self.get(&KERNEL)? as u32,
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
            (Arch::Resnet, &[channels, side, _]) => Box::new(Resnet {
                width: self.get(&WIDTH)? as u32,
                discriminator_width: self.get(&DISCRIMINATOR_WIDTH)? as u32,
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
            (Arch::Conv(_) | Arch::Resnet, _) => return None,
            (Arch::Mlp, _) => {
                let base = Mlp {
                    generator: self.get(&GENERATOR)?.sizes().to_vec(),
                    discriminator: self.get(&DISCRIMINATOR)?.sizes().to_vec(),
                    encoder: self.get(&ENCODER)?,
                    denoiser,
                    features: dataset.features() as u32,
                    noise,
                    generator_norm,
                    discriminator_norm,
                    generator_activation,
                    discriminator_activation,
                    dropout: self.get(&DROPOUT)?,
                    output,
                };
                let written = |key| self.written(key, dataset).transpose().ok();
                let (generator, discriminator) = (written(&GENERATOR)?, written(&DISCRIMINATOR)?);
                Box::new(Overlay { base, generator, discriminator })
            }
        })
    }

    /// Reports a MAGAN whose generator would never move.
    pub(super) fn check_margin(&self, variant: &Place, mistakes: &mut Mistakes) {
        let (Some(Objective::Magan { epoch }), Some(steps)) = (self.game(), self.get(&STEPS)) else { return };
        if steps <= 2 * u64::from(epoch) {
            let place = self.place(&["margin_epoch", STEPS.name, OBJECTIVE.name], variant);
            let message = format!(
                "the critic trains alone for 2 epochs of {epoch} steps, so {steps} steps leave none for the generator"
            );
            let help = "use a smaller `margin_epoch`, or more `steps`";
            mistakes.advise(&*place.path, &place.span, message, help);
        }
    }

    /// Reports a moving average that would never start, and one with two decay rates.
    pub(super) fn check_average(&self, variant: &Place, mistakes: &mut Mistakes) {
        if [&EMA, &EMA_HALF_LIFE].into_iter().all(|key| self.greatest(key).is_some_and(|most| most > 0.0)) {
            let place = self.place(&[EMA_HALF_LIFE.name, EMA.name], variant);
            let message = "`ema` and `ema_half_life` are both set, but an average has only one decay rate";
            mistakes.advise(&*place.path, &place.span, message, "remove one of them, or set it to 0");
        }
        let (Some(start), Some(steps)) = (self.get(&EMA_START), self.get(&STEPS)) else { return };
        if start >= steps && self.matters(&(&EMA_START).into()) {
            let place = self.place(&[EMA_START.name, STEPS.name], variant);
            let message = format!("the average starts after step {start}, but training ends at step {steps}");
            mistakes.advise(&*place.path, &place.span, message, "use a smaller `ema_start`, or more `steps`");
        }
    }

    /// Reports penalties of a critic without logits, whose gradients they need.
    pub(super) fn check_penalties(&self, variant: &Place, mistakes: &mut Mistakes) {
        let Some(objective) = self.objective() else { return };
        if self.get(&PENALTIES).is_some_and(|penalties| !penalties.is_empty()) && !objective.takes_penalties() {
            let place = self.place(&[PENALTIES.name, OBJECTIVE.name], variant);
            let message = format!(
                "the critic of `{}` outputs a sample, not a logit, so there is no gradient to penalise",
                objective.name()
            );
            let takers: Vec<&str> =
                Objective::ALL.into_iter().filter(|one| one.takes_penalties()).map(Objective::name).collect();
            mistakes.advise(
                &*place.path,
                &place.span,
                message,
                format!("objectives with logits: {}", takers.join(", ")),
            );
        }
    }

    /// Returns whether the file's penalties name this parameter.
    pub(super) fn penalised_by(&self, name: &str) -> bool {
        self.get(&PENALTIES)
            .is_some_and(|all| all.iter().flat_map(Penalty::parameters).any(|(other, _)| **other == *name))
    }

    /// Returns the ranges of a parameter of this job, by the objective and each penalty. Objectives of one file may
    /// have parameters with the same name and different ranges.
    pub(super) fn ranges(&self, key: &Key) -> Vec<Range> {
        let Key::Parameter(name) = key else {
            // 0 means no bound, so a schedule to it or from it would jump.
            if *key == Key::Fixed(CLIP_GRADIENT.described()) {
                return vec![Range::above(0.0)];
            }
            return key.described().and_then(Described::scheduled).into_iter().collect();
        };
        let declared = self.objective().and_then(|objective| objective.declares().parameter(name));
        let declared = declared.and_then(|declared| match &declared.kind {
            Kind::Number(range) => Some(*range),
            _ => None,
        });
        let penalties = self.get(&PENALTIES).unwrap_or_default();
        let penalties = penalties.iter().flat_map(Penalty::parameters).filter(|(other, _)| *other == name);
        declared.into_iter().chain(penalties.map(|(_, range)| range)).collect()
    }

    /// Returns whether a parameter's value is in range, and reports a mistake if not. Built-in keys were already
    /// checked when they were read.
    pub(super) fn in_range(&self, key: &Key, number: f64, variant: &Place, mistakes: &mut Mistakes) -> bool {
        let Key::Parameter(name) = key else { return true };
        let wrong = self.ranges(key).into_iter().find(|range| !range.holds(number));
        if let Some(range) = wrong {
            let place = self.place(&[name], variant);
            mistakes.add(&*place.path, &place.span, format!("expected {range}, found {number}"));
        }
        wrong.is_none()
    }

    /// Reports settings that do not fit the batch size.
    pub(super) fn check_batch(&self, variant: &Place, mistakes: &mut Mistakes) {
        let (Some(batch), Some(pack)) = (self.get(&BATCH), self.get(&PACK)) else { return };
        for (norm, player, rows) in
            [(&GENERATOR_NORM, "generator", batch), (&DISCRIMINATOR_NORM, "discriminator", batch / pack)]
        {
            if rows == 1 && self.get(norm) == Some(Norm::Batch) && self.matters(&norm.into()) {
                let place = self.place(&[BATCH.name, norm.name], variant);
                let message = format!("a batch of 1 cannot be normalised, but the {player} has batch norm");
                mistakes.add(&*place.path, &place.span, message);
            }
        }
        let groups = self.groups().unwrap_or(1);
        if !batch.is_multiple_of(pack * groups) {
            let place = self.place(&[BATCH.name, PACK.name, "generators"], variant);
            let into = match (pack, groups) {
                (pack, 1) => format!("packs of {pack}"),
                (1, groups) => format!("equal parts of {groups} generators"),
                (pack, groups) => format!("packs of {pack} from each of {groups} generators"),
            };
            let help = format!("use a multiple of {}", pack * groups);
            mistakes.advise(&*place.path, &place.span, format!("a batch of {batch} cannot be split into {into}"), help);
        }
        if self.objective().is_some_and(|objective| objective.declares().minibatch) && batch / pack < 2 {
            let place = self.place(&[PACK.name, BATCH.name, OBJECTIVE.name], variant);
            mistakes.add(&*place.path, &place.span, "minibatch discrimination needs at least 2 samples to compare");
        }
        let spreads = |rules: &Rules| rules.discriminator.program.needs_two() || rules.generator.program.needs_two();
        if batch / pack < 2 && self.objective().and_then(Objective::rules).is_some_and(spreads) {
            let place = self.place(&[PACK.name, BATCH.name, OBJECTIVE.name], variant);
            mistakes.add(
                &*place.path,
                &place.span,
                "`std` in the objective needs at least 2 logits, but a batch has 1",
            );
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
        assert!(error.contains("f:4:15: margin_epoch: the critic trains alone for 2 epochs of 10 steps"), "{error}");
        assert!(expand(20, 1 << 32).unwrap_err().contains("margin_epoch"), "more than a job can hold");
    }
}
