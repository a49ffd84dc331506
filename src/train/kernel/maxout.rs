//! The maximum of each group of consecutive values.

use sweep_numerics::math::Float;

/// Writes the maximum of each `pieces` values of `x` to `y`; NaN if one of them is NaN.
pub fn forward<T: Float>(x: &[T], pieces: usize, y: &mut [T]) {
    for (x, y) in x.chunks_exact(pieces).zip(y) {
        *y = largest(x).0;
    }
}

/// Given the gradient `dy` of the output, writes that of `x` to `dx`: the maximum gets all of it, or the first of equal
/// ones.
pub fn backward<T: Float>(dy: &[T], x: &[T], pieces: usize, dx: &mut [T]) {
    dx.fill(T::of(0.0));
    for ((x, dx), &dy) in x.chunks_exact(pieces).zip(dx.chunks_exact_mut(pieces)).zip(dy) {
        dx[largest(x).1] = dy;
    }
}

/// The first of the largest values and its index, or a NaN, so none is lost. Branch prediction cannot guess the index,
/// so this uses selections instead of branches.
#[inline(always)]
fn largest<T: Float>(x: &[T]) -> (T, usize) {
    let (mut most, mut at) = (x[0], 0);
    for (i, &x) in x.iter().enumerate().skip(1) {
        #[expect(clippy::eq_op, reason = "NaN alone differs from itself")]
        let better = (x > most) | (x != x);
        (most, at) = (std::hint::select_unpredictable(better, x, most), std::hint::select_unpredictable(better, i, at));
    }
    (most, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_has_the_gradient_and_no_nan_is_lost() {
        let x = [1.0f32, 3.0, 2.0, -1.0, -1.0, -5.0];
        let (mut y, mut dx) = ([0.0; 2], [9.0; 6]);
        forward(&x, 3, &mut y);
        backward(&[0.5, 0.25], &x, 3, &mut dx);
        assert_eq!((y, dx), ([3.0, -1.0], [0.0, 0.5, 0.0, 0.25, 0.0, 0.0]));
        for at in 0..3 {
            let mut x = [1.0f32, 3.0, 2.0];
            x[at] = f32::NAN;
            forward(&x, 3, &mut y[..1]);
            assert!(y[0].is_nan(), "{at}");
        }
    }
}
