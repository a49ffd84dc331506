//! Layer normalisation of samples `[N, P, F]`: P pixels of F maps, or one pixel of F features. Each sample is
//! normalised separately.

use multiversion::multiversion;

use super::dense::column_sums;
use sweep_numerics::math::Float;

/// Values that are summed in parallel lanes.
const LANES: usize = 64;

/// Normalises each sample of `x` into `normal` and writes `y` = scale · normal + shift, with `[F]` scales and shifts.
/// Also writes `inverse` `[N]`: 1/√(variance + ε) of each sample, with the biased variance.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn forward<T: Float>(
    x: &[T],
    (scale, shift): (&[T], &[T]),
    epsilon: f64,
    (normal, y): (&mut [T], &mut [T]),
    inverse: &mut [T],
) {
    let (each, width) = (x.len() / inverse.len(), scale.len());
    let (n, epsilon) = (T::of(each as f64), T::of(epsilon));
    let outputs = normal.chunks_exact_mut(each).zip(y.chunks_exact_mut(each));
    for ((x, inverse), (normal, y)) in x.chunks_exact(each).zip(inverse).zip(outputs) {
        let mean = sum(x) / n;
        for i in 0..each {
            normal[i] = x[i] - mean;
            y[i] = normal[i] * normal[i];
        }
        *inverse = T::of(1.0) / (sum(y) / n + epsilon).sqrt();
        for (normal, y) in normal.chunks_exact_mut(width).zip(y.chunks_exact_mut(width)) {
            for i in 0..width {
                normal[i] *= *inverse;
                y[i] = normal[i] * scale[i] + shift[i];
            }
        }
    }
}

/// Given the gradient `dy` of the output, writes the gradients of scale and shift to `dscale` and `dshift` `[F]`, if
/// given, and replaces `dy` with the gradient of the input. `dot` is work space as large as `dy`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn backward<T: Float>(
    dy: &mut [T],
    (normal, inverse, scale): (&[T], &[T], &[T]),
    grads: Option<(&mut [T], &mut [T])>,
    dot: &mut [T],
) {
    let (each, width) = (dy.len() / inverse.len(), scale.len());
    let n = T::of(each as f64);
    if let Some((dscale, dshift)) = grads {
        for ((dot, &dy), &normal) in dot.iter_mut().zip(dy.iter()).zip(normal) {
            *dot = dy * normal;
        }
        column_sums(dot, dscale);
        column_sums(dy, dshift);
    }
    let samples = dy.chunks_exact_mut(each).zip(normal.chunks_exact(each)).zip(dot.chunks_exact_mut(each));
    for (((dy, normal), dot), &inverse) in samples.zip(inverse) {
        let pixels = dy.chunks_exact_mut(width).zip(normal.chunks_exact(width)).zip(dot.chunks_exact_mut(width));
        for ((dy, normal), dot) in pixels {
            for i in 0..width {
                dy[i] *= scale[i];
                dot[i] = dy[i] * normal[i];
            }
        }
        let (across, along) = (sum(dy) / n, sum(dot) / n);
        // The gradient of the normalised value with respect to x: two projections are subtracted.
        for i in 0..each {
            dy[i] = (dy[i] - across - normal[i] * along) * inverse;
        }
    }
}

#[inline(always)]
fn sum<T: Float>(x: &[T]) -> T {
    let mut lanes = [T::of(0.0); LANES];
    let mut blocks = x.chunks_exact(LANES);
    for block in &mut blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += x;
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(blocks.remainder()) {
        *lane += x;
    }
    let mut total = T::of(0.0);
    for lane in lanes {
        total += lane;
    }
    total
}
