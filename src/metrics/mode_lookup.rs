//! Finds which mode of a mixture a sample hits: the nearest one, if it is near enough.
//!
//! Distance is the Mahalanobis distance: |x − m| over σ if all coordinates have the same σ. Coordinates without noise
//! (of manifolds) have no such distance. They use the σ of the other coordinates, so a sample counts as near if it is
//! off its manifold by less than the noise.
//!
//! Near enough means within a radius that contains 1 − e^(−4.5) = 0.98889 of a mode's own samples, which is 3σ in the
//! plane. A fixed radius of 3σ would contain 0.9973 of a mode on the line, 0.971 in three dimensions, 0.087 in 16
//! dimensions and practically nothing in 700. With it, a perfect generator would seem to hit nothing.

use sweep_spec::dataset::{Covariance, Gaussians};

/// The radius in the plane, in σ.
const RADIUS: f64 = 3.0;
/// Other radii are rounded to four decimals: they appear in protocols, which must be the same on every machine.
const DECIMALS: f64 = 1e4;

/// Returns how far from a mode a sample may be and still hit it, in σ.
pub(crate) fn radius(mixture: &Gaussians) -> f64 {
    match mixture.noise_dims() {
        2 => RADIUS,
        dims => (beyond(dims as f64, f64::exp(-0.5 * RADIUS * RADIUS)) * DECIMALS).round() / DECIMALS,
    }
}

/// Returns the distance from the origin beyond which this share of a standard normal distribution in `dims` dimensions
/// lies.
fn beyond(dims: f64, share: f64) -> f64 {
    // The density is proportional to r^(d − 1) exp(−r²/2). Its maximum is at √(d − 1), and away from it, it falls
    // faster than exp(−(r − √(d − 1))²/2).
    let (peak, steps) = ((dims - 1.0).sqrt(), 40_000);
    let density = |r: f64| {
        let bend = if dims == 1.0 { 0.0 } else { (dims - 1.0) * (r / peak).ln() };
        (bend - 0.5 * (r * r - peak * peak)).exp()
    };
    let low = (peak - 12.0).max(0.0);
    let width = (peak + 12.0 - low) / f64::from(steps);
    // The midpoint rule: its error is quadratic in the strip width.
    let strips: Vec<f64> = (0..steps).map(|at| density(low + (f64::from(at) + 0.5) * width)).collect();
    let mut left = share * strips.iter().sum::<f64>();
    for (at, strip) in strips.iter().enumerate().rev() {
        if *strip >= left {
            return low + (at as f64 + 1.0 - left / strip) * width;
        }
        left -= strip;
    }
    low
}

/// The modes of a mixture, indexed for lookup.
pub(crate) struct Nearest {
    /// `[modes, dims]`, sorted by one coordinate. In units of σ if the coordinates have different σ.
    means: Vec<f64>,
    dims: usize,
    /// The index of each of them in the mixture.
    modes: Vec<usize>,
    /// The coordinate along which the modes are farthest apart, and the position of each mode on it.
    axis: usize,
    along: Vec<f64>,
    /// σ of each coordinate, if they differ.
    sigmas: Option<Vec<f64>>,
    /// The square of the radius, in the units of `means`.
    reach: f64,
}

