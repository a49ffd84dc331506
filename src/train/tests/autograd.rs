//! Compares the hand-written backward passes with autograd, in float64.

use super::*;
use crate::net::{Net, Tape};
use crate::nn::{Need, Pass};
use sweep_tensor::host::to_f64;
use tch::Tensor;

/// The same network with plain differentiable operations: `weights` by name, x `[N, F]`.
pub(super) fn reference(spec: &[Layer], weights: &[(String, Tensor)], x: &Tensor, pass: &Pass, player: u16) -> Tensor {
    let lane = |i: usize| player << 8 | i as u16;
    layers(spec, "", weights, x, pass, (player, &mut 0, &lane))
}

/// Layers whose tensors have names with this `prefix`. Random numbers need the player, the number of nested layers
/// before, and the lane of a layer.
fn layers(
    spec: &[Layer],
    prefix: &str,
    weights: &[(String, Tensor)],
    x: &Tensor,
    pass: &Pass,
    (player, within, lane): (u16, &mut u16, &dyn Fn(usize) -> u16),
) -> Tensor {
    let named = |name: String| {
        let name = format!("{prefix}{name}");
        &weights.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no {name}")).1
    };
    // PyTorch's normalisation, if the next layer asks for it.
    let weight = |i: usize| match spec.get(i + 1) {
        Some(Layer::WeightNorm { .. }) => {
            let (g, v) = (named(format!("{i}.weight_g")), named(format!("{i}.weight_v")));
            let dim = i64::from(matches!(spec[i], Layer::ConvTranspose2d(_)));
            let mut shape = vec![1; v.dim()];
            shape[dim as usize] = -1;
            Tensor::internal_weight_norm(v, &g.view(shape.as_slice()), dim)
        }
        Some(Layer::SpectralNorm) => {
            let [w, u, v] = ["orig", "u", "v"].map(|part| named(format!("{i}.weight_{part}")));
            let first =
                if matches!(spec[i], Layer::ConvTranspose2d(_)) { w.transpose(0, 1) } else { w.shallow_clone() };
            let parts = if let Layer::Mixture { generators, .. } = spec[i] { generators.into() } else { 1 };
            let sigma = |(w, (u, v)): (Tensor, (Tensor, Tensor))| u.detach().dot(&w.flatten(1, -1).mv(&v.detach()));
            let pieces = first.chunk(parts, 0).into_iter().zip(u.chunk(parts, 0).into_iter().zip(v.chunk(parts, 0)));
            let normed: Vec<Tensor> = pieces.map(|piece| piece.0.shallow_clone() / sigma(piece)).collect();
            let all = Tensor::cat(&normed, 0);
            if matches!(spec[i], Layer::ConvTranspose2d(_)) { all.transpose(0, 1) } else { all }
        }
        _ => named(format!("{i}.weight")).shallow_clone(),
    };
    let mut x = x.shallow_clone();
    for (i, layer) in spec.iter().enumerate() {
        x = match layer {
            Layer::Linear { .. } => x.linear(&weight(i), Some(named(format!("{i}.bias")))),
            Layer::Conv2d(g) => {
                let b = g.bias.then(|| named(format!("{i}.bias")));
                let (stride, padding) = (i64::from(g.stride), i64::from(g.padding));
                x.conv2d(&weight(i), b, [stride; 2], [padding; 2], [1, 1], 1)
            }
            Layer::ConvTranspose2d(g) => {
                let b = g.bias.then(|| named(format!("{i}.bias")));
                let (stride, padding, more) = (g.stride, g.padding, g.output_padding());
                let [stride, padding, more] = [stride, padding, more].map(|size| [i64::from(size); 2]);
                x.conv_transpose2d(&weight(i), b, stride, padding, more, 1, [1, 1])
            }
            Layer::Mixture { generators, run, .. } => {
                // Row by row.
                let (w, b) = (weight(i), named(format!("{i}.bias")));
                let (w, b) = (w.chunk((*generators).into(), 0), b.chunk((*generators).into(), 0));
                let row = |n: i64| {
                    let own = (n / i64::from(*run)) as usize % *generators as usize;
                    x.narrow(0, n, 1).linear(&w[own], Some(&b[own]))
                };
                Tensor::cat(&(0..x.size()[0]).map(row).collect::<Vec<_>>(), 0)
            }
            Layer::MinibatchDiscrimination { kernels, dims, .. } => {
                let (w, b) = (named(format!("{i}.weight")), named(format!("{i}.bias")));
                let compare = |x: Tensor| {
                    let m = x.linear(w, None::<&Tensor>).unflatten(1, [i64::from(*kernels), i64::from(*dims)]);
                    let n = x.size()[0];
                    let o = (0..n).map(|i| {
                        let others = (0..n).filter(|&j| j != i).map(|j| {
                            let distance =
                                (m.get(i) - m.get(j)).abs().sum_dim_intlist([-1].as_slice(), false, None::<Kind>);
                            (-distance).exp()
                        });
                        others.fold(b.shallow_clone(), |sum, near| sum + near)
                    });
                    Tensor::cat(&[&x, &Tensor::stack(&o.collect::<Vec<_>>(), 0)], 1)
                };
                Tensor::cat(&x.chunk(pass.groups, 0).into_iter().map(compare).collect::<Vec<_>>(), 0)
            }
            Layer::UnflattenBeside { maps, side, beside } => {
                let [maps, side, beside] = [*maps, *side, *beside].map(i64::from);
                let own = x.narrow(1, 0, maps * side * side).unflatten(1, [maps, side, side]);
                let more = x.narrow(1, maps * side * side, beside).unsqueeze(-1).unsqueeze(-1);
                Tensor::cat(&[own, more.expand([-1, -1, side, side], false)], 1)
            }
            Layer::Unflatten { maps, side } => x.unflatten(1, [*maps, *side, *side].map(i64::from)),
            Layer::Flatten { .. } => x.flatten(1, -1),
            Layer::WeightNorm { .. } | Layer::SpectralNorm => x,
            Layer::BatchNorm { .. } => {
                let (w, b) = (named(format!("{i}.weight")), named(format!("{i}.bias")));
                // Written out, since PyTorch's batch_norm has wrong third derivatives.
                let (over, beside): (&[i64], &[i64]) =
                    if x.dim() == 4 { (&[0, 2, 3], &[-1, 1, 1]) } else { (&[0], &[-1]) };
                let norm = |x: Tensor| {
                    let mean = |x: &Tensor| x.mean_dim(over, true, None::<Kind>);
                    let centred = &x - mean(&x);
                    let scaled = &centred / (mean(&centred.square()) + 1e-5).sqrt();
                    scaled * w.view(beside) + b.view(beside)
                };
                Tensor::cat(&x.chunk(pass.groups, 0).into_iter().map(norm).collect::<Vec<_>>(), 0)
            }
            // One group: over all values of a sample, for features and for maps.
            Layer::LayerNorm { .. } => {
                x.group_norm(1, Some(named(format!("{i}.weight"))), Some(named(format!("{i}.bias"))), 1e-5, false)
            }
            Layer::Maxout { pieces } => x.unflatten(1, [-1, i64::from(*pieces)]).amax([2].as_slice(), false),
            Layer::Dropout { rate } => {
                let mut mask = vec![0.0; x.numel()];
                let stream = Stream::lane(pass.seeds[0], Purpose::Dropout, lane(i), pass.draw);
                stream.fill_uniform(&mut mask);
                let mask = Tensor::from_slice(&mask);
                // Pixel by pixel for maps.
                let mask = match x.size()[..] {
                    [n, c, h, w] => mask.view([n, h, w, c]).permute([0, 3, 1, 2]),
                    _ => mask.view(x.size().as_slice()),
                };
                let kept = mask.ge(f64::from(*rate as f32));
                x * kept.to_kind(Kind::Double) * f64::from((1.0 / (1.0 - rate)) as f32)
            }
            Layer::Activation(Activation::Relu) => x.relu(),
            Layer::Activation(Activation::LeakyRelu { slope }) => x.relu() - (-x).relu() * *slope,
            Layer::Activation(Activation::Elu) => x.elu(),
            Layer::Activation(Activation::Tanh) => x.tanh(),
            Layer::Activation(Activation::Sigmoid) => x.sigmoid(),
            Layer::Activation(Activation::Softplus) => x.exp().log1p(),
            Layer::Activation(Activation::Selu) => x.selu(),
            Layer::Activation(Activation::Gelu) => x.gelu("none"),
            Layer::Activation(Activation::Silu) => x.silu(),
            Layer::Prelu => x.prelu(named(format!("{i}.weight"))),
            Layer::Upsample { factor } => {
                let size = x.size()[2] * i64::from(*factor);
                x.upsample_nearest2d([size, size], None, None)
            }
            Layer::AvgPool { factor } => {
                let factor = [i64::from(*factor); 2];
                x.avg_pool2d(factor, factor, [0, 0], false, true, None)
            }
            Layer::SumPool { .. } => x.sum_dim_intlist([2, 3].as_slice(), false, None::<Kind>),
            Layer::Residual { body, shortcut } => {
                // Nested lists of layers are counted in the order in which they begin.
                let first = *within;
                *within += body.len() as u16;
                let lane = |i: usize| (128 + player) << 8 | (first + i as u16);
                let prefix = format!("{prefix}{i}.");
                let long = layers(body, &prefix, weights, &x, pass, (player, within, &lane));
                let beside = format!("{prefix}shortcut.");
                long + layers(shortcut, &beside, weights, &x, pass, (player, within, &|_| unreachable!("no dropout")))
            }
        };
    }
    x
}

