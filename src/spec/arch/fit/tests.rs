use super::*;
use crate::arch::Activation;
use Written::{BatchNorm, Flatten, Linear, Maxout, Residual, SpectralNorm, Unflatten};

const RELU: Written = Written::Activation(Activation::Relu);
const LINEAR: Written = Linear { outputs: 4 };

fn conv(maps: u32, kernel: u32, stride: u32) -> Written {
    Written::Conv { maps, kernel, stride, padding: None }
}

fn back(maps: u32, kernel: u32, stride: u32, side: Option<u32>) -> Written {
    Written::ConvTranspose { maps, kernel, stride, side, padding: None }
}

#[test]
fn sizes_follow_from_the_layers_before() {
    let generator = [
        Linear { outputs: 6272 },
        Unflatten(Some([128, 7])),
        BatchNorm,
        RELU,
        back(64, 4, 2, None),
        BatchNorm,
        back(32, 5, 2, Some(27)),
        RELU,
        conv(1, 3, 1),
        Flatten,
    ];
    let found = layers(&generator, 100, 729, &[1, 27, 27]).unwrap();
    let expected = [
        Layer::Linear { inputs: 100, outputs: 6272 },
        Layer::Unflatten { maps: 128, side: 7 },
        Layer::BatchNorm { features: 128 },
        Layer::Activation(Activation::Relu),
        Layer::ConvTranspose2d(Geometry::back(128, 64, 4, 2, 14, false)),
        Layer::BatchNorm { features: 64 },
        Layer::ConvTranspose2d(Geometry::back(64, 32, 5, 2, 27, true)),
        Layer::Activation(Activation::Relu),
        Layer::Conv2d(Geometry::same(32, 1, 3, 1, 27, true)),
        Layer::Flatten { maps: 1, side: 27 },
    ];
    assert_eq!(found, expected);
    let discriminator =
        [Unflatten(None), conv(6, 5, 2), Maxout { pieces: 3 }, Flatten, Maxout { pieces: 2 }, Linear { outputs: 1 }];
    let found = layers(&discriminator, 768, 1, &[3, 16, 16]).unwrap();
    assert_eq!(found[0], Layer::Unflatten { maps: 3, side: 16 });
    assert_eq!(found[3], Layer::Flatten { maps: 2, side: 8 });
    assert_eq!(found[5], Layer::Linear { inputs: 64, outputs: 1 });
}

#[test]
fn what_does_not_fit_is_named() {
    for (written, at, expected) in [
        (&[LINEAR, conv(1, 3, 1)][..], 1, "`conv` needs maps, but the input has 4 features"),
        (&[Unflatten(None), LINEAR], 1, "`linear` needs features, but the input has 3 maps of 4×4"),
        (&[Unflatten(None), Unflatten(None)], 1, "`unflatten` needs features"),
        (&[LINEAR, Flatten], 1, "`flatten` needs maps"),
        (&[Unflatten(Some([5, 3]))], 0, "5 maps of 3×3 have 45 features, but the input has 48 features"),
        (&[LINEAR, Maxout { pieces: 3 }], 1, "{maxout: 3} needs a multiple of 3, but the input has 4 features"),
        (&[Unflatten(None), conv(1, 4, 1)], 1, "a kernel of 4×4 has no middle"),
        (&[Unflatten(None), back(1, 5, 2, Some(9))], 1, "turns sides of 4 pixels into 7 to 8, not 9"),
        (&[Unflatten(None), back(1, 5, 2, Some(6))], 1, "not 6"),
        (&[Unflatten(None), back(4096, 5, 64, None), back(9, 5, 64, None)], 2, "268435456 numbers"),
        (&[LINEAR, RELU, Written::WeightNorm], 2, "`weight_norm` normalises the weights of the layer before it"),
        (&[RELU], 0, "no layer here has weights"),
        (&[LINEAR, RELU], 1, "the network outputs 4 features, but must output 1 feature"),
        (&[Unflatten(None), padded(1, 5, 1, 0)], 1, "a kernel of 5×5 is larger than 4×4 pixels with no padding: 4×4"),
        (&[Unflatten(None), padded(1, 9, 1, 2)], 1, "larger than 4×4 pixels with a padding of 2: 8×8"),
        (&[Unflatten(None), padded(1, 3, 1, 3)], 1, "`padding: 3` is more than a kernel of 3×3 needs"),
        (&[Unflatten(None), padded_back(1, 4, 2, 1, Some(7))], 1, "turn sides of 4 pixels into 8 to 9, not 7"),
        (&[Unflatten(None), padded_back(1, 4, 2, 1, Some(10))], 1, "not 10"),
        (&[Unflatten(Some([48, 1])), padded_back(1, 4, 2, 3, None)], 1, "`padding: 3` cuts off all of the 4 pixels"),
        (&[RELU, SpectralNorm], 1, "`spectral_norm` normalises the weights of the layer before it, which has none"),
        (&[SpectralNorm], 0, "which has none"),
        (&[LINEAR, Written::WeightNorm, SpectralNorm], 2, "which has none"),
        (&[Unflatten(None), Written::AvgPool { factor: 3 }], 1, "{avg_pool: 3} needs sides that are a multiple of 3"),
        (&[LINEAR, Written::Upsample { factor: 2 }], 1, "`upsample` needs maps, but the input has 4 features"),
        (
            &[Unflatten(None), Residual(vec![padded(3, 2, 1, 0)])],
            1,
            "`residual` gets 3 maps of 4×4 and outputs 3 maps of 3×3, which",
        ),
        (&[Unflatten(None), Residual(vec![Flatten])], 1, "`residual` gets 3 maps of 4×4 and outputs 48 features"),
        (&[LINEAR, Unflatten(Some([4, 1]))], 1, "the network outputs 4 maps of 1×1, but must output 1 feature"),
    ] {
        let misfit = layers(written, 48, 1, &[3, 4, 4]).unwrap_err();
        assert!(misfit.at == [at] && misfit.message.contains(expected), "{expected}: {misfit:?}");
    }
    for sample in [&[2][..], &[3, 4, 8]] {
        assert!(layers(&[Unflatten(None), Flatten, LINEAR], 96, 4, sample).is_err());
    }
    let unfinished = layers(&[LINEAR, Unflatten(Some([1, 2]))], 48, 4, &[2]).unwrap_err();
    assert_eq!(unfinished.help, "add `flatten` at the end");
}

