//! Gradient penalties ([`sweep_spec::penalty`]). Their gradients are second derivatives, so the discriminator's forward
//! pass runs under autograd for them.

use tch::{Kind, Tensor};

use super::game::{Game, Round};
use super::net::Net;
use super::nn::Pass;
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::amount::Amount;
use sweep_spec::penalty::{At, Form, Penalty};
use sweep_tensor::transfer::{self, upload};

/// Added under the root of a norm, whose derivative at 0 is not finite.
const EPSILON: f64 = 1e-12;

/// Samples at which a penalty measures slopes, and its form.
pub struct Points {
    /// The samples, `[.., N, F]`.
    pub(super) x: Tensor,
    /// How many batches `x` has.
    groups: i64,
    /// The weight w of each member, `[K]`.
    weight: Tensor,
    form: Shaped,
}

/// The form of a penalty, with its second number for each member, `[K, 1]`.
enum Shaped {
    HalfSquare,
    Distance(Tensor),
    Excess(Tensor),
    /// Half the exponent, since the lengths are already squared.
    Power(Tensor),
}

impl Shaped {
    /// One number per sample, from the squared lengths of slopes: `[K, N]` each.
    fn of(&self, squares: &Tensor) -> Tensor {
        let length = || (squares + EPSILON).sqrt();
        match self {
            Shaped::HalfSquare => squares * 0.5,
            Shaped::Distance(target) => (length() - target).square(),
            Shaped::Excess(target) => (length() - target).relu().square(),
            Shaped::Power(half) => squares.pow(half),
        }
    }
}

impl Game {
    /// Returns the points of each penalty of a discriminator's move in this round. `shown`, `[.., 2N, F]`, is the
    /// discriminator's input in this move: real samples above generated ones.
    pub(super) fn penalised_points(&self, shown: &Tensor, Round { batch, draw }: Round) -> Vec<Points> {
        let due = self.penalties.iter().enumerate().filter(|(_, penalty)| batch.is_multiple_of(penalty.every.into()));
        due.map(|(lane, penalty)| self.points(penalty, lane as u16, shown, draw)).collect()
    }

    fn points(&self, penalty: &Penalty, lane: u16, shown: &Tensor, draw: u64) -> Points {
        let rows = shown.size()[shown.dim() - 2] / 2;
        let (real, fake) = (shown.narrow(-2, 0, rows), shown.narrow(-2, rows, rows));
        let uniform = |columns: i64| {
            let (seeds, members, each) = (&self.seeds, self.seeds.len(), (rows * columns) as usize);
            let fill =
                |k: usize, out: &mut [f32]| Stream::lane(seeds[k], Purpose::Penalty, lane, draw).fill_uniform(out);
            let all = transfer::members(members, each, (self.setup.kind, self.setup.device), fill);
            all.view(self.setup.shape(members as i64, [rows, columns]).as_slice())
        };
        let (x, groups) = match penalty.at {
            At::Real => (real, 1),
            At::Fake => (fake, 1),
            At::Both => (shown.shallow_clone(), 2),
            At::Between => (&fake + (&real - &fake) * uniform(1), 1),
            At::Around => {
                let spread = real.std_dim([-2, -1].as_slice(), false, true);
                (&real + spread * 0.5 * uniform(real.size()[real.dim() - 1]), 1)
            }
        };
        let members = self.seeds.len() as i64;
        let column = |amount: &Amount, times: f64, shape: &[i64]| {
            let values: Vec<f64> = self.amount(amount).0.iter().map(|x| x * times).collect();
            upload(&values, shape, (self.setup.kind, self.setup.device))
        };
        let form = match &penalty.form {
            Form::HalfSquare { .. } => Shaped::HalfSquare,
            Form::Distance { target, .. } => Shaped::Distance(column(target, 1.0, &[members, 1])),
            Form::Excess { target, .. } => Shaped::Excess(column(target, 1.0, &[members, 1])),
            Form::Power { exponent, .. } => Shaped::Power(column(exponent, 0.5, &[members, 1])),
        };
        Points { x, groups, weight: column(penalty.form.weight(), penalty.every.into(), &[members]), form }
    }
}

/// The penalty at `points` of `net`, whose first output is a logit, with the weights `weights`: `[K]`, differentiable
/// by autograd, also with respect to the samples.
pub fn traced(net: &Net, weights: &Tensor, points: &Points, draw: u64, seeds: &[u64]) -> Tensor {
    let pass = Pass { training: true, groups: points.groups, untracked: &[], draw, seeds };
    // The weights may depend on the samples, too, but the slope must be that of the logit only.
    let x = match points.x.requires_grad() {
        true => points.x.alias(),
        false => points.x.detach().set_requires_grad(true),
    };
    let logits = net.traced(weights, &x, &pass).narrow(-1, 0, 1);
    let slopes = Tensor::run_backward(&[logits.sum(logits.kind())], &[&x], true, true);
    let squares = slopes[0].square().sum_dim_intlist([-1].as_slice(), false, None::<Kind>);
    let each = points.form.of(&squares.view([net.members(), -1]));
    each.mean_dim([-1].as_slice(), false, None::<Kind>) * &points.weight
}

/// Adds the gradient of a penalty at `points` to the gradients of the last backward pass of `net`. Returns the penalty,
/// `[K]`.
pub fn add(net: &mut Net, points: &Points, draw: u64, seeds: &[u64]) -> Tensor {
    let (value, gradient) = tch::with_grad(|| {
        let leaf = net.leaf();
        let value = traced(net, &leaf, points, draw, seeds);
        let gradient = Tensor::run_backward(&[value.sum(value.kind())], &[leaf], false, false).remove(0);
        (value.detach(), gradient)
    });
    let _ = net.grads.g_add_(&gradient);
    value
}
