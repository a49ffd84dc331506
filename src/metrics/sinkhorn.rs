//! `sinkhorn`: entropic optimal transport (Cuturi 2013, "Sinkhorn distances: lightspeed computation of optimal
//! transport").
//!
//! Finds the plan P that minimises ⟨P, C⟩ + ε Σ P (ln P − 1) with uniform marginals, where C are Euclidean distances.
//! As in common tools, the score is the transport cost ⟨P, C⟩, not the minimum including the entropy.
//!
//! Potentials are kept as logarithms (Schmitzer 2019, "Stabilized sparse scaling algorithms for entropy regularized
//! transport problems", algorithm 2). Between two absorptions the scalings stay near 1, so even the smallest ε does not
//! overflow. ε falls to its value step by step, which saves most of the work. At the end the marginals are corrected
//! (Altschuler et al. 2017, "Near-linear time approximation algorithms for optimal transport via Sinkhorn iteration",
//! algorithm 2). So the score is the cost of a valid plan, and never below W1.

use multiversion::multiversion;

use super::features::Part;
use super::formula::Measurement;
use super::rows::{Rows, distances, safe_exponent_of, scaled};

/// How far the marginals may be off at the end, as a sum of absolute differences.
pub const TOLERANCE: f64 = 1e-9;
/// How far they may be off in earlier stages.
const COARSE: f64 = 1e-2;
/// Factor by which ε falls from stage to stage.
const FALL: f64 = 4.0;
/// The most iterations per stage. An ε below a thousandth of the distances would need more.
pub const MOST: usize = 2000;
/// The smallest ε, relative to the largest distance. With a smaller one, the result would be dominated by rounding.
const LEAST: f64 = 1e-12;
/// The largest ε that makes a difference, relative to the largest distance.
const LARGEST: f64 = 1e20;
/// Scalings whose logarithm exceeds this are absorbed into the potentials.
const ABSORB: f64 = 50.0;

/// The result of entropic transport.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// The transport cost ⟨P, C⟩ of the plan, in data units.
    pub cost: f64,
    /// How far the marginals of the plan were off at the end, before they were corrected.
    pub off: f64,
}

impl Transport {
    const NONE: Transport = Transport { cost: f64::NAN, off: f64::NAN };

    /// Returns the power of ten that bounds the error of the marginals, if it exceeds [`TOLERANCE`].
    pub fn missed(&self) -> Option<f64> {
        (self.off > TOLERANCE).then(|| 10f64.powi(self.off.log10().ceil() as i32))
    }
}

/// Computes the score from a part of both sides.
pub(super) fn score(part: &Part) -> Measurement {
    let reg = part.score.sinkhorn_reg;
    let plan = sinkhorn(part.generated, part.real, reg);
    let mut found = Measurement::of(plan.cost).with("cost", "euclidean").with("regularization", reg);
    found = found.with("iterations", MOST).with("tolerance", TOLERANCE);
    // How close a plan gets depends on the samples, so this does not belong in the protocol.
    if let Some(missed) = plan.missed() {
        found.aside.insert("converged".to_owned(), false.into());
        found.aside.insert("marginal_error".to_owned(), missed.into());
    }
    found
}

/// Computes entropic transport between `generated` and `real` points. `reg` is ε, in data units. NaN if a coordinate is
/// not finite, there are no points, or ε is too small relative to the distances.
pub fn sinkhorn(generated: &Rows, real: &Rows, reg: f64) -> Transport {
    if generated.is_empty() || real.is_empty() || !generated.is_finite() || !real.is_finite() {
        return Transport::NONE;
    }
    let exponent = safe_exponent_of(generated, real);
    let costs = distances(&generated.clone().scaled(exponent), &real.clone().scaled(exponent));
    let largest = costs.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return Transport { cost: 0.0, off: 0.0 };
    }
    let reg = scaled(reg, exponent).min(LARGEST * largest);
    if reg < LEAST * largest {
        return Transport::NONE;
    }
    let mut plan = Plan::new(generated.len(), real.len());
    let mut stages = vec![reg];
    while stages[stages.len() - 1] * FALL < largest {
        stages.push(stages[stages.len() - 1] * FALL);
    }
    let mut off = f64::NAN;
    for (left, &epsilon) in stages.iter().enumerate().rev() {
        let tolerance = if left == 0 { TOLERANCE } else { COARSE };
        off = plan.solve(&costs, epsilon, tolerance);
    }
    Transport { cost: scaled(plan.cost(&costs), -exponent), off }
}

/// A plan, and the potentials that define it: Pᵢⱼ = exp((fᵢ + gⱼ − Cᵢⱼ)/ε).
struct Plan {
    f: Vec<f64>,
    g: Vec<f64>,
    /// `[rows, columns]`, with the potentials of the last absorption.
    kernel: Vec<f64>,
}

