//! Minibatch discrimination of one batch: compares all pairs of samples once, for several kernels in parallel lanes.

use multiversion::multiversion;

use sweep_numerics::math::Float;

/// Kernels that are computed in parallel lanes.
const LANES: usize = 16;

/// One number for each kernel. The compiler vectorises arrays that are read and written as a whole, but not in-place
/// changes.
type Lanes<T> = [T; LANES];

/// Writes oᵢ = Σⱼ exp(−‖mᵢ − mⱼ‖₁) + bias, j ≠ i, of each kernel to the last columns of `y` `[N, ..]`; `m` `[N, kernels
/// · dims]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn forward<T: Float>(m: &[T], bias: &[T], [kernels, dims]: [usize; 2], y: &mut [T]) {
    let (n, zero) = (m.len() / (kernels * dims), [T::of(0.0); LANES]);
    let width = y.len() / n;
    let mut rows = vec![zero; n * dims];
    let (mut near, mut sums) = (vec![zero; n], vec![zero; n]);
    for first in (0..kernels).step_by(LANES) {
        let count = LANES.min(kernels - first);
        gather(m, [first, count], [kernels, dims], &mut rows);
        sums.fill(zero);
        for i in 0..n {
            let near = &mut near[i + 1..];
            nearness(&rows[i * dims..], dims, near);
            let mut own = sums[i];
            for (near, sum) in near.iter().zip(&mut sums[i + 1..]) {
                *sum = plus(*sum, *near);
                own = plus(own, *near);
            }
            sums[i] = own;
        }
        for (row, sums) in y.chunks_exact_mut(width).zip(&sums) {
            let row = &mut row[width - kernels + first..][..count];
            for ((value, &sum), &bias) in row.iter_mut().zip(sums).zip(&bias[first..]) {
                *value = sum + bias;
            }
        }
    }
}

/// Given the gradient `dy` `[N, ..]` of the output, writes that of `m` to `dm`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn backward<T: Float>(m: &[T], dy: &[T], [kernels, dims]: [usize; 2], dm: &mut [T]) {
    let (n, zero) = (m.len() / (kernels * dims), [T::of(0.0); LANES]);
    let width = dy.len() / n;
    let (mut rows, mut gradients) = (vec![zero; n * dims], vec![zero; n * dims]);
    let (mut near, mut slopes) = (vec![zero; n], vec![zero; n]);
    for first in (0..kernels).step_by(LANES) {
        let count = LANES.min(kernels - first);
        gather(m, [first, count], [kernels, dims], &mut rows);
        for (row, slopes) in dy.chunks_exact(width).zip(&mut slopes) {
            slopes[..count].copy_from_slice(&row[width - kernels + first..][..count]);
        }
        gradients.fill(zero);
        for i in 0..n {
            let near = &mut near[i + 1..];
            nearness(&rows[i * dims..], dims, near);
            let (own, others) = rows[i * dims..].split_at(dims);
            let (down, up) = gradients[i * dims..].split_at_mut(dims);
            let pairs = others.chunks_exact(dims).zip(up.chunks_exact_mut(dims));
            for ((other, up), (near, slope)) in pairs.zip(near.iter().zip(&slopes[i + 1..])) {
                // Each pair counts for both of its samples.
                let weight = times(*near, plus(slopes[i], *slope));
                for ((own, other), (down, up)) in own.iter().zip(other).zip(down.iter_mut().zip(up)) {
                    let by = signed(*own, *other, weight);
                    *down = minus(*down, by);
                    *up = plus(*up, by);
                }
            }
        }
        for (row, gradients) in dm.chunks_exact_mut(kernels * dims).zip(gradients.chunks_exact(dims)) {
            for (lane, values) in row[first * dims..][..count * dims].chunks_exact_mut(dims).enumerate() {
                for (value, gradient) in values.iter_mut().zip(gradients) {
                    *value = gradient[lane];
                }
            }
        }
    }
}

/// The dimensions of `count` kernels of each sample, `[N, dims]`; unused lanes have arbitrary values.
#[inline(always)]
fn gather<T: Float>(m: &[T], [first, count]: [usize; 2], [kernels, dims]: [usize; 2], rows: &mut [Lanes<T>]) {
    for (all, row) in m.chunks_exact(kernels * dims).zip(rows.chunks_exact_mut(dims)) {
        for (lane, values) in all[first * dims..][..count * dims].chunks_exact(dims).enumerate() {
            for (&value, lanes) in values.iter().zip(&mut *row) {
                lanes[lane] = value;
            }
        }
    }
}

/// Writes exp(−‖m − m′‖₁) between the first of `rows` and each later one to `near`.
#[inline(always)]
fn nearness<T: Float>(rows: &[Lanes<T>], dims: usize, near: &mut [Lanes<T>]) {
    let (own, others) = rows.split_at(dims);
    for (other, near) in others.chunks_exact(dims).zip(&mut *near) {
        let mut distances = [T::of(0.0); LANES];
        for (own, other) in own.iter().zip(other) {
            distances = plus(distances, size(minus(*own, *other)));
        }
        *near = distances;
    }
    for near in near.as_flattened_mut() {
        *near = (-*near).exp();
    }
}

#[inline(always)]
fn plus<T: Float>(mut a: Lanes<T>, b: Lanes<T>) -> Lanes<T> {
    for lane in 0..LANES {
        a[lane] += b[lane];
    }
    a
}

#[inline(always)]
fn minus<T: Float>(mut a: Lanes<T>, b: Lanes<T>) -> Lanes<T> {
    for lane in 0..LANES {
        a[lane] -= b[lane];
    }
    a
}

#[inline(always)]
fn times<T: Float>(mut a: Lanes<T>, b: Lanes<T>) -> Lanes<T> {
    for lane in 0..LANES {
        a[lane] *= b[lane];
    }
    a
}

/// |a|.
#[inline(always)]
fn size<T: Float>(mut a: Lanes<T>) -> Lanes<T> {
    for a in &mut a {
        *a = if *a < T::of(0.0) { -*a } else { *a };
    }
    a
}

/// sign(a − b) · weight.
#[inline(always)]
fn signed<T: Float>(a: Lanes<T>, b: Lanes<T>, mut weight: Lanes<T>) -> Lanes<T> {
    let zero = T::of(0.0);
    for lane in 0..LANES {
        let up = if a[lane] > b[lane] { weight[lane] } else { zero };
        let down = if a[lane] < b[lane] { weight[lane] } else { zero };
        weight[lane] = up - down;
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two equal samples have o = 1 + b; a distant third one has o = b.
    #[test]
    fn equal_samples_have_distance_0() {
        let (m, bias) = ([0.5, -1.0, 2.0, 0.0, 0.5, -1.0, 2.0, 0.0, 900.0, 0.0, 0.0, 900.0f64], [0.25, -3.0]);
        let mut y = [9.0; 9];
        forward(&m, &bias, [2, 2], &mut y);
        assert_eq!(y, [9.0, 1.25, -2.0, 9.0, 1.25, -2.0, 9.0, 0.25, -3.0]);
    }
}
