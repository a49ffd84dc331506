//! Element-wise functions of rows and their derivatives. Derivatives at kinks are PyTorch's (a clamp is a maximum of a
//! minimum, with half of the derivative at its bounds).

use multiversion::multiversion;

use super::kernel::{log_softplus_and_slope, softplus_and_slope};
use super::program::{Binary, Unary};
use sweep_numerics::math::Float;

/// Computes y = f(x).
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn unary<T: Float>(f: Unary, x: &[T], y: &mut [T]) {
    let zero = T::of(0.0);
    match f {
        Unary::Neg => map(x, y, |x| -x),
        Unary::Softplus => map(x, y, |x| softplus_and_slope(x).0),
        Unary::LogSoftplus => map(x, y, |x| log_softplus_and_slope(x).0),
        Unary::Sigmoid => map(x, y, |x| softplus_and_slope(x).1),
        Unary::Tanh => map(x, y, T::tanh),
        Unary::Exp => map(x, y, exp),
        Unary::Expm1 => map(x, y, expm1),
        Unary::Exprel => map(x, y, |x| exprel_and_slope(x).0),
        Unary::Log => map(x, y, log),
        Unary::Log1p => map(x, y, log1p),
        Unary::Sqrt => map(x, y, T::sqrt),
        Unary::Square => map(x, y, |x| x * x),
        Unary::Abs => map(x, y, |x| if x < zero { -x } else { x }),
        // Keeps NaN.
        Unary::Relu => map(x, y, |x| if x <= zero { zero } else { x }),
        Unary::Detach => y.copy_from_slice(x),
    }
}

/// Computes dx += dy · f'(x), for y = f(x).
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn unary_slope<T: Float>(f: Unary, (x, y): (&[T], &[T]), dy: &[T], dx: &mut [T]) {
    let (zero, one, two) = (T::of(0.0), T::of(1.0), T::of(2.0));
    match f {
        Unary::Neg => slope(x, dy, dx, |_| -one),
        Unary::Softplus => slope(x, dy, dx, |x| softplus_and_slope(x).1),
        Unary::LogSoftplus => slope(x, dy, dx, |x| log_softplus_and_slope(x).1),
        // σ(x) σ(−x): 1 − σ(x) would lose precision where σ(x) is near 1.
        Unary::Sigmoid => slope(x, dy, dx, |x| softplus_and_slope(x).1 * softplus_and_slope(-x).1),
        Unary::Tanh => slope(x, dy, dx, |x| {
            let twice = x + x;
            T::of(4.0) * softplus_and_slope(twice).1 * softplus_and_slope(-twice).1
        }),
        Unary::Exp => slope(y, dy, dx, |y| y),
        Unary::Expm1 => slope(x, dy, dx, exp),
        Unary::Exprel => slope(x, dy, dx, |x| exprel_and_slope(x).1),
        Unary::Log => slope(x, dy, dx, |x| one / x),
        Unary::Log1p => slope(x, dy, dx, |x| one / (one + x)),
        Unary::Sqrt => slope(y, dy, dx, |y| one / (two * y)),
        Unary::Square => slope(x, dy, dx, |x| two * x),
        Unary::Abs => slope(x, dy, dx, |x| {
            if x > zero {
                one
            } else if x < zero {
                -one
            } else {
                x
            }
        }),
        Unary::Relu => slope(x, dy, dx, |x| if x > zero { one } else { zero }),
        Unary::Detach => {}
    }
}

/// Computes y = f(a, b).
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn binary<T: Float>(f: Binary, a: &[T], b: &[T], y: &mut [T]) {
    match f {
        Binary::Add => pairs(a, b, y, |a, b| a + b),
        Binary::Sub => pairs(a, b, y, |a, b| a - b),
        Binary::Mul => pairs(a, b, y, |a, b| a * b),
        Binary::Div => pairs(a, b, y, |a, b| a / b),
        Binary::Pow => pairs(a, b, y, power),
        Binary::Min => pairs(a, b, y, |a, b| {
            if a < b {
                a
            } else if b <= a {
                b
            } else {
                a + b
            }
        }),
        Binary::Max => pairs(a, b, y, |a, b| {
            if a > b {
                a
            } else if b >= a {
                b
            } else {
                a + b
            }
        }),
    }
}

