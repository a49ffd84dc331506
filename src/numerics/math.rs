//! Elementary functions that the compiler can vectorise. They are polynomials without branches, library calls or fused
//! multiply-add, so every processor gives the same bits. The float32 versions are accurate to a few units in the last
//! place (the tests say how many); the polynomials are from Cephes. NaN stays NaN.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// float32 or float64. float64 is for tests, where speed does not matter, and uses the standard library.
pub trait Float:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// Returns the number nearest to `x`.
    fn of(x: f64) -> Self;
    /// Returns exactly this number.
    fn to_f64(self) -> f64;
    /// √x.
    fn sqrt(self) -> Self;
    /// eˣ; at least the smallest normal number.
    fn exp(self) -> Self;
    /// eˣ − 1.
    fn exp_m1(self) -> Self;
    /// log x of a normal positive number.
    fn ln(self) -> Self;
    /// log(1 + x) for x in [0, 1].
    fn ln_1p(self) -> Self;
    /// tanh x.
    fn tanh(self) -> Self;
    /// Φ(x), the probability that a standard normal number is below x.
    fn normal_cdf(self) -> Self;
    /// φ(x), the density of a standard normal number.
    fn normal_pdf(self) -> Self;
}

impl Float for f32 {
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        let (tail, power) = exp_parts(self);
        (tail + 1.0) * power
    }

    #[inline(always)]
    fn exp_m1(self) -> Self {
        let (tail, power) = exp_parts(self);
        // Near 0 `power` is 1, and only `tail` is left.
        tail * power + (power - 1.0)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        let bits = self.to_bits();
        let mut exponent = ((bits >> 23) as i32 - 126) as f32;
        let mut m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
        let small = m < std::f32::consts::FRAC_1_SQRT_2;
        exponent -= if small { 1.0 } else { 0.0 };
        m = if small { m + m } else { m } - 1.0;
        let z = m * m;
        let mut p = 7.037_683_6e-2;
        for coefficient in [
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ] {
            p = p * m + coefficient;
        }
        let y = p * m * z + exponent * -2.121_944_4e-4 - 0.5 * z;
        let ln = m + y + exponent * 0.693_359_4;
        if self.is_nan() { self } else { ln }
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        // Kahan's trick: the ratio restores what rounding lost in 1 + x.
        let sum = 1.0 + self;
        let rounded = sum - 1.0;
        let ratio = self / if rounded == 0.0 { 1.0 } else { rounded };
        if rounded == 0.0 { self } else { Float::ln(sum) * ratio }
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        let size = self.abs();
        let far = 1.0 - 2.0 / (Float::exp(size + size) + 1.0);
        let z = self * self;
        let mut p = -5.704_988_5e-3;
        for coefficient in [2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1] {
            p = p * z + coefficient;
        }
        let near = p * z * self + self;
        if size < 0.625 { near } else { far.copysign(self) }
    }

    #[inline(always)]
    fn normal_cdf(self) -> Self {
        // Φ(−x) = e^(−x²/2) t Q(t) for x ≥ 0, with t = 1/(1 + x/√8). The factor next to the power is smooth; Q fits it
        // to a relative error of 5e-9.
        let size = self.abs();
        let t = 1.0 / (1.0 + size * 0.353_553_4);
        let mut p = 2.024_202_8e-2;
        for coefficient in [
            -1.093_261_8e-1,
            2.260_865_7e-1,
            -1.968_781_2e-1,
            3.768_283e-2,
            -1.235_987e-2,
            3.983_616_5e-2,
            8.943_842e-2,
            1.231_601_7e-1,
            1.410_714_7e-1,
            1.410_465_1e-1,
        ] {
            p = p * t + coefficient;
        }
        let tail = p * t * half_square_exp(size);
        let far = if self < 0.0 { tail } else { 1.0 - tail };
        if self.is_nan() { self } else { far }
    }

    #[inline(always)]
    fn normal_pdf(self) -> Self {
        half_square_exp(self.abs()) * 0.398_942_3
    }
}

/// Returns e^(−x²/2). The square is split in two so the exponential does not multiply its rounding error.
#[inline(always)]
fn half_square_exp(x: f32) -> f32 {
    let head = f32::from_bits(x.to_bits() & 0xffff_f000);
    let rest = if x == head { 0.0 } else { (x - head) * (x + head) };
    Float::exp(head * head * -0.5) * Float::exp(rest * -0.5)
}

impl Float for f64 {
    fn of(x: f64) -> Self {
        x
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    fn exp(self) -> Self {
        f64::exp(self)
    }

    fn exp_m1(self) -> Self {
        f64::exp_m1(self)
    }

    fn ln(self) -> Self {
        f64::ln(self)
    }

    fn ln_1p(self) -> Self {
        f64::ln_1p(self)
    }

    fn tanh(self) -> Self {
        f64::tanh(self)
    }

    fn normal_cdf(self) -> Self {
        let size = self.abs();
        let tail = if size < 3.0 {
            // ½ − φ(x) (x + x³/3 + x⁵/15 + …).
            let (mut term, mut sum) = (size, size);
            for k in 1..60 {
                term = term * size * size / f64::from(2 * k + 1);
                sum += term;
            }
            0.5 - size.normal_pdf() * sum
        } else {
            // φ(x) / (x + 1/(x + 2/(x + …))).
            size.normal_pdf() / (1..200).rev().fold(size, |below, k| size + f64::from(k) / below)
        };
        if self < 0.0 { tail } else { 1.0 - tail }
    }

    fn normal_pdf(self) -> Self {
        (self * self * -0.5).exp() / std::f64::consts::TAU.sqrt()
    }
}

/// Returns eʳ − 1 and 2ⁿ, for x = n·log 2 + r with the smallest |r|.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, f32) {
    /// Adding this leaves an integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    (p * r * r + r, f32::from_bits(shifted.to_bits().wrapping_add(127) << 23))
}

