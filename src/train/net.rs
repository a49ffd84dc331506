//! A network of K members: their weights in one flat buffer each, a forward pass and an explicit backward pass.

use tch::{Device, Kind, Tensor};

use super::nn::{self, Layer, Need, Pass, Saved, View};
use crate::spec::arch::{self, Init};
use crate::tensor::random::{Purpose, Stream};

/// How a network treats its K members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One after the other. On a CPU this is as fast as all at once, and each member has exactly the bits of its solo run.
    Members,
    /// All at once, in batched products. On a GPU small networks are only fast so.
    Batched,
}

/// The same batch for all members: K tensors `[N, F]` ([`Form::Members`]), or one `[K, N, F]` ([`Form::Batched`]).
#[derive(Debug)]
pub struct Parts(pub Vec<Tensor>);

impl Parts {
    /// One tensor `[K, N, F]`.
    pub fn stack(&self) -> Tensor {
        match self.0.as_slice() {
            [one] if one.dim() == 3 => one.shallow_clone(),
            many => Tensor::stack(many, 0),
        }
    }

    /// What [`Parts::stack`] would give for these, from `stacked` `[K, N, F]`.
    pub fn unstack(stacked: Tensor, form: Form) -> Parts {
        match form {
            Form::Members => Parts((0..stacked.size()[0]).map(|k| stacked.get(k)).collect()),
            Form::Batched => Parts(vec![stacked]),
        }
    }

    /// Element-wise sum.
    pub fn plus(self, other: Parts) -> Parts {
        Parts(self.0.into_iter().zip(other.0).map(|(a, b)| a + b).collect())
    }
}

/// What a forward pass leaves for the backward pass: for each part, what each layer saved.
#[derive(Debug)]
pub struct Tape(Vec<Vec<Saved>>);

/// Where numbers live and how they are computed.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// CPU or a GPU.
    pub device: Device,
    /// Float, or Double in tests.
    pub kind: Kind,
    /// How members are treated.
    pub form: Form,
}

impl Setup {
    /// What is fastest on `device`.
    pub fn on(device: Device) -> Self {
        Setup { device, kind: Kind::Float, form: if device == Device::Cpu { Form::Members } else { Form::Batched } }
    }
}

/// Where a named tensor of a member lies in its flat row.
struct Slot {
    name: String,
    shape: Vec<i64>,
    offset: i64,
}

/// A network of K members.
pub struct Net {
    layers: Vec<Box<dyn Layer>>,
    setup: Setup,
    /// Weights, `[K, P]`.
    pub weights: Tensor,
    /// Gradients of the weights, `[K, P]`.
    pub grads: Tensor,
    /// What is kept but not trained, `[K, B]`.
    pub buffers: Tensor,
    weight_slots: Vec<Vec<Slot>>,
    buffer_slots: Vec<Vec<Slot>>,
    /// One row of layers a part.
    views: Vec<Vec<View>>,
}

/// Tensors start at multiples of this many numbers, so that vector loads are aligned.
const ALIGN: i64 = 16;

impl Net {
    /// The network that `spec` describes, with the initial weights of members with these `seeds`. `player` tells its random numbers
    /// from those of the job's other networks.
    pub fn new(spec: &[arch::Layer], init: Init, player: u16, seeds: &[u64], setup: Setup) -> Net {
        let layers: Vec<_> =
            spec.iter().enumerate().map(|(i, layer)| nn::build(layer, player << 8 | i as u16)).collect();
        let (weight_slots, width) = slots(layers.iter().map(|layer| layer.shapes()));
        let (buffer_slots, buffer_width) =
            slots(layers.iter().map(|layer| layer.buffers().into_iter().map(|(shape, _)| shape).collect()));

        let members = seeds.len() as i64;
        let mut net = Net {
            grads: Tensor::zeros([members, width], (setup.kind, setup.device)),
            weights: initial_weights(&weight_slots, width, init, player, seeds, setup),
            buffers: initial_buffers(&layers, &buffer_slots, buffer_width, members, setup),
            layers,
            setup,
            weight_slots,
            buffer_slots,
            views: Vec::new(),
        };
        net.make_views();
        net
    }

