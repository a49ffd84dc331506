//! A network of K members: their weights in one flat buffer, a forward pass and an explicit backward pass.

use tch::{Device, Kind, Tensor};

use super::init;
use super::nn::{self, Chain, Given, Need, Pass, Saved, Start, Variable, View};
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::arch::{self, Init};
use sweep_spec::blueprint::Precision;
use sweep_tensor::transfer::upload;

/// Where and how numbers are computed.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// CPU or a GPU.
    pub device: Device,
    /// Float; Double in tests.
    pub kind: Kind,
    /// Whether the K members of a cohort are computed all at once, in batched products. On a GPU, small networks are
    /// only fast this way. Otherwise each member is a game of its own: on a CPU this is faster, and each member has
    /// exactly the bits of its solo run.
    pub fused: bool,
    /// How products of K members are computed. TF32 is also a flag of the process: see [`sweep_tensor::precision`].
    pub precision: Precision,
}

impl Setup {
    /// The fastest setup for `device`.
    pub fn on(device: Device, precision: Precision) -> Self {
        Setup { device, kind: Kind::Float, fused: device != Device::Cpu, precision }
    }

    /// Whether tensors belong to one member on the CPU, without a leading K.
    pub fn host(&self) -> bool {
        self.device == Device::Cpu && !self.fused
    }

    /// `shape`, with a leading K if members are computed at once.
    pub fn shape<const D: usize>(&self, members: i64, shape: [i64; D]) -> Vec<i64> {
        self.fused.then_some(members).into_iter().chain(shape).collect()
    }
}

/// What each layer saved in a pass through a network. Each kind of pass (of a batch size) has its own tape.
#[derive(Debug, Default)]
pub struct Tape(Vec<Saved>);

/// The place of a tensor in a member's flat row.
struct Slot {
    variable: Variable,
    offset: i64,
}

/// A network of K members; of one if members are not computed at once.
pub struct Net {
    layers: Chain,
    setup: Setup,
    /// Weights, `[K, P]`.
    pub weights: Tensor,
    /// Gradients of the weights, `[K, P]`.
    pub grads: Tensor,
    /// Tensors that are kept but not trained, `[K, B]`.
    pub buffers: Tensor,
    weight_slots: Vec<Slot>,
    buffer_slots: Vec<Slot>,
    /// One per layer.
    views: Vec<View>,
}

/// Tensors start at multiples of this many numbers, which aligns vector loads.
const ALIGN: i64 = 16;

impl Net {
    /// The network that `spec` describes, with the initial weights of members with these `seeds`. `player` separates
    /// its random numbers from those of the job's other networks.
    pub fn new(spec: &[arch::Layer], init: Init, player: u16, seeds: &[u64], setup: Setup) -> Net {
        assert!(setup.fused || seeds.len() == 1, "{} members without being fused", seeds.len());
        let layers = nn::build(spec, player);
        let (weight_slots, width) = slots(layers.shapes());
        let (buffer_slots, buffer_width) = slots(layers.buffers());

        let members = seeds.len() as i64;
        let mut net = Net {
            grads: Tensor::zeros([members, width], (setup.kind, setup.device)),
            weights: initial_weights((&weight_slots, width), (init, player), seeds, setup),
            buffers: initial_buffers(&buffer_slots, buffer_width, members, setup),
            layers,
            setup,
            weight_slots,
            buffer_slots,
            views: Vec::new(),
        };
        net.make_views();
        net.layers.start(&net.views);
        net
    }

    /// The number of members.
    pub fn members(&self) -> i64 {
        self.weights.size()[0]
    }

    /// Keeps the members at these positions and drops the others.
    pub fn retain(&mut self, keep: &Tensor) {
        for tensor in [&mut self.weights, &mut self.grads, &mut self.buffers] {
            *tensor = tensor.index_select(0, keep);
        }
        self.make_views();
    }

    /// Returns the output for `x` `[N, F]`, or `[K, N, F]` if members are computed at once; `tape` is for
    /// [`Net::backward`]. The output is valid until the next pass with the same tape. `pass.seeds` has a seed for each
    /// member.
    pub fn forward(&self, x: &Tensor, pass: &Pass, tape: &mut Tape) -> Tensor {
        self.layers.forward(&self.views, x, pass, &mut tape.0).0
    }

