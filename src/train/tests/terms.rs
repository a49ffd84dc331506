//! Terms of losses in addition to the papers' algorithms ([`super::papers`]): penalties, with autograd over their
//! definitions.

use super::algorithms::{boxed, moves_as_in_its_paper, objectives};
use super::papers::{Algorithm, D, E, G, R, apart};
use super::*;
use crate::game::Role;

use sweep_spec::amount::Amount;
use sweep_spec::penalty::{At, Form, Penalty};
use tch::Tensor;

/// The squared slopes of `judge`'s output at each row of `x`, differentiable by autograd.
fn squared_slopes(judge: &dyn Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    // Detached, since weights may depend on it, too.
    let x = if x.requires_grad() { x * 1.0 } else { x.detach().set_requires_grad(true) };
    let logits = judge(&x).narrow(1, 0, 1);
    let slope = Tensor::run_backward(&[logits.sum(Kind::Double)], &[&x], true, true).remove(0);
    slope.square().sum_dim_intlist([1].as_slice(), false, None::<Kind>)
}

impl Algorithm {
    /// ‖v − D(v)‖² of each row.
    pub(super) fn energies(&self, v: &Tensor) -> Tensor {
        (self.packed(v) - self.net(D, v)).square().sum_dim_intlist([1].as_slice(), false, None::<Kind>)
    }

    /// E ‖φ(v) − r(φ(v))‖² with r held constant.
    pub(super) fn denoised(&self, v: &Tensor) -> Tensor {
        let features = self.features(D, v);
        let clean = self.net(R, &features).detach();
        apart(&features, &clean) * self.parameter("denoising")
    }

    /// The denoiser's step: D's features of real samples from noisy ones.
    pub(super) fn denoise(&mut self, x: &Tensor, draw: u64) {
        let features = self.features(D, x).detach();
        let [rows, columns] = features.size()[..] else { panic!() };
        let noise = self.random(Purpose::Inner, draw, [rows, columns]);
        let loss = apart(&features, &self.net(R, &(&features + noise)));
        self.descend(&loss, &[R]);
    }

    /// −E log C of the generator that made each row.
    pub(super) fn origin(&self, output: &Tensor, generators: u32) -> Tensor {
        let classes = output.narrow(1, 1, generators.into()).softmax(-1, Kind::Double).log();
        let rows = classes.size()[0];
        let own: Vec<Tensor> = (0..rows).map(|n| classes.get(n).get(n % i64::from(generators))).collect();
        -Tensor::stack(&own, 0).mean(Kind::Double) * self.parameter("diversity")
    }

    /// The squared slopes of a discriminator's logit at each row of `x`, differentiable by autograd.
    fn slopes(&self, role: Role, x: &Tensor) -> Tensor {
        squared_slopes(&|x| self.net(role, x), x)
    }

    /// The penalty in the paper's own loss.
    pub(super) fn penalty(&self, x: &Tensor, fake: &Tensor, draw: u64) -> Tensor {
        let (x, fake, weight) = (self.packed(x), self.packed(fake).detach(), self.parameter("gradient_penalty"));
        let [rows, columns] = x.size()[..] else { panic!() };
        match self.blueprint.objective {
            Objective::WGAN_GP => {
                let epsilon = self.random(Purpose::Penalty, draw, [rows, 1]);
                let between = &epsilon * &x + (epsilon.ones_like() - &epsilon) * &fake;
                (self.slopes(D, &between).sqrt() - 1.0).square().mean(Kind::Double) * weight
            }
            Objective::DRAGAN => {
                let u = self.random(Purpose::Penalty, draw, [rows, columns]);
                let around = &x + u * x.std(false) * 0.5;
                (self.slopes(D, &around).sqrt() - 1.0).square().mean(Kind::Double) * weight
            }
            Objective::WGAN_DIV => {
                let power =
                    |x| self.slopes(D, x).pow_tensor_scalar(self.parameter("penalty_power") / 2.0).mean(Kind::Double);
                (power(&x) + power(&fake)) * (weight / 2.0)
            }
            _ => Tensor::zeros([], (Kind::Double, Device::Cpu)),
        }
    }

