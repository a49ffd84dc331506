//! Convolutions by their definition, and what their padding has to do with TensorFlow's.

use super::*;
use crate::spec::arch::Geometry;
use crate::tensor::host::to_f64;
use crate::train::net::{Net, Parts};
use crate::train::nn::Pass;
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

/// For each output or input position and each position of the kernel that meets a pixel: its place in the smaller image, in the kernel
/// and in the larger image. TensorFlow's SAME: half of the missing pixels before the image, rounded down.
fn meetings(side: usize, kernel: usize, stride: usize) -> Vec<[usize; 3]> {
    let small = side.div_ceil(stride);
    let before = ((small - 1) * stride + kernel).saturating_sub(side) / 2;
    let places = (0..small).flat_map(|i| (0..kernel).map(move |a| (i, a)));
    places
        .filter_map(|(i, a)| (i * stride + a).checked_sub(before).filter(|&at| at < side).map(|at| [i, a, at]))
        .collect()
}

/// TensorFlow's `conv2d` and `conv2d_transpose` with SAME padding, by their definition. w is `[out, in, k, k]` of the convolution
/// whose gradient the transposed one is.
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
            for form in [Form::Members, Form::Batched] {
                let net = Net::new(&spec, Init::Normal { std: 1.0 }, 0, &[1], exact(form));
                net.named(0)[0].1.shallow_clone().copy_(&turned(&w));
                let pass = Pass { training: true, groups: 1, draw: 0, seeds: &[1] };
                let features = turned(&x).flatten(1, -1).unsqueeze(0);
                let y = net.forward(Parts::unstack(features, form), &pass).0.stack();
                let y = turned(&y.view([2, i64::from(5 - inputs), to.into(), to.into()]));
                let expected = tensorflow(transposed, &x, &w, side as usize, stride as usize);
                let error = distance(&expected, &to_f64(&y));
                assert!(
                    error < 1e-13,
                    "kernel {kernel}, stride {stride}, side {side}, {transposed}, {form:?}: {error}"
                );
            }
        }
    }
}

/// Maps and weights have their channels last in memory; names, shapes and the features before and after are PyTorch's.
#[test]
fn weights_have_the_shapes_that_pytorch_gives_them() {
    let _guard = tch::no_grad_guard();
    let model = dcgan(5, 3, 16);
    for form in [Form::Members, Form::Batched] {
        let shapes = |layers: &[Layer]| -> Vec<(String, Vec<i64>)> {
            let net = Net::new(layers, model.init, 0, &[1, 2], exact(form));
            net.named(1).iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect()
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