    /// How many members there are.
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

    /// The output for `x`, and the tape for [`Net::backward`]. The tensors of `x` may be overwritten where the first layer works in
    /// place. `pass.seeds` has a seed for each member.
    pub fn forward(&self, x: Parts, pass: &Pass) -> (Parts, Tape) {
        let (mut outputs, mut tape) = (Vec::new(), Vec::new());
        for (k, (views, x)) in self.views.iter().zip(x.0).enumerate() {
            let seeds = match self.setup.form {
                Form::Members => &pass.seeds[k..=k],
                Form::Batched => pass.seeds,
            };
            let (y, saved) = self.run(views, x, &Pass { seeds, ..*pass });
            outputs.push(y);
            tape.push(saved);
        }
        (Parts(outputs), Tape(tape))
    }

    /// Writes the gradients of the weights (unless not needed), and gives the gradient of the input (where needed) from that of the
    /// output.
    pub fn backward(&mut self, tape: Tape, dy: Parts, need: Need) -> Option<Parts> {
        // Nothing below the first layer that is trained needs a gradient.
        let trained = |layer: &Box<dyn Layer>| !layer.shapes().is_empty();
        let first = self.layers.iter().position(trained).unwrap_or(self.layers.len());
        let mut inputs = Vec::new();
        for ((views, saved), dy) in self.views.iter().zip(tape.0).zip(dy.0) {
            let mut dy = Some(dy);
            for (i, ((layer, view), saved)) in self.layers.iter().zip(views).zip(saved).enumerate().rev() {
                let need = Need { weights: need.weights, input: need.input || i > first };
                dy = dy.and_then(|dy| layer.backward(view, saved, dy, need));
            }
            inputs.extend(dy);
        }
        need.input.then_some(Parts(inputs))
    }

    /// The output of member `k` for `x` `[N, F]` in evaluation: running statistics, no dropout.
    pub fn evaluate(&self, k: i64, x: Tensor) -> Tensor {
        let pass = Pass { training: false, groups: 1, draw: 0, seeds: &[0] };
        match self.setup.form {
            Form::Members => self.run(&self.views[k as usize], x, &pass).0,
            Form::Batched => {
                let views = self.view(|flat| flat.narrow(0, k, 1));
                self.run(&views, x.unsqueeze(0), &pass).0.squeeze_dim(0)
            }
        }
    }

    /// The named tensors of member `k`, weights and kept tensors alike, with PyTorch's names (`0.weight`, `1.running_mean`): views to
    /// read or to copy to.
    pub fn named(&self, k: i64) -> Vec<(String, Tensor)> {
        let of = |flat: &Tensor, slots: &[Vec<Slot>]| {
            let row = flat.get(k);
            let tensor = |slot: &Slot| (slot.name.clone(), cut(&row, slot));
            slots.iter().flatten().map(tensor).collect::<Vec<_>>()
        };
        let mut named = of(&self.weights, &self.weight_slots);
        named.extend(of(&self.buffers, &self.buffer_slots));
        named
    }

    /// The gradient of member `k`'s weight called `name`, as the last backward pass wrote it.
    #[cfg(test)]
    pub fn gradient(&self, k: i64, name: &str) -> Tensor {
        let slot = self.weight_slots.iter().flatten().find(|slot| slot.name == name).expect("a weight of this name");
        cut(&self.grads.get(k), slot)
    }

    fn run(&self, views: &[View], x: Tensor, pass: &Pass) -> (Tensor, Vec<Saved>) {
        let mut saved = Vec::with_capacity(views.len());
        let mut x = x;
        for (layer, view) in self.layers.iter().zip(views) {
            let (y, kept) = layer.forward(view, x, pass);
            saved.push(kept);
            x = y;
        }
        (x, saved)
    }

