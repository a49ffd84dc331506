//! Networks as data: lists of layers, and the architectures that make them.

use serde::{Deserialize, Serialize};

/// One layer. Sizes are features per sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// y = x Wᵀ + b, W `[outputs, inputs]`.
    Linear {
        /// Features in.
        inputs: u32,
        /// Features out.
        outputs: u32,
    },
    /// Batch normalisation over the samples of one batch of one member, with scale and shift.
    BatchNorm {
        /// Features in and out.
        features: u32,
    },
    /// Zeroes each value with probability `rate` in training and scales the rest by 1/(1 − rate).
    Dropout {
        /// Probability in (0, 1).
        rate: f64,
    },
    /// An element-wise function.
    Activation(Activation),
}

/// An element-wise function.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x where x > 0, slope·x elsewhere.
    LeakyRelu {
        /// The slope below zero.
        slope: f64,
    },
    /// tanh x.
    Tanh,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// log(1 + eˣ).
    Softplus,
}

/// How weights are drawn; biases start at 0, a norm's scale at 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// N(0, std²).
    Normal {
        /// Standard deviation.
        std: f64,
    },
}

/// The networks of a job, layer by layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Length of the noise vector z ~ N(0, I).
    pub noise: u32,
    /// How weights start.
    pub init: Init,
    /// z `[noise]` to a sample.
    pub generator: Vec<Layer>,
    /// A sample to one logit; every discriminator of the objective has this shape.
    pub discriminator: Vec<Layer>,
}

/// Whether hidden layers are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// No normalisation.
    None,
    /// Batch normalisation between a linear layer and its activation.
    Batch,
}

/// Fully connected networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    /// Hidden sizes of the generator.
    pub generator: Vec<u32>,
    /// Hidden sizes of each discriminator.
    pub discriminator: Vec<u32>,
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
        Model { noise: self.noise, init: self.init, generator, discriminator }
    }
}

fn stack(inputs: u32, hidden: &[u32], outputs: u32, norm: Norm, activation: Activation, dropout: f64) -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut width = inputs;
    for &features in hidden {
        layers.push(Layer::Linear { inputs: width, outputs: features });
        if norm == Norm::Batch {
            layers.push(Layer::BatchNorm { features });
        }
        layers.push(Layer::Activation(activation));
        if dropout > 0.0 {
            layers.push(Layer::Dropout { rate: dropout });
        }
        width = features;
    }
    layers.push(Layer::Linear { inputs: width, outputs });
    layers
}

impl Layer {
    /// Trainable parameters of one member.
    pub fn parameters(&self) -> usize {
        match *self {
            Layer::Linear { inputs, outputs } => (inputs as usize + 1) * outputs as usize,
            Layer::BatchNorm { features } => 2 * features as usize,
            Layer::Dropout { .. } | Layer::Activation(_) => 0,
        }
    }

    /// Features that come out when `inputs` go in.
    pub fn outputs(&self, inputs: usize) -> usize {
        match *self {
            Layer::Linear { outputs, .. } => outputs as usize,
            Layer::BatchNorm { .. } | Layer::Dropout { .. } | Layer::Activation(_) => inputs,
        }
    }

    /// Floating-point operations of one forward pass of one sample, products only.
    pub fn flops(&self) -> u64 {
        match *self {
            Layer::Linear { inputs, outputs } => 2 * u64::from(inputs) * u64::from(outputs),
            Layer::BatchNorm { .. } | Layer::Dropout { .. } | Layer::Activation(_) => 0,
        }
    }
}