impl Nearest {
    /// Indexes the modes of `mixture`.
    pub(crate) fn new(mixture: &Gaussians) -> Nearest {
        let (dims, mut means) = (mixture.dims, mixture.means());
        let radius = radius(mixture);
        let (sigmas, reach) = match mixture.covariance {
            Covariance::Even(variance) => (None, radius * radius * variance),
            Covariance::Each(variances) => {
                (Some(variances.iter().map(|variance| variance.sqrt()).collect::<Vec<f64>>()), radius * radius)
            }
        };
        if let Some(sigmas) = &sigmas {
            means.chunks_mut(dims).flat_map(|mean| mean.iter_mut().zip(sigmas)).for_each(|(x, sigma)| *x /= sigma);
        }
        let extent = |axis: usize| {
            let values = means.iter().skip(axis).step_by(dims);
            let [low, high] =
                values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &x| [low.min(x), high.max(x)]);
            high - low
        };
        let axis = (0..dims).max_by(|&a, &b| extent(a).total_cmp(&extent(b))).unwrap_or(0);
        let mut modes: Vec<usize> = (0..mixture.modes()).collect();
        modes.sort_by(|&a, &b| means[a * dims + axis].total_cmp(&means[b * dims + axis]));
        let along = modes.iter().map(|mode| means[mode * dims + axis]).collect();
        let means = modes.iter().flat_map(|mode| means[mode * dims..][..dims].iter().copied()).collect();
        Nearest { means, dims, modes, axis, along, sigmas, reach }
    }

    /// Returns the mode that each of `points` `[n, dims]` hits. `None` for a point that is not finite, or hits none.
    pub(crate) fn hits(&self, points: &[f32]) -> impl Iterator<Item = Option<usize>> {
        let mut here = vec![0.0_f64; self.dims];
        points.chunks_exact(self.dims).map(move |point| {
            here.iter_mut().zip(point).for_each(|(here, &x)| *here = x.into());
            if !here.iter().all(|x| x.is_finite()) {
                return None;
            }
            if let Some(sigmas) = &self.sigmas {
                here.iter_mut().zip(sigmas).for_each(|(x, sigma)| *x /= sigma);
            }
            let (nearest, square) = self.nearest(&here)?;
            (square < self.reach).then_some(nearest)
        })
    }

    /// Returns the nearest mode, the first if there are several, and its squared distance. Searches outwards in both
    /// directions along the axis, until all remaining modes are farther away by that coordinate alone.
    fn nearest(&self, point: &[f64]) -> Option<(usize, f64)> {
        let here = point[self.axis];
        let right = self.along.partition_point(|&x| x < here);
        let (mut below, mut above) = (right, right);
        let mut best: Option<(usize, f64)> = None;
        loop {
            let gap = |at: Option<&f64>| at.map(|x| (x - here) * (x - here));
            let (down, up) = (gap(below.checked_sub(1).and_then(|at| self.along.get(at))), gap(self.along.get(above)));
            let (at, gap) = match (down, up) {
                (Some(down), Some(up)) if down <= up => (below - 1, down),
                (Some(down), None) => (below - 1, down),
                (_, Some(up)) => (above, up),
                (None, None) => return best,
            };
            if best.is_some_and(|(_, square)| gap > square) {
                return best;
            }
            if at < right {
                below = at;
            } else {
                above = at + 1;
            }
            let most = best.map_or(f64::INFINITY, |(_, square)| square);
            let square = square(point, &self.means[at * self.dims..][..self.dims], most);
            let mode = self.modes[at];
            if best.is_none_or(|(other, least)| square < least || square == least && mode < other) {
                best = Some((mode, square));
            }
        }
    }
}

