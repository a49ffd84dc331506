//! Convolutions by definition, and their padding compared with TensorFlow's.

use super::*;
use crate::net::{Net, Tape};
use crate::nn::{Need, Pass};
use sweep_spec::own_data::{Kind as OwnKind, OwnData, Shape};
use sweep_tensor::host::to_f64;
use tch::Tensor;

/// Images or kernels `[a, b, side, side]`, by index.
struct Grid {
    values: Vec<f64>,
    shape: [usize; 4],
}

impl Grid {
    fn zeros(shape: [usize; 4]) -> Grid {
        Grid { values: vec![0.0; shape.iter().product()], shape }
    }

    fn of(tensor: &Tensor) -> Grid {
        let shape: Vec<usize> = tensor.size().iter().map(|&size| size as usize).collect();
        Grid { values: to_f64(tensor), shape: shape.try_into().unwrap() }
    }

    fn at(&mut self, a: usize, b: usize, y: usize, x: usize) -> &mut f64 {
        let [_, bs, ys, xs] = self.shape;
        &mut self.values[((a * bs + b) * ys + y) * xs + x]
    }
}

/// For each output or input position, and each position of the kernel over a pixel: the positions in the smaller image,
/// the kernel and the larger image. TensorFlow's SAME: half of the missing pixels come before the image, rounded down.
fn meetings(side: usize, kernel: usize, stride: usize) -> Vec<[usize; 3]> {
    let small = side.div_ceil(stride);
    let before = ((small - 1) * stride + kernel).saturating_sub(side) / 2;
    let places = (0..small).flat_map(|i| (0..kernel).map(move |a| (i, a)));
    places
        .filter_map(|(i, a)| (i * stride + a).checked_sub(before).filter(|&at| at < side).map(|at| [i, a, at]))
        .collect()
}

/// TensorFlow's `conv2d` and `conv2d_transpose` with SAME padding, by definition. w is `[out, in, k, k]` of the
/// convolution whose gradient the transposed one is.
fn tensorflow(transposed: bool, x: &Tensor, w: &Tensor, side: usize, stride: usize) -> Vec<f64> {
    let (mut x, mut w) = (Grid::of(x), Grid::of(w));
    let [n, _, kernel, _] = [x.shape[0], 0, w.shape[2], 0];
    let [outputs, inputs, ..] = w.shape;
    let small = side.div_ceil(stride);
    let mut y = if transposed { Grid::zeros([n, inputs, side, side]) } else { Grid::zeros([n, outputs, small, small]) };
    let meetings = meetings(side, kernel, stride);
    for n in 0..n {
        for o in 0..outputs {
            for c in 0..inputs {
                for [i, a, row] in &meetings {
                    for [j, b, column] in &meetings {
                        let w = *w.at(o, c, *a, *b);
                        if transposed {
                            *y.at(n, c, *row, *column) += w * *x.at(n, o, *i, *j);
                        } else {
                            *y.at(n, o, *i, *j) += w * *x.at(n, c, *row, *column);
                        }
                    }
                }
            }
        }
    }
    y.values
}

#[test]
fn convolutions_are_tensorflows_same_on_turned_images() {
    let normals = |shape: [i64; 4]| Tensor::randn(shape, (Kind::Double, Device::Cpu));
    let turned = |tensor: &Tensor| tensor.flip([2, 3]);
    for (kernel, stride, side) in
        [(5u32, 2u32, 8u32), (5, 2, 7), (4, 2, 8), (4, 2, 7), (3, 2, 6), (3, 1, 5), (5, 2, 28)]
    {
        let _guard = tch::no_grad_guard();
        let small = side.div_ceil(stride);
        let w = normals([3, 2, kernel.into(), kernel.into()]);
        for transposed in [false, true] {
            let (layer, inputs, from, to) = if transposed {
                (Layer::ConvTranspose2d(Geometry::back(3, 2, kernel, stride, side, false)), 3, small, side)
            } else {
                (Layer::Conv2d(Geometry::same(2, 3, kernel, stride, side, false)), 2, side, small)
            };
            let x = normals([2, inputs.into(), from.into(), from.into()]);
            let spec =
                [Layer::Unflatten { maps: inputs, side: from }, layer, Layer::Flatten { maps: 5 - inputs, side: to }];
            for fused in [false, true] {
                let net = Net::new(&spec, Init::Normal { std: 1.0 }, 0, &[1], exact(fused));
                net.named(0)[0].1.shallow_clone().copy_(&turned(&w));
                let pass = Pass { training: true, groups: 1, untracked: &[], draw: 0, seeds: &[1] };
                let features = turned(&x).flatten(1, -1);
                let features = if fused { features.unsqueeze(0) } else { features };
                let y = net.forward(&features, &pass, &mut Tape::default());
                let y = turned(&y.view([2, i64::from(5 - inputs), to.into(), to.into()]));
                let expected = tensorflow(transposed, &x, &w, side as usize, stride as usize);
                let error = distance(&expected, &to_f64(&y));
                assert!(
                    error < 1e-13,
                    "kernel {kernel}, stride {stride}, side {side}, {transposed}, fused: {fused}: {error}"
                );
            }
        }
    }
}

