//! Optimiser steps: one pass over parameters, gradients and moments.

use multiversion::multiversion;

use sweep_numerics::math::Float;

/// The coefficients of one member's Adam step, in PyTorch's form.
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
    /// The factor that shrinks parameters before the step: 1 without weight decay.
    pub shrink: f64,
    /// Steps including this one.
    pub step: u64,
}

/// One Adam step (Kingma & Ba 2015, algorithm 1) on one member's parameters `p`, gradients `g` and moments `m`, `v`,
/// all `[P]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn adam<T: Float>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], adam: &Adam) {
    let steps = adam.step as f64;
    let (b1, b2, epsilon) = (T::of(adam.beta1), T::of(adam.beta2), T::of(adam.epsilon));
    let (c1, c2) = (T::of(1.0) - b1, T::of(1.0) - b2);
    let size = T::of(adam.lr / (1.0 - adam.beta1.powf(steps)));
    let root = T::of(1.0 / (1.0 - adam.beta2.powf(steps)).sqrt());
    let shrink = T::of(adam.shrink);
    let (g, m, v) = (&g[..p.len()], &mut m[..p.len()], &mut v[..p.len()]);
    for i in 0..p.len() {
        m[i] = b1 * m[i] + c1 * g[i];
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        p[i] = p[i] * shrink - size * m[i] / (v[i].sqrt() * root + epsilon);
    }
}

/// One step of optimistic Adam (Daskalakis et al. 2018, algorithm 1: p ← p − 2 lr·u + lr·u', where u = m̂/(√v̂ + ε) is
/// Adam's direction from bias-corrected moments, and u' is that of the step before) on one member's `p`, `g`, `m`, `v`
/// and `u`, all `[P]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn optimistic_adam<T: Float>(p: &mut [T], g: &[T], m: &mut [T], v: &mut [T], u: &mut [T], adam: &Adam) {
    let steps = adam.step as f64;
    let (b1, b2, epsilon) = (T::of(adam.beta1), T::of(adam.beta2), T::of(adam.epsilon));
    let (c1, c2) = (T::of(1.0) - b1, T::of(1.0) - b2);
    let (lr, mean) = (T::of(adam.lr), T::of(1.0 / (1.0 - adam.beta1.powf(steps))));
    let root = T::of(1.0 / (1.0 - adam.beta2.powf(steps)).sqrt());
    let (shrink, two) = (T::of(adam.shrink), T::of(2.0));
    let (g, m, v, u) = (&g[..p.len()], &mut m[..p.len()], &mut v[..p.len()], &mut u[..p.len()]);
    for i in 0..p.len() {
        m[i] = b1 * m[i] + c1 * g[i];
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        let direction = mean * m[i] / (v[i].sqrt() * root + epsilon);
        p[i] = p[i] * shrink - lr * (two * direction - u[i]);
        u[i] = direction;
    }
}

/// The coefficients of one member's RMSprop step.
#[derive(Clone, Copy, Debug)]
pub struct Rmsprop {
    /// Learning rate.
    pub lr: f64,
    /// α, the decay of the mean of squared gradients.
    pub decay: f64,
    /// Added to the root.
    pub epsilon: f64,
    /// The factor that shrinks parameters before the step: 1 without weight decay.
    pub shrink: f64,
}

/// One step of RMSprop (PyTorch's form: v ← αv + (1 − α)g², p ← p − lr·g/(√v + ε)) on one member's `p`, `g`, `v`, all
/// `[P]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn rmsprop<T: Float>(p: &mut [T], g: &[T], v: &mut [T], rmsprop: &Rmsprop) {
    let (lr, decay, rest) = (T::of(rmsprop.lr), T::of(rmsprop.decay), T::of(1.0 - rmsprop.decay));
    let (epsilon, shrink) = (T::of(rmsprop.epsilon), T::of(rmsprop.shrink));
    let (g, v) = (&g[..p.len()], &mut v[..p.len()]);
    for i in 0..p.len() {
        v[i] = decay * v[i] + rest * g[i] * g[i];
        p[i] = p[i] * shrink - lr * g[i] / (v[i].sqrt() + epsilon);
    }
}

/// One step of SGD with momentum (PyTorch's form: m ← μm + g, p ← p − lr·m) on one member's `p`, `g`, `m`, all `[P]`.
/// Parameters are multiplied by `shrink` before the step.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn sgd<T: Float>(p: &mut [T], g: &[T], m: &mut [T], lr: f64, momentum: f64, shrink: f64) {
    let (lr, momentum, shrink) = (T::of(lr), T::of(momentum), T::of(shrink));
    let (g, m) = (&g[..p.len()], &mut m[..p.len()]);
    for i in 0..p.len() {
        m[i] = momentum * m[i] + g[i];
        p[i] = p[i] * shrink - lr * m[i];
    }
}

/// Scales one member's gradients `g` `[P]` down to the norm `most` if theirs is larger (PyTorch's clip_grad_norm_). The
/// norm is summed in float64, in order.
pub fn clip<T: Float>(g: &mut [T], most: f64) {
    let norm = g.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>().sqrt();
    let scale = most / (norm + CLIP_EPSILON);
    if scale < 1.0 {
        let scale = T::of(scale);
        g.iter_mut().for_each(|g| *g *= scale);
    }
}

/// PyTorch adds this to the norm of gradients before it divides by it.
pub const CLIP_EPSILON: f64 = 1e-6;

/// Updates the moving average `mean` of `p`, both `[P]`: θ̄ ← λθ̄ + (1 − λ)θ, with λ = `decay`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn average<T: Float>(mean: &mut [T], p: &[T], decay: f64) {
    let (decay, rest) = (T::of(decay), T::of(1.0 - decay));
    let p = &p[..mean.len()];
    for i in 0..mean.len() {
        mean[i] = decay * mean[i] + rest * p[i];
    }
}