impl Plan {
    fn new(rows: usize, columns: usize) -> Self {
        Plan { f: vec![0.0; rows], g: vec![0.0; columns], kernel: vec![0.0; rows * columns] }
    }

    /// Finds the plan for `epsilon`, starting from the current potentials, and stores it in the kernel. Returns how far
    /// its marginals are off.
    fn solve(&mut self, costs: &[f64], epsilon: f64, tolerance: f64) -> f64 {
        let (rows, columns) = (self.f.len(), self.g.len());
        let (a, b) = (1.0 / rows as f64, 1.0 / columns as f64);
        self.restart(costs, epsilon, a);
        let (mut u, mut v) = (vec![1.0; rows], vec![1.0; columns]);
        let mut sums = vec![0.0; columns];
        let mut off = f64::NAN;
        for left in (0..MOST).rev() {
            // Updates the rows and sums the columns in one pass over the kernel.
            sums.fill(0.0);
            for (u, kernel) in u.iter_mut().zip(self.kernel.chunks(columns)) {
                *u = a / dot(kernel, &v);
                add(*u, kernel, &mut sums);
            }
            // With the new rows, the columns are off by this much.
            off = sums.iter().zip(&v).map(|(sum, v)| (sum * v - b).abs()).sum();
            if off.is_nan() {
                break;
            }
            let done = off <= tolerance || left == 0;
            if !done {
                v.iter_mut().zip(&sums).for_each(|(v, sum)| *v = b / sum);
            }
            if done || u.iter().chain(&v).any(|scale| scale.ln().abs() > ABSORB) {
                self.f.iter_mut().zip(&mut u).for_each(|(f, u)| *f += epsilon * std::mem::replace(u, 1.0).ln());
                self.g.iter_mut().zip(&mut v).for_each(|(g, v)| *g += epsilon * std::mem::replace(v, 1.0).ln());
                self.fill(costs, epsilon);
            }
            if done {
                break;
            }
        }
        off
    }

    /// Returns the cost of the plan, after making its marginals exactly uniform.
    fn cost(&mut self, costs: &[f64]) -> f64 {
        let (rows, columns) = (self.f.len(), self.g.len());
        let (a, b) = (1.0 / rows as f64, 1.0 / columns as f64);
        let mut sums = vec![0.0; columns];
        let mut short = vec![0.0; rows];
        for (short, row) in short.iter_mut().zip(self.kernel.chunks_mut(columns)) {
            let sum: f64 = row.iter().sum();
            let scale = (a / sum).min(1.0);
            row.iter_mut().for_each(|share| *share *= scale);
            *short = a - sum * scale;
            add(1.0, row, &mut sums);
        }
        let scales: Vec<f64> = sums.iter().map(|sum| (b / sum).min(1.0)).collect();
        let mut total = 0.0;
        for ((short, row), costs) in short.iter_mut().zip(self.kernel.chunks(columns)).zip(costs.chunks(columns)) {
            for ((share, scale), cost) in row.iter().zip(&scales).zip(costs) {
                total += share * scale * cost;
                *short += share * (1.0 - scale);
            }
        }
        // The missing mass goes from each row to each column in proportion.
        let missing: Vec<f64> = sums.iter().zip(&scales).map(|(sum, scale)| b - sum * scale).collect();
        let all: f64 = missing.iter().sum();
        if all > 0.0 {
            for (short, costs) in short.iter().zip(costs.chunks(columns)) {
                total += short * dot(costs, &missing) / all;
            }
        }
        total
    }

    /// Fits every row, in logarithms, so no row of the kernel is all 0.
    fn restart(&mut self, costs: &[f64], epsilon: f64, a: f64) {
        for (f, costs) in self.f.iter_mut().zip(costs.chunks(self.g.len())) {
            let least = costs.iter().zip(&self.g).map(|(cost, g)| cost - g).fold(f64::INFINITY, f64::min);
            let sum: f64 = costs.iter().zip(&self.g).map(|(cost, g)| ((least - (cost - g)) / epsilon).exp()).sum();
            *f = least + epsilon * (a / sum).ln();
        }
        self.fill(costs, epsilon);
    }

