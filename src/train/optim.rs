//! Optimisers of K members: one pass over parameters, gradients and moments. Each member has its own coefficients,
//! which may change from step to step.

use tch::{Kind, Tensor};

use super::kernel::optim as kernel;
use super::net::{Net, Setup};
use sweep_spec::blueprint;
use sweep_spec::keys::Typed;
use sweep_spec::keys::train::{ADAM_BETA1, ADAM_BETA2, CLIP_GRADIENT, EPSILON, MOMENTUM, RMSPROP_DECAY, WEIGHT_DECAY};
use sweep_spec::parameters::Parameters;
use sweep_tensor::host::{Number, values, values_mut};
use sweep_tensor::transfer::upload;

/// Added under a root, whose derivative at 0 is not finite.
const TINY: f64 = 1e-30;

/// One member's coefficients at a training step. Those that its optimiser doesn't use are 0.
#[derive(Clone, Copy, Debug)]
struct Coefficients {
    lr: f64,
    beta1: f64,
    beta2: f64,
    decay: f64,
    momentum: f64,
    epsilon: f64,
    /// The factor that shrinks weights before a step: 1 − lr·λ.
    shrink: f64,
    /// The largest norm of a gradient; 0 for no limit.
    clip: f64,
}

impl Coefficients {
    /// The coefficients of `rule` for a player with the learning rate `lr`, at training step `t`.
    fn at(t: u64, rule: blueprint::Optimizer, lr: &Typed<f64>, parameters: &Parameters) -> Self {
        let uses = |of| rule == of;
        let of = |key: &Typed<f64>, used| match key.in_job(parameters, t) {
            Some(value) if used => value,
            None if used => panic!("{} needs `{}`", rule.name(), key.name),
            Some(_) | None => 0.0,
        };
        let adam = uses(blueprint::Optimizer::Adam) || uses(blueprint::Optimizer::OptimisticAdam);
        let rmsprop = uses(blueprint::Optimizer::Rmsprop);
        let lr = of(lr, true);
        Coefficients {
            lr,
            beta1: of(&ADAM_BETA1, adam),
            beta2: of(&ADAM_BETA2, adam),
            decay: of(&RMSPROP_DECAY, rmsprop),
            momentum: of(&MOMENTUM, uses(blueprint::Optimizer::Sgd)),
            epsilon: of(&EPSILON, adam || rmsprop),
            shrink: match of(&WEIGHT_DECAY, true) {
                // An infinite learning rate times 0 would be NaN.
                0.0 => 1.0,
                decay => 1.0 - lr * decay,
            },
            clip: of(&CLIP_GRADIENT, true),
        }
    }
}

/// Whether any of them is a schedule.
fn changes(lr: &Typed<f64>, parameters: &Parameters) -> bool {
    let others = [&ADAM_BETA1, &ADAM_BETA2, &RMSPROP_DECAY, &MOMENTUM, &EPSILON, &WEIGHT_DECAY, &CLIP_GRADIENT];
    let mut all = [lr].into_iter().chain(others);
    all.any(|key| parameters.get(key.name).is_some_and(|value| value.schedule().is_some()))
}

/// Numbers of each member, `[K, 1]` each, on the device: in one copy without waiting.
fn columns<const C: usize>(
    members: &[Coefficients],
    of: impl Fn(&Coefficients) -> [f64; C],
    setup: Setup,
) -> [Tensor; C] {
    let rows: Vec<[f64; C]> = members.iter().map(of).collect();
    let values: Vec<f64> = (0..C).flat_map(|c| rows.iter().map(move |row| row[c])).collect();
    let all = upload(&values, &[C as i64, members.len() as i64, 1], (setup.kind, setup.device));
    std::array::from_fn(|c| all.get(c as i64))
}

