//! Layers: a forward pass and an explicit backward pass each, one layer a file.
//!
//! A layer works on tensors `[.., N, F]`: `[N, F]` for one member with weights `[out, in]`, or `[K, N, F]` for K members at once with
//! weights `[K, out, in]`. Which of the two is the network's choice ([`super::net::Form`]); the formulas are the same. Between
//! [`arch::Layer::Unflatten`] and [`arch::Layer::Flatten`] the tensors are maps: `[N, H, W, C]`, or `[N, K, C, H, W]`.

mod activation;
mod batch_norm;
mod conv;
mod dropout;
mod linear;
mod maps;

use tch::Tensor;

use crate::spec::arch;

/// What a forward pass is for.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// Batch statistics and dropout; otherwise running statistics and none.
    pub training: bool,
    /// How many batches lie one after another along N: batch normalisation treats each by itself.
    pub groups: i64,
    /// Tells the dropout masks of this pass from those of all others.
    pub draw: u64,
    /// The seeds of the members in this view.
    pub seeds: &'a [u64],
}

/// What a backward pass must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The gradients of the weights, written to the view's `grads`.
    pub weights: bool,
    /// The gradient of the input.
    pub input: bool,
}

/// The tensors of one layer for one member, or for all: views into the network's flat buffers.
#[derive(Debug)]
pub struct View {
    /// Weights, in the order of [`Layer::shapes`].
    pub weights: Vec<Tensor>,
    /// Their gradients.
    pub grads: Vec<Tensor>,
    /// What is kept but not trained, in the order of [`Layer::buffers`].
    pub buffers: Vec<Tensor>,
}

/// What a layer keeps from its forward pass for its backward pass.
pub type Saved = Vec<Tensor>;

/// A named shape.
pub type Shape = (&'static str, Vec<i64>);

/// One layer.
pub trait Layer: Send {
    /// Trainable tensors of one member, with the names that PyTorch gives them.
    fn shapes(&self) -> Vec<Shape> {
        Vec::new()
    }

    /// Tensors of one member that are kept but not trained, with the names that PyTorch gives them and their first value.
    fn buffers(&self) -> Vec<(Shape, f64)> {
        Vec::new()
    }

    /// y from x `[.., N, F]`, or from maps. May overwrite x.
    fn forward(&self, view: &View, x: Tensor, pass: &Pass) -> (Tensor, Saved);

    /// The gradient of x from the gradient of y, where it is needed. May overwrite `dy`.
    fn backward(&self, view: &View, saved: Saved, dy: Tensor, need: Need) -> Option<Tensor>;
}

/// The layer that `spec` describes; `lane` tells its random numbers from those of all other layers of the job.
pub fn build(spec: &arch::Layer, lane: u16) -> Box<dyn Layer> {
    match *spec {
        arch::Layer::Linear { inputs, outputs } => Box::new(linear::Linear::new(inputs, outputs)),
        arch::Layer::Conv2d(geometry) => Box::new(conv::Conv::new(geometry)),
        arch::Layer::ConvTranspose2d(geometry) => Box::new(conv::Conv::transposed(geometry)),
        arch::Layer::Unflatten { maps, side } => Box::new(maps::Unflatten::new(maps, side)),
        arch::Layer::Flatten { maps, side } => Box::new(maps::Flatten::new(maps, side)),
        arch::Layer::BatchNorm { features } => Box::new(batch_norm::BatchNorm::new(features)),
        arch::Layer::Dropout { rate } => Box::new(dropout::Dropout::new(rate, lane)),
        arch::Layer::Activation(activation) => Box::new(activation),
    }
}
