//! Loops over CPU memory in one pass. The compiler vectorises them for the processor at hand; without fused multiply-add, so that
//! every processor gives the same bits.

use multiversion::multiversion;
use tch::{Device, Kind, Tensor};

use super::host::{values, values_mut};

/// The coefficients of one member's Adam step, in the form of PyTorch's.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root.
    pub epsilon: f64,
    /// Steps including this one.
    pub step: u64,
}

macro_rules! kernels {
    ($float:ident, $adam:ident, $sgd:ident, $leaky:ident) => {
        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $adam(p: &mut [$float], g: &[$float], m: &mut [$float], v: &mut [$float], adam: &Adam) {
            let steps = adam.step as f64;
            let (b1, b2, epsilon) = (adam.beta1 as $float, adam.beta2 as $float, adam.epsilon as $float);
            let size = (adam.lr / (1.0 - adam.beta1.powf(steps))) as $float;
            let root = (1.0 / (1.0 - adam.beta2.powf(steps)).sqrt()) as $float;
            let (g, m, v) = (&g[..p.len()], &mut m[..p.len()], &mut v[..p.len()]);
            for i in 0..p.len() {
                m[i] = b1 * m[i] + (1.0 - b1) * g[i];
                v[i] = b2 * v[i] + (1.0 - b2) * g[i] * g[i];
                p[i] -= size * m[i] / (v[i].sqrt() * root + epsilon);
            }
        }

        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $sgd(p: &mut [$float], g: &[$float], m: &mut [$float], lr: f64, momentum: f64) {
            let (lr, momentum) = (lr as $float, momentum as $float);
            let (g, m) = (&g[..p.len()], &mut m[..p.len()]);
            for i in 0..p.len() {
                m[i] = momentum * m[i] + g[i];
                p[i] -= lr * m[i];
            }
        }

        #[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
        fn $leaky(x: &mut [$float], slope: f64) {
            let slope = slope as $float;
            for x in x {
                *x = if *x > 0.0 { *x } else { *x * slope };
            }
        }
    };
}

kernels!(f32, adam_f32, sgd_f32, leaky_f32);
kernels!(f64, adam_f64, sgd_f64, leaky_f64);

/// One Adam step (Kingma & Ba 2015, algorithm 1) on one member's parameters `p`, gradients `g` and moments `m`, `v`, all `[P]`.
pub fn adam(p: &mut Tensor, g: &Tensor, m: &mut Tensor, v: &mut Tensor, coefficients: &Adam) {
    match p.kind() {
        Kind::Double => adam_f64(values_mut(p), values(g), values_mut(m), values_mut(v), coefficients),
        _ => adam_f32(values_mut(p), values(g), values_mut(m), values_mut(v), coefficients),
    }
}

/// One step of SGD with momentum (PyTorch's form: m ← μm + g, p ← p − lr·m) on one member's `p`, `g`, `m`, all `[P]`.
pub fn sgd(p: &mut Tensor, g: &Tensor, m: &mut Tensor, lr: f64, momentum: f64) {
    match p.kind() {
        Kind::Double => sgd_f64(values_mut(p), values(g), values_mut(m), lr, momentum),
        _ => sgd_f32(values_mut(p), values(g), values_mut(m), lr, momentum),
    }
}

/// x where x > 0, slope·x elsewhere, in place where the memory allows it.
pub fn leaky_relu(mut x: Tensor, slope: f64) -> Tensor {
    match (x.device(), x.is_contiguous(), x.kind()) {
        (Device::Cpu, true, Kind::Float) => leaky_f32(values_mut(&mut x), slope),
        (Device::Cpu, true, Kind::Double) => leaky_f64(values_mut(&mut x), slope),
        _ => return x.clamp_min(0.0) + x.clamp_max(0.0) * slope,
    }
    x
}