    /// As [`Net::forward`], but also returns the input of the last layer: `(output, features)`.
    pub fn forward_with_features(&self, x: &Tensor, pass: &Pass, tape: &mut Tape) -> (Tensor, Tensor) {
        self.layers.forward(&self.views, x, pass, &mut tape.0)
    }

    /// A leaf for autograd with the values of the weights, `[K, P]`: for [`Net::traced`].
    pub fn leaf(&self) -> Tensor {
        self.weights.detach().copy().set_requires_grad(true)
    }

    /// The output as in [`Net::forward`], with other `weights` `[K, P]`, computed with operations that autograd can
    /// differentiate repeatedly. Changes no buffers.
    pub fn traced(&self, weights: &Tensor, x: &Tensor, pass: &Pass) -> Tensor {
        let rows = |flat: &Tensor| if self.setup.fused { flat.shallow_clone() } else { flat.get(0) };
        let all = |flat: &Tensor, slots: &[Slot]| -> Vec<Tensor> {
            let flat = rows(flat);
            slots.iter().map(|slot| cut(&flat, slot)).collect()
        };
        let (weights, buffers) = (all(weights, &self.weight_slots), all(&self.buffers, &self.buffer_slots));
        let given = Given { weights: &weights, buffers: &buffers, host: self.setup.host() };
        self.layers.traced(&given, x, pass)
    }

    /// Computes gradients from that of the output, after a forward pass with the same tape: writes those of the weights
    /// and returns that of the input, as `need` says.
    pub fn backward(&mut self, tape: &mut Tape, dy: Tensor, need: Need) -> Option<Tensor> {
        self.backward_with_features(tape, dy, None, need)
    }

    /// As [`Net::backward`], with an additional gradient for the input of the last layer.
    pub fn backward_with_features(
        &mut self,
        tape: &mut Tape,
        dy: Tensor,
        dfeatures: Option<&Tensor>,
        need: Need,
    ) -> Option<Tensor> {
        self.layers.backward(&self.views, dy, dfeatures, need, &mut tape.0)
    }

    /// Clips the weights of each member to [−bound, bound].
    pub fn clip(&mut self, bounds: &[f64]) {
        let bounds = upload(bounds, &[bounds.len() as i64, 1], (self.setup.kind, self.setup.device));
        let _ = self.weights.clamp_tensor_(Some(-&bounds), Some(bounds));
    }

    /// Returns the output of member `k` for `x` `[N, F]` in evaluation mode: with running statistics and without
    /// dropout.
    pub fn evaluate(&self, k: i64, x: &Tensor) -> Tensor {
        self.evaluate_with(&self.weights, k, x)
    }

    /// The same with other `weights` `[K, P]`.
    pub fn evaluate_with(&self, weights: &Tensor, k: i64, x: &Tensor) -> Tensor {
        let pass = Pass { training: false, groups: 1, untracked: &[], draw: 0, seeds: &[0] };
        let run = |views: &[View], x: &Tensor| self.layers.forward(views, x, &pass, &mut Vec::new()).0;
        match self.setup.fused {
            false => run(&self.view(weights, |flat| flat.get(0)), x),
            true => run(&self.view(weights, |flat| flat.narrow(0, k, 1)), &x.unsqueeze(0)).squeeze_dim(0),
        }
    }

    /// Views of all tensors of member `k`, including those that are not trained, with PyTorch's names (`0.weight`,
    /// `1.running_mean`), to read from or copy to.
    pub fn named(&self, k: i64) -> Vec<(String, Tensor)> {
        let mut named = self.named_in(&self.weights, k);
        named.extend(names(&self.buffers.get(k), &self.buffer_slots));
        named
    }

    /// Named views of member `k`'s weights in `weights` `[K, P]`, which replace the network's own.
    pub fn named_in(&self, weights: &Tensor, k: i64) -> Vec<(String, Tensor)> {
        names(&weights.get(k), &self.weight_slots)
    }

    /// The gradient of member `k`'s weight `name`, from the last backward pass.
    #[cfg(test)]
    pub fn gradient(&self, k: i64, name: &str) -> Tensor {
        let slot = self.weight_slots.iter().find(|slot| slot.variable.name == name).expect("a weight of this name");
        cut(&self.grads.get(k), slot)
    }

    /// Whether the tensor `name` is trained, and not just kept.
    #[cfg(test)]
    pub fn trains(&self, name: &str) -> bool {
        self.weight_slots.iter().any(|slot| slot.variable.name == name)
    }