    /// Terms in the losses of `movers` in this round that are not in the paper.
    pub(super) fn beside(&self, movers: &[Role]) -> Tensor {
        let of = |&role: &Role| match role {
            Role::Discriminator(_) => self.penalties(role),
            Role::Generator => self.seeking(movers),
            Role::Encoder | Role::Denoiser => Tensor::zeros([], (Kind::Double, Device::Cpu)),
        };
        movers.iter().map(of).reduce(|a, b| a + b).unwrap()
    }

    /// The reciprocal of the distance between the generator's samples of two batches of noise, relative to the distance
    /// between the batches.
    fn seeking(&self, movers: &[Role]) -> Tensor {
        let Some(weight) = self.parameters.number("mode_seeking") else {
            return Tensor::zeros([], (Kind::Double, Device::Cpu));
        };
        let moved = self.made.iter().filter(|made| **made == G).count();
        let turn = match (self.blueprint.objective, movers) {
            // Its first moves in a step use codes only.
            (Objective::Mdgan, [G, E]) => return Tensor::zeros([], (Kind::Double, Device::Cpu)),
            (Objective::Mdgan, _) => moved - self.turns[1].len(),
            _ => moved,
        };
        let (_, z, draw) = &self.turns[1][turn];
        let other = self.random_of_lane((Purpose::Noise, 1), *draw, [z.size()[0], z.size()[1]]);
        let far = |a: &Tensor, b: &Tensor| (a - b).abs().mean(Kind::Double);
        let ratio = far(&self.net(G, z), &self.net(G, &other)) / far(z, &other);
        (ratio + 1e-5).reciprocal() * weight
    }

    /// The sweep file's penalties of a discriminator.
    fn penalties(&self, role: Role) -> Tensor {
        let turn = self.made.iter().filter(|made| **made == role).count();
        let (x, z, draw) = &self.turns[0][turn];
        let batch = self.used[0] as usize - self.turns[0].len() + turn;
        let shown = self.shown(role, x, z, *draw).map(|rows| rows.detach());
        self.penalties_of(shown, batch, *draw, &|x| self.net(role, x))
    }

    /// The sweep file's penalties of `judge`'s output for real and generated samples, in a move on this batch.
    pub(super) fn penalties_of(
        &self,
        [real, fake]: [Tensor; 2],
        batch: usize,
        draw: u64,
        judge: &dyn Fn(&Tensor) -> Tensor,
    ) -> Tensor {
        let [rows, columns] = real.size()[..] else { panic!() };
        let number = |amount: &Amount| match amount {
            Amount::Number(number) => *number,
            Amount::Parameter(name) => self.parameter(name),
        };
        let own = self.blueprint.penalties().count() - self.blueprint.penalties.len();
        let mut sum = Tensor::zeros([], (Kind::Double, Device::Cpu));
        for (penalty, lane) in self.blueprint.penalties.iter().zip(own as u16..) {
            if !batch.is_multiple_of(penalty.every as usize) {
                continue;
            }
            let uniform = |columns| self.random_of_lane((Purpose::Penalty, lane), draw, [rows, columns]);
            let places = match penalty.at {
                At::Real => vec![real.shallow_clone()],
                At::Fake => vec![fake.shallow_clone()],
                At::Both => vec![real.shallow_clone(), fake.shallow_clone()],
                At::Between => {
                    let epsilon = uniform(1);
                    vec![&epsilon * &real + (epsilon.ones_like() - &epsilon) * &fake]
                }
                At::Around => vec![&real + uniform(columns) * real.std(false) * 0.5],
            };
            let weight = number(penalty.form.weight()) * f64::from(penalty.every) / places.len() as f64;
            for place in &places {
                let squares = squared_slopes(judge, place);
                let each = match &penalty.form {
                    Form::HalfSquare { .. } => squares / 2.0,
                    Form::Distance { target, .. } => (squares.sqrt() - number(target)).square(),
                    Form::Excess { target, .. } => (squares.sqrt() - number(target)).clamp_min(0.0).square(),
                    Form::Power { exponent, .. } => squares.sqrt().pow_tensor_scalar(number(exponent)),
                };
                sum += each.mean(Kind::Double) * weight;
            }
        }
        sum
    }