/// The optimiser of one network.
pub struct Optimizer {
    rule: blueprint::Optimizer,
    setup: Setup,
    members: Vec<Coefficients>,
    lr: &'static Typed<f64>,
    /// The parameters of members whose coefficients change from step to step.
    schedules: Vec<Option<Parameters>>,
    /// Moments, `[K, P]` each, with PyTorch's names: Adam's two (plus its last direction if it is optimistic),
    /// RMSprop's mean of squares, or SGD's momentum buffer.
    pub moments: Vec<(&'static str, Tensor)>,
    /// Steps taken.
    pub steps: u64,
}

impl Optimizer {
    /// An optimiser for `net`, with the learning rate in `lr` and the other coefficients of each member's parameters,
    /// at step 0 of training.
    ///
    /// # Panics
    ///
    /// If a member lacks a parameter that `rule` uses: reading the sweep file ensures that each job has them.
    pub fn new(
        rule: blueprint::Optimizer,
        net: &Net,
        lr: &'static Typed<f64>,
        parameters: &[&Parameters],
        setup: Setup,
    ) -> Self {
        let members = parameters.iter().map(|parameters| Coefficients::at(0, rule, lr, parameters)).collect();
        let names: &[&str] = match rule {
            blueprint::Optimizer::Adam => &["exp_avg", "exp_avg_sq"],
            blueprint::Optimizer::Rmsprop => &["square_avg"],
            blueprint::Optimizer::Sgd => &["momentum_buffer"],
            blueprint::Optimizer::OptimisticAdam => &["exp_avg", "exp_avg_sq", "direction"],
        };
        let moments = names.iter().map(|&name| (name, net.weights.zeros_like())).collect();
        let schedules = parameters.iter().map(|&of| changes(lr, of).then(|| of.clone())).collect();
        Optimizer { rule, setup, members, lr, schedules, moments, steps: 0 }
    }

    /// Uses the coefficients of training step `t`, counted from 0, from now on.
    pub fn begin(&mut self, t: u64) {
        for (member, parameters) in self.members.iter_mut().zip(&self.schedules) {
            if let Some(parameters) = parameters {
                *member = Coefficients::at(t, self.rule, self.lr, parameters);
            }
        }
    }

    /// Keeps the members at these positions and drops the others.
    pub fn retain(&mut self, keep: &[usize], index: &Tensor) {
        self.members = keep.iter().map(|&k| self.members[k]).collect();
        self.schedules = keep.iter().map(|&k| self.schedules[k].clone()).collect();
        for (_, moment) in &mut self.moments {
            *moment = moment.index_select(0, index);
        }
    }

    /// Takes one step on `net`, with the gradients of its last backward pass.
    pub fn step(&mut self, net: &mut Net) {
        self.steps += 1;
        match (self.setup.host(), self.setup.kind) {
            (true, Kind::Double) => self.on_host::<f64>(net),
            (true, _) => self.on_host::<f32>(net),
            (false, _) => self.on_device(net),
        }
    }

    /// The moments, to look ahead from.
    pub fn ahead(&self) -> Vec<Tensor> {
        self.moments.iter().map(|(_, moment)| moment.shallow_clone()).collect()
    }

    /// Returns weights `p` and `moments` after one more step with the gradients `g`, all `[K, P]`, computed with
    /// operations that autograd can differentiate. `steps` is the number of earlier look-ahead steps. Does not change
    /// this optimiser.
    pub fn look_ahead(&self, p: &Tensor, moments: &[Tensor], g: &Tensor, steps: u64) -> (Tensor, Vec<Tensor>) {
        self.stepped(self.steps + steps + 1, p, moments, g)
    }

