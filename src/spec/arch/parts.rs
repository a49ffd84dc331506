//! Named parts of networks: activations, normalisations, initialisations, noise.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Layer;

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
    /// x where x > 0, eˣ − 1 elsewhere (Clevert et al. 2016, with α = 1).
    Elu,
    /// tanh x.
    Tanh,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// log(1 + eˣ).
    Softplus,
    /// λx where x > 0, λα(eˣ − 1) elsewhere, with α = 1.6733 and λ = 1.0507 (Klambauer et al. 2017).
    Selu,
    /// x Φ(x) with the normal distribution's Φ (Hendrycks & Gimpel 2016): PyTorch's GELU, not its approximation by
    /// tanh.
    Gelu,
    /// x/(1 + e⁻ˣ), also called swish.
    Silu,
}

/// α and λ of [`Activation::Selu`].
pub const SELU: [f64; 2] = [1.673_263_242_354_377_2, 1.050_700_987_355_480_5];

impl Activation {
    /// One of each kind, with default settings.
    pub const ALL: [Activation; 9] = [
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.2 },
        Activation::Elu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Selu,
        Activation::Gelu,
        Activation::Silu,
    ];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Elu => "elu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
            Activation::Softplus => "softplus",
            Activation::Selu => "selu",
            Activation::Gelu => "gelu",
            Activation::Silu => "silu",
        }
    }

    /// Returns whether its derivative follows from its value, so that a backward pass only needs the output.
    pub fn slope_follows_from_value(self) -> bool {
        match self {
            Activation::Relu
            | Activation::LeakyRelu { .. }
            | Activation::Elu
            | Activation::Tanh
            | Activation::Sigmoid
            | Activation::Softplus
            | Activation::Selu => true,
            Activation::Gelu | Activation::Silu => false,
        }
    }
}

/// As written in a sweep file.
impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activation::LeakyRelu { slope } => write!(f, "{{leaky_relu: {slope}}}"),
            other => f.write_str(other.name()),
        }
    }
}

/// The normalisation of hidden layers, between their products and their activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// No normalisation.
    None,
    /// Batch normalisation.
    Batch,
    /// Layer normalisation.
    Layer,
    /// Weight normalisation.
    Weight,
    /// Spectral normalisation, including the last layer's weights.
    Spectral,
}

impl Norm {
    /// All normalisations.
    pub const ALL: [Norm; 5] = [Norm::None, Norm::Batch, Norm::Layer, Norm::Weight, Norm::Spectral];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Norm::None => "none",
            Norm::Batch => "batch",
            Norm::Layer => "layer",
            Norm::Weight => "weight",
            Norm::Spectral => "spectral",
        }
    }

    /// Returns the normalisation after a layer with this many output features or maps.
    pub fn behind(self, features: u32) -> Option<Layer> {
        match self {
            Norm::None => None,
            Norm::Batch => Some(Layer::BatchNorm { features }),
            Norm::Layer => Some(Layer::LayerNorm { features }),
            Norm::Weight => Some(Layer::WeightNorm { features }),
            Norm::Spectral => Some(Layer::SpectralNorm),
        }
    }

    /// Returns the normalisation after the first or last layer with weights, which most normalisations skip.
    pub fn behind_ends(self) -> Option<Layer> {
        match self {
            Norm::None | Norm::Batch | Norm::Layer | Norm::Weight => None,
            Norm::Spectral => Some(Layer::SpectralNorm),
        }
    }

    /// Returns whether it normalises weights and directly follows their layer, instead of normalising values.
    pub fn of_weights(self) -> bool {
        match self {
            Norm::None | Norm::Batch | Norm::Layer => false,
            Norm::Weight | Norm::Spectral => true,
        }
    }

    /// Returns whether it cancels a bias added before it to all values of a feature or map.
    pub fn cancels_bias(self) -> bool {
        match self {
            Norm::None | Norm::Layer | Norm::Weight | Norm::Spectral => false,
            Norm::Batch => true,
        }
    }
}

/// The distribution of initial weights. Biases start at 0, scales of normalisations at 1. Fans are PyTorch's: for
/// weights `[a, b, ..]`, the fan in is `b` and the fan out `a`, times the number of the `..` places. So those of a
/// transposed convolution are swapped.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// N(0, std²).
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// U(−bound, bound).
    Uniform {
        /// The largest absolute weight.
        bound: f64,
    },
    /// U(−√(6/(fan in + fan out)), √(…)) (Glorot & Bengio 2010).
    XavierUniform,
    /// N(0, 2/(fan in + fan out)) (Glorot & Bengio 2010).
    XavierNormal,
    /// U(−√(6/fan in), √(…)) (He et al. 2015).
    HeUniform,
    /// N(0, 2/fan in) (He et al. 2015).
    HeNormal,
    /// N(0, 1/fan in) (LeCun et al. 1998), which SELU is designed for.
    LecunNormal,
    /// U(−√(1/fan in), √(…)): PyTorch's default for linear layers and convolutions, except that biases start at 0 here.
    Pytorch,
    /// Weights `[a, ..]` as a matrix with a rows: gain times a matrix with orthonormal rows, or columns if there are
    /// fewer columns (Saxe et al. 2014).
    Orthogonal {
        /// The length of the rows or columns.
        gain: f64,
    },
}

impl Init {
    /// One of each kind.
    pub const ALL: [Init; 9] = [
        Init::Normal { std: 0.02 },
        Init::Uniform { bound: 0.05 },
        Init::XavierUniform,
        Init::XavierNormal,
        Init::HeUniform,
        Init::HeNormal,
        Init::LecunNormal,
        Init::Pytorch,
        Init::Orthogonal { gain: 1.0 },
    ];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Init::Normal { .. } => "normal",
            Init::Uniform { .. } => "uniform",
            Init::XavierUniform => "xavier_uniform",
            Init::XavierNormal => "xavier_normal",
            Init::HeUniform => "he_uniform",
            Init::HeNormal => "he_normal",
            Init::LecunNormal => "lecun_normal",
            Init::Pytorch => "pytorch",
            Init::Orthogonal { .. } => "orthogonal",
        }
    }
}

/// As written in a sweep file.
impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Init::Normal { std: number } | Init::Uniform { bound: number } | Init::Orthogonal { gain: number } => {
                write!(f, "{{{name}: {number}}}")
            }
            Init::XavierUniform
            | Init::XavierNormal
            | Init::HeUniform
            | Init::HeNormal
            | Init::LecunNormal
            | Init::Pytorch => f.write_str(name),
        }
    }
}

/// The distribution of each number in a noise vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseDistribution {
    /// N(0, 1).
    #[default]
    Normal,
    /// U(−1, 1).
    Uniform,
}

impl NoiseDistribution {
    /// All distributions, the default first.
    pub const ALL: [NoiseDistribution; 2] = [NoiseDistribution::Normal, NoiseDistribution::Uniform];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            NoiseDistribution::Normal => "normal",
            NoiseDistribution::Uniform => "uniform",
        }
    }

    pub(super) fn is_usual(&self) -> bool {
        *self == NoiseDistribution::default()
    }
}
