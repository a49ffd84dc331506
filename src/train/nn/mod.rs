//! Layers: a forward pass and an explicit backward pass each, one layer a file.
//!
//! A layer works on tensors `[.., N, F]`: `[N, F]` for one member with weights `[out, in]`, or `[K, N, F]` for K members at once with
//! weights `[K, out, in]`. One member on the CPU ([`View::host`]) has its loops over memory in [`super::kernel`]; all else goes
//! through libtorch. The products are libtorch's in both. Between [`arch::Layer::Unflatten`] and [`arch::Layer::Flatten`] the tensors
//! are maps: `[N, H, W, C]` of one member on the CPU, else `[N, K, C, H, W]`.

mod activation;
mod batch_norm;
mod conv;
mod dropout;
mod layer_norm;
mod linear;
mod maps;
mod maxout;
mod minibatch;
mod mixture;
mod weight_norm;

use tch::Tensor;

use sweep_spec::arch;
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
pub struct Saved(Vec<Option<Tensor>>);

impl Saved {
    /// A tensor of this shape at `slot`, with values of no meaning; of `like`'s kind and device.
    pub fn room(&mut self, slot: usize, shape: &[i64], like: &Tensor) -> Tensor {
        let numel: i64 = shape.iter().product();
        match self.0.get(slot) {
            Some(Some(tensor)) if tensor.numel() as i64 == numel => tensor.shallow_clone(),
            _ => self.keep(slot, Tensor::empty(shape, (like.kind(), like.device()))),
        }
    }

    /// Keeps `tensor` at `slot`.
    pub fn keep(&mut self, slot: usize, tensor: Tensor) -> Tensor {
        if self.0.len() <= slot {
            self.0.resize_with(slot + 1, || None);
        }
        self.0[slot].insert(tensor).shallow_clone()
    }

    /// What was kept at `slot`.
    ///
    /// # Panics
    ///
    /// If nothing was: a backward pass follows a forward pass in training.
    pub fn kept(&self, slot: usize) -> &Tensor {
        self.0.get(slot).and_then(Option::as_ref).expect("a backward pass follows a forward pass in training")
    }
}

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

    /// How its weights start, where not as the model says.
    fn init(&self) -> Option<arch::Init> {
        None
    }

    /// Sets the weights that follow from others, which have been drawn; in the order of [`Layer::shapes`].
    fn start(&self, _weights: &[Tensor]) {}

    /// y from x `[.., N, F]`, or from maps, which stay as they are. y is valid until the next pass with the same `saved`.
    fn forward(&self, view: &View, x: &Tensor, pass: &Pass, saved: &mut Saved) -> Tensor;

    /// The same as a forward pass in training, with `weights` in the place of the view's, by operations that autograd follows as often
    /// as it is asked to, in float32 whatever the precision. No running statistics change. `host` as in [`View`].
    fn traced(&self, host: bool, weights: &[Tensor], x: &Tensor, pass: &Pass) -> Tensor;

    /// The gradient of x from the gradient of y, where it is needed. `dy` may be overwritten.
    fn backward(&self, view: &View, dy: Tensor, need: Need, saved: &mut Saved) -> Option<Tensor>;
}

/// The layers that `spec` describes, each with its place in `spec`. An activation behind a layer that can apply it in the same pass is
/// part of that layer. `player` tells the network's random numbers from those of the job's other networks.
pub fn build(spec: &[arch::Layer], player: u16) -> Vec<(usize, Box<dyn Layer>)> {
    let mut layers: Vec<(usize, Box<dyn Layer>)> = Vec::new();
    let mut rest = spec.iter().enumerate().peekable();
    while let Some((i, layer)) = rest.next() {
        let normed = rest.next_if(|(_, next)| matches!(next, arch::Layer::WeightNorm { .. })).is_some();
        let mut behind = || match rest.peek() {
            Some((_, arch::Layer::Activation(activation))) => {
                rest.next();
                Some(*activation)
            }
            _ => None,
        };
        let layer: Box<dyn Layer> = match *layer {
            arch::Layer::Linear { inputs, outputs } => Box::new(linear::Linear::new(inputs, outputs, behind())),
            arch::Layer::Conv2d(geometry) => Box::new(conv::Conv::new(geometry, false, behind())),
            arch::Layer::ConvTranspose2d(geometry) => Box::new(conv::Conv::new(geometry, true, behind())),
            arch::Layer::Mixture { inputs, outputs, generators, run } => {
                Box::new(mixture::Mixture::new(inputs, outputs, generators, run))
            }
            arch::Layer::MinibatchDiscrimination { features, kernels, dims } => {
                Box::new(minibatch::MinibatchDiscrimination::new(features, kernels, dims))
            }
            arch::Layer::UnflattenBeside { maps, side, beside } => Box::new(maps::Unflatten::new(maps, side, beside)),
            arch::Layer::Unflatten { maps, side } => Box::new(maps::Unflatten::new(maps, side, 0)),
            arch::Layer::Flatten { maps, side } => Box::new(maps::Flatten::new(maps, side)),
            arch::Layer::WeightNorm { .. } => unreachable!("weights are normalised in the layer before"),
            arch::Layer::BatchNorm { features } => Box::new(batch_norm::BatchNorm::new(features, behind())),
            arch::Layer::LayerNorm { features } => Box::new(layer_norm::LayerNorm::new(features, behind())),
            arch::Layer::Maxout { pieces } => Box::new(maxout::Maxout::new(pieces)),
            arch::Layer::Dropout { rate } => Box::new(dropout::Dropout::new(rate, player << 8 | i as u16)),
            arch::Layer::Activation(activation) => Box::new(activation),
        };
        let transposed = matches!(spec[i], arch::Layer::ConvTranspose2d(_));
        let layer = if normed { Box::new(weight_norm::WeightNorm::new(layer, transposed)) } else { layer };
        layers.push((i, layer));
    }
    layers
}