    /// The rows that a discriminator should take as real and as generated in its move.
    pub(super) fn shown(&self, role: Role, x: &Tensor, z: &Tensor, draw: u64) -> [Tensor; 2] {
        let again = || self.net(G, &self.net(E, x));
        let [real, fake] = match (self.blueprint.objective, role) {
            (Objective::Ali, _) => return self.pairs(x, z, draw),
            (Objective::Veegan, _) => {
                let both = |x: &Tensor, z: &Tensor| Tensor::cat(&[self.packed(x), self.packed(z)], 1);
                return [both(x, &self.net(E, x)), both(&self.net(G, z), z)];
            }
            (Objective::Mdgan, D) => [x.shallow_clone(), again()],
            (Objective::Mdgan, _) => [again(), self.net(G, z)],
            _ => [x.shallow_clone(), self.net(G, z)],
        };
        [self.packed(&real), self.packed(&fake)]
    }
}

/// Two penalties of a sweep file at different points; the second is lazy.
fn penalties(at: [At; 2]) -> Vec<Penalty> {
    let parameter = |name: &str| Amount::Parameter(name.into());
    let forms = [
        Form::Distance { distance: parameter("w"), target: Amount::Number(0.3) },
        Form::Excess { excess: parameter("w"), target: Amount::Number(0.1) },
        Form::Power { power: parameter("w"), exponent: Amount::Number(3.0) },
        Form::HalfSquare { half_square: parameter("w") },
    ];
    let form = |at: At, other: usize| forms[(at as usize + other) % forms.len()].clone();
    vec![Penalty { at: at[0], form: form(at[0], 0), every: 1 }, Penalty { at: at[1], form: form(at[1], 2), every: 2 }]
}

/// Every discriminator with a logit, on its real and generated input in each of its moves.
#[test]
fn penalties_use_each_discriminators_input() {
    for (i, at) in At::ALL.into_iter().enumerate() {
        for objective in
            objectives().filter(|objective| objective.takes_penalties() && (i == 0 || !objective.declares().minibatch))
        {
            let mut blueprint = boxed(objective, 1 + i as u32 % 2);
            blueprint.train.d_steps = 1 + i as u32 % 3;
            blueprint.train.moves = Moves::ALL[i % 2];
            blueprint.penalties = penalties([at, At::ALL[(i + 1) % 5]]);
            // A discriminator that compares samples has steep slopes.
            let w = if objective.declares().minibatch { 1e-3 } else { 0.05 };
            moves_as_in_its_paper(&blueprint, &[("w", w), ("lr_discriminator", 0.005)]);
        }
    }
}

/// With every objective, in each of the generator's moves that start from noise.
#[test]
fn mode_seeking_matches_its_definition() {
    for (i, objective) in objectives().enumerate() {
        for together in [false, true] {
            let mut blueprint = boxed(objective, 1 + i as u32 % 2);
            let train = &mut blueprint.train;
            (train.d_steps, train.g_steps, train.fresh_noise) = (2, 1 + i as u32 % 3, !together);
            train.moves = Moves::ALL[usize::from(together)];
            moves_as_in_its_paper(&blueprint, &[("mode_seeking", 0.3)]);
        }
    }
}

/// A member without the mode-seeking term is the same next to members with it as alone. Running statistics of the
/// others follow their first noise.
#[test]
fn a_member_without_mode_seeking_is_not_affected_by_others() {
    let mut spectral = blueprint(Objective::HINGE, Optimizer::Adam);
    // Its norms change with each pass, and the others have more passes.
    spectral.model.generator =
        vec![linear(6, 5), Layer::SpectralNorm, Layer::Activation(Activation::Tanh), linear(5, 2)];
    for blueprint in objectives().map(|objective| blueprint(objective, Optimizer::Adam)).chain([spectral]) {
        let objective = blueprint.objective;
        for fused in [false, true] {
            let plain = members(&blueprint, 3);
            let mut some = plain.clone();
            some[1].parameters.set("mode_seeking", 0.5);
            let mut with = trained(&blueprint, some, exact(fused), 5);
            let mut without = trained(&blueprint, plain, exact(fused), 5);
            for k in 0..3 {
                let (a, b) = (numbers(&mut with, k), numbers(&mut without, k));
                assert_eq!(a == b, k != 1, "{objective:?}, fused: {fused}, member {k}");
            }
        }
    }
}