/// Compares the forward and backward pass of a network with autograd, for one member and two at once, with one batch or
/// two.
fn agrees_with_autograd(spec: &[Layer], init: Init, inputs: i64, player: u16) {
    for (fused, groups) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let _guard = tch::no_grad_guard();
        let seeds: &[u64] = if fused { &[3, 4] } else { &[3] };
        let mut net = Net::new(spec, init, player, seeds, exact(fused));
        let outputs = spec.iter().fold(inputs as usize, |n, l| l.outputs(n)) as i64;
        let draw = |features| {
            let shape = exact(fused).shape(seeds.len() as i64, [12, features]);
            Tensor::randn(shape.as_slice(), (Kind::Double, Device::Cpu))
        };
        let (x, dy) = (draw(inputs), draw(outputs));
        let pass = Pass { training: true, groups, untracked: &[], draw: 5, seeds };
        let mut tape = Tape::default();
        let y = net.forward(&x, &pass, &mut tape).copy();
        let need = Need { weights: true, input: true };
        let dx = net.backward(&mut tape, dy.copy(), need).unwrap();
        let of = |tensor: &Tensor, k| if fused { tensor.get(k) } else { tensor.shallow_clone() };

        for k in 0..seeds.len() as i64 {
            let leaf = |tensor: &Tensor| tensor.copy().set_requires_grad(true);
            let weights: Vec<_> = net.named(k).iter().map(|(name, tensor)| (name.clone(), leaf(tensor))).collect();
            let x = leaf(&of(&x, k));
            let pass = Pass { seeds: &seeds[k as usize..=k as usize], ..pass };
            let expected = tch::with_grad(|| reference(spec, &weights, &x, &pass, player));
            assert!(distance(&to_f64(&expected), &to_f64(&of(&y, k))) < 1e-12, "y, fused: {fused}");

            let trained: Vec<&(String, Tensor)> = weights.iter().filter(|(name, _)| net.trains(name)).collect();
            let leaves: Vec<&Tensor> = trained.iter().map(|(_, leaf)| leaf).chain([&x]).collect();
            let loss = tch::with_grad(|| (&expected * of(&dy, k)).sum(Kind::Double));
            let grads = Tensor::run_backward(&[loss], &leaves, false, false);
            assert!(distance(&to_f64(&grads[grads.len() - 1]), &to_f64(&of(&dx, k))) < 1e-11, "dx, fused: {fused}");
            for ((name, _), expected) in trained.iter().zip(&grads) {
                let found = net.gradient(k, name);
                let error = distance(&to_f64(expected), &to_f64(&found));
                // A bias before a batch norm has no gradient except rounding errors.
                let vanishes = f64::try_from(expected.abs().max()).unwrap() < 1e-12;
                assert!(error < 1e-11 || vanishes, "{name}, fused: {fused}: {error}");
            }
        }

        // The same under autograd.
        let (leaf, x) = (net.leaf(), x.copy().set_requires_grad(true));
        let traced = tch::with_grad(|| net.traced(&leaf, &x, &pass));
        assert!(distance(&to_f64(&y), &to_f64(&traced)) < 1e-12, "traced, fused: {fused}");
        let loss = tch::with_grad(|| (&traced * &dy).sum(Kind::Double));
        let grads = Tensor::run_backward(&[loss], &[&leaf, &x], false, false);
        for (found, expected) in grads.iter().zip([&net.grads, &dx]) {
            assert!(distance(&to_f64(expected), &to_f64(found)) < 1e-11, "traced gradient, fused: {fused}");
        }
    }
}