/// Returns sin and cos of `turn`/2³² full turns, from polynomials on an eighth of a turn.
#[inline(always)]
pub fn sin_cos_turn(turn: u32) -> (f32, f32) {
    // Quarter turns, rounded to nearest, and the remainder in [−1/8, 1/8) turn.
    let rounded = turn.wrapping_add(1 << 29);
    let quadrant = rounded >> 30;
    let rest = (rounded & 0x3fff_ffff) as i32 - (1 << 29);
    let x = rest as f32 * (std::f32::consts::TAU / 4_294_967_296.0);
    let z = x * x;
    let sin = x + x * z * (-1.666_665_5e-1 + z * (8.332_161e-3 + z * -1.951_529_6e-4));
    let cos = 1.0 - 0.5 * z + z * z * (4.166_664_6e-2 + z * (-1.388_731_6e-3 + z * 2.443_315_7e-5));
    let swap = quadrant & 1 == 1;
    let (s, c) = if swap { (cos, sin) } else { (sin, cos) };
    (if quadrant >= 2 { -s } else { s }, if quadrant == 1 || quadrant == 2 { -c } else { c })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the largest relative error of `f` against `exact` over `n` points of [low, high].
    fn error(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, (low, high): (f64, f64)) -> f64 {
        let n = 400_000;
        let at = |i: u32| (low + (high - low) * f64::from(i) / f64::from(n)) as f32;
        let relative = |x: f32| {
            let exact = exact(f64::from(x));
            (f64::from(f(x)) - exact).abs() / exact.abs().max(f64::from(f32::MIN_POSITIVE))
        };
        (0..=n).map(|i| relative(at(i))).fold(0.0, f64::max)
    }

    #[test]
    fn the_functions_are_exact_to_float_precision() {
        assert!(error(Float::exp, f64::exp, (-87.0, 88.0)) < 2e-7);
        assert!(error(Float::exp_m1, f64::exp_m1, (-87.0, 0.0)) < 3e-7);
        assert!(error(Float::exp_m1, f64::exp_m1, (-1e-3, 0.0)) < 3e-7);
        assert!(error(Float::ln, f64::ln, (1e-6, 0.9)) < 3e-7);
        assert!(error(Float::ln, f64::ln, (1.1, 1e6)) < 3e-7);
        assert!(error(Float::ln_1p, f64::ln_1p, (0.0, 1.0)) < 3e-7);
        assert!(error(Float::ln_1p, f64::ln_1p, (0.0, 1e-6)) < 3e-7);
        assert!(error(Float::tanh, f64::tanh, (-12.0, 12.0)) < 3e-7);
        assert!(error(Float::normal_cdf, Float::normal_cdf, (-12.0, 6.0)) < 6e-7);
        assert!(error(Float::normal_pdf, Float::normal_pdf, (-12.0, 12.0)) < 3e-7);
        for i in 1..200_000u32 {
            let turn = i.wrapping_mul(21_473);
            let (sin, cos) = (f64::from(turn) / 4_294_967_296.0 * std::f64::consts::TAU).sin_cos();
            let (s, c) = sin_cos_turn(turn);
            assert!((f64::from(s) - sin).abs() < 2e-7 && (f64::from(c) - cos).abs() < 2e-7, "turn {turn}");
        }
    }

    /// Φ(x) computed with mpmath at 30 digits.
    const NORMAL: [(f64, f64); 10] = [
        (-10.0, 7.619_853_024_160_526e-24),
        (-5.0, 2.866_515_718_791_939e-7),
        (-3.5, 2.326_290_790_355_250_4e-4),
        (-2.9, 1.865_813_300_384_038e-3),
        (-1.0, 0.158_655_253_931_457_05),
        (-0.1, 0.460_172_162_722_971),
        (0.0, 0.5),
        (0.7, 0.758_036_347_776_927),
        (2.5, 0.993_790_334_674_224),
        (4.0, 0.999_968_328_758_166_9),
    ];

    #[test]
    fn normal_probabilities_match_tables() {
        for (x, probability) in NORMAL {
            assert!((f64::normal_cdf(x) / probability - 1.0).abs() < 2e-13, "{x}: {}", f64::normal_cdf(x));
        }
        assert!((f64::normal_pdf(1.5) / 0.129_517_595_665_891_73 - 1.0).abs() < 1e-15);
    }

    #[test]
    fn extremes_are_correct() {
        for f in [Float::exp, Float::exp_m1, Float::ln, Float::ln_1p, Float::tanh, Float::normal_cdf, Float::normal_pdf]
            as [fn(f32) -> f32; 7]
        {
            assert!(f(f32::NAN).is_nan());
        }
        assert_eq!(Float::normal_cdf(f32::INFINITY), 1.0);
        assert!(Float::normal_cdf(f32::NEG_INFINITY) < 1e-37 && Float::normal_pdf(f32::INFINITY) < 1e-37);
        assert_eq!(Float::tanh(f32::INFINITY), 1.0);
        assert_eq!(Float::tanh(f32::NEG_INFINITY), -1.0);
        assert!(Float::exp(f32::NEG_INFINITY) < 2e-38);
        assert!(Float::exp(f32::INFINITY) > 1e38);
    }
}