    fn fill(&mut self, costs: &[f64], epsilon: f64) {
        let columns = self.g.len();
        for ((f, kernel), costs) in self.f.iter().zip(self.kernel.chunks_mut(columns)).zip(costs.chunks(columns)) {
            for ((share, cost), g) in kernel.iter_mut().zip(costs).zip(&self.g) {
                *share = ((f + g - cost) / epsilon).exp();
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn add(scale: f64, row: &[f64], sums: &mut [f64]) {
    for (sum, value) in sums.iter_mut().zip(row) {
        *sum += scale * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasserstein::wasserstein;
    use sweep_numerics::random::{Purpose, Stream};

    fn normal(n: usize, lane: u16) -> Rows {
        let mut out = vec![0.0f32; 2 * n];
        Stream::lane(3, Purpose::Reference, lane, 0).fill_normal(&mut out);
        Rows::new(out.into_iter().map(f64::from).collect(), 2)
    }

    fn cost(generated: &Rows, real: &Rows, reg: f64) -> f64 {
        sinkhorn(generated, real, reg).cost
    }

    #[test]
    fn two_points_per_side_have_a_closed_form() {
        // Costs 0 and d: the plan has ½ p on the diagonal, p = 1/(1 + exp(−d/ε)).
        let points = Rows::new(vec![0.0, 0.0, 3.0, 4.0], 2);
        for reg in [0.1, 1.0, 5.0, 100.0] {
            let expected = 5.0 * (1.0 - 1.0 / (1.0 + f64::exp(-5.0 / reg)));
            assert!((cost(&points, &points, reg) - expected).abs() < 1e-9 * 5.0, "{reg}");
        }
    }

    #[test]
    fn it_goes_from_the_exact_distance_to_the_mean_of_all_as_the_regularisation_grows() {
        let (a, b) = (normal(60, 0), normal(60, 1));
        let exact = wasserstein(&a, &b);
        let costs = [0.01, 0.1, 1.0].map(|reg| cost(&a, &b, reg));
        assert!(exact < costs[0] && costs[0] < costs[1] && costs[1] < costs[2], "{exact} {costs:?}");
        assert!(costs[0] < exact + 0.01);
        let mean = distances(&a, &b).iter().sum::<f64>() / 3600.0;
        assert!((cost(&a, &b, 1e6) - mean).abs() < 1e-5 * mean);
    }

    #[test]
    fn far_points_do_not_overflow() {
        let (a, b) = (normal(40, 2), normal(30, 3));
        let far = Rows::new(b.values().iter().map(|x| x + 1e4).collect(), 2);
        let apart = cost(&a, &far, 0.1);
        assert!((apart - 1e4 * f64::sqrt(2.0)).abs() < 2.0, "{apart}");
        let one = Rows::new(vec![1.0; 80], 2);
        let expected = one.row(0).to_vec();
        let mean = (0..30).map(|j| (b.row(j)[0] - expected[0]).hypot(b.row(j)[1] - expected[1])).sum::<f64>() / 30.0;
        assert!((cost(&one, &b, 0.01) - mean).abs() < 1e-9, "of one point there is one plan");
    }

    #[test]
    fn a_plan_that_did_not_converge_says_how_far_it_is() {
        let (a, b) = (normal(200, 5), normal(200, 6));
        assert_eq!(sinkhorn(&a, &b, 0.5).missed(), None);
        let short = sinkhorn(&a, &b, 1e-4);
        let missed = short.missed().unwrap();
        assert!(missed > TOLERANCE && (missed / 10.0..=missed).contains(&short.off), "{short:?}");
        assert!((wasserstein(&a, &b)..10.0).contains(&short.cost), "the cost of a plan all the same: {short:?}");
    }

    #[test]
    fn there_is_no_plan_below_the_rounding_of_distances() {
        let (a, b) = (normal(40, 7), normal(40, 8));
        for reg in [1e-300, 1e-15] {
            let none = sinkhorn(&a, &b, reg);
            assert!(none.cost.is_nan() && none.missed().is_none(), "{none:?}");
        }
        assert!(cost(&a, &b, 1e-9).is_finite());
        let far = Rows::new(b.values().iter().map(|x| x + 1e200).collect(), 2);
        assert!(cost(&a, &far, 0.1).is_nan());
    }

    #[test]
    fn it_scales_with_the_regularisation_within_float64() {
        let (a, b) = (normal(40, 7), normal(30, 8));
        let plain = cost(&a, &b, 0.25);
        for power in [-1000, -300, 300, 1000, 1021] {
            let unit = 2f64.powi(power);
            let scaled = |rows: &Rows| Rows::new(rows.values().iter().map(|x| x * unit).collect(), 2);
            let found = cost(&scaled(&a), &scaled(&b), 0.25 * unit) / unit;
            assert!((found - plain).abs() < 1e-12 * plain, "{found} at 2^{power}");
        }
        let mean = distances(&a, &b).iter().sum::<f64>() / 1200.0;
        for reg in [1e30, 1e300] {
            assert!((cost(&a, &b, reg) - mean).abs() < 1e-12 * mean, "every pair the same, at {reg}");
        }
        assert_eq!(cost(&Rows::new(vec![1.0; 8], 2), &Rows::new(vec![1.0; 6], 2), 0.1), 0.0);
    }

    #[test]
    fn values_that_are_not_finite_give_nan() {
        let (a, bad) = (normal(5, 4), Rows::new(vec![0.0, f64::NAN], 2));
        assert!(cost(&a, &bad, 0.1).is_nan() && cost(&bad, &a, 0.1).is_nan());
        assert!(cost(&Rows::new(Vec::new(), 2), &a, 0.1).is_nan());
    }
}
