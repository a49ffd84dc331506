//! Gradient penalties, and the passes under autograd that they need.

use super::*;
use crate::loss::Column;
use crate::net::{Net, Tape};
use crate::nn::{Need, Pass};
use crate::penalty::{self, Penalty, Points};
use sweep_tensor::host::to_f64;
use tch::Tensor;

fn networks() -> Vec<(Vec<Layer>, i64)> {
    let mut networks = vec![(model().generator, 6), (model().discriminator, 2)];
    for (model, pixels) in [(dcgan(5, 3, 16), 768), (metz(2, 12), 288), (maps_of_every_kind(), 784)] {
        networks.extend([(model.generator, model.noise.into()), (model.discriminator, pixels)]);
    }
    networks
}

fn draw(net_inputs: i64, members: usize, fused: bool) -> Tensor {
    Tensor::randn(exact(fused).shape(members as i64, [12, net_inputs]).as_slice(), (Kind::Double, Device::Cpu))
}

/// Both ways through a network give the same output, and the same gradients of the weights.
#[test]
fn a_pass_under_autograd_is_the_usual_pass() {
    for (spec, inputs) in networks() {
        for (fused, groups) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
            let _guard = tch::no_grad_guard();
            let seeds: &[u64] = if fused { &[3, 4] } else { &[3] };
            let mut net = Net::new(&spec, Init::Normal { std: 0.2 }, 1, seeds, exact(fused));
            let x = draw(inputs, seeds.len(), fused);
            let pass = Pass { training: true, groups, untracked: &[], draw: 5, seeds };
            let mut tape = Tape::default();
            let y = net.forward(&x, &pass, &mut tape).copy();
            let _ = net.backward(&mut tape, y.ones_like(), Need { weights: true, input: false });
            let (traced, gradients) = tch::with_grad(|| {
                let leaf = net.leaf();
                let y = net.traced(&leaf, &x, &pass);
                (y.detach(), Tensor::run_backward(&[y.sum(Kind::Double)], &[leaf], false, false))
            });
            assert!(distance(&to_f64(&y), &to_f64(&traced)) < 1e-12, "fused: {fused}, groups: {groups}");
            let error = distance(&to_f64(&net.grads), &to_f64(&gradients[0]));
            assert!(error < 1e-11, "fused: {fused}, groups: {groups}: {error}");
        }
    }
}

/// The gradient of the penalty against differences of its values, for each member with its own weight.
#[test]
fn gradients_of_penalties_are_those_of_their_values() {
    let (weights, powers) = (Column(vec![0.7, 2.0]), Column(vec![3.0, 6.0]));
    let of: [&dyn Fn(&penalty::Slopes) -> Tensor; 2] =
        [&|slopes| (slopes.norm() - 1.0).square(), &|slopes| slopes.power(&powers)];
    let smooth = |inputs| {
        let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
        vec![linear(inputs, 7), Layer::Activation(Activation::Tanh), linear(7, 1)]
    };
    for of in of {
        let _guard = tch::no_grad_guard();
        let seeds = [3, 4];
        let mut net = Net::new(&smooth(2), Init::Normal { std: 0.8 }, 1, &seeds, exact(true));
        let x = draw(2, 2, true);
        let pass = Pass { training: true, groups: 1, untracked: &[], draw: 5, seeds: &seeds };
        let penalty = Penalty { weight: &weights, at: Points::Between, of };
        let value = |net: &mut Net| {
            let _ = net.grads.zero_();
            to_f64(&penalty::add(net, &x, &pass, &penalty))
        };
        value(&mut net);
        let gradients = net.grads.copy();
        for at in [0, 3, 14, 20, 30] {
            let shift = |net: &Net, by: f64| drop(net.weights.narrow(1, at, 1).g_add_scalar_(by));
            const STEP: f64 = 1e-5;
            shift(&net, STEP);
            let above = value(&mut net);
            shift(&net, -2.0 * STEP);
            let below = value(&mut net);
            shift(&net, STEP);
            for k in 0..2 {
                let expected = (above[k] - below[k]) / (2.0 * STEP);
                let found = gradients.double_value(&[k as i64, at]);
                assert!((found - expected).abs() < 1e-6 * expected.abs().max(1e-2), "{at} {k}: {found} {expected}");
            }
        }
    }
}

/// A slope of 0 has no direction, and must not make a NaN.
#[test]
fn a_discriminator_without_a_slope_has_a_finite_gradient() {
    let _guard = tch::no_grad_guard();
    let mut net =
        Net::new(&[Layer::Linear { inputs: 2, outputs: 1 }], Init::Normal { std: 1.0 }, 1, &[3], exact(false));
    let _ = net.weights.zero_();
    let pass = Pass { training: true, groups: 1, untracked: &[], draw: 5, seeds: &[3] };
    let penalty =
        Penalty { weight: &Column(vec![10.0]), at: Points::Between, of: &|slopes| (slopes.norm() - 1.0).square() };
    let value = penalty::add(&mut net, &draw(2, 1, false), &pass, &penalty);
    assert!((to_f64(&value)[0] - 10.0).abs() < 1e-4, "{value:?}");
    assert!(to_f64(&net.grads).iter().all(|gradient| gradient.is_finite()));
}
