//! Products in bfloat16 for fused members on the CPU: only their inputs are rounded.

use super::*;
use crate::net::{Net, Tape};
use crate::nn::{Need, Pass};
use sweep_tensor::host::to_f64;
use tch::Tensor;

/// The relative error of one rounding to bfloat16, which has 8 significant bits.
const HALF: f64 = 1.0 / 256.0;

fn in_bf16(kind: Kind) -> Setup {
    Setup { device: Device::Cpu, kind, fused: true, precision: Precision::Bf16 }
}

/// `x` rounded to bfloat16.
fn rounded(x: &Tensor) -> Tensor {
    x.to_kind(Kind::BFloat16).to_kind(x.kind())
}

/// The output, and the gradients of the input and the weights, given an output gradient equal to the output.
fn pass(net: &mut Net, x: &Tensor) -> Vec<(String, Tensor)> {
    let mut tape = Tape::default();
    let y =
        net.forward(x, &Pass { training: true, groups: 1, untracked: &[], draw: 0, seeds: &[1, 2] }, &mut tape).copy();
    let dx = net.backward(&mut tape, y.copy(), Need { weights: true, input: true }).unwrap();
    let mut all = vec![("y".to_owned(), y), ("dx".to_owned(), dx)];
    for name in net.named(0).into_iter().map(|(name, _)| name) {
        let grads = Tensor::stack(&[net.gradient(0, &name), net.gradient(1, &name)], 0);
        all.push((name, grads));
    }
    all
}

#[test]
fn a_linear_layer_rounds_what_it_multiplies() {
    let _guard = tch::no_grad_guard();
    let spec = [Layer::Linear { inputs: 7, outputs: 5 }];
    let net = |setup| Net::new(&spec, Init::Normal { std: 0.5 }, 0, &[1, 2], setup);
    let (mut exactly, mut net) = (net(exact(true)), net(in_bf16(Kind::Double)));
    let x = Tensor::randn([2, 9, 7], (Kind::Double, Device::Cpu));
    // With rounded weights and inputs, the forward product is exact; the bias is 0 initially.
    exactly.weights.copy_(&rounded(&exactly.weights.copy()));
    let (expected, found) = (pass(&mut exactly, &rounded(&x)), pass(&mut net, &x));
    assert_eq!(to_f64(&expected[0].1), to_f64(&found[0].1));
    // The gradient of the output itself is not rounded: the products round it, but the bias's gradient does not.
    let dy = &expected[0].1;
    let w = Tensor::stack(&[net.named(0)[0].1.copy(), net.named(1)[0].1.copy()], 0);
    let by_hand = [
        dy.copy(),
        rounded(dy).matmul(&rounded(&w)),
        rounded(dy).transpose(-1, -2).matmul(&rounded(&x)),
        dy.sum_dim_intlist([-2].as_slice(), false, None::<Kind>),
    ];
    for ((name, found), expected) in found.iter().zip(by_hand) {
        assert!(distance(&to_f64(&expected), &to_f64(found)) < 1e-12, "{name}");
        assert!(name == "y" || name.ends_with("bias") || to_f64(&rounded(found)) != to_f64(found), "{name}");
    }
}

#[test]
fn a_convolution_rounds_what_it_multiplies_and_its_output() {
    let _guard = tch::no_grad_guard();
    for transposed in [false, true] {
        let (layer, inputs, from, outputs, to) = if transposed {
            (Layer::ConvTranspose2d(Geometry::back(3, 2, 5, 2, 8, true)), 3, 4, 2, 8)
        } else {
            (Layer::Conv2d(Geometry::same(2, 3, 5, 2, 8, true)), 2, 8, 3, 4)
        };
        let spec = [Layer::Unflatten { maps: inputs, side: from }, layer, Layer::Flatten { maps: outputs, side: to }];
        let net = |setup| Net::new(&spec, Init::Normal { std: 0.5 }, 0, &[1, 2], setup);
        let (mut exactly, mut net) = (net(single(true)), net(in_bf16(Kind::Float)));
        // A bias that bfloat16 cannot represent, to check that it is added unrounded.
        for net in [&mut exactly, &mut net] {
            for k in 0..2 {
                let _ = net.named(k)[1].1.shallow_clone().fill_(1.001);
            }
        }
        let x = Tensor::randn([2, 6, (inputs * from * from).into()], (Kind::Float, Device::Cpu));
        let (expected, found) = (pass(&mut exactly, &x), pass(&mut net, &x));
        assert_eq!(expected.len(), 4, "output, input, kernels, bias");
        for ((name, expected), (_, found)) in expected.iter().zip(&found) {
            assert_eq!(found.kind(), Kind::Float);
            let distance = distance(&to_f64(expected), &to_f64(found));
            assert!((1e-6..4.0 * HALF).contains(&distance), "{name}, transposed {transposed}: {distance}");
        }
        let before = &found[0].1 - 1.001f32 as f64;
        assert!(
            distance(&to_f64(&before), &to_f64(&rounded(&before))) < 1e-6,
            "the sum is rounded, then the bias added"
        );
    }
}

#[test]
fn weights_and_losses_stay_float32_in_training() {
    for blueprint in [blueprint(Objective::D2GAN, Optimizer::Adam), convolutional()] {
        let members = members(&blueprint, 3);
        let mut in_float32 = trained(&blueprint, members.clone(), single(true), 3);
        let mut found = trained(&blueprint, members.clone(), in_bf16(Kind::Float), 3);
        for k in 0..members.len() {
            let (a, b) = (numbers(&mut in_float32, k), numbers(&mut found, k));
            let distance = distance(&a, &b);
            assert!((1e-7..0.1).contains(&distance), "member {k}: {distance}");
        }
        let game = &found.games[0];
        let weights = &game.generator.net.weights;
        assert_eq!(weights.kind(), Kind::Float);
        assert_ne!(to_f64(weights), to_f64(&rounded(weights)));
    }
}
