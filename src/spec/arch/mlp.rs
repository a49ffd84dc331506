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
    /// Number of values of a sample.
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
    /// Activation of the generator's output; `None` for unbounded data.
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

    /// The hidden sizes to the code and back. With several sizes, the last one is the code, a linear function of the
    /// layer before it, as in Berthelot et al. (2017) and Zhao et al. (2017).
    fn autoencoder(&self, pack: u32) -> Vec<Layer> {
        let values = pack * self.features;
        let mut layers = match &self.discriminator[..] {
            [there @ .., code] if !there.is_empty() => {
                let back: Vec<u32> = there.iter().rev().copied().collect();
                [self.judge(values, there, *code), self.judge(*code, &back, values)].concat()
            }
            one => self.judge(values, one, values),
        };
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

/// Builds linear layers with what comes between them.
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
    layers.extend(norm.behind_ends());
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auto_encoder_has_a_code_without_activation() {
        let mlp = |discriminator: &[u32]| Mlp {
            generator: vec![],
            discriminator: discriminator.to_vec(),
            encoder: vec![],
            denoiser: vec![],
            features: 2,
            noise: 3,
            generator_norm: Norm::None,
            discriminator_norm: Norm::Layer,
            generator_activation: Activation::Relu,
            discriminator_activation: Activation::Elu,
            dropout: 0.0,
            output: Some(Activation::Tanh),
        };
        let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
        let hidden = |inputs, features| {
            [linear(inputs, features), Layer::LayerNorm { features }, Layer::Activation(Activation::Elu)]
        };
        let tanh = [Layer::Activation(Activation::Tanh)];
        let expected = [&hidden(4, 8)[..], &[linear(8, 1)], &hidden(1, 8), &[linear(8, 4)], &tanh].concat();
        assert_eq!(mlp(&[8, 1]).autoencoder(2), expected);
        // With a linear code, a single size would make the whole network linear.
        assert_eq!(mlp(&[8]).autoencoder(1), [&hidden(2, 8)[..], &[linear(8, 2)], &tanh].concat());
        assert_eq!(mlp(&[]).autoencoder(1), [linear(2, 2), tanh[0].clone()]);
    }
}