    fn make_views(&mut self) {
        self.views = match self.setup.fused {
            false => self.view(&self.weights, |flat| flat.get(0)),
            true => self.view(&self.weights, Tensor::shallow_clone),
        };
    }

    /// Views of every layer into the rows that `rows` selects from flat buffers, with these `weights`.
    fn view(&self, weights: &Tensor, rows: impl Fn(&Tensor) -> Tensor) -> Vec<View> {
        let (weights, grads, buffers) = (rows(weights), rows(&self.grads), rows(&self.buffers));
        let all = |flat: &Tensor, slots: &[Slot]| slots.iter().map(|slot| cut(flat, slot)).collect();
        self.layers.split(&View {
            weights: all(&weights, &self.weight_slots),
            grads: all(&grads, &self.weight_slots),
            buffers: all(&buffers, &self.buffer_slots),
            host: self.setup.host(),
            precision: self.setup.precision,
        })
    }
}

/// The tensor at `slot` of `flat` `[P]` or `[K, P]`, as a view. A matrix `[out, in]` has its outputs last in memory,
/// which is fastest for the forward pass and two of the three products. The kernels of a convolution, `[a, b, height,
/// width]`, have their channels last, like the maps.
fn cut(flat: &Tensor, slot: &Slot) -> Tensor {
    let length: i64 = slot.variable.shape.iter().product();
    let flat = flat.narrow(-1, slot.offset, length);
    match slot.variable.shape[..] {
        [outputs, inputs] => flat.unflatten(-1, [inputs, outputs]).transpose(-1, -2),
        [a, b, height, width] => flat.unflatten(-1, [a, height, width, b]).movedim_int(-1, -3),
        _ => flat.unflatten(-1, slot.variable.shape.as_slice()),
    }
}

/// The tensors of one member's row, with their names.
fn names(row: &Tensor, slots: &[Slot]) -> Vec<(String, Tensor)> {
    slots.iter().map(|slot| (slot.variable.name.clone(), cut(row, slot))).collect()
}

/// The places of tensors, and the width of a row.
fn slots(variables: Vec<Variable>) -> (Vec<Slot>, i64) {
    let mut width = 0;
    let place = |variable: Variable| {
        let slot = Slot { offset: width, variable };
        width += (slot.variable.shape.iter().product::<i64>() + ALIGN - 1) / ALIGN * ALIGN;
        slot
    };
    (variables.into_iter().map(place).collect(), width)
}

/// Initial weights, drawn from each member's own streams: `[K, P]`.
fn initial_weights((slots, width): (&[Slot], i64), (init, player): (Init, u16), seeds: &[u64], setup: Setup) -> Tensor {
    let mut flat = vec![0.0f32; width as usize * seeds.len()];
    for (row, &seed) in flat.chunks_mut((width as usize).max(1)).zip(seeds) {
        for Slot { variable: Variable { shape, start, .. }, offset } in slots {
            let length: i64 = shape.iter().product();
            let values = &mut row[*offset as usize..][..length as usize];
            match *start {
                Start::Filled(value) => values.fill(value as f32),
                Start::Drawn { init: own, stream } => {
                    let stream = stream.expect("a layer that has its place");
                    let stream = Stream::lane(seed, Purpose::Init, player, stream);
                    init::draw(own.unwrap_or(init), shape, &stream, values);
                }
            }
            if let [outputs, inputs] = shape[..] {
                // Drawn output by output, whatever the memory layout.
                let drawn = values.to_vec();
                for (i, value) in values.iter_mut().enumerate() {
                    let (input, output) = (i / outputs as usize, i % outputs as usize);
                    *value = drawn[output * inputs as usize + input];
                }
            }
        }
    }
    Tensor::from_slice(&flat).view([seeds.len() as i64, width]).to_kind(setup.kind).to_device(setup.device)
}

/// Initial values of the tensors that are kept but not trained: `[K, B]`.
fn initial_buffers(slots: &[Slot], width: i64, members: i64, setup: Setup) -> Tensor {
    let row = Tensor::zeros([width], (setup.kind, setup.device));
    for slot in slots {
        if let Start::Filled(value) = slot.variable.start {
            let _ = cut(&row, slot).fill_(value);
        }
    }
    row.repeat([members, 1])
}
