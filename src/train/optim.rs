//! Optimisers of K members: one pass over parameters, gradients and moments, with coefficients of each member's own.

use tch::{Kind, Tensor};

use super::kernel::optim as kernel;
use super::net::{Net, Setup};
use crate::spec::blueprint;
use crate::spec::knobs::{Knob, Knobs};
use crate::tensor::host::{values, values_mut};
use crate::tensor::math::Float;

/// Adam's ε, as in PyTorch.
const EPSILON: f64 = 1e-8;

/// One member's coefficients. Those that its optimiser doesn't use are 0.
#[derive(Clone, Copy, Debug)]
struct Coefficients {
    lr: f64,
    beta1: f64,
    beta2: f64,
    momentum: f64,
}

/// The optimiser of one network.
pub struct Optimizer {
    rule: blueprint::Optimizer,
    setup: Setup,
    members: Vec<Coefficients>,
    /// Adam's two moments, or SGD's momentum buffer: `[K, P]` each, with PyTorch's names.
    pub moments: Vec<(&'static str, Tensor)>,
    /// Steps taken.
    pub steps: u64,
}

impl Optimizer {
    /// For `net`, with the learning rate in `lr` and the other coefficients of each member's knobs.
    pub fn new(rule: blueprint::Optimizer, net: &Net, lr: Knob, knobs: &[&Knobs], setup: Setup) -> Self {
        let of = |knobs: &Knobs, knob| knobs.get(knob).unwrap_or(0.0);
        let members = knobs
            .iter()
            .map(|knobs| Coefficients {
                lr: of(knobs, lr),
                beta1: of(knobs, Knob::AdamBeta1),
                beta2: of(knobs, Knob::AdamBeta2),
                momentum: of(knobs, Knob::Momentum),
            })
            .collect();
        let names: &[&str] = match rule {
            blueprint::Optimizer::Adam => &["exp_avg", "exp_avg_sq"],
            blueprint::Optimizer::Sgd => &["momentum_buffer"],
        };
        let moments = names.iter().map(|&name| (name, net.weights.zeros_like())).collect();
        Optimizer { rule, setup, members, moments, steps: 0 }
    }

    /// Keeps the members at these positions and drops the others.
    pub fn retain(&mut self, keep: &[usize], index: &Tensor) {
        self.members = keep.iter().map(|&k| self.members[k]).collect();
        for (_, moment) in &mut self.moments {
            *moment = moment.index_select(0, index);
        }
    }

    /// One step on `net` by the gradients that its last backward pass wrote.
    pub fn step(&mut self, net: &mut Net) {
        self.steps += 1;
        match (self.setup.host(), self.setup.kind) {
            (true, Kind::Double) => self.on_host::<f64>(net),
            (true, _) => self.on_host::<f32>(net),
            (false, _) => self.on_device(net),
        }
    }

    fn on_host<T: Float>(&mut self, net: &mut Net) {
        let Coefficients { lr, beta1, beta2, momentum } = self.members[0];
        let (p, g) = (values_mut::<T>(&mut net.weights), values::<T>(&net.grads));
        match (self.rule, self.moments.as_mut_slice()) {
            (blueprint::Optimizer::Adam, [(_, m), (_, v)]) => {
                let adam = kernel::Adam { lr, beta1, beta2, epsilon: EPSILON, step: self.steps };
                kernel::adam(p, g, values_mut(m), values_mut(v), &adam);
            }
            (blueprint::Optimizer::Sgd, [(_, m)]) => kernel::sgd(p, g, values_mut(m), lr, momentum),
            (rule, moments) => unreachable!("{rule:?} with {} moments", moments.len()),
        }
    }

    /// The same for K members, on any device.
    fn on_device(&mut self, net: &mut Net) {
        let column = |of: &dyn Fn(&Coefficients) -> f64| {
            let column: Vec<f64> = self.members.iter().map(of).collect();
            Tensor::from_slice(&column).unsqueeze(1).to_kind(self.setup.kind).to_device(self.setup.device)
        };
        let steps = self.steps as f64;
        let g = &net.grads;
        let change = match self.rule {
            blueprint::Optimizer::Adam => {
                let (b1, b2) = (column(&|c| c.beta1), column(&|c| c.beta2));
                let size = column(&|c| c.lr / (1.0 - c.beta1.powf(steps)));
                let root = column(&|c| 1.0 / (1.0 - c.beta2.powf(steps)).sqrt());
                let (one, two) = self.moments.split_at_mut(1);
                let (m, v) = (&mut one[0].1, &mut two[0].1);
                let _ = m.g_mul_(&b1).g_add_(&((b1.ones_like() - &b1) * g));
                let _ = v.g_mul_(&b2).g_add_(&((b2.ones_like() - &b2) * g * g));
                &*m * size / (v.sqrt() * root + EPSILON)
            }
            blueprint::Optimizer::Sgd => {
                let momentum = column(&|c| c.momentum);
                let m = &mut self.moments[0].1;
                let _ = m.g_mul_(&momentum).g_add_(g);
                &*m * column(&|c| c.lr)
            }
        };
        let _ = net.weights.g_sub_(&change);
    }
}
