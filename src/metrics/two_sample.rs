//! `nn_accuracy`, `nn_accuracy_real` and `nn_accuracy_generated`: the nearest-neighbour two-sample test (Lopez-Paz &
//! Oquab 2017, "Revisiting classifier two-sample tests"; Xu et al. 2018, "An empirical study on evaluation metrics of
//! generative adversarial networks").
//!
//! Each sample of both sides is classified as generated or real by its nearest neighbour among all other samples. The
//! accuracy of a side is the share of its samples that are classified correctly. It is ½ if both sides have the same
//! distribution, and 1 if they are far apart. It is below ½ if samples are nearer to the other side than to their own:
//! a generator that copies real samples has 0. If a generator covers m of K equal modes perfectly, both shares are K/(K
//! + m). If a sample has neighbours on both sides at the same distance, it counts half.
//!
//! `nn_accuracy` is the mean of both sides. If both have equally many samples, this is the accuracy over all samples.
//! With unequal numbers, the accuracy over all would not be ½ for equal distributions, but the mean of both sides is,
//! up to 1/2(n + m).

use std::sync::atomic::{AtomicU8, Ordering};

use super::manifold::{Manifold, sides_of_manifolds};
use super::pairwise::by_block;

/// The number of neighbours that decide.
pub(super) const NEAREST: u32 = 1;

/// How much is classified correctly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Share of the real samples.
    pub real: f64,
    /// Share of the generated samples.
    pub generated: f64,
}

impl Accuracy {
    /// Returns the mean of both.
    pub fn both(&self) -> f64 {
        0.5 * (self.real + self.generated)
    }
}

/// The other side has nothing as near as the nearest neighbour on the own side.
const FAR: u8 = 0;
/// The other side has a sample at the same distance.
const EVEN: u8 = 1;
/// The other side has a nearer sample.
const NEAR: u8 = 2;

/// Computes the accuracy of samples whose nearest neighbours are known: manifolds of one neighbour.
pub fn accuracy(generated: &Manifold, real: &Manifold) -> Accuracy {
    let sides = sides_of_manifolds(generated, real, NEAREST);
    let other = |distance: f64, own: f64| match distance.total_cmp(&own) {
        std::cmp::Ordering::Less => NEAR,
        std::cmp::Ordering::Equal => EVEN,
        std::cmp::Ordering::Greater => FAR,
    };
    // Threads may update it in any order: the nearest wins.
    let of_real: Vec<AtomicU8> = sides.of_real.iter().map(|_| AtomicU8::new(FAR)).collect();
    let look = |first: usize, many: usize, distances: &mut [f64]| -> Vec<u8> {
        let rows = distances.chunks_exact(distances.len() / many).zip(&sides.of_generated[first..]);
        rows.map(|(row, &own)| {
            let mut nearest = f64::INFINITY;
            for ((&distance, &own), seen) in row.iter().zip(&*sides.of_real).zip(&of_real) {
                nearest = nearest.min(distance);
                if distance <= own {
                    seen.fetch_max(other(distance, own), Ordering::Relaxed);
                }
            }
            other(nearest, own)
        })
        .collect()
    };
    let of_generated = by_block(&sides.generated, &sides.real, sides.measure, look).concat();
    let of_real: Vec<u8> = of_real.into_iter().map(AtomicU8::into_inner).collect();
    Accuracy { real: told(&of_real), generated: told(&of_generated) }
}

/// Returns the share that is classified correctly.
fn told(seen: &[u8]) -> f64 {
    let halves: usize = seen.iter().map(|&seen| usize::from(NEAR - seen)).sum();
    halves as f64 / (2 * seen.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;
    use sweep_numerics::random::{Purpose, Stream};

    fn of(generated: &Rows, real: &Rows) -> Accuracy {
        let side = |rows: &Rows| Manifold::new(rows.clone(), NEAREST).unwrap();
        accuracy(&side(generated), &side(real))
    }

    fn line(points: &[f64]) -> Rows {
        Rows::new(points.to_vec(), 1)
    }

    fn normal(n: usize, lane: u16, shift: f64) -> Rows {
        let mut values = vec![0.0f32; 3 * n];
        Stream::lane(5, Purpose::Reference, lane, 0).fill_normal(&mut values);
        Rows::new(values.into_iter().map(|x| f64::from(x) + shift).collect(), 3)
    }

    #[test]
    fn a_few_points_on_a_line() {
        // 0, 1 and 10 against 4 and 9: the nearest to 0 is 1, to 1 is 0, to 10 is 9; to 4 is 1, and to 9 is 10.
        assert_eq!(of(&line(&[0.0, 1.0, 10.0]), &line(&[4.0, 9.0])), Accuracy { generated: 2.0 / 3.0, real: 0.0 });
        // 0 has 1 and −1 at the same distance; 1 is nearest to 0, and −1 to 0.
        assert_eq!(of(&line(&[0.0, 1.0]), &line(&[-1.0, -9.0])), Accuracy { generated: 0.75, real: 0.5 });
    }

    #[test]
    fn distant_sides_score_1_and_copies_0() {
        let (a, b) = (normal(500, 0, 0.0), normal(400, 1, 100.0));
        assert_eq!(of(&a, &b), Accuracy { generated: 1.0, real: 1.0 });
        let copies = of(&a, &a.clone());
        assert_eq!((copies, copies.both()), (Accuracy { generated: 0.0, real: 0.0 }, 0.0));
    }

    #[test]
    fn equal_distributions_score_half_even_with_unequal_numbers() {
        let found = of(&normal(4000, 0, 0.0), &normal(4000, 1, 0.0));
        assert!((found.real - 0.5).abs() < 0.03 && (found.generated - 0.5).abs() < 0.03, "{found:?}");
        let found = of(&normal(3000, 0, 0.0), &normal(1000, 1, 0.0));
        assert!((found.generated - 0.75).abs() < 0.03 && (found.both() - 0.5).abs() < 0.03, "{found:?}");
        let swapped = of(&normal(1000, 1, 0.0), &normal(3000, 0, 0.0));
        assert_eq!((found.real, found.generated), (swapped.generated, swapped.real));
    }

    #[test]
    fn it_does_not_depend_on_the_unit() {
        let (a, b) = (normal(60, 0, 0.0), normal(50, 1, 0.3));
        for exponent in [500, 1000, -500, -1000] {
            assert_eq!(of(&a.clone().scaled(exponent), &b.clone().scaled(exponent)), of(&a, &b), "{exponent}");
        }
    }
}