#[test]
fn every_backward_pass_agrees_with_autograd() {
    let model = model();
    agrees_with_autograd(&model.generator, model.init, 6, 0);
    agrees_with_autograd(&model.discriminator, model.init, 2, 1);
}

/// Layers of only some objectives.
#[test]
fn backward_passes_of_particular_layers_agree_with_autograd() {
    let mixed = model_of(Objective::Mgan { generators: 3 }, 2);
    agrees_with_autograd(&mixed.generator, mixed.init, 6, 0);
    let mut normed = mixed.generator;
    normed.insert(1, Layer::WeightNorm { features: 48 });
    agrees_with_autograd(&normed, mixed.init, 6, 0);
    let improved = model_of(Objective::ImprovedGan { feature_matching: false }, 1);
    agrees_with_autograd(&improved.discriminator, improved.init, 2, 1);
    let joint = conv_model(&narrow(Design::Dcgan, 5, 2, 12), Objective::Ali);
    agrees_with_autograd(&joint.discriminator, joint.init, 288 + 6, 1);
}

/// Activations fused into the layer before them, and on their own.
#[test]
fn backward_passes_of_all_activations_agree_with_autograd() {
    for activation in Activation::ALL {
        let layers = [
            linear(3, 8),
            Layer::Activation(activation),
            Layer::Maxout { pieces: 2 },
            Layer::Activation(activation),
            Layer::LayerNorm { features: 4 },
            Layer::Activation(activation),
            linear(4, 2),
        ];
        agrees_with_autograd(&layers, Init::Normal { std: 0.6 }, 3, 0);
    }
}

