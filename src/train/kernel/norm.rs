//! Batch normalisation of a batch `[N, F]`.

use multiversion::multiversion;

use sweep_numerics::math::Float;

use super::dense::column_sums;

/// Normalises the columns of `x` `[N, F]` into `normal` and writes `y` = scale · normal + shift. Also writes `mean`,
/// `variance` (biased) and `inverse` = 1/√(variance + ε), `[F]` each.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn forward<T: Float>(
    x: &[T],
    (scale, shift): (&[T], &[T]),
    epsilon: f64,
    (normal, y): (&mut [T], &mut [T]),
    (mean, variance, inverse): (&mut [T], &mut [T], &mut [T]),
) {
    let width = scale.len();
    let (n, epsilon) = (T::of((x.len() / width) as f64), T::of(epsilon));
    column_sums(x, mean);
    mean.iter_mut().for_each(|mean| *mean = *mean / n);
    for (x, (normal, y)) in x.chunks_exact(width).zip(normal.chunks_exact_mut(width).zip(y.chunks_exact_mut(width))) {
        for i in 0..width {
            let centred = x[i] - mean[i];
            normal[i] = centred;
            y[i] = centred * centred;
        }
    }
    column_sums(y, variance);
    for (variance, inverse) in variance.iter_mut().zip(inverse.iter_mut()) {
        *variance = *variance / n;
        *inverse = T::of(1.0) / (*variance + epsilon).sqrt();
    }
    for (normal, y) in normal.chunks_exact_mut(width).zip(y.chunks_exact_mut(width)) {
        for i in 0..width {
            normal[i] *= inverse[i];
            y[i] = normal[i] * scale[i] + shift[i];
        }
    }
}

/// Given the gradient `dy` `[N, F]` of the output, adds the gradients of scale and shift to `dscale` and `dshift`
/// `[F]`, and replaces `dy` with the gradient of the input. `dot` `[N, F]` and `sums` `[2, F]` are work space.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn backward<T: Float>(
    dy: &mut [T],
    (normal, inverse, scale): (&[T], &[T], &[T]),
    grads: Option<(&mut [T], &mut [T])>,
    (dot, sums): (&mut [T], &mut [T]),
) {
    let width = scale.len();
    let n = T::of((dy.len() / width) as f64);
    for ((dot, &dy), &normal) in dot.iter_mut().zip(dy.iter()).zip(normal) {
        *dot = dy * normal;
    }
    let (along, across) = sums.split_at_mut(width);
    column_sums(dot, along);
    column_sums(dy, across);
    if let Some((dscale, dshift)) = grads {
        for i in 0..width {
            dscale[i] += along[i];
            dshift[i] += across[i];
        }
    }
    sums.iter_mut().for_each(|sum| *sum = *sum / n);
    let (along, across) = sums.split_at(width);
    // The gradient of the normalised value with respect to x: two projections are subtracted.
    for (dy, normal) in dy.chunks_exact_mut(width).zip(normal.chunks_exact(width)) {
        for i in 0..width {
            dy[i] = (dy[i] - across[i] - normal[i] * along[i]) * (inverse[i] * scale[i]);
        }
    }
}
