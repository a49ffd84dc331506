//! Settings that train, but seldom well: warnings.

use super::arch::{Activation, NoiseDistribution, Norm, Written};
use super::error::Mistakes;
use super::keys::job::{OBJECTIVE, PENALTIES};
use super::keys::model::{DISCRIMINATOR, DISCRIMINATOR_NORM, NOISE_DISTRIBUTION};
use super::objective::{Critic, Objective};
use super::settings::{Place, Settings};
use super::value::Hidden;

impl Settings {
    /// Warns of what was most likely not meant.
    pub(super) fn doubt(&self, variant: &Place, warnings: &mut Mistakes) {
        self.doubt_output(variant, warnings);
        self.doubt_norm(variant, warnings);
        self.doubt_noise(variant, warnings);
    }

    /// Warns of a discriminator whose slopes are penalised sample by sample, and which looks at its samples together.
    fn doubt_norm(&self, variant: &Place, warnings: &mut Mistakes) {
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
            let message = "a gradient penalty is of each sample by itself, and batch normalisation ties those of a batch together";
            warnings.advise(&*place.path, &place.span, message, "take layer normalisation, or none");
        }
    }

    /// Warns of noise that a discriminator tells from an encoder's codes, which are normal, whatever the samples.
    fn doubt_noise(&self, variant: &Place, warnings: &mut Mistakes) {
        let codes = self.objective().is_some_and(|objective| objective.declares().critic == Critic::Joint);
        if codes && self.get(&NOISE_DISTRIBUTION) == Some(NoiseDistribution::Uniform) {
            let place = self.place(&[NOISE_DISTRIBUTION.name, OBJECTIVE.name], variant);
            let message = "the encoder's codes are normal, and what lies outside of [−1, 1] gives them away";
            warnings.advise(&*place.path, &place.span, message, "take `noise_distribution: normal`");
        }
    }

    /// Warns of a discriminator whose logits are squashed: the losses do that themselves.
    fn doubt_output(&self, variant: &Place, warnings: &mut Mistakes) {
        let Some(Hidden::Layers(network)) = self.get(&DISCRIMINATOR) else { return };
        let Some(Written::Activation(last @ (Activation::Sigmoid | Activation::Softplus))) = network.layers().last()
        else {
            return;
        };
        if !self.reconstructs() {
            let (place, at) = (self.place(&[DISCRIMINATOR.name], variant), network.layers().len() - 1);
            let span = network.place(&[at]).unwrap_or(&place.span);
            let message = format!("losses are of logits, and this network ends in `{last}`");
            let help = "leave it out, unless you mean it to come before that of the loss";
            warnings.advise(format!("{}[{at}]", place.path), span, message, help);
        }
    }
}
