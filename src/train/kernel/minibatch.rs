//! Minibatch discrimination of one batch: every sample against every other, kernel by kernel.

use multiversion::multiversion;

use crate::tensor::math::Float;

/// Sums that are kept side by side.
const LANES: usize = 16;

/// Writes oᵢ = Σⱼ exp(−‖mᵢ − mⱼ‖₁) + bias, j ≠ i, of each kernel to the last columns of `y` `[N, ..]`; `m` `[N, kernels · dims]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn forward<T: Float>(m: &[T], bias: &[T], [kernels, dims]: [usize; 2], y: &mut [T]) {
    let (n, zero) = (m.len() / (kernels * dims), T::of(0.0));
    let (width, room) = (y.len() / n, n.next_multiple_of(LANES));
    let mut columns = vec![zero; dims * room];
    let mut near = vec![zero; room];
    for kernel in 0..kernels {
        gather(m, kernel, [kernels, dims], &mut columns);
        for i in 0..n {
            nearness(&columns, i, &mut near);
            // Not itself, and not what fills up the last lanes.
            near[i] = zero;
            near[n..].fill(zero);
            let mut sums = [zero; LANES];
            for near in near.chunks_exact(LANES) {
                for lane in 0..LANES {
                    sums[lane] += near[lane];
                }
            }
            y[(i + 1) * width - kernels + kernel] = sums.into_iter().fold(bias[kernel], |sum, lane| sum + lane);
        }
    }
}

/// The gradient of `m`, to `dm`, from that of the output, `dy` `[N, ..]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn backward<T: Float>(m: &[T], dy: &[T], [kernels, dims]: [usize; 2], dm: &mut [T]) {
    let (n, zero) = (m.len() / (kernels * dims), T::of(0.0));
    let (width, room) = (dy.len() / n, n.next_multiple_of(LANES));
    let mut columns = vec![zero; dims * room];
    let mut near = vec![zero; room];
    let mut slopes = vec![zero; room];
    for kernel in 0..kernels {
        gather(m, kernel, [kernels, dims], &mut columns);
        for i in 0..n {
            slopes[i] = dy[(i + 1) * width - kernels + kernel];
        }
        for i in 0..n {
            nearness(&columns, i, &mut near);
            near[n..].fill(zero);
            // Each pair counts for both of its samples.
            let own = slopes[i];
            for (near, &slope) in near.iter_mut().zip(&slopes) {
                *near *= own + slope;
            }
            let row = &mut dm[(i * kernels + kernel) * dims..][..dims];
            for (value, column) in row.iter_mut().zip(columns.chunks_exact(room)) {
                *value = -signed_sum(column[i], column, &near);
            }
        }
    }
}

/// One kernel's dimensions, `[dims, N]`, N filled up with zeros.
#[inline(always)]
fn gather<T: Float>(m: &[T], kernel: usize, [kernels, dims]: [usize; 2], columns: &mut [T]) {
    let room = columns.len() / dims;
    for (i, row) in m.chunks_exact(kernels * dims).enumerate() {
        for dim in 0..dims {
            columns[dim * room + i] = row[kernel * dims + dim];
        }
    }
}

/// exp(−‖mᵢ − mⱼ‖₁) for each j, to `near`.
#[inline(always)]
fn nearness<T: Float>(columns: &[T], i: usize, near: &mut [T]) {
    let zero = T::of(0.0);
    near.fill(zero);
    for column in columns.chunks_exact(near.len()) {
        let own = column[i];
        for (distance, &other) in near.iter_mut().zip(column) {
            let difference = own - other;
            *distance += if difference < zero { -difference } else { difference };
        }
    }
    for near in near.iter_mut() {
        *near = (-*near).exp();
    }
}

/// Σⱼ sign(own − otherⱼ) · weightⱼ.
#[inline(always)]
fn signed_sum<T: Float>(own: T, others: &[T], weights: &[T]) -> T {
    let zero = T::of(0.0);
    let mut sums = [zero; LANES];
    for (others, weights) in others.chunks_exact(LANES).zip(weights.chunks_exact(LANES)) {
        for lane in 0..LANES {
            let (other, weight) = (others[lane], weights[lane]);
            let up = if own > other { weight } else { zero };
            let down = if own < other { weight } else { zero };
            sums[lane] += up - down;
        }
    }
    sums.into_iter().fold(zero, |sum, lane| sum + lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two equal samples: o = 1 + b; with a third far away, it has o = b.
    #[test]
    fn equal_samples_are_as_near_as_can_be() {
        let (m, bias) = ([0.5, -1.0, 2.0, 0.0, 0.5, -1.0, 2.0, 0.0, 900.0, 0.0, 0.0, 900.0f64], [0.25, -3.0]);
        let mut y = [9.0; 9];
        forward(&m, &bias, [2, 2], &mut y);
        assert_eq!(y, [9.0, 1.25, -2.0, 9.0, 1.25, -2.0, 9.0, 0.25, -3.0]);
    }
}