    fn make_views(&mut self) {
        self.views = match self.setup.form {
            Form::Members => (0..self.members()).map(|k| self.view(|flat| flat.get(k))).collect(),
            Form::Batched => vec![self.view(Tensor::shallow_clone)],
        };
    }

    /// Views of every layer into the rows that `rows` picks of a flat buffer.
    fn view(&self, rows: impl Fn(&Tensor) -> Tensor) -> Vec<View> {
        let (weights, grads, buffers) = (rows(&self.weights), rows(&self.grads), rows(&self.buffers));
        let all = |flat: &Tensor, slots: &[Slot]| slots.iter().map(|slot| cut(flat, slot)).collect();
        let layers = self.weight_slots.iter().zip(&self.buffer_slots);
        layers
            .map(|(w, b)| View { weights: all(&weights, w), grads: all(&grads, w), buffers: all(&buffers, b) })
            .collect()
    }
}

/// The tensor at `slot` of `flat` `[P]` or `[K, P]`: a view. The kernels of a convolution, `[a, b, height, width]`, lie with their
/// channels last, as the maps do that they are multiplied with.
fn cut(flat: &Tensor, slot: &Slot) -> Tensor {
    let length: i64 = slot.shape.iter().product();
    let flat = flat.narrow(-1, slot.offset, length);
    match slot.shape[..] {
        [a, b, height, width] => flat.unflatten(-1, [a, height, width, b]).movedim_int(-1, -3),
        _ => flat.unflatten(-1, slot.shape.as_slice()),
    }
}

/// Places for the tensors of each layer, and the width of a row.
fn slots(layers: impl Iterator<Item = Vec<nn::Shape>>) -> (Vec<Vec<Slot>>, i64) {
    let mut width = 0;
    let slots = layers
        .enumerate()
        .map(|(i, shapes)| {
            let place = |(name, shape): nn::Shape| {
                let slot = Slot { name: format!("{i}.{name}"), offset: width, shape };
                width += (slot.shape.iter().product::<i64>() + ALIGN - 1) / ALIGN * ALIGN;
                slot
            };
            shapes.into_iter().map(place).collect()
        })
        .collect();
    (slots, width)
}

/// Weights from each member's own stream, scales at 1, biases at 0: `[K, P]`.
fn initial_weights(slots: &[Vec<Slot>], width: i64, init: Init, player: u16, seeds: &[u64], setup: Setup) -> Tensor {
    let Init::Normal { std } = init;
    let mut flat = vec![0.0f32; width as usize * seeds.len()];
    for (row, &seed) in flat.chunks_mut((width as usize).max(1)).zip(seeds) {
        for (i, layer) in slots.iter().enumerate() {
            // A matrix is drawn; a vector called weight is the scale of a normalisation.
            for slot in layer.iter().filter(|slot| slot.name.ends_with("weight")) {
                let length: i64 = slot.shape.iter().product();
                let values = &mut row[slot.offset as usize..][..length as usize];
                if slot.shape.len() > 1 {
                    Stream::lane(seed, Purpose::Init, player, i as u64).fill_normal(values);
                    values.iter_mut().for_each(|value| *value *= std as f32);
                } else {
                    values.fill(1.0);
                }
            }
        }
    }
    Tensor::from_slice(&flat).view([seeds.len() as i64, width]).to_kind(setup.kind).to_device(setup.device)
}

/// What is kept but not trained, with its first values: `[K, B]`.
fn initial_buffers(layers: &[Box<dyn Layer>], slots: &[Vec<Slot>], width: i64, members: i64, setup: Setup) -> Tensor {
    let row = Tensor::zeros([width], (setup.kind, setup.device));
    for (layer, slots) in layers.iter().zip(slots) {
        for ((_, value), slot) in layer.buffers().iter().zip(slots) {
            let _ = cut(&row, slot).fill_(*value);
        }
    }
    row.repeat([members, 1])
}
