//! Descriptive statistics, in float64.

use sweep_spec::metric::{Direction, Measure, Unit};

/// A summary of the finite values among some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub n: usize,
    pub mean: f64,
    /// Sample standard deviation (n − 1); `None` for one value.
    pub std: Option<f64>,
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// Summarises the finite `values`; `None` if there are none.
pub(super) fn summary(values: impl IntoIterator<Item = f64>) -> Option<Summary> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let (n, min, max) = (values.len(), *values.first()?, *values.last()?);
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let std = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
    let median = (values[(n - 1) / 2] + values[n / 2]) / 2.0;
    Some(Summary { n, mean, std, median, min, max })
}

impl Summary {
    /// Returns the best value, in the metric's direction.
    pub(super) fn best(&self, metric: Measure) -> f64 {
        match better(metric) {
            Direction::Higher => self.max,
            Direction::Lower => self.min,
        }
    }
}

/// Returns the quantile of ascending values, with linear interpolation; `None` if there are none.
pub(super) fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    let part = at - below as f64;
    // This form is exact for two equal values and cannot overflow.
    Some(ascending[below] * (1.0 - part) + ascending[above] * part)
}

/// Returns the direction in which a score improves. Reports show only built-in scores and scores that a file declares.
pub(super) fn better(metric: Measure) -> Direction {
    metric.better().expect("what a file asks for is declared in it")
}

/// Returns the worst possible score: no modes, or infinity.
pub(super) fn worst(metric: Measure) -> f64 {
    match (metric.unit(), better(metric)) {
        (Unit::Modes, Direction::Higher) => 0.0,
        (_, Direction::Higher) => f64::NEG_INFINITY,
        (_, Direction::Lower) => f64::INFINITY,
    }
}

/// Returns how much better `a` is than `b` in the metric's direction: above 0 if better.
pub(super) fn advantage(metric: Measure, a: f64, b: f64) -> f64 {
    match better(metric) {
        Direction::Higher => a - b,
        Direction::Lower => b - a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::metric::Metric;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8], q)
        let of = |share| quantile(&[1.0, 2.0, 4.0, 8.0], share);
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(of), [1.0, 1.75, 3.0, 5.0, 8.0].map(Some));
        assert_eq!((quantile(&[], 0.5), quantile(&[3.0], 0.75)), (None, Some(3.0)));
    }

    #[test]
    fn closed_forms() {
        assert_eq!(summary([]), None);
        assert_eq!(summary([f64::NAN, f64::INFINITY]), None);
        let one = summary([3.0, f64::NAN]).unwrap();
        assert_eq!((one.n, one.mean, one.std, one.median), (1, 3.0, None, 3.0));
        let four = summary([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((four.mean, four.median, four.min, four.max), (2.5, 2.5, 1.0, 4.0));
        assert!((four.std.unwrap() - (5.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(summary([1.0, 9.0, 2.0]).unwrap().median, 2.0);
        assert_eq!((four.best(Metric::ModeScore.into()), four.best(Metric::Wasserstein.into())), (4.0, 1.0));
        assert_eq!(advantage(Metric::Wasserstein.into(), 1.0, 3.0), 2.0);
    }
}
