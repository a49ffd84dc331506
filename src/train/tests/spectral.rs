//! Spectral normalisation: the value of σ, and when u and v change.

use super::*;
use crate::net::{Net, Tape};
use crate::nn::{Need, Pass};
use sweep_tensor::host::to_f64;
use sweep_tensor::linalg::singular_values;
use tch::Tensor;

const PASS: Pass = Pass { training: true, groups: 1, untracked: &[], draw: 5, seeds: &[3] };

/// A network, its number of input features, and PyTorch's matrix of its weights: rows are outputs.
type Case = (Vec<Layer>, i64, fn(&Tensor) -> Tensor);

/// A matrix, a convolution's kernels and a transposed one's.
fn cases() -> [Case; 3] {
    let unflatten = Layer::Unflatten { maps: 3, side: 6 };
    let rows: fn(&Tensor) -> Tensor = |w| w.flatten(1, -1);
    let turned: fn(&Tensor) -> Tensor = |w| w.transpose(0, 1).flatten(1, -1);
    let conv = Layer::Conv2d(Geometry::same(3, 5, 3, 2, 6, true));
    let back = Layer::ConvTranspose2d(Geometry::back(3, 5, 4, 2, 12, true));
    [
        (vec![linear(7, 9), Layer::SpectralNorm], 7, |w| w.shallow_clone()),
        (vec![unflatten.clone(), conv, Layer::SpectralNorm, Layer::Flatten { maps: 5, side: 3 }], 108, rows),
        (vec![unflatten, back, Layer::SpectralNorm, Layer::Flatten { maps: 5, side: 12 }], 108, turned),
    ]
}

fn named(net: &Net, part: &str) -> Tensor {
    net.named(0).into_iter().find(|(name, _)| name.ends_with(part)).unwrap().1
}

fn input(net: &Net, inputs: i64, fused: bool) -> Tensor {
    let shape = exact(fused).shape(net.members(), [4, inputs]);
    Tensor::randn(shape.as_slice(), (Kind::Double, Device::Cpu))
}

/// v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖, computed with sums.
fn iterated(w: &[f64], u: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (rows, columns) = (u.len(), w.len() / u.len());
    let unit = |x: Vec<f64>| {
        let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
        x.into_iter().map(|x| x / length).collect::<Vec<_>>()
    };
    let v = unit((0..columns).map(|j| (0..rows).map(|i| w[i * columns + j] * u[i]).sum()).collect());
    let u = unit((0..rows).map(|i| (0..columns).map(|j| w[i * columns + j] * v[j]).sum()).collect());
    (u, v)
}

#[test]
fn only_passes_in_training_are_power_iterations() {
    let _guard = tch::no_grad_guard();
    for (spec, inputs, matrix) in cases() {
        for fused in [false, true] {
            let mut net = Net::new(&spec, Init::Normal { std: 1.0 }, 0, &[3], exact(fused));
            let w = to_f64(&matrix(&named(&net, "weight_orig")));
            let uv = |net: &Net| ["weight_u", "weight_v"].map(|part| to_f64(&named(net, part)));
            let x = input(&net, inputs, fused);
            let before = uv(&net);
            // None of these changes them.
            let _ = net.evaluate(0, &if fused { x.get(0) } else { x.copy() });
            let _ = net.traced(&net.leaf(), &x, &PASS);
            assert_eq!(uv(&net), before);

            let mut tape = Tape::default();
            let y = net.forward(&x, &PASS, &mut tape).copy();
            let (u, v) = iterated(&w, &before[0]);
            let [found_u, found_v] = uv(&net);
            assert!(distance(&u, &found_u) < 1e-12 && distance(&v, &found_v) < 1e-12, "fused: {fused}");
            net.backward(&mut tape, y, Need { weights: true, input: true });
            assert_eq!(uv(&net), [found_u, found_v]);
        }
    }
}