/// Maps and weights have their channels last in memory, but names, shapes and features match PyTorch.
#[test]
fn weights_have_the_shapes_that_pytorch_gives_them() {
    let _guard = tch::no_grad_guard();
    let model = dcgan(5, 3, 16);
    for fused in [false, true] {
        let shapes = |layers: &[Layer]| -> Vec<(String, Vec<i64>)> {
            let seeds: &[u64] = if fused { &[1, 2] } else { &[2] };
            let net = Net::new(layers, model.init, 0, seeds, exact(fused));
            net.named(i64::from(fused)).iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect()
        };
        let named = |name: &str, shape: &[i64]| (name.to_owned(), shape.to_vec());
        let generator = shapes(&model.generator);
        assert_eq!(generator[..2], [named("0.weight", &[32, 6]), named("0.bias", &[32])]);
        assert_eq!(generator[4], named("4.weight", &[8, 4, 5, 5]));
        assert!(generator.contains(&named("10.bias", &[3])) && !generator.iter().any(|(name, _)| name == "4.bias"));
        let discriminator = shapes(&model.discriminator);
        assert_eq!(discriminator[..2], [named("1.weight", &[2, 3, 5, 5]), named("1.bias", &[2])]);
    }
}

/// libtorch computes wide and narrow layers of one member with different code in float32.
#[test]
fn wide_and_narrow_layers_compute_the_same() {
    let _guard = tch::no_grad_guard();
    let spec = [
        Layer::Unflatten { maps: 32, side: 14 },
        Layer::Conv2d(Geometry::same(32, 40, 5, 2, 14, true)),
        Layer::ConvTranspose2d(Geometry::back(40, 32, 5, 2, 14, true)),
        Layer::Flatten { maps: 32, side: 14 },
    ];
    let x = Tensor::randn([9, 32 * 196], (Kind::Double, Device::Cpu));
    let pass = Pass { training: true, groups: 1, untracked: &[], draw: 0, seeds: &[1] };
    let all = |setup: Setup| -> Vec<Vec<f64>> {
        let mut net = Net::new(&spec, Init::Normal { std: 0.1 }, 0, &[1], setup);
        let x = x.to_kind(setup.kind).view(setup.shape(1, [9, 32 * 196]).as_slice());
        let mut tape = Tape::default();
        let y = net.forward(&x, &pass, &mut tape).copy();
        let dx = net.backward(&mut tape, x.copy(), Need { weights: true, input: true }).unwrap();
        let weights = ["1.weight", "1.bias", "2.weight", "2.bias"].map(|name| to_f64(&net.gradient(0, name)));
        weights.into_iter().chain([to_f64(&y), to_f64(&dx)]).collect()
    };
    let expected = all(exact(false));
    for fused in [false, true] {
        for (expected, found) in expected.iter().zip(all(single(fused))) {
            assert!(distance(expected, &found) < 5e-6, "fused {fused}: {}", distance(expected, &found));
        }
    }
}

#[test]
fn a_member_of_wide_networks_has_the_bits_of_its_solo_run() {
    let wide = Conv { width: 32, discriminator_width: 32, ..narrow(Design::Dcgan, 4, 1, 28) };
    let blueprint = BuiltIn { model: conv_model(&wide, Objective::D2GAN), ..convolutional() };
    let members = members(&blueprint, 2);
    let mut cohort = trained(&blueprint, members.clone(), single(false), 2);
    for (k, member) in members.into_iter().enumerate() {
        let mut solo = trained(&blueprint, vec![member], single(false), 2);
        assert!(same(&numbers(&mut cohort, k), &numbers(&mut solo, 0)), "member {k}");
    }
}

/// Parts that are each valid may not fit together.
#[test]
fn every_objective_trains_every_design_with_every_norm() {
    let small = OwnData { kind: OwnKind::Npy, shape: Shape::Image([1, 8, 8]), content: None };
    for (norm, objective) in Norm::ALL.into_iter().flat_map(|norm| Objective::ALL.map(|objective| (norm, objective))) {
        let conv = |design| Conv { generator_norm: norm, discriminator_norm: norm, ..narrow(design, 4, 1, 28) };
        let resnet = Resnet { generator_norm: norm, discriminator_norm: norm, ..narrow_resnet(1, 8) };
        let architectures: [(Dataset, Box<dyn Architecture>); 3] = [
            (Dataset::Mnist, Box::new(conv(Design::Dcgan))),
            (Dataset::Mnist, Box::new(conv(Design::Metz))),
            (Dataset::Own(small), Box::new(resnet)),
        ];
        for (i, (dataset, architecture)) in architectures.into_iter().enumerate() {
            let usual = blueprint(objective, Optimizer::Sgd);
            let blueprint = BuiltIn { dataset, model: conv_model(&*architecture, usual.objective), ..usual };
            let mut trainer = trained(&blueprint, members(&blueprint, 1), single(false), 1);
            let finite = numbers(&mut trainer, 0).iter().all(|x| x.is_finite());
            assert!(finite, "architecture {i}, {norm:?}, {objective:?}");
        }
    }
}