/// Returns the squared distance between two points, or something above `most` if it is larger. Partial sums only grow,
/// so stopping early does not change the decision.
fn square(a: &[f64], b: &[f64], most: f64) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (whole, rest) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (blocks, others) in whole.0.chunks(16).zip(rest.0.chunks(16)) {
        for (a, b) in blocks.iter().zip(others) {
            for lane in 0..LANES {
                sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
            }
        }
        let so_far = sums.iter().sum::<f64>();
        if so_far > most {
            return so_far;
        }
    }
    let last: f64 = whole.1.iter().zip(rest.1).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f64>() + last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use sweep_spec::dataset::Layout;

    /// `scipy.stats.chi.isf(exp(-4.5), d)`.
    const CHI: [(usize, f64); 9] = [
        (1, 2.539251397263498),
        (2, 3.0),
        (3, 3.3342384940711436),
        (4, 3.610316541760301),
        (16, 5.625642210576859),
        (64, 9.62508298748645),
        (128, 12.937278407186424),
        (700, 28.077817849873615),
        (4096, 65.6184062694831),
    ];

    #[test]
    fn the_radius_holds_as_much_of_a_mode_as_three_sigma_in_the_plane() {
        for (dims, expected) in CHI {
            let found = beyond(dims as f64, f64::exp(-4.5));
            assert!((found - expected).abs() < 1e-6, "{dims}: {found} for {expected}");
            let rounded = radius(&Gaussians::normal(dims));
            assert!((rounded - expected).abs() < 5.1e-5, "{dims}: {rounded}");
        }
        assert_eq!(radius(&Gaussians::RING), 3.0);
        assert_eq!(radius(&Gaussians::MANIFOLDS), radius(&Gaussians::normal(700)));
    }

    /// Finds the mode by checking every mode, from the definition.
    fn brute(point: &[f32], mixture: &Gaussians) -> Option<(usize, f64)> {
        let variances = match mixture.covariance {
            Covariance::Even(variance) => vec![variance; mixture.dims],
            Covariance::Each(variances) => variances.to_vec(),
        };
        let square = |mean: &[f64]| -> f64 {
            point.iter().zip(mean).zip(&variances).map(|((&x, m), v)| (f64::from(x) - m).powi(2) / v).sum()
        };
        let squares: Vec<f64> = mixture.means().chunks(mixture.dims).map(square).collect();
        (0..squares.len()).min_by(|&a, &b| squares[a].total_cmp(&squares[b])).map(|mode| (mode, squares[mode]))
    }

    /// Mixtures of few or many modes, some with shared coordinates, and points near them.
    fn cases() -> impl Strategy<Value = (Gaussians, Vec<f32>)> {
        let places = prop_oneof![(-3i8..4).prop_map(f64::from), -3.0..3.0f64];
        let layout = (1..9usize, 1..30usize, prop::collection::vec(places, 300), 0..5u8);
        (layout, prop::collection::vec(0.05..4.0f64, 20), prop::collection::vec(-1.5..1.5f32, 200), any::<bool>())
            .prop_map(|((dims, modes, places, which), variances, noise, each)| {
                let plane = dims.max(2);
                let leak = |values: Vec<f64>| -> &'static [f64] { Box::leak(values.into()) };
                let mut mixture = match which {
                    0 => Gaussians {
                        dims: plane,
                        ..Gaussians::of(Layout::Ring { modes: modes as u32, radius: 2.0 }, 0.3, 2)
                    },
                    1 => Gaussians { dims: plane, ..Gaussians::of(Layout::Grid { side: 7, spacing: 0.7 }, 0.1, 2) },
                    2 => Gaussians::of(
                        Layout::Manifolds { offsets: leak(places[..modes].to_vec()), noise_dims: dims },
                        variances[0],
                        2 * dims,
                    ),
                    _ => Gaussians::of(Layout::Means(leak(places[..dims * modes].to_vec())), variances[0], dims),
                };
                if each && which != 2 {
                    mixture.covariance = Covariance::Each(leak(variances[..mixture.dims].to_vec()));
                }
                let means = mixture.means();
                let points = noise.chunks_exact(mixture.dims).enumerate().flat_map(|(at, noise)| {
                    let mean = &means[at % mixture.modes() * mixture.dims..][..mixture.dims];
                    mean.iter().zip(noise).map(|(&m, &x)| m as f32 + x).collect::<Vec<f32>>()
                });
                (mixture, points.collect())
            })
    }

    proptest! {
        #[test]
        fn the_nearest_mode_matches_brute_force((mixture, points) in cases()) {
            let nearest = Nearest::new(&mixture);
            let limit = radius(&mixture).powi(2);
            for (point, found) in points.chunks_exact(mixture.dims).zip(nearest.hits(&points)) {
                let (mode, square) = brute(point, &mixture).unwrap();
                // For ties, and points exactly at the limit, rounding decides.
                if (square - limit).abs() > 1e-9 * limit {
                    prop_assert_eq!(found.is_some(), square < limit, "{} {:?}", mixture, point);
                }
                if let Some(found) = found.filter(|&found| found != mode) {
                    let alone = |mode: usize| {
                        let means = mixture.means()[mode * mixture.dims..][..mixture.dims].to_vec();
                        let layout = Layout::Means(Box::leak(means.into()));
                        brute(point, &Gaussians { layout, ..mixture }).unwrap().1
                    };
                    let apart = (alone(found) - square).abs();
                    prop_assert!(apart < 1e-9 * (1.0 + square), "{} {:?} {}", mixture, point, found);
                }
            }
        }

        /// Checks to the bit that scores of mixtures in the plane stay the same.
        #[test]
        fn hits_in_the_plane_match_a_scan_of_all_modes(
            xs in prop::collection::vec(-6.0..6.0f32, 60),
            which in 0..4usize,
        ) {
            let ring = |modes, variance| Gaussians::of(Layout::Ring { modes, radius: 2.0 }, variance, 2);
            let grid = Gaussians::of(Layout::Grid { side: 9, spacing: 1.0 }, 0.04, 2);
            let mixture = [ring(8, 0.02), ring(40, 0.5), Gaussians::GRID, grid][which];
            let nearest = Nearest::new(&mixture);
            let (centres, variance) = (mixture.centres(), mixture.variances()[0]);
            // On half-steps of the grid, points lie between modes.
            for point in xs.chunks_exact(2).flat_map(|p| [[p[0], p[1]], [(2.0 * p[0]).round() / 2.0, p[1].round()]]) {
                let squared = |centre: &[f64; 2]| {
                    let (dx, dy) = (f64::from(point[0]) - centre[0], f64::from(point[1]) - centre[1]);
                    dx * dx + dy * dy
                };
                let first = (0..centres.len()).min_by(|&a, &b| squared(&centres[a]).total_cmp(&squared(&centres[b])));
                let expected = first.filter(|&mode| squared(&centres[mode]) < 3.0 * 3.0 * variance);
                prop_assert_eq!(nearest.hits(&point).next().unwrap(), expected, "{} {:?}", mixture, point);
            }
        }
    }

    #[test]
    fn points_that_are_not_finite_hit_nothing() {
        let nearest = Nearest::new(&Gaussians { dims: 3, ..Gaussians::GRID });
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in 0..3 {
                let mut point = [0.0; 3];
                assert!(nearest.hits(&point).eq([Some(12)]));
                point[at] = bad;
                assert!(nearest.hits(&point).eq([None]));
            }
        }
        assert!(nearest.hits(&[f32::MAX, 0.0, f32::MAX]).eq([None]));
    }
}
