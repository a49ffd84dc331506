//! Sums of functions of one logit with their derivatives, in one pass. They do not overflow or lose their derivative in
//! float32.

use multiversion::multiversion;

use sweep_numerics::math::Float;

/// Below this, log softplus(x) is computed as x − eˣ/2: in float32 softplus(x) is 0 below −104. At −15, both agree to
/// 1e-13.
pub const SEAM: f64 = -15.0;

/// Values that are computed together before they are summed in order.
const BLOCK: usize = 64;

/// Returns c · Σ log(1 + e^(s·x)) for a sign s, and adds c · s · σ(s·x) to `grad`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn softplus<T: Float>(x: &[T], sign: f64, c: f64, grad: &mut [T]) -> f64 {
    let (sign, weight) = (T::of(sign), T::of(c * sign));
    c * sum(x, grad, |x| {
        let (value, sigmoid) = softplus_and_slope(sign * x);
        (value, weight * sigmoid)
    })
}

/// Returns log log(1 + eˣ) and its derivative.
#[inline(always)]
pub(super) fn log_softplus_and_slope<T: Float>(x: T) -> (T, T) {
    let (seam, half, one) = (T::of(SEAM), T::of(0.5), T::of(1.0));
    let near = if x < seam { seam } else { x };
    let (softplus, slope) = softplus_and_slope(near);
    let tail = x.exp() * half;
    if x < seam { (x - tail, one - tail) } else { (softplus.ln(), slope / softplus) }
}

/// Returns c · Σ log log(1 + e^(s·x)) for a sign s, the logarithm of a softplus head, and adds its gradient to `grad`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn log_softplus<T: Float>(x: &[T], sign: f64, c: f64, grad: &mut [T]) -> f64 {
    let (sign, weight) = (T::of(sign), T::of(c * sign));
    c * sum(x, grad, |x| {
        let (value, slope) = log_softplus_and_slope(sign * x);
        (value, weight * slope)
    })
}

/// Returns c · Σ s·x for a sign s, and adds c · s to `grad`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn identity<T: Float>(x: &[T], sign: f64, c: f64, grad: &mut [T]) -> f64 {
    let (sign, weight) = (T::of(sign), T::of(c * sign));
    c * sum(x, grad, |x| (sign * x, weight))
}

/// Returns c · Σ (s·x − target)² for a sign s, and adds 2 · c · s · (s·x − target) to `grad`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn squared<T: Float>(x: &[T], sign: f64, target: f64, c: f64, grad: &mut [T]) -> f64 {
    let (sign, weight, target) = (T::of(sign), T::of(2.0 * c * sign), T::of(target));
    c * sum(x, grad, |x| {
        let distance = sign * x - target;
        (distance * distance, weight * distance)
    })
}

/// Returns log(1 + eˣ) and σ(x).
#[inline(always)]
pub(super) fn softplus_and_slope<T: Float>(x: T) -> (T, T) {
    let (zero, one) = (T::of(0.0), T::of(1.0));
    let e = (if x < zero { x } else { -x }).exp();
    let tail = e.ln_1p();
    let sigmoid = one / (one + e);
    if x < zero { (tail, e * sigmoid) } else { (x + tail, sigmoid) }
}

/// Returns the sum in float64 of the values of `f`, and adds its gradients to `grad`.
#[inline(always)]
fn sum<T: Float>(x: &[T], grad: &mut [T], f: impl Fn(T) -> (T, T)) -> f64 {
    let mut sum = 0.0;
    for (x, grad) in x.chunks(BLOCK).zip(grad.chunks_mut(BLOCK)) {
        let mut values = [T::of(0.0); BLOCK];
        for ((value, &x), grad) in values.iter_mut().zip(x).zip(grad) {
            let (y, slope) = f(x);
            *value = y;
            *grad += slope;
        }
        for &value in &values[..x.len()] {
            sum += value.to_f64();
        }
    }
    sum
}
