//! `nn_accuracy`, `nn_accuracy_real` and `nn_accuracy_generated`: the two-sample test by nearest neighbours (Lopez-Paz & Oquab 2017,
//! "Revisiting classifier two-sample tests"; Xu et al. 2018, "An empirical study on evaluation metrics of generative adversarial networks").
//!
//! Each sample of both sides is taken for what its nearest neighbour among all others is, generated or real, and told right where it is that itself. The
//! share of a side that is told right is ½ where both sides are of one distribution, 1 where they are far apart, and below ½ where samples are
//! nearer to the other side's than to their own: a generator that copies real samples has 0. Of m modes of K equal ones, each made as it is, both
//! shares are K/(K + m). Of neighbours at the same distance on both sides, half is told right.
//!
//! `nn_accuracy` is the mean of both sides. With as many samples on either side that is the accuracy of all; with unequal numbers the accuracy of all would
//! not be ½ for one distribution, and the mean of both is, but for 1/2(n + m).

use std::sync::atomic::{AtomicU8, Ordering};

use super::manifold::{Manifold, alike};
use super::nearness::by_block;

/// The neighbour that decides.
pub(super) const NEAREST: u32 = 1;

/// How much is told right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Share of the real samples.
    pub real: f64,
    /// Share of the generated samples.
    pub generated: f64,
}

impl Accuracy {
    /// The mean of both.
    pub fn both(&self) -> f64 {
        0.5 * (self.real + self.generated)
    }
}

/// Nothing of the other side is as near as the nearest one of its own.
const FAR: u8 = 0;
/// Something of the other side is as near as that.
const EVEN: u8 = 1;
/// Something of the other side is nearer.
const NEAR: u8 = 2;

/// Of samples of which the nearest neighbours are known: manifolds of one neighbour.
pub fn accuracy(generated: &Manifold, real: &Manifold) -> Accuracy {
    let sides = alike(generated, real, NEAREST);
    let other = |distance: f64, own: f64| match distance.total_cmp(&own) {
        std::cmp::Ordering::Less => NEAR,
        std::cmp::Ordering::Equal => EVEN,
        std::cmp::Ordering::Greater => FAR,
    };
    // Whoever comes first, the nearest stays.
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

/// The share that is told right.
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
        // 0, 1 and 10 against 4 and 9: the nearest of 0 is 1 and of 1 is 0, of 10 is 9; of 4 is 1, and of 9 is 10.
        assert_eq!(of(&line(&[0.0, 1.0, 10.0]), &line(&[4.0, 9.0])), Accuracy { generated: 2.0 / 3.0, real: 0.0 });
        // 0 has 1 and −1 at the same distance; 1 is nearest to 0, and −1 to 0.
        assert_eq!(of(&line(&[0.0, 1.0]), &line(&[-1.0, -9.0])), Accuracy { generated: 0.75, real: 0.5 });
    }

    #[test]
    fn far_apart_all_are_told_and_copies_never() {
        let (a, b) = (normal(500, 0, 0.0), normal(400, 1, 100.0));
        assert_eq!(of(&a, &b), Accuracy { generated: 1.0, real: 1.0 });
        let copies = of(&a, &a.clone());
        assert_eq!((copies, copies.both()), (Accuracy { generated: 0.0, real: 0.0 }, 0.0));
    }

    #[test]
    fn of_one_distribution_half_are_told_even_of_unequal_numbers() {
        let found = of(&normal(4000, 0, 0.0), &normal(4000, 1, 0.0));
        assert!((found.real - 0.5).abs() < 0.03 && (found.generated - 0.5).abs() < 0.03, "{found:?}");
        let found = of(&normal(3000, 0, 0.0), &normal(1000, 1, 0.0));
        assert!((found.generated - 0.75).abs() < 0.03 && (found.both() - 0.5).abs() < 0.03, "{found:?}");
        let swapped = of(&normal(1000, 1, 0.0), &normal(3000, 0, 0.0));
        assert_eq!((found.real, found.generated), (swapped.generated, swapped.real));
    }

    #[test]
    fn any_unit_is_alike() {
        let (a, b) = (normal(60, 0, 0.0), normal(50, 1, 0.3));
        for exponent in [500, 1000, -500, -1000] {
            assert_eq!(of(&a.clone().scaled(exponent), &b.clone().scaled(exponent)), of(&a, &b), "{exponent}");
        }
    }
}
