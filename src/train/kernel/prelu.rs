//! A leaky ReLU with one learnt slope.

use multiversion::multiversion;

use sweep_numerics::math::Float;

/// Values whose products are computed in parallel before they are summed.
const BLOCK: usize = 64;

/// y = x if x > 0, otherwise slope·x.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn forward<T: Float>(x: &[T], slope: T, y: &mut [T]) {
    let zero = T::of(0.0);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = if x > zero { x } else { x * slope };
    }
}

/// Replaces `dy`, the gradient of y, with that of x. Returns the gradient of the slope.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn backward<T: Float>(dy: &mut [T], x: &[T], slope: T) -> T {
    let zero = T::of(0.0);
    let mut sums = [0.0f64; BLOCK];
    for (dy, x) in dy.chunks_mut(BLOCK).zip(x.chunks(BLOCK)) {
        for ((sum, dy), &x) in sums.iter_mut().zip(dy).zip(x) {
            let above = x > zero;
            *sum += if above { 0.0 } else { (*dy * x).to_f64() };
            *dy = if above { *dy } else { *dy * slope };
        }
    }
    T::of(sums.iter().sum())
}
