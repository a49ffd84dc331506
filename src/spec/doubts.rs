//! Settings that train, but seldom well: warnings.

use super::arch::{Activation, NoiseDistribution, Norm, Written};
use super::error::Mistakes;
use super::keys::Key;
use super::objective::Critic;
use super::settings::{Place, Settings};
use super::value::Value;

impl Settings {
    /// Warns of what was most likely not meant.
    pub(super) fn doubt(&self, variant: &Place, warnings: &mut Mistakes) {
        self.doubt_output(variant, warnings);
        self.doubt_norm(variant, warnings);
        self.doubt_noise(variant, warnings);
    }

    /// Warns of a discriminator whose slopes are penalised sample by sample, and which looks at its samples together.
    fn doubt_norm(&self, variant: &Place, warnings: &mut Mistakes) {
        let Some(Value::Objective(objective)) = self.get(Key::Objective) else { return };
        let written = match self.get(Key::Discriminator) {
            Some(Value::Layers(network)) => network.layers().contains(&Written::BatchNorm),
            _ => false,
        };
        let batch = self.matters(Key::DiscriminatorNorm) && self.norm(Key::DiscriminatorNorm) == Norm::Batch;
        if objective.has_penalty() && (written || batch) {
            let key = if written { Key::Discriminator } else { Key::DiscriminatorNorm };
            let place = self.place(&[key, Key::Objective], variant);
            let message = "a gradient penalty is of each sample by itself, and batch normalisation ties those of a batch together";
            warnings.advise(&*place.path, &place.span, message, "take layer normalisation, or none");
        }
    }

    /// Warns of noise that a discriminator tells from an encoder's codes, which are normal, whatever the samples.
    fn doubt_noise(&self, variant: &Place, warnings: &mut Mistakes) {
        let Some(Value::Objective(objective)) = self.get(Key::Objective) else { return };
        let uniform = self.get(Key::NoiseDistribution) == Some(Value::NoiseDistribution(NoiseDistribution::Uniform));
        if objective.declares().critic == Critic::Joint && uniform {
            let place = self.place(&[Key::NoiseDistribution, Key::Objective], variant);
            let message = "the encoder's codes are normal, and what lies outside of [−1, 1] gives them away";
            warnings.advise(&*place.path, &place.span, message, "take `noise_distribution: normal`");
        }
    }

    /// Warns of a discriminator whose logits are squashed: the losses do that themselves.
    fn doubt_output(&self, variant: &Place, warnings: &mut Mistakes) {
        let Some(Value::Layers(network)) = self.get(Key::Discriminator) else { return };
        let Some(Written::Activation(last @ (Activation::Sigmoid | Activation::Softplus))) = network.layers().last()
        else {
            return;
        };
        if !self.reconstructs() {
            let (place, at) = (self.place(&[Key::Discriminator], variant), network.layers().len() - 1);
            let span = network.place(at).unwrap_or(&place.span);
            let message = format!("losses are of logits, and this network ends in `{last}`");
            let help = "leave it out, unless you mean it to come before that of the loss";
            warnings.advise(format!("{}[{at}]", place.path), span, message, help);
        }
    }
}
