//! Points along curves in the plane.

use std::f64::consts::TAU;

use super::distribution::Draw;
use sweep_numerics::math::{Float, sin_cos_turn};
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::dataset::Toy;

/// Positions along curves are drawn in pieces of this many points, each from its own lane, because a stream cannot be
/// entered in the middle.
const PIECE: usize = 1024;
/// 2³².
const WORDS: f64 = 4_294_967_296.0;

impl Draw for Toy {
    fn width(&self) -> usize {
        2
    }

    fn draw(&self, seed: u64, purpose: Purpose, index: u64, out: &mut [f32]) {
        Stream::new(seed, purpose, index).fill_normal(out);
        let mut words = [0; 2 * PIECE];
        for (piece, points) in out.chunks_mut(2 * PIECE).enumerate() {
            let points = points.as_chunks_mut::<2>().0;
            let words = &mut words[..2 * points.len()];
            // Lane 0 is for the normals.
            Stream::lane(seed, purpose, (piece + 1) as u16, index).fill_below(u32::MAX, words);
            for (point, &[which, along]) in points.iter_mut().zip(words.as_chunks::<2>().0) {
                *point = place(self, which, f64::from(along) / WORDS, *point);
            }
        }
    }
}

/// Returns the point of a curve selected by a word, a position in [0, 1) along it, and two standard normals.
fn place(toy: &Toy, which: u32, along: f64, [n, m]: [f32; 2]) -> [f32; 2] {
    let (n, m) = (f64::from(n), f64::from(m));
    let arm = |arms: u32| f64::from(((u64::from(which) * u64::from(arms)) >> 32) as u32) / f64::from(arms);
    // At this distance from the origin, in the direction of this many turns, with noise.
    let polar = |distance: f64, turns: f64, noise: f64| {
        let (sin, cos) = direction(turns);
        [(distance * cos + noise * n) as f32, (distance * sin + noise * m) as f32]
    };
    match *toy {
        Toy::SwissRoll { turns, noise, .. } => {
            let phase = 0.75 + turns * along;
            polar(TAU * phase / 5.0, phase, noise)
        }
        Toy::Pinwheel { arms, radial, tangential, rate, .. } => {
            let (outward, across) = (1.0 + radial * n, tangential * m);
            let bend = rate * f64::from(Float::exp(outward as f32));
            let (sin, cos) = direction(arm(arms) + bend / TAU);
            [(2.0 * (outward * cos + across * sin)) as f32, (2.0 * (across * cos - outward * sin)) as f32]
        }
        Toy::Spirals { arms, turns, noise, .. } => {
            let phase = turns * along.sqrt();
            // (−cos t, sin t) is half a turn minus t.
            polar(TAU * phase / 3.0, 0.5 - phase + arm(arms), noise)
        }
        Toy::Circles { radius, factor, noise, .. } => {
            polar(if which < 1 << 31 { radius } else { factor * radius }, along, noise)
        }
    }
}

