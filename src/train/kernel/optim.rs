//! Optimiser steps: one pass over parameters, gradients and moments.

use multiversion::multiversion;

use sweep_numerics::math::Float;

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

/// One Adam step (Kingma & Ba 2015, algorithm 1) on one member's parameters `p`, gradients `g` and moments `m`, `v`, all `[P]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn adam<T: Float>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], adam: &Adam) {
    let steps = adam.step as f64;
    let (b1, b2, epsilon) = (T::of(adam.beta1), T::of(adam.beta2), T::of(adam.epsilon));
    let (c1, c2) = (T::of(1.0) - b1, T::of(1.0) - b2);
    let size = T::of(adam.lr / (1.0 - adam.beta1.powf(steps)));
    let root = T::of(1.0 / (1.0 - adam.beta2.powf(steps)).sqrt());
    let (g, m, v) = (&g[..p.len()], &mut m[..p.len()], &mut v[..p.len()]);
    for i in 0..p.len() {
        m[i] = b1 * m[i] + c1 * g[i];
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        p[i] -= size * m[i] / (v[i].sqrt() * root + epsilon);
    }
}

/// One step of RMSprop (PyTorch's form: v ← αv + (1 − α)g², p ← p − lr·g/(√v + ε)) on one member's `p`, `g`, `v`, all `[P]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn rmsprop<T: Float>(p: &mut [T], g: &[T], v: &mut [T], lr: f64, decay: f64, epsilon: f64) {
    let (lr, decay, epsilon, rest) = (T::of(lr), T::of(decay), T::of(epsilon), T::of(1.0 - decay));
    let (g, v) = (&g[..p.len()], &mut v[..p.len()]);
    for i in 0..p.len() {
        v[i] = decay * v[i] + rest * g[i] * g[i];
        p[i] -= lr * g[i] / (v[i].sqrt() + epsilon);
    }
}

/// One step of SGD with momentum (PyTorch's form: m ← μm + g, p ← p − lr·m) on one member's `p`, `g`, `m`, all `[P]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn sgd<T: Float>(p: &mut [T], g: &[T], m: &mut [T], lr: f64, momentum: f64) {
    let (lr, momentum) = (T::of(lr), T::of(momentum));
    let (g, m) = (&g[..p.len()], &mut m[..p.len()]);
    for i in 0..p.len() {
        m[i] = momentum * m[i] + g[i];
        p[i] -= lr * m[i];
    }
}
