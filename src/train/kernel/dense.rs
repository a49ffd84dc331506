//! Biases, activations, and their gradients, between the products of a network.

use multiversion::multiversion;

use sweep_numerics::math::Float;
use sweep_spec::arch::{Activation, SELU};

/// Columns whose sums fit into registers.
const COLUMNS: usize = 64;
/// Rows that are summed before they are added to the total, which keeps rounding errors small.
const ROWS: usize = 32;

/// y ← f(y + b) for the rows of `y` `[N, F]`; b `[F]`, or none. Without an activation, f is the identity.
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
        Some(Activation::Selu) => {
            let [alpha, scale] = SELU.map(T::of);
            let below = alpha * scale;
            each(y, bias, |x| if x < zero { x.exp_m1() * below } else { x * scale });
        }
        Some(Activation::Gelu) => each(y, bias, |x| x * x.normal_cdf()),
        Some(Activation::Silu) => each(y, bias, |x| x / (one + (-x).exp())),
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

/// Replaces the gradient `dy` after the activation with the one before it: dy ← dy · f′. `y` is the output, or the
/// input if f′ cannot be computed from the output.
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
        Activation::Selu => {
            let [alpha, scale] = SELU.map(T::of);
            let below = alpha * scale;
            both(dy, y, |d, y| if y > zero { d * scale } else { d * (y + below) });
        }
        Activation::Gelu => both(dy, y, |d, x| d * (x.normal_cdf() + x * x.normal_pdf())),
        Activation::Silu => both(dy, y, |d, x| {
            let sigmoid = one / (one + (-x).exp());
            d * sigmoid * (one + x * (one - sigmoid))
        }),
    }
}

#[inline(always)]
fn both<T: Float>(dy: &mut [T], y: &[T], f: impl Fn(T, T) -> T) {
    for (d, &y) in dy.iter_mut().zip(y) {
        *d = f(*d, y);
    }
}

/// Writes the sums of the columns of `x` `[N, F]` to `sums` `[F]`.
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
    fn activations_and_their_slopes_are_right_far_from_0_and_near_it() {
        let points: Vec<f64> = (-400..=400).map(|i| f64::from(i) * 0.05 + 0.013).collect();
        let values = |activation, shift: f64| {
            let mut y: Vec<f64> = points.iter().map(|x| x + shift).collect();
            activate(&mut y, None, Some(activation));
            y
        };
        for activation in Activation::ALL {
            let exact = values(activation, 0.0);
            let narrow: Vec<f32> = points.iter().map(|&x| x as f32).collect();
            let mut found = narrow.clone();
            activate(&mut found, None, Some(activation));
            let of_slope = |y: &[f64]| if activation.slope_follows_from_value() { y.to_vec() } else { points.clone() };
            let (mut slopes, mut narrow_slopes) = (vec![1.0f64; points.len()], vec![1.0f32; points.len()]);
            deactivate(&mut slopes, &of_slope(&exact), activation);
            let from: Vec<f32> = if activation.slope_follows_from_value() { found.clone() } else { narrow };
            deactivate(&mut narrow_slopes, &from, activation);
            let (above, below) = (values(activation, 1e-5), values(activation, -1e-5));
            for (i, x) in points.iter().enumerate() {
                let wrong = format!("{activation} at {x}");
                assert!(
                    (f64::from(found[i]) - exact[i]).abs() < 1e-6 * exact[i].abs().max(0.1),
                    "{wrong}: {}",
                    found[i]
                );
                let slope = (above[i] - below[i]) / 2e-5;
                assert!((slopes[i] - slope).abs() < 1e-8, "{wrong}: slope {} is not {slope}", slopes[i]);
                assert!((f64::from(narrow_slopes[i]) - slope).abs() < 2e-6, "{wrong}: slope {}", narrow_slopes[i]);
            }
        }
        // Far out, nothing overflows.
        for activation in Activation::ALL {
            let mut far = [-1e4f32, -200.0, 200.0, 1e4];
            activate(&mut far, None, Some(activation));
            let mut slopes = [1.0; 4];
            let of_slope = if activation.slope_follows_from_value() { far } else { [-1e4, -200.0, 200.0, 1e4] };
            deactivate(&mut slopes, &of_slope, activation);
            assert!(far.iter().chain(&slopes).all(|x| x.is_finite()), "{activation}: {far:?}, {slopes:?}");
            assert!(far[0].abs() < 1e5 && slopes.iter().all(|slope| slope.abs() < 2.0), "{activation}: {slopes:?}");
        }
    }

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