/// Returns sin and cos of this many turns.
fn direction(turns: f64) -> (f64, f64) {
    let (sin, cos) = sin_cos_turn(((turns - turns.floor()) * WORDS) as u32);
    (sin.into(), cos.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Real;

    const N: usize = 50_000;

    /// Returns the largest distance between the distribution function of `values` and that of uniform values on [low,
    /// high) (Kolmogorov–Smirnov).
    fn unevenness(mut values: Vec<f64>, low: f64, high: f64) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let gap = |(at, x): (usize, &f64)| ((x - low) / (high - low) - (at as f64 + 0.5) / n).abs();
        values.iter().enumerate().map(gap).fold(0.0, f64::max)
    }

    /// Checks that it is at most about five times that of n uniform values.
    fn is_even(values: Vec<f64>, low: f64, high: f64) {
        let most = 2.5 / (values.len() as f64).sqrt();
        let found = unevenness(values, low, high);
        assert!(found < most, "{found} of at most {most}");
    }

    fn points(toy: Toy) -> Vec<[f64; 2]> {
        let (mut batches, all) = (vec![f32::NAN; 2 * N], toy.reference(N));
        batches.chunks_mut(2 * 500).enumerate().for_each(|(index, batch)| toy.batch(9, index as u64, batch));
        assert_ne!(batches, all);
        batches.into_iter().chain(all).map(f64::from).collect::<Vec<_>>().as_chunks::<2>().0.to_vec()
    }

    /// Returns radius and angle, in radians.
    fn polar([x, y]: [f64; 2]) -> (f64, f64) {
        (x.hypot(y), y.atan2(x))
    }

    /// Returns the difference between two angles, in (−π, π].
    fn between(a: f64, b: f64) -> f64 {
        let turns = (a - b) / TAU;
        TAU * (turns - turns.round())
    }

    #[test]
    fn the_roll_is_an_even_part_of_a_spiral_of_archimedes() {
        let parameters = |turns| -> Vec<f64> {
            points(Toy::SwissRoll { turns, noise: 0.0, limit: None })
                .into_iter()
                .map(|point| {
                    let (radius, angle) = polar(point);
                    let t = 5.0 * radius;
                    assert!(between(t, angle).abs() < 1e-5, "{point:?}");
                    t
                })
                .collect()
        };
        // As in scikit-learn: t from 3π/2 to 9π/2.
        is_even(parameters(1.5), 1.5 * TAU / 2.0, 4.5 * TAU / 2.0);
        is_even(parameters(3.0), 1.5 * TAU / 2.0, 7.5 * TAU / 2.0);
    }

    #[test]
    fn spirals_lie_evenly_by_the_square_of_their_radius() {
        for (arms, turns) in [(1, 1.0), (2, 1.5), (5, 2.0)] {
            let (mut squares, mut counts) = (Vec::new(), vec![0.0; arms as usize]);
            for point in points(Toy::Spirals { arms, turns, noise: 0.0, limit: None }) {
                let (radius, angle) = polar(point);
                let t = 3.0 * radius;
                let first = f64::atan2(t.sin(), -t.cos());
                let arm = between(angle, first) / TAU * f64::from(arms);
                assert!(t < 0.01 || (arm - arm.round()).abs() < 1e-4, "{point:?}: {arm}");
                counts[(arm.round() as i64).rem_euclid(arms.into()) as usize] += 1.0;
                squares.push(t * t);
            }
            is_even(squares, 0.0, (TAU * turns).powi(2));
            let even = 2.0 * N as f64 / f64::from(arms);
            assert!(counts.iter().all(|n: &f64| (n - even).abs() < 5.0 * even.sqrt()), "{counts:?}");
        }
    }

    #[test]
    fn each_circle_has_half_of_the_points_evenly() {
        let all = points(Toy::Circles { radius: 3.0, factor: 0.25, noise: 0.0, limit: None });
        let (outer, inner): (Vec<_>, Vec<_>) = all.iter().map(|&point| polar(point)).partition(|(r, _)| *r > 1.5);
        assert!((outer.len() as f64 - N as f64).abs() < 5.0 * (N as f64 / 2.0).sqrt());
        for (circle, radius) in [(outer, 3.0), (inner, 0.75)] {
            assert!(circle.iter().all(|(r, _)| (r - radius).abs() < 1e-6));
            is_even(circle.into_iter().map(|(_, angle)| angle).collect(), -TAU / 2.0, TAU / 2.0);
        }
    }

    /// Undoing the warp leaves a normal around (1, 0), where Johnson et al. start.
    #[test]
    fn an_unbent_pinwheel_is_normal_around_its_arms() {
        let (arms, radial, tangential, rate) = (5, 0.15, 0.05, 0.25);
        let all = points(Toy::Pinwheel { arms, radial, tangential, rate, limit: None });
        let (mut sums, mut counts) = ([0.0; 5], [0.0; 5]);
        for [x, y] in &all {
            // Of the five ways to undo it, the one that leads nearest to (1, 0) tells the arm. Its first coordinate
            // solves an equation.
            let (x, y) = (x / 2.0, y / 2.0);
            let back = |arm: usize| {
                let mut outward = 1.0f64;
                let mut across = 0.0;
                for _ in 0..200 {
                    let angle = TAU * arm as f64 / 5.0 + rate * outward.exp();
                    let (sin, cos) = angle.sin_cos();
                    let next = x * cos - y * sin;
                    across = x * sin + y * cos;
                    outward = 0.5 * outward + 0.5 * next;
                }
                (outward, across)
            };
            let far = |(outward, across): (f64, f64)| ((outward - 1.0) / radial).hypot(across / tangential);
            let (arm, (outward, across)) =
                (0..5).map(|arm| (arm, back(arm))).min_by(|a, b| far(a.1).total_cmp(&far(b.1))).unwrap();
            counts[arm] += 1.0;
            let (n, m) = ((outward - 1.0) / radial, across / tangential);
            for (sum, value) in sums.iter_mut().zip([n, m, n * n - 1.0, m * m - 1.0, n * m]) {
                *sum += value;
            }
        }
        let n = all.len() as f64;
        for (sum, variance) in sums.into_iter().zip([1.0, 1.0, 2.0, 2.0, 1.0]) {
            assert!((sum / n).abs() < 5.0 * f64::sqrt(variance / n), "{sums:?} of {n}");
        }
        assert!(counts.iter().all(|count: &f64| (count - n / 5.0).abs() < 5.0 * (n * 0.16).sqrt()), "{counts:?}");
    }

    #[test]
    fn noise_has_the_given_standard_deviation() {
        for (quiet, noisy) in [
            (
                Toy::SwissRoll { turns: 1.5, noise: 0.0, limit: None },
                Toy::SwissRoll { turns: 1.5, noise: 0.3, limit: None },
            ),
            (
                Toy::Spirals { arms: 2, turns: 1.5, noise: 0.0, limit: None },
                Toy::Spirals { arms: 2, turns: 1.5, noise: 0.3, limit: None },
            ),
            (
                Toy::Circles { radius: 3.0, factor: 0.5, noise: 0.0, limit: None },
                Toy::Circles { radius: 3.0, factor: 0.5, noise: 0.3, limit: None },
            ),
        ] {
            // The positions are the same, because they are drawn from the same stream.
            let noise: Vec<f64> =
                points(noisy).iter().flatten().zip(points(quiet).iter().flatten()).map(|(a, b)| a - b).collect();
            let n = noise.len() as f64;
            let (mean, square) = (noise.iter().sum::<f64>() / n, noise.iter().map(|x| x * x).sum::<f64>() / n);
            assert!(mean.abs() < 5.0 * 0.3 / n.sqrt() && (square - 0.09).abs() < 5.0 * 0.09 * (2.0 / n).sqrt());
        }
    }

    #[test]
    fn a_batch_depends_on_seed_and_index_and_a_shorter_one_is_a_prefix() {
        for toy in Toy::ALL {
            let draw = |seed, index, n: usize| {
                let mut out = vec![f32::NAN; 2 * n];
                toy.batch(seed, index, &mut out);
                out
            };
            let base = draw(1, 7, 3000);
            assert_eq!(draw(1, 7, 1100), base[..2200]);
            assert!(base.iter().all(|x| x.is_finite()));
            assert_ne!(draw(2, 7, 3000), base);
            assert_ne!(draw(1, 8, 3000), base);
        }
    }
}
