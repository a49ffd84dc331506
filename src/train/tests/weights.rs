//! Initial weights: their distributions, and that they stay the same across versions.

use super::*;
use crate::net::Net;
use sweep_tensor::host::{bytes, to_f64};
use tch::Tensor;

/// The weights, in PyTorch's shape, of the last layer of `spec` with weights, for the second of two members.
fn weights(spec: &[Layer], init: Init, fused: bool) -> Tensor {
    let seeds: &[u64] = if fused { &[3, 4] } else { &[4] };
    let net = Net::new(spec, init, 1, seeds, single(fused));
    let named = net.named(i64::from(fused)).into_iter().rfind(|(name, _)| name.ends_with("weight"));
    named.unwrap().1.copy()
}

/// A matrix, a convolution's kernels and a transposed one's, with their fan-in and fan-out in PyTorch.
fn layers() -> [(Vec<Layer>, [f64; 2]); 3] {
    let unflatten = |maps| Layer::Unflatten { maps, side: 8 };
    [
        (vec![Layer::Linear { inputs: 300, outputs: 100 }], [300.0, 100.0]),
        (vec![unflatten(24), Layer::Conv2d(Geometry::same(24, 50, 5, 1, 8, true))], [600.0, 1250.0]),
        (vec![unflatten(24), Layer::ConvTranspose2d(Geometry::back(24, 50, 5, 1, 8, true))], [1250.0, 600.0]),
    ]
}

/// A job's results start from these: if they change, two versions disagree about the same id.
#[test]
fn normal_weights_never_change() {
    let dense = [Layer::Linear { inputs: 5, outputs: 7 }, Layer::BatchNorm { features: 7 }];
    let maps = dcgan(4, 2, 8).discriminator;
    let hash = |spec: &[Layer]| {
        let net = Net::new(spec, Init::Normal { std: 0.02 }, 1, &[3, 4], single(true));
        blake3::hash(&bytes(&net.weights)).to_hex()[..16].to_owned()
    };
    assert_eq!([hash(&dense), hash(&maps)], ["354fb5759c1a19f4", "e9483fd1063c2049"]);
}

#[test]
fn weights_have_the_spread_of_their_fans() {
    for (spec, [fan_in, fan_out]) in layers() {
        let (xavier, he) = (2.0 / (fan_in + fan_out), 2.0 / fan_in);
        for (init, variance, uniform) in [
            (Init::Normal { std: 0.3 }, 0.09, false),
            (Init::Uniform { bound: 0.3 }, 0.03, true),
            (Init::XavierUniform, xavier, true),
            (Init::XavierNormal, xavier, false),
            (Init::HeUniform, he, true),
            (Init::HeNormal, he, false),
            (Init::LecunNormal, 1.0 / fan_in, false),
            (Init::Pytorch, 1.0 / (3.0 * fan_in), true),
        ] {
            let weights = to_f64(&weights(&spec, init, false));
            let n = weights.len() as f64;
            let moment = |p: i32| weights.iter().map(|w| w.powi(p)).sum::<f64>() / n;
            // Five standard errors; the variance of the square is at most that of a normal.
            assert!(moment(1).abs() < 5.0 * (variance / n).sqrt(), "{init} {fan_in}: mean {}", moment(1));
            let error = (moment(2) / variance - 1.0).abs();
            assert!(error < 5.0 * (2.0 / n).sqrt(), "{init} {fan_in}: variance {}", moment(2));
            let largest = weights.iter().fold(0.0f64, |max, w| max.max(w.abs())) / variance.sqrt();
            assert!(if uniform { (1.72..1.7321).contains(&largest) } else { largest > 3.0 }, "{init}: {largest}");
        }
    }
}

#[test]
fn orthogonal_weights_are_orthogonal_and_each_members_own() {
    let mut layers = layers().map(|(spec, _)| spec).to_vec();
    layers.push(vec![Layer::Linear { inputs: 20, outputs: 70 }]);
    for spec in layers {
        let init = Init::Orthogonal { gain: 0.8 };
        let weights = weights(&spec, init, false);
        let matrix = weights.flatten(1, -1).to_kind(Kind::Double);
        let [rows, columns] = matrix.size()[..] else { panic!("{matrix:?}") };
        let square = if columns < rows { matrix.tr().matmul(&matrix) } else { matrix.matmul(&matrix.tr()) };
        let expected = Tensor::eye(rows.min(columns), (Kind::Double, Device::Cpu)) * 0.64;
        assert!(distance(&to_f64(&expected), &to_f64(&square)) < 1e-6, "{rows}×{columns}");
        // The diagonal of R is positive, so signs are as random as the normals' signs.
        let positive = to_f64(&matrix).iter().filter(|w| **w > 0.0).count() as f64 / (rows * columns) as f64;
        assert!((0.45..0.55).contains(&positive), "{rows}×{columns}: {positive}");
    }
}

#[test]
fn a_member_starts_with_the_weights_that_it_has_alone() {
    for (spec, _) in layers() {
        for init in Init::ALL {
            assert_eq!(to_f64(&weights(&spec, init, true)), to_f64(&weights(&spec, init, false)), "{init}");
        }
    }
}