/// Computes da = dy · ∂f/∂a and db = dy · ∂f/∂b, for y = f(a, b).
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn binary_slopes<T: Float>(f: Binary, (a, b, y): (&[T], &[T], &[T]), dy: &[T], da: &mut [T], db: &mut [T]) {
    let (zero, half, one) = (T::of(0.0), T::of(0.5), T::of(1.0));
    for i in 0..dy.len() {
        let (a, b, y, dy) = (a[i], b[i], y[i], dy[i]);
        let share = |wins: bool, ties: bool| {
            if wins {
                one
            } else if ties {
                half
            } else {
                zero
            }
        };
        (da[i], db[i]) = match f {
            Binary::Add => (dy, dy),
            Binary::Sub => (dy, -dy),
            Binary::Mul => (dy * b, dy * a),
            Binary::Div => (dy / b, -(dy * y / b)),
            // Exponents have no derivative.
            Binary::Pow => (if b == zero { zero } else { dy * b * power(a, b - one) }, zero),
            Binary::Min => (dy * share(a < b, a == b), dy * share(b < a, a == b)),
            Binary::Max => (dy * share(a > b, a == b), dy * share(b > a, a == b)),
        };
    }
}

#[inline(always)]
fn map<T: Float>(x: &[T], y: &mut [T], f: impl Fn(T) -> T) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
}

#[inline(always)]
fn pairs<T: Float>(a: &[T], b: &[T], y: &mut [T], f: impl Fn(T, T) -> T) {
    for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
        *y = f(a, b);
    }
}

#[inline(always)]
fn slope<T: Float>(x: &[T], dy: &[T], dx: &mut [T], f: impl Fn(T) -> T) {
    for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
        *dx += dy * f(x);
    }
}

/// Above this, eˣ is infinite. For float32 it is slightly lower, where the fast exponential ends.
#[inline(always)]
fn largest<T: Float>() -> T {
    T::of(if T::of(1e39).to_f64().is_finite() { 709.0 } else { 88.0 })
}

#[inline(always)]
pub(super) fn exp<T: Float>(x: T) -> T {
    if x > largest() { T::of(f64::INFINITY) } else { x.exp() }
}

#[inline(always)]
fn expm1<T: Float>(x: T) -> T {
    if x > largest() { T::of(f64::INFINITY) } else { x.exp_m1() }
}

/// The fast logarithm only handles normal positive numbers.
#[inline(always)]
fn log<T: Float>(x: T) -> T {
    let (zero, infinity, tiny) = (T::of(0.0), T::of(f64::INFINITY), T::of(f64::from(f32::MIN_POSITIVE)));
    let normal = if x < tiny { x * T::of(16_777_216.0) } else { x };
    let log = normal.ln() - if x < tiny { T::of(24.0 * std::f64::consts::LN_2) } else { zero };
    if x > zero && x < infinity {
        log
    } else if x == zero {
        -infinity
    } else if x > zero {
        x
    } else {
        T::of(f64::NAN)
    }
}

#[inline(always)]
fn log1p<T: Float>(x: T) -> T {
    let one = T::of(1.0);
    // Avoids x for which 1 + x rounds to x, and for which Kahan's formula divides two infinities.
    let inside = x > -one && x < T::of(1e9);
    if inside { x.ln_1p() } else { log(one + x) }
}

/// Below this absolute value, exprel is summed as a series.
const SERIES: f64 = 0.5;
/// 1 / (n + 1)! for n = 11, …, 0.
const FACTORIALS: [f64; 12] = [
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
];

/// Returns (eˣ − 1) / x and its derivative.
#[inline(always)]
fn exprel_and_slope<T: Float>(x: T) -> (T, T) {
    let size = if x < T::of(0.0) { -x } else { x };
    let (mut near, mut near_slope) = (T::of(0.0), T::of(0.0));
    for coefficient in FACTORIALS {
        near_slope = near_slope * x + near;
        near = near * x + T::of(coefficient);
    }
    let far = expm1(x) / x;
    let far_slope = (exp(x) - far) / x;
    // eˣ becomes infinite while the ratio is still finite; the derivative becomes infinite too.
    if size < T::of(SERIES) { (near, near_slope) } else { (far, far_slope) }
}

/// Computes aᵇ; a negative a needs a whole b.
#[inline(always)]
fn power<T: Float>(a: T, b: T) -> T {
    let (zero, one) = (T::of(0.0), T::of(1.0));
    let size = if a < zero { -a } else { a };
    let whole = b.to_f64().fract() == 0.0;
    let odd = whole && (b.to_f64() / 2.0).fract() != 0.0;
    let value = if b == zero || a == one {
        one
    } else if size == zero {
        if b > zero { zero } else { T::of(f64::INFINITY) }
    } else {
        exp(b * log(size))
    };
    if a < zero && !whole {
        T::of(f64::NAN)
    } else if a < zero && odd {
        -value
    } else {
        value
    }
}
