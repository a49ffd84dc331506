//! Networks as data: lists of layers, and the architectures that make them, one a file.

mod conv;
mod layer;
mod mlp;
mod parts;

pub use conv::{Conv, Design};
pub use layer::{Geometry, Layer};
pub use mlp::Mlp;
pub use parts::{Activation, Init, Norm};

use serde::{Deserialize, Serialize};

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
