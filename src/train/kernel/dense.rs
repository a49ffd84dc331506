//! What stands between the products of a network: biases, activations, and their gradients.

use multiversion::multiversion;

use sweep_numerics::math::Float;
use sweep_spec::arch::Activation;

/// Columns whose sums are kept in registers.
const COLUMNS: usize = 64;
/// Rows that are summed before they join the sum of all, which keeps rounding small.
const ROWS: usize = 32;

/// y ← f(y + b) for the rows of `y` `[N, F]`; b `[F]`, or none. f is the identity where there is no activation.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn activate<T: Float>(y: &mut [T], bias: Option<&[T]>, activation: Option<Activation>) {
    let (zero, one) = (T::of(0.0), T::of(1.0));
    match activation {
        None => each(y, bias, |x| x),
        Some(Activation::Relu) => each(y, bias, |x| if x < zero { zero } else { x }),
        Some(Activation::LeakyRelu { slope }) => {
            let slope = T::of(slope);
            each(y, bias, |x| if x < zero { x * slope } else { x });
        }
        Some(Activation::Elu) => each(y, bias, |x| if x < zero { x.exp_m1() } else { x }),
        Some(Activation::Tanh) => each(y, bias, |x| x.tanh()),
        Some(Activation::Sigmoid) => each(y, bias, |x| one / (one + (-x).exp())),
        Some(Activation::Softplus) => each(y, bias, |x| {
            let (below, size) = (x < zero, if x < zero { x } else { -x });
            let tail = size.exp().ln_1p();
            if below { tail } else { x + tail }
        }),
    }
}

#[inline(always)]
fn each<T: Float>(y: &mut [T], bias: Option<&[T]>, f: impl Fn(T) -> T) {
    match bias {
        None => y.iter_mut().for_each(|y| *y = f(*y)),
        Some(bias) => {
            for row in y.chunks_exact_mut(bias.len()) {
                for (y, &b) in row.iter_mut().zip(bias) {
                    *y = f(*y + b);
                }
            }
        }
    }
}

/// The gradient before the activation from the gradient `dy` behind it, in place: dy ← dy · f′, with f′ from the output `y`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn deactivate<T: Float>(dy: &mut [T], y: &[T], activation: Activation) {
    let (zero, one) = (T::of(0.0), T::of(1.0));
    match activation {
        Activation::Relu => both(dy, y, |d, y| if y > zero { d } else { zero }),
        Activation::LeakyRelu { slope } => {
            let slope = T::of(slope);
            both(dy, y, |d, y| if y > zero { d } else { d * slope });
        }
        // d (eˣ − 1) = eˣ.
        Activation::Elu => both(dy, y, |d, y| if y > zero { d } else { d * (y + one) }),
        Activation::Tanh => both(dy, y, |d, y| d * (one - y * y)),
        Activation::Sigmoid => both(dy, y, |d, y| d * y * (one - y)),
        // d softplus = sigmoid(x) = 1 − e^(−y).
        Activation::Softplus => both(dy, y, |d, y| d * (one - (-y).exp())),
    }
}

#[inline(always)]
fn both<T: Float>(dy: &mut [T], y: &[T], f: impl Fn(T, T) -> T) {
    for (d, &y) in dy.iter_mut().zip(y) {
        *d = f(*d, y);
    }
}

/// The sums of the columns of `x` `[N, F]`, to `sums` `[F]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn column_sums<T: Float>(x: &[T], sums: &mut [T]) {
    let width = sums.len();
    for (block, sums) in sums.chunks_mut(COLUMNS).enumerate() {
        let first = block * COLUMNS;
        let mut total = [T::of(0.0); COLUMNS];
        for rows in x.chunks(ROWS * width) {
            let mut part = [T::of(0.0); COLUMNS];
            for row in rows.chunks_exact(width) {
                if let Some(values) = row.get(first..first + COLUMNS) {
                    for (part, &x) in part.iter_mut().zip(values) {
                        *part += x;
                    }
                } else {
                    for (part, &x) in part.iter_mut().zip(&row[first..]) {
                        *part += x;
                    }
                }
            }
            for (total, &part) in total.iter_mut().zip(&part) {
                *total += part;
            }
        }
        sums.copy_from_slice(&total[..sums.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_sums_are_sums_of_columns() {
        for (rows, columns) in [(1, 1), (64, 1), (100, 3), (7, 64), (33, 65), (128, 200)] {
            let x: Vec<f32> = (0..rows * columns).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
            let mut sums = vec![9.0; columns];
            column_sums(&x, &mut sums);
            for (j, &sum) in sums.iter().enumerate() {
                assert_eq!(sum, (0..rows).map(|i| x[i * columns + j]).sum::<f32>(), "{rows}×{columns}, column {j}");
            }
        }
    }
}
