//! Fully connected networks.

use super::{Activation, Init, Layer, Model, NoiseDistribution, Norm};

/// Fully connected networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    /// Hidden sizes of the generator.
    pub generator: Vec<u32>,
    /// Hidden sizes of each discriminator.
    pub discriminator: Vec<u32>,
    /// Length of the noise vector.
    pub noise: u32,
    /// What it is drawn from.
    pub noise_distribution: NoiseDistribution,
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
    /// How weights start.
    pub init: Init,
}

impl Mlp {
    /// The layers for samples of `features` values.
    pub fn model(&self, features: u32) -> Model {
        let mut generator =
            stack(self.noise, &self.generator, features, self.generator_norm, self.generator_activation, 0.0);
        generator.extend(self.output.map(Layer::Activation));
        let discriminator = stack(
            features,
            &self.discriminator,
            1,
            self.discriminator_norm,
            self.discriminator_activation,
            self.dropout,
        );
        Model {
            noise: self.noise,
            noise_distribution: self.noise_distribution,
            init: self.init,
            generator,
            discriminator,
        }
    }
}

fn stack(inputs: u32, hidden: &[u32], outputs: u32, norm: Norm, activation: Activation, dropout: f64) -> Vec<Layer> {
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