#[test]
fn backward_passes_of_layers_within_layers_agree_with_autograd() {
    let model = layers_within_layers();
    agrees_with_autograd(&model.generator, model.init, 6, 0);
    agrees_with_autograd(&model.discriminator, model.init, 784, 1);
    for norm in Norm::ALL {
        let nets = Resnet { generator_norm: norm, discriminator_norm: norm, ..narrow_resnet(2, 8) };
        agrees_with_autograd(&nets.generator(), Init::Normal { std: 0.3 }, 6, 0);
        agrees_with_autograd(&nets.discriminator(1), Init::Normal { std: 0.3 }, 128, 1);
    }
    // Each generator's matrix has its own norm.
    let mut mixed = model_of(Objective::Mgan { generators: 3 }, 2).generator;
    mixed.insert(1, Layer::SpectralNorm);
    agrees_with_autograd(&mixed, Init::Normal { std: 0.3 }, 6, 0);
}

#[test]
fn every_backward_pass_of_convolutional_networks_agrees_with_autograd() {
    let weight = |design| {
        let norms = Conv { generator_norm: Norm::Weight, discriminator_norm: Norm::Weight, ..narrow(design, 4, 2, 12) };
        conv_model(&norms, Objective::Mgan { generators: 2 })
    };
    for (model, pixels) in [
        (dcgan(5, 3, 16), 768),
        (dcgan(4, 1, 28), 784),
        (metz(2, 12), 288),
        (maps_of_every_kind(), 784),
        (weight(Design::Dcgan), 288),
        (weight(Design::Metz), 288),
    ] {
        agrees_with_autograd(&model.generator, model.init, model.noise.into(), 0);
        agrees_with_autograd(&model.discriminator, model.init, pixels, 1);
    }
}

#[test]
fn evaluation_uses_running_statistics_and_no_dropout() {
    for (model, inputs) in
        [(model(), 2), (dcgan(5, 3, 16), 768), (maps_of_every_kind(), 784), (layers_within_layers(), 784)]
    {
        for fused in [false, true] {
            let _guard = tch::no_grad_guard();
            let seeds: &[u64] = if fused { &[3, 4] } else { &[4] };
            let net = Net::new(&model.discriminator, model.init, 1, seeds, exact(fused));
            let x = Tensor::randn([9, inputs], (Kind::Double, Device::Cpu));
            let all = net.evaluate(i64::from(fused), &x);
            let single = net.evaluate(i64::from(fused), &x.narrow(0, 4, 1));
            assert!(distance(&to_f64(&all.get(4)), &to_f64(&single.get(0))) < 1e-12, "a sample depends on its batch");
        }
    }
}