fn padded(maps: u32, kernel: u32, stride: u32, padding: u32) -> Written {
    Written::Conv { maps, kernel, stride, padding: Some(padding) }
}

fn padded_back(maps: u32, kernel: u32, stride: u32, padding: u32, side: Option<u32>) -> Written {
    Written::ConvTranspose { maps, kernel, stride, side, padding: Some(padding) }
}

#[test]
fn a_misfit_within_a_residual_says_where() {
    let within = Residual(vec![RELU, Residual(vec![conv(2, 3, 1), LINEAR])]);
    let misfit = layers(&[Unflatten(None), RELU, within], 48, 1, &[3, 4, 4]).unwrap_err();
    assert_eq!(misfit.at, [2, 1, 1]);
    assert_eq!(misfit.message, "`linear` needs features, but the input has 2 maps of 4×4");
}

/// The stacked MNIST networks of Metz et al. (2017) as in SankarLab's code: no padding in the first transposed
/// convolution.
#[test]
fn padding_is_as_in_pytorch() {
    let generator = [
        Unflatten(Some([64, 1])),
        padded_back(32, 4, 1, 0, None),
        padded_back(16, 3, 2, 1, None),
        padded_back(8, 4, 2, 1, None),
        padded_back(1, 4, 2, 1, None),
        padded(1, 1, 1, 0),
        Flatten,
    ];
    let found = layers(&generator, 64, 28 * 28, &[1, 28, 28]).unwrap();
    let sides: Vec<u32> = found
        .iter()
        .filter_map(|layer| match layer {
            Layer::Conv2d(g) | Layer::ConvTranspose2d(g) => Some(g.output),
            _ => None,
        })
        .collect();
    assert_eq!(sides, [4, 7, 14, 28, 28]);
    let back =
        [Unflatten(None), padded(8, 3, 2, 0), padded(8, 3, 2, 0), padded(8, 3, 1, 2), Flatten, Linear { outputs: 1 }];
    let found = layers(&back, 28 * 28, 1, &[1, 28, 28]).unwrap();
    assert_eq!(found[4], Layer::Flatten { maps: 8, side: 8 }, "28 → 13 → 6 → 8");
}

#[test]
fn a_residual_has_the_shortcut_that_its_shapes_need() {
    let body = |layers: &[Written], inputs: &[Written]| {
        let written = [&[Unflatten(None)], inputs, &[Residual(layers.to_vec()), Written::SumPool, LINEAR]].concat();
        match layers_of(&written).remove(1 + inputs.len()) {
            Layer::Residual { shortcut, .. } => shortcut,
            other => panic!("{other:?}"),
        }
    };
    fn layers_of(written: &[Written]) -> Vec<Layer> {
        layers(written, 48, 4, &[3, 4, 4]).unwrap()
    }
    let project = |inputs, outputs, side| Layer::Conv2d(Geometry::same(inputs, outputs, 1, 1, side, true));
    let (up, down) = (Written::Upsample { factor: 2 }, Written::AvgPool { factor: 2 });
    assert_eq!(body(&[RELU, conv(3, 3, 1)], &[]), []);
    assert_eq!(body(&[RELU, conv(5, 3, 1)], &[]), [project(3, 5, 4)]);
    assert_eq!(body(&[up, conv(3, 3, 1)], &[]), [project(3, 3, 4), Layer::Upsample { factor: 2 }]);
    assert_eq!(body(&[conv(5, 3, 1), down], &[]), [Layer::AvgPool { factor: 2 }, project(3, 5, 2)]);
    assert_eq!(body(&[conv(5, 3, 4)], &[]), [Layer::AvgPool { factor: 4 }, project(3, 5, 1)]);
    assert_eq!(body(&[conv(5, 3, 1), SpectralNorm], &[RELU]), [project(3, 5, 4), Layer::SpectralNorm]);
    let dense = layers_of(&[Residual(vec![LINEAR, RELU]), Residual(vec![LINEAR])]);
    let Layer::Residual { shortcut, .. } = &dense[0] else { panic!() };
    assert_eq!(*shortcut, [Layer::Linear { inputs: 48, outputs: 4 }]);
    assert_eq!(dense[1], Layer::Residual { body: vec![Layer::Linear { inputs: 4, outputs: 4 }], shortcut: vec![] });
}

/// If libtorch computed other sizes for some kernels, strides and sides, this would only show in training.
#[test]
fn every_geometry_is_one_that_libtorch_has() {
    for (kernel, stride, side) in (1..8).flat_map(|k| (1..5).flat_map(move |s| (1..20).map(move |side| (k, s, side)))) {
        if middle(kernel, stride).is_err() {
            continue;
        }
        let g = Geometry::same(1, 1, kernel, stride, side, true);
        assert_eq!((g.side + 2 * g.padding - g.kernel) / g.stride + 1, g.output, "{g:?}");
        let g = Geometry::back(1, 1, kernel, stride, side, true);
        let whole = (g.side - 1) * g.stride + g.kernel + g.output_padding();
        assert!(whole - 2 * g.padding == g.output && g.output_padding() < g.stride, "{g:?}");
    }
}
