//! Warnings about settings that can be trained but seldom work well.

use super::arch::{Activation, NoiseDistribution, Norm, Written};
use super::error::Mistakes;
use super::keys::job::{OBJECTIVE, PENALTIES};
use super::keys::model::{DISCRIMINATOR, DISCRIMINATOR_NORM, NOISE_DISTRIBUTION};
use super::objective::{Critic, Objective};
use super::settings::{Place, Settings};
use super::value::Hidden;

impl Settings {
    /// Warns about settings that are most likely mistakes.
    pub(super) fn warn(&self, variant: &Place, warnings: &mut Mistakes) {
        self.warn_of_squashed_logits(variant, warnings);
        self.warn_of_batch_norm(variant, warnings);
        self.warn_of_uniform_noise(variant, warnings);
    }

    /// Warns about batch normalisation in a discriminator with a gradient penalty, which is defined per sample.
    fn warn_of_batch_norm(&self, variant: &Place, warnings: &mut Mistakes) {
        let written = match self.get(&DISCRIMINATOR) {
            Some(Hidden::Layers(network)) => {
                network.layers().iter().any(|layer| layer.any(&|layer| *layer == Written::BatchNorm))
            }
            Some(Hidden::Sizes(_)) | None => false,
        };
        let batch = self.matters(&(&DISCRIMINATOR_NORM).into()) && self.get(&DISCRIMINATOR_NORM) == Some(Norm::Batch);
        let own = self.game().and_then(Objective::rules).is_some_and(|rules| !rules.penalties.is_empty());
        let penalty = own || self.get(&PENALTIES).is_some_and(|penalties| !penalties.is_empty());
        if penalty && (written || batch) {
            let name = if written { DISCRIMINATOR.name } else { DISCRIMINATOR_NORM.name };
            let place = self.place(&[name, OBJECTIVE.name], variant);
            let message = "a gradient penalty treats each sample separately, but batch normalisation mixes the samples \
                of a batch";
            warnings.advise(&*place.path, &place.span, message, "use layer normalisation, or none");
        }
    }

    /// Warns about uniform noise with an encoder: a discriminator can tell it from the encoder's normally distributed
    /// codes without looking at the samples.
    fn warn_of_uniform_noise(&self, variant: &Place, warnings: &mut Mistakes) {
        let codes = self.objective().is_some_and(|objective| objective.declares().critic == Critic::Joint);
        if codes && self.get(&NOISE_DISTRIBUTION) == Some(NoiseDistribution::Uniform) {
            let place = self.place(&[NOISE_DISTRIBUTION.name, OBJECTIVE.name], variant);
            let message = "the encoder's codes are normally distributed, so values outside [−1, 1] give them away";
            warnings.advise(&*place.path, &place.span, message, "use `noise_distribution: normal`");
        }
    }

    /// Warns about a discriminator that squashes its logits, which the losses already do.
    fn warn_of_squashed_logits(&self, variant: &Place, warnings: &mut Mistakes) {
        let Some(Hidden::Layers(network)) = self.get(&DISCRIMINATOR) else { return };
        let Some(Written::Activation(last @ (Activation::Sigmoid | Activation::Softplus))) = network.layers().last()
        else {
            return;
        };
        if !self.reconstructs() {
            let (place, at) = (self.place(&[DISCRIMINATOR.name], variant), network.layers().len() - 1);
            let span = network.place(&[at]).unwrap_or(&place.span);
            let message = format!("losses expect logits, but this network ends in `{last}`");
            let help = "remove it, unless you want it in addition to the one in the loss";
            warnings.advise(format!("{}[{at}]", place.path), span, message, help);
        }
    }
}
