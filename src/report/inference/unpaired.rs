//! Tests of two samples that have no seeds in common: whether their means are equal.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Arrangements that are gone through one by one; with more, Student's distribution stands for them.
const ARRANGEMENTS: f64 = 200_000.0;

/// The two-sided p: exact by rearranging the values where that is possible, by Welch's t else.
pub(crate) fn p(a: &[f64], b: &[f64]) -> f64 {
    if is_exact(a.len(), b.len()) { permutations(a, b) } else { welch(a, b) }
}

/// Whether the test of so many values goes through all arrangements.
pub(crate) fn is_exact(n: usize, m: usize) -> bool {
    arrangements(n, m) <= ARRANGEMENTS
}

/// The smallest p that the test of so many values can have.
pub(crate) fn least_p(n: usize, m: usize) -> f64 {
    if !is_exact(n, m) {
        return 0.0;
    }
    // Where both are as many, exchanging them is as extreme.
    let extreme = if n == m { 2.0 } else { 1.0 };
    (extreme / arrangements(n, m)).min(1.0)
}

/// How many ways there are to choose `n` of n + m.
fn arrangements(n: usize, m: usize) -> f64 {
    (1..=n.min(m)).fold(1.0, |ways, k| ways * (n.max(m) + k) as f64 / k as f64)
}

/// Sums of a sample: how many, their sum, and that of their squares.
#[derive(Clone, Copy)]
struct Sums {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn of(values: impl Iterator<Item = f64>) -> Sums {
        let zero = Sums { n: 0.0, sum: 0.0, squares: 0.0 };
        values.fold(zero, |Sums { n, sum, squares }, value| Sums {
            n: n + 1.0,
            sum: sum + value,
            squares: squares + value * value,
        })
    }

    fn less(self, other: Sums) -> Sums {
        Sums { n: self.n - other.n, sum: self.sum - other.sum, squares: self.squares - other.squares }
    }

    fn mean(self) -> f64 {
        self.sum / self.n
    }

    /// The variance of its mean; that of a single value counts as 0.
    fn error(self) -> f64 {
        let variance = (self.squares - self.sum * self.mean()).max(0.0) / (self.n - 1.0).max(1.0);
        variance / self.n
    }
}

/// Welch's t without its sign. Means that differ by no more than rounding are equal; other ones of values that do not vary are
/// infinitely far from each other.
fn statistic(a: Sums, b: Sums, scale: f64) -> f64 {
    let (difference, error) = ((a.mean() - b.mean()).abs(), (a.error() + b.error()).sqrt());
    if difference <= 1e-12 * scale {
        0.0
    } else if error <= 1e-7 * scale {
        f64::INFINITY
    } else {
        difference / error
    }
}

/// The share of all arrangements in which Welch's t is as far from 0 as it is.
fn permutations(a: &[f64], b: &[f64]) -> f64 {
    let mut values: Vec<f64> = a.iter().chain(b).copied().collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter_mut().for_each(|value| *value -= mean);
    let scale = values.iter().fold(0.0_f64, |scale, value| scale.max(value.abs()));
    let all = Sums::of(values.iter().copied());
    let t = |chosen: &[usize]| {
        let chosen = Sums::of(chosen.iter().map(|&index| values[index]));
        statistic(chosen, all.less(chosen), scale)
    };
    let mut chosen: Vec<usize> = (0..a.len()).collect();
    let observed = t(&chosen) * (1.0 - 1e-9);
    let (mut extreme, mut count) = (0_usize, 0_usize);
    loop {
        extreme += usize::from(t(&chosen) >= observed);
        count += 1;
        if !advance(&mut chosen, values.len()) {
            return extreme as f64 / count as f64;
        }
    }
}

/// The next choice of indices below `n`, in the order of a dictionary; false after the last.
fn advance(chosen: &mut [usize], n: usize) -> bool {
    let k = chosen.len();
    let Some(place) = (0..k).rev().find(|&place| chosen[place] < n - k + place) else { return false };
    chosen[place] += 1;
    for next in place + 1..k {
        chosen[next] = chosen[next - 1] + 1;
    }
    true
}

/// Welch's test. Of values that do not vary it knows no p; theirs is the exact one.
fn welch(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (Sums::of(centred(a, a[0])), Sums::of(centred(b, a[0])));
    let scale = (a.squares + b.squares).sqrt();
    let t = statistic(a, b, scale);
    if t.is_infinite() {
        return 2.0 / arrangements(a.n as usize, b.n as usize);
    }
    let (ea, eb) = (a.error(), b.error());
    let degrees = (ea + eb).powi(2) / (ea.powi(2) / (a.n - 1.0).max(1.0) + eb.powi(2) / (b.n - 1.0).max(1.0));
    StudentsT::new(0.0, 1.0, degrees).map_or(1.0, |student| 2.0 * student.cdf(-t))
}

fn centred(values: &[f64], at: f64) -> impl Iterator<Item = f64> {
    values.iter().map(move |value| value - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_agree_with_scipy() {
        // scipy.stats.permutation_test((a, b), lambda a, b: abs(scipy.stats.ttest_ind(a, b, equal_var=False).statistic),
        //     permutation_type="independent", vectorized=False, n_resamples=numpy.inf, alternative="greater").pvalue
        let cases: [(&[f64], &[f64], f64); 3] = [
            (&[7.1, 7.4, 6.9, 7.7], &[6.2, 6.9, 5.8, 7.0, 6.1], 0.047619047619047616),
            (&[1.0, 5.0, 2.0], &[2.5, 9.0, 4.0, 3.5], 0.34285714285714286),
            (&[8.0, 7.0, 8.0, 6.0, 7.5], &[8.0, 4.0, 5.0, 2.0, 3.0], 0.05555555555555555),
        ];
        for (a, b, expected) in cases {
            assert!((p(a, b) - expected).abs() < 1e-12, "{a:?}, {b:?}: {}", p(a, b));
        }
    }

    #[test]
    fn welch_agrees_with_scipy() {
        // scipy.stats.ttest_ind(a, b, equal_var=False).pvalue
        let a = [7.1, 7.4, 6.9, 7.7, 7.2, 7.3, 7.0, 7.5, 7.8, 6.8, 7.6, 7.25];
        let b = [7.0, 6.1, 8.2, 5.9, 6.6, 7.7, 6.3, 5.5, 7.9, 6.0, 6.2];
        assert!(!is_exact(a.len(), b.len()));
        assert!((p(&a, &b) / 0.05003735080795162 - 1.0).abs() < 1e-9, "{}", p(&a, &b));
    }

    #[test]
    fn values_that_do_not_vary_have_the_p_of_counting() {
        assert_eq!([least_p(3, 3), least_p(4, 4), least_p(3, 5)], [2.0 / 20.0, 2.0 / 70.0, 1.0 / 56.0]);
        assert_eq!((p(&[8.0; 4], &[2.0; 4]), p(&[8.0; 4], &[8.0; 4]), p(&[1.0], &[2.0])), (2.0 / 70.0, 1.0, 1.0));
        assert_eq!((p(&[0.3; 12], &[0.1; 12]), p(&[0.1; 12], &[0.1; 12])), (2.0 / 2_704_156.0, 1.0));
    }
}
