//! Layers: one per file, each with a forward pass and an explicit backward pass.
//!
//! A layer works on tensors `[.., N, F]`: `[N, F]` for one member with weights `[out, in]`, or `[K, N, F]` for K
//! members at once with weights `[K, out, in]`. One member on the CPU ([`View::host`]) uses the loops in
//! [`super::kernel`]; everything else uses libtorch. Products use libtorch in both cases. Between
//! [`sweep_spec::arch::Layer::Unflatten`] and [`sweep_spec::arch::Layer::Flatten`] the tensors are maps: `[N, H, W, C]`
//! for one member on the CPU, otherwise `[N, K, C, H, W]`.

mod activation;
mod batch_norm;
mod build;
mod chain;
mod conv;
mod dropout;
mod layer_norm;
mod linear;
mod maps;
mod maxout;
mod minibatch;
mod mixture;
mod prelu;
mod residual;
mod resize;
mod spectral_norm;
mod weight_norm;

use tch::Tensor;

pub use build::build;
pub use chain::Chain;
use sweep_spec::arch::Init;
use sweep_spec::blueprint::Precision;
use sweep_tensor::precision::bf16_matmul;

/// The settings of a forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// Whether to use batch statistics and dropout; otherwise running statistics and no dropout.
    pub training: bool,
    /// Number of batches, one after another along N: batch normalisation treats each separately.
    pub groups: i64,
    /// Batches that running statistics don't follow, counted from 0, because their samples differ from those of
    /// evaluation.
    pub untracked: &'a [i64],
    /// Separates the dropout masks of this pass from those of all others.
    pub draw: u64,
    /// The seeds of the members.
    pub seeds: &'a [u64],
}

/// The gradients that a backward pass must compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The gradients of the weights, written to the view's `grads`.
    pub weights: bool,
    /// The gradient of the input.
    pub input: bool,
}

/// The tensors of one layer, of one member or of K members: views into the network's flat buffers.
#[derive(Debug)]
pub struct View {
    /// Weights, in the order of [`Layer::shapes`].
    pub weights: Vec<Tensor>,
    /// Their gradients.
    pub grads: Vec<Tensor>,
    /// Tensors that are kept but not trained, in the order of [`Layer::buffers`].
    pub buffers: Vec<Tensor>,
    /// Whether this is one member on the CPU, without a leading K.
    pub host: bool,
    /// How products of K members are computed.
    pub precision: Precision,
}

impl View {
    /// a · b for K members, `[K, m, k]` and `[K, k, n]`.
    pub fn matmul(&self, a: &Tensor, b: &Tensor) -> Tensor {
        match self.precision {
            Precision::Float32 | Precision::Tf32 => a.matmul(b),
            Precision::Bf16 => bf16_matmul(a, b),
        }
    }

    /// The same, written to `out`.
    pub fn matmul_to(&self, out: &Tensor, a: &Tensor, b: &Tensor) {
        match self.precision {
            Precision::Float32 | Precision::Tf32 => drop(a.matmul_out(out, b)),
            Precision::Bf16 => out.shallow_clone().copy_(&bf16_matmul(a, b)),
        }
    }
}

/// Tensors that a layer saves from its forward pass for its backward pass, and work space. The next pass of the same
/// size reuses the space, so a step allocates almost nothing.
#[derive(Debug, Default)]
pub struct Saved {
    tensors: Vec<Option<Tensor>>,
    /// Saved tensors of nested layers, which a layer has up to two lists of.
    within: [Vec<Saved>; 2],
}

impl Saved {
    /// A tensor of this shape at `slot` with arbitrary values, of the kind and device of `like`.
    pub fn room(&mut self, slot: usize, shape: &[i64], like: &Tensor) -> Tensor {
        let numel: i64 = shape.iter().product();
        match self.tensors.get(slot) {
            Some(Some(tensor)) if tensor.numel() as i64 == numel => tensor.shallow_clone(),
            _ => self.keep(slot, Tensor::empty(shape, (like.kind(), like.device()))),
        }
    }

    /// Stores `tensor` at `slot`.
    pub fn keep(&mut self, slot: usize, tensor: Tensor) -> Tensor {
        if self.tensors.len() <= slot {
            self.tensors.resize_with(slot + 1, || None);
        }
        self.tensors[slot].insert(tensor).shallow_clone()
    }

    /// Returns the tensor at `slot`.
    ///
    /// # Panics
    ///
    /// If there is none: a backward pass follows a forward pass in training.
    pub fn kept(&self, slot: usize) -> &Tensor {
        self.tensors.get(slot).and_then(Option::as_ref).expect("a backward pass follows a forward pass in training")
    }
}

/// A tensor of one member in a layer.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name in PyTorch.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its initial values.
    pub start: Start,
}

/// The initial values of a tensor.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// One number.
    Filled(f64),
    /// Random numbers.
    Drawn {
        /// The distribution, if not that of the model.
        init: Option<Init>,
        /// The network's stream to draw from, once the layer has its position.
        stream: Option<u64>,
    },
}

impl Variable {
    /// A matrix or kernels with random values.
    pub fn drawn(name: &str, shape: Vec<i64>, init: Option<Init>) -> Self {
        Variable { name: name.to_owned(), shape, start: Start::Drawn { init, stream: None } }
    }

    /// A tensor filled with one number.
    pub fn filled(name: &str, shape: Vec<i64>, value: f64) -> Self {
        Variable { name: name.to_owned(), shape, start: Start::Filled(value) }
    }
}

/// The tensors of a layer for a pass under autograd.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Weights, in the order of [`Layer::shapes`].
    pub weights: &'a [Tensor],
    /// Tensors that are kept but not trained, in the order of [`Layer::buffers`].
    pub buffers: &'a [Tensor],
    /// As in [`View`].
    pub host: bool,
}

/// One layer.
pub trait Layer: Send {
    /// Trainable tensors of one member, with their names in PyTorch.
    fn shapes(&self) -> Vec<Variable> {
        Vec::new()
    }

    /// Tensors of one member that are kept but not trained, with their names in PyTorch.
    fn buffers(&self) -> Vec<Variable> {
        Vec::new()
    }

    /// Initialises values that depend on the initial weights.
    fn start(&self, _view: &View) {}

    /// Returns y for x `[.., N, F]` or maps; x does not change. y is valid until the next pass with the same `saved`.
    fn forward(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor;

    /// Returns the same as a forward pass in training with the given weights, in float32 whatever the precision, using
    /// operations that autograd can differentiate repeatedly. Changes no buffers.
    fn traced(&self, given: &Given, x: &Tensor, pass: &Pass) -> Tensor;

    /// Returns the gradient of x, if needed, given the gradient of y. `dy` may be overwritten.
    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor>;
}