    /// Weights and moments after step number `step` with the gradients `g`.
    fn stepped(&self, step: u64, p: &Tensor, moments: &[Tensor], g: &Tensor) -> (Tensor, Vec<Tensor>) {
        let step = step as f64;
        let of = |c: &Coefficients| {
            let (bias, root) = (1.0 / (1.0 - c.beta1.powf(step)), 1.0 / (1.0 - c.beta2.powf(step)).sqrt());
            let size = c.lr / (1.0 - c.beta1.powf(step));
            [c.lr, size, bias, root, c.beta1, c.beta2, c.decay, c.momentum, c.epsilon, c.shrink]
        };
        let [lr, size, bias, root, beta1, beta2, decay, momentum, epsilon, shrink] =
            columns(&self.members, of, self.setup);
        let g = &self.clipped(g);
        let p = &if self.members.iter().any(|c| c.shrink != 1.0) { p * shrink } else { p.shallow_clone() };
        let mean = |of: &Tensor, new: &Tensor, decay: &Tensor| of * decay + new * (1.0 - decay);
        match (self.rule, moments) {
            (blueprint::Optimizer::Adam, [m, v]) => {
                let (m, v) = (mean(m, g, &beta1), mean(v, &g.square(), &beta2));
                (p - &m * size / ((&v + TINY).sqrt() * root + epsilon), vec![m, v])
            }
            (blueprint::Optimizer::OptimisticAdam, [m, v, last]) => {
                let (m, v) = (mean(m, g, &beta1), mean(v, &g.square(), &beta2));
                let direction = &m * bias / ((&v + TINY).sqrt() * root + epsilon);
                (p - (&direction * 2.0 - last) * lr, vec![m, v, direction])
            }
            (blueprint::Optimizer::Rmsprop, [v]) => {
                let v = mean(v, &g.square(), &decay);
                (p - g * lr / ((&v + TINY).sqrt() + epsilon), vec![v])
            }
            (blueprint::Optimizer::Sgd, [m]) => {
                let m = m * momentum + g;
                (p - &m * lr, vec![m])
            }
            (rule, moments) => unreachable!("{rule:?} with {} moments", moments.len()),
        }
    }

    /// Gradients, clipped to each member's largest norm.
    fn clipped(&self, g: &Tensor) -> Tensor {
        if self.members.iter().all(|c| c.clip == 0.0) {
            return g.shallow_clone();
        }
        // A member without a limit has the scale 1, of a number that has a derivative.
        let of = |c: &Coefficients| if c.clip > 0.0 { [c.clip, 1.0, 0.0] } else { [1.0, 0.0, 1.0] };
        let [most, clips, stays] = columns(&self.members, of, self.setup);
        // The square may not fit into a float32.
        let squares = g.to_kind(Kind::Double).square().sum_dim_intlist([-1].as_slice(), true, None::<Kind>);
        let norm = (squares + TINY).sqrt().to_kind(g.kind());
        g * ((most / (norm + kernel::CLIP_EPSILON)).clamp_max(1.0) * clips + stays)
    }

    fn on_host<T: Number>(&mut self, net: &mut Net) {
        let Coefficients { lr, beta1, beta2, decay, momentum, epsilon, shrink, clip } = self.members[0];
        if clip > 0.0 {
            kernel::clip(values_mut::<T>(&mut net.grads), clip);
        }
        let (p, g) = (values_mut::<T>(&mut net.weights), values::<T>(&net.grads));
        let adam = kernel::Adam { lr, beta1, beta2, epsilon, shrink, step: self.steps };
        match (self.rule, self.moments.as_mut_slice()) {
            (blueprint::Optimizer::Adam, [(_, m), (_, v)]) => {
                kernel::adam(p, g, values_mut(m), values_mut(v), &adam);
            }
            (blueprint::Optimizer::OptimisticAdam, [(_, m), (_, v), (_, u)]) => {
                kernel::optimistic_adam(p, g, values_mut(m), values_mut(v), values_mut(u), &adam);
            }
            (blueprint::Optimizer::Rmsprop, [(_, v)]) => {
                kernel::rmsprop(p, g, values_mut(v), &kernel::Rmsprop { lr, decay, epsilon, shrink });
            }
            (blueprint::Optimizer::Sgd, [(_, m)]) => kernel::sgd(p, g, values_mut(m), lr, momentum, shrink),
            (rule, moments) => unreachable!("{rule:?} with {} moments", moments.len()),
        }
    }

    /// The same for K members, on any device.
    fn on_device(&mut self, net: &mut Net) {
        // `self.steps` already includes this step.
        let (p, moments) = self.stepped(self.steps, &net.weights, &self.ahead(), &net.grads);
        net.weights.copy_(&p);
        for ((_, moment), new) in self.moments.iter_mut().zip(moments) {
            *moment = new;
        }
    }
}
