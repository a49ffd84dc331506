//! Networks as data: lists of layers, and the architectures that make them, one a file.

mod conv;
mod layer;
mod mlp;

pub use conv::{Conv, Design};
pub use layer::{Geometry, Layer};
pub use mlp::Mlp;

use serde::{Deserialize, Serialize};

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
