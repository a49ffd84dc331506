//! Parts of networks that go by a name: activations, normalisations, initial weights, noise.

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
    /// x Φ(x) with the normal distribution's Φ (Hendrycks & Gimpel 2016): PyTorch's GELU, not its approximation by tanh.
    Gelu,
    /// x/(1 + e⁻ˣ), also called swish.
    Silu,
}

/// α and λ of [`Activation::Selu`].
pub const SELU: [f64; 2] = [1.673_263_242_354_377_2, 1.050_700_987_355_480_5];

impl Activation {
    /// One of each kind, those with a setting at its default.
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

    /// The name in YAML.
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

    /// Whether its slope follows from its value, so that a backward pass needs no more than what came out.
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

/// As a sweep file would spell it.
impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activation::LeakyRelu { slope } => write!(f, "{{leaky_relu: {slope}}}"),
            other => f.write_str(other.name()),
        }
    }
}

/// Whether hidden layers are normalised, between their products and their activation.
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
    /// Spectral normalisation, of the last layer's weights, too.
    Spectral,
}

impl Norm {
    /// All of them.
    pub const ALL: [Norm; 5] = [Norm::None, Norm::Batch, Norm::Layer, Norm::Weight, Norm::Spectral];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Norm::None => "none",
            Norm::Batch => "batch",
            Norm::Layer => "layer",
            Norm::Weight => "weight",
            Norm::Spectral => "spectral",
        }
    }

    /// The layer behind a layer with so many features, or maps, out.
    pub fn behind(self, features: u32) -> Option<Layer> {
        match self {
            Norm::None => None,
            Norm::Batch => Some(Layer::BatchNorm { features }),
            Norm::Layer => Some(Layer::LayerNorm { features }),
            Norm::Weight => Some(Layer::WeightNorm { features }),
            Norm::Spectral => Some(Layer::SpectralNorm),
        }
    }

    /// The layer behind the first, or the last, layer with weights, where what else is normalised is not.
    pub fn behind_ends(self) -> Option<Layer> {
        match self {
            Norm::None | Norm::Batch | Norm::Layer | Norm::Weight => None,
            Norm::Spectral => Some(Layer::SpectralNorm),
        }
    }

    /// Whether it is of weights, and goes directly behind the layer that has them; or of values.
    pub fn of_weights(self) -> bool {
        match self {
            Norm::None | Norm::Batch | Norm::Layer => false,
            Norm::Weight | Norm::Spectral => true,
        }
    }

    /// Whether it takes away what a bias before it adds to all values of a feature or map.
    pub fn cancels_bias(self) -> bool {
        match self {
            Norm::None | Norm::Layer | Norm::Weight | Norm::Spectral => false,
            Norm::Batch => true,
        }
    }
}

/// How weights are drawn; biases start at 0, a norm's scale at 1. Fans are those of PyTorch: of weights `[a, b, ..]` each of the `..`
/// places counts, the fan in is `b` and the fan out `a` times their number (so those of a transposed convolution are exchanged).
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
        /// The largest size of a weight.
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
    /// N(0, 1/fan in) (LeCun et al. 1998), which SELU is made for.
    LecunNormal,
    /// U(−√(1/fan in), √(…)): how PyTorch starts linear layers and convolutions where nothing is said, but for their biases, which start at 0
    /// here.
    Pytorch,
    /// Weights `[a, ..]` as a matrix of a rows: gain times one with orthonormal rows, or columns where there are fewer of these
    /// (Saxe et al. 2014).
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

    /// The name in YAML.
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

/// As a sweep file would spell it.
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

/// What the numbers of a noise vector are drawn from, each by itself.
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
    /// All of them, the usual one first.
    pub const ALL: [NoiseDistribution; 2] = [NoiseDistribution::Normal, NoiseDistribution::Uniform];

    /// The name in YAML.
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
