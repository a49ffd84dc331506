//! Layers: a forward pass and an explicit backward pass each, one layer a file.
//!
//! A layer works on tensors `[.., N, F]`: `[N, F]` for one member with weights `[out, in]`, or `[K, N, F]` for K members at once with
//! weights `[K, out, in]`. One member on the CPU ([`View::host`]) has its loops over memory in [`super::kernel`]; all else goes
//! through libtorch. The products are libtorch's in both. Between [`sweep_spec::arch::Layer::Unflatten`] and [`sweep_spec::arch::Layer::Flatten`] the tensors
//! are maps: `[N, H, W, C]` of one member on the CPU, else `[N, K, C, H, W]`.

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

/// What a forward pass is for.
#[derive(Clone, Copy, Debug)]
pub struct Pass<'a> {
    /// Batch statistics and dropout; otherwise running statistics and none.
    pub training: bool,
    /// How many batches lie one after another along N: batch normalisation treats each by itself.
    pub groups: i64,
    /// Those of these batches that running statistics don't follow, counted from 0: what is made of them is not what is sampled in the end.
    pub untracked: &'a [i64],
    /// Tells the dropout masks of this pass from those of all others.
    pub draw: u64,
    /// The seeds of the members.
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

/// The tensors of one layer, of one member or of K: views into the network's flat buffers.
#[derive(Debug)]
pub struct View {
    /// Weights, in the order of [`Layer::shapes`].
    pub weights: Vec<Tensor>,
    /// Their gradients.
    pub grads: Vec<Tensor>,
    /// What is kept but not trained, in the order of [`Layer::buffers`].
    pub buffers: Vec<Tensor>,
    /// One member on the CPU, without a leading K.
    pub host: bool,
    /// How products of K members are computed.
    pub precision: Precision,
}

impl View {
    /// a · b of K members, `[K, m, k]` and `[K, k, n]`.
    pub fn matmul(&self, a: &Tensor, b: &Tensor) -> Tensor {
        match self.precision {
            Precision::Float32 | Precision::Tf32 => a.matmul(b),
            Precision::Bf16 => bf16_matmul(a, b),
        }
    }

    /// The same, to `out`.
    pub fn matmul_to(&self, out: &Tensor, a: &Tensor, b: &Tensor) {
        match self.precision {
            Precision::Float32 | Precision::Tf32 => drop(a.matmul_out(out, b)),
            Precision::Bf16 => out.shallow_clone().copy_(&bf16_matmul(a, b)),
        }
    }
}

/// What a layer keeps from its forward pass for its backward pass, and room for what it computes. The room is used again in the next
/// pass of the same size, so that a step allocates next to nothing.
#[derive(Debug, Default)]
pub struct Saved {
    tensors: Vec<Option<Tensor>>,
    /// Of the layers that the layer holds: of its two lists of them.
    within: [Vec<Saved>; 2],
}

impl Saved {
    /// A tensor of this shape at `slot`, with values of no meaning; of `like`'s kind and device.
    pub fn room(&mut self, slot: usize, shape: &[i64], like: &Tensor) -> Tensor {
        let numel: i64 = shape.iter().product();
        match self.tensors.get(slot) {
            Some(Some(tensor)) if tensor.numel() as i64 == numel => tensor.shallow_clone(),
            _ => self.keep(slot, Tensor::empty(shape, (like.kind(), like.device()))),
        }
    }

    /// Keeps `tensor` at `slot`.
    pub fn keep(&mut self, slot: usize, tensor: Tensor) -> Tensor {
        if self.tensors.len() <= slot {
            self.tensors.resize_with(slot + 1, || None);
        }
        self.tensors[slot].insert(tensor).shallow_clone()
    }

    /// What was kept at `slot`.
    ///
    /// # Panics
    ///
    /// If nothing was: a backward pass follows a forward pass in training.
    pub fn kept(&self, slot: usize) -> &Tensor {
        self.tensors.get(slot).and_then(Option::as_ref).expect("a backward pass follows a forward pass in training")
    }
}

/// A tensor of one member that a layer has.
#[derive(Clone, Debug)]
pub struct Variable {
    /// As PyTorch calls it.
    pub name: String,
    /// Its sizes.
    pub shape: Vec<i64>,
    /// Its first values.
    pub start: Start,
}

/// What a tensor holds at first.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// One number.
    Filled(f64),
    /// Random numbers.
    Drawn {
        /// Of which distribution, where not as the model says.
        init: Option<Init>,
        /// From which of the network's streams, once the layer has its place.
        stream: Option<u64>,
    },
}

impl Variable {
    /// A matrix or kernels, to be drawn.
    pub fn drawn(name: &str, shape: Vec<i64>, init: Option<Init>) -> Self {
        Variable { name: name.to_owned(), shape, start: Start::Drawn { init, stream: None } }
    }

    /// All of one number.
    pub fn filled(name: &str, shape: Vec<i64>, value: f64) -> Self {
        Variable { name: name.to_owned(), shape, start: Start::Filled(value) }
    }
}

/// What a pass under autograd is given of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Weights, in the order of [`Layer::shapes`].
    pub weights: &'a [Tensor],
    /// What is kept but not trained, in the order of [`Layer::buffers`].
    pub buffers: &'a [Tensor],
    /// As in [`View`].
    pub host: bool,
}

/// One layer.
pub trait Layer: Send {
    /// Trainable tensors of one member, with the names that PyTorch gives them.
    fn shapes(&self) -> Vec<Variable> {
        Vec::new()
    }

    /// Tensors of one member that are kept but not trained, with the names that PyTorch gives them.
    fn buffers(&self) -> Vec<Variable> {
        Vec::new()
    }

    /// Sets what follows from weights that have been drawn.
    fn start(&self, _view: &View) {}

    /// y from x `[.., N, F]`, or from maps, which stay as they are. y is valid until the next pass with the same `saved`.
    fn forward(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor;

    /// The same as a forward pass in training, with the weights that are given, by operations that autograd follows as often as it is asked
    /// to, in float32 whatever the precision. Nothing that is kept changes.
    fn traced(&self, given: &Given, x: &Tensor, pass: &Pass) -> Tensor;

    /// The gradient of x from the gradient of y, where it is needed. `dy` may be overwritten.
    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor>;
}
