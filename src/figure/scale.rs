//! Scales: they map values to positions, and choose tick labels.

use super::model::Kind;

/// Larger values are drawn at this limit, because the range of an axis must be finite.
const FAR: f64 = 1e150;

/// Maps values from `low` to `high` to positions between `from` and `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Returns a scale that covers all finite values, with some padding at both ends. It is logarithmic only if all
    /// values are above 0.
    pub(crate) fn of(kind: Kind, values: impl IntoIterator<Item = f64>, (from, to): (f64, f64)) -> Scale {
        if kind == Kind::Share {
            return Scale::exact((0.0, 1.0), (from, to));
        }
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            let value = value.clamp(-FAR, FAR);
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let kind = if kind == Kind::Log && low > 0.0 { Kind::Log } else { Kind::Linear };
        match kind {
            Kind::Log => {
                let (low, high) = (low.max(1.0 / FAR).ln(), high.max(1.0 / FAR).ln());
                let room = ((high - low) * 0.04).max(0.05);
                Scale { kind, low: (low - room).exp(), high: (high + room).exp(), from, to }
            }
            Kind::Linear | Kind::Share => {
                let span = high - low;
                // If the values hardly differ, pad enough to tell ticks apart.
                let room =
                    if span > 1e-12 * high.abs().max(low.abs()) { 0.04 * span } else { (0.1 * high.abs()).max(1e-9) };
                Scale { kind, low: low - room, high: high + room, from, to }
            }
        }
    }

    /// Returns a scale from exactly `low` to exactly `high`, which must be larger.
    pub(crate) fn exact((low, high): (f64, f64), (from, to): (f64, f64)) -> Scale {
        Scale { kind: Kind::Linear, low, high, from, to }
    }

    pub(crate) fn is_log(&self) -> bool {
        self.kind == Kind::Log
    }

    /// Returns the position of a value. NaN if it has none.
    pub(crate) fn at(&self, value: f64) -> f64 {
        if !value.is_finite() || self.is_log() && value <= 0.0 {
            return f64::NAN;
        }
        let value = value.clamp(-FAR, FAR);
        let share = match self.kind {
            Kind::Linear | Kind::Share => (value - self.low) / (self.high - self.low),
            Kind::Log => (value.max(1.0 / FAR).ln() - self.low.ln()) / (self.high.ln() - self.low.ln()),
        };
        self.from + share * (self.to - self.from)
    }

    /// Returns about this many round values, with their labels.
    pub(crate) fn ticks(&self, about: usize) -> Vec<(f64, String)> {
        let about = about.max(2);
        match self.kind {
            Kind::Linear | Kind::Share => self.even(about),
            Kind::Log => {
                let decades = self.high.log10().floor() - self.low.log10().ceil();
                if decades < 1.0 {
                    let fine = self.multiples(&[1.0, 2.0, 3.0, 5.0, 7.0]);
                    return if fine.len() >= 2 { fine } else { self.even(about) };
                }
                let steps: &[f64] = if (decades as usize) * 3 <= about { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let all = self.multiples(steps);
                let every = all.len().div_ceil(2 * about).max(1);
                all.into_iter().step_by(every).collect()
            }
        }
    }

    fn even(&self, about: usize) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / about as f64;
        let unit = 10f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|by| by * unit).find(|&step| step >= rough * 0.8).unwrap_or(rough);
        if !(step > 0.0 && step.is_finite()) {
            return Vec::new();
        }
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        let count = (last - first).clamp(0.0, 4.0 * about as f64) as usize;
        let values: Vec<f64> = (0..=count).map(|n| (first + n as f64) * step).filter(|v| *v <= self.high).collect();
        let largest = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        values.into_iter().map(|value| (value, tick(value, step, largest))).collect()
    }

    /// Returns the multiples of powers of ten within the range.
    fn multiples(&self, by: &[f64]) -> Vec<(f64, String)> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        let all = (first..=last).flat_map(|power| by.iter().map(move |by| (by * 10f64.powi(power), power)));
        all.filter(|(value, _)| (self.low..=self.high).contains(value))
            .map(|(value, power)| (value, tick(value, 10f64.powi(power), value)))
            .collect()
    }
}

/// Returns the edges of about this many bins that hold all finite values, at round numbers. If the values are few
/// different integers, each gets a bin of its own. Empty if there is no value.
pub fn bins(values: impl IntoIterator<Item = f64>, about: usize) -> Vec<f64> {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite() && value.abs() < FAR).collect();
    let (Some(low), Some(high)) = (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max))
    else {
        return Vec::new();
    };
    if values.iter().all(|value| value.fract() == 0.0) && high - low <= 2.0 * about as f64 {
        let count = (high - low) as usize + 1;
        return (0..=count).map(|at| low - 0.5 + at as f64).collect();
    }
    let rough = ((high - low) / about.max(1) as f64).max(1e-9 * high.abs().max(low.abs()).max(1e-9));
    let unit = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|by| by * unit).find(|step| *step >= 0.999 * rough).unwrap_or(rough);
    let mut first = (low / step).floor();
    // Rounding may make the product slightly too large.
    if first * step > low {
        first -= 1.0;
    }
    let count = ((high / step).floor() - first) as usize + 1;
    (0..=count).map(|at| (first + at as f64) * step).collect()
}

