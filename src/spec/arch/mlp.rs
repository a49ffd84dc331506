//! Fully connected networks.

use super::{Activation, Architecture, Layer, Norm};

/// Fully connected networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    /// Hidden sizes of the generator.
    pub generator: Vec<u32>,
    /// Hidden sizes of each discriminator.
    pub discriminator: Vec<u32>,
    /// Hidden sizes of the encoder.
    pub encoder: Vec<u32>,
    /// Hidden sizes of the denoiser.
    pub denoiser: Vec<u32>,
    /// Values of a sample.
    pub features: u32,
    /// Length of the noise vector.
    pub noise: u32,
    /// Normalisation of the generator's hidden layers.
    pub generator_norm: Norm,
    /// Normalisation of the discriminators' hidden layers.
    pub discriminator_norm: Norm,
    /// Activation of the generator's hidden layers.
    pub generator_activation: Activation,
    /// Activation of the discriminators' hidden layers.
    pub discriminator_activation: Activation,
    /// Dropout after each hidden layer of the discriminators; 0 for none.
    pub dropout: f64,
    /// Activation of the generator's output; none for unbounded data.
    pub output: Option<Activation>,
}

impl Architecture for Mlp {
    fn generator(&self) -> Vec<Layer> {
        let mut layers =
            stack(self.noise, &self.generator, self.features, self.generator_norm, self.generator_activation, 0.0);
        layers.extend(self.output.map(Layer::Activation));
        layers
    }

    fn discriminator(&self, pack: u32) -> Vec<Layer> {
        self.judge(pack * self.features, &self.discriminator, 1)
    }

    /// The hidden sizes there, and back.
    fn autoencoder(&self, pack: u32) -> Vec<Layer> {
        let back = self.discriminator.iter().rev().skip(1);
        let hidden: Vec<u32> = self.discriminator.iter().chain(back).copied().collect();
        let mut layers = self.judge(pack * self.features, &hidden, pack * self.features);
        layers.extend(self.output.map(Layer::Activation));
        layers
    }

    fn encoder(&self, outputs: u32) -> Vec<Layer> {
        stack(self.features, &self.encoder, outputs, self.generator_norm, self.generator_activation, 0.0)
    }

    fn denoiser(&self, features: u32) -> Vec<Layer> {
        stack(features, &self.denoiser, features, Norm::None, self.discriminator_activation, 0.0)
    }
}

impl Mlp {
    fn judge(&self, inputs: u32, hidden: &[u32], outputs: u32) -> Vec<Layer> {
        stack(inputs, hidden, outputs, self.discriminator_norm, self.discriminator_activation, self.dropout)
    }
}

/// Linear layers with what comes between them.
pub(super) fn stack(
    inputs: u32,
    hidden: &[u32],
    outputs: u32,
    norm: Norm,
    activation: Activation,
    dropout: f64,
) -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut width = inputs;
    for &features in hidden {
        layers.push(Layer::Linear { inputs: width, outputs: features });
        layers.extend(norm.behind(features));
        layers.push(Layer::Activation(activation));
        if dropout > 0.0 {
            layers.push(Layer::Dropout { rate: dropout });
        }
        width = features;
    }
    layers.push(Layer::Linear { inputs: width, outputs });
    layers
}