#[test]
fn the_largest_singular_value_becomes_1() {
    let _guard = tch::no_grad_guard();
    for (spec, inputs, matrix) in cases() {
        for fused in [false, true] {
            let net = Net::new(&spec, Init::Normal { std: 1.0 }, 0, &[3], exact(fused));
            let w = matrix(&named(&net, "weight_orig"));
            let largest = to_f64(&singular_values(&w).unwrap())[0];
            let sigma = |net: &Net| {
                let [u, v] = ["weight_u", "weight_v"].map(|part| named(net, part).copy());
                f64::try_from(u.dot(&w.mv(&v))).unwrap() / largest
            };
            let first = sigma(&net);
            assert!((0.8..=1.0 + 1e-12).contains(&first), "{first} after the first iterations");
            let (x, mut tape) = (input(&net, inputs, fused), Tape::default());
            for _ in 0..2000 {
                let _ = net.forward(&x, &PASS, &mut tape);
            }
            assert!((sigma(&net) - 1.0).abs() < 1e-9, "{}", sigma(&net));
            // The layer uses w/σ: it is linear in x except for the bias, which is 0.
            let y = net.forward(&x, &PASS, &mut tape).copy();
            let rest: Vec<Layer> = spec.iter().filter(|layer| **layer != Layer::SpectralNorm).cloned().collect();
            let plain = Net::new(&rest, Init::Normal { std: 1.0 }, 0, &[3], exact(fused));
            let expected = plain.forward(&x, &PASS, &mut Tape::default()) / largest;
            assert!(distance(&to_f64(&expected), &to_f64(&y)) < 1e-9);
        }
    }
}

/// Each backward pass belongs to its own forward pass, whatever came between.
#[test]
fn two_passes_before_their_backward_passes_do_not_mix() {
    let _guard = tch::no_grad_guard();
    for (spec, inputs, _) in cases() {
        let gradient = |between: bool| {
            let mut net = Net::new(&spec, Init::Normal { std: 1.0 }, 0, &[3], exact(false));
            tch::manual_seed(7);
            let (first, second) = (input(&net, inputs, false), input(&net, inputs, false));
            let (mut tape, mut other) = (Tape::default(), Tape::default());
            let dy = net.forward(&first, &PASS, &mut tape).copy();
            if between {
                let _ = net.forward(&second, &PASS, &mut other);
            }
            let dx = net.backward(&mut tape, dy, Need { weights: true, input: true }).unwrap();
            [to_f64(&net.grads), to_f64(&dx)]
        };
        assert_eq!(gradient(true), gradient(false));
    }
}

/// Each move of either side includes a pass of the discriminator.
#[test]
fn each_move_of_a_step_is_one_power_iteration() {
    for (d_steps, g_steps, moves) in [
        (1, 1, Moves::Alternating),
        (2, 1, Moves::Alternating),
        (1, 3, Moves::Alternating),
        (2, 2, Moves::Simultaneous),
    ] {
        for fused in [false, true] {
            let mut blueprint = blueprint(Objective::Gan { saturating: false }, Optimizer::Sgd);
            blueprint.model.discriminator = vec![
                linear(2, 6),
                Layer::SpectralNorm,
                Layer::Activation(Activation::Tanh),
                linear(6, 5),
                Layer::SpectralNorm,
                linear(5, 1),
            ];
            let train = &mut blueprint.train;
            (train.d_steps, train.g_steps, train.moves) = (d_steps, g_steps, moves);
            let mut members = members(&blueprint, 1);
            for rate in ["lr_generator", "lr_discriminator"] {
                members[0].parameters.set(rate, 0.0);
            }
            let mut trainer = Trainer::new(&blueprint, members, real(), exact(fused));
            let part = |trainer: &Trainer, part: &str| {
                let named = trainer.games[0].discriminators[0].net.named(0).into_iter();
                let all: Vec<Vec<f64>> =
                    named.filter(|(name, _)| name.ends_with(part)).map(|(_, tensor)| to_f64(&tensor)).collect();
                assert_eq!(all.len(), 2);
                all
            };
            let (weights, mut expected) = (part(&trainer, "weight_orig"), part(&trainer, "weight_u"));
            assert_eq!(trainer.advance(1), []);
            let found = part(&trainer, "weight_u");
            let passes = d_steps + g_steps;
            for pass in 1..=passes + 1 {
                for (w, u) in weights.iter().zip(&mut expected) {
                    *u = iterated(w, u).0;
                }
                let near = found.iter().zip(&expected).all(|(found, expected)| distance(found, expected) < 1e-12);
                assert_eq!(near, pass == passes, "{d_steps} {g_steps} {moves:?} fused: {fused}: after {pass} passes");
            }
        }
    }
}