/// Formats a tick label with the decimals that its step needs.
fn tick(value: f64, step: f64, largest: f64) -> String {
    if value.abs() < step * 1e-9 {
        return "0".into();
    }
    if !(1e-4..1e7).contains(&largest) {
        return powers(format!("{value:e}"));
    }
    let decimals = (-step.log10()).ceil().clamp(0.0, 12.0) as usize;
    grouped(&format!("{value:.decimals$}"))
}

/// Shortens `2.5e-7` to `2.5e−7`, with few digits.
fn powers(text: String) -> String {
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.parse::<f64>().map_or_else(
        |_| digits.to_owned(),
        |digits| format!("{digits:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    );
    format!("{digits}e{power}").replace('-', "−")
}

/// Groups digits: `12345.5` becomes `12,345.5`.
fn grouped(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("−", digits));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    if whole.len() <= 4 {
        return format!("{sign}{whole}{rest}");
    }
    let groups: Vec<&str> =
        whole.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    format!("{sign}{}{rest}", groups.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(kind: Kind, values: &[f64], about: usize) -> Vec<String> {
        Scale::of(kind, values.iter().copied(), (0.0, 100.0)).ticks(about).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(texts(Kind::Linear, &[0.0, 8.0], 4), ["0", "2", "4", "6", "8"]);
        assert_eq!(
            texts(Kind::Linear, &[-0.3, 0.3], 4),
            ["−0.2", "0.0", "0.2"].map(|t| if t == "0.0" { "0" } else { t })
        );
        assert_eq!(texts(Kind::Linear, &[0.0, 50_000.0], 3), ["0", "20,000", "40,000"]);
        assert_eq!(texts(Kind::Linear, &[0.0, 3e9], 3), ["0", "1e9", "2e9", "3e9"]);
        assert_eq!(texts(Kind::Log, &[0.01, 100.0], 4), ["0.01", "0.1", "1", "10", "100"]);
        assert_eq!(texts(Kind::Log, &[1.0, 45.0], 6), ["1", "2", "5", "10", "20", "50"]);
        assert_eq!(texts(Kind::Log, &[2e-9, 3e-5], 4), ["1e−8", "1e−7", "1e−6", "1e−5"]);
        // Not all values are above 0.
        assert_eq!(texts(Kind::Log, &[0.0, 8.0], 4), ["0", "2", "4", "6", "8"]);
    }

    #[test]
    fn bins_hold_all_values() {
        assert_eq!(bins([8.0, 1.0, 2.0], 12), [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5]);
        assert_eq!(bins([0.1, 7.3], 8), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(bins([f64::NAN], 8), [0.0; 0]);
        for values in [
            vec![2.5],
            vec![0.5, 0.5],
            vec![-1e9 + 0.5, 1e9],
            vec![1e-200],
            vec![0.1 + 0.2, 0.3, 12.0],
            vec![0.009, 0.02],
        ] {
            let edges = bins(values.iter().copied(), 16);
            assert!(edges.len() > 1 && edges.len() < 60, "{values:?}: {edges:?}");
            assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}: {edges:?}");
            let inside = |value: &f64| edges[0] <= *value && *value <= edges[edges.len() - 1];
            assert!(values.iter().all(inside), "{values:?}: {edges:?}");
        }
    }

    #[test]
    fn values_without_a_range_have_a_position() {
        for values in [
            vec![],
            vec![f64::NAN],
            vec![3.0],
            vec![0.0],
            vec![-1e308, 1e308],
            vec![1e-300],
            vec![f64::INFINITY],
            vec![1e-300, 1e300],
        ] {
            for kind in [Kind::Linear, Kind::Log] {
                let scale = Scale::of(kind, values.iter().copied(), (10.0, 90.0));
                assert!(!scale.ticks(4).is_empty(), "{values:?}");
                for value in values.iter().filter(|value| value.is_finite()) {
                    assert!((9.9..=90.1).contains(&scale.at(*value)), "{values:?}: {}", scale.at(*value));
                    assert!(scale.ticks(4).len() < 40, "{values:?}");
                }
            }
        }
        assert!(Scale::of(Kind::Linear, [1.0], (0.0, 1.0)).at(f64::NAN).is_nan());
    }
}
