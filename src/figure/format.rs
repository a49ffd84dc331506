//! Formats numbers for readers.

/// Formats a value with about four digits: `8.13`, `0.0912`, `1.2e-5`.
pub fn number(value: f64) -> String {
    number_in_column(value, value)
}

/// Formats a value with the decimals that suit `largest`, the largest value of its column.
pub fn number_in_column(value: f64, largest: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".into()
        } else if value > 0.0 {
            "∞".into()
        } else {
            "−∞".into()
        };
    }
    // If the largest value is too large for decimals, this value gets its own number of decimals.
    let decimals = decimals(largest).or_else(|| decimals(value));
    decimals.map_or_else(|| sign(format!("{value:.1e}")), |decimals| sign(format!("{value:.decimals$}")))
}

/// Formats a mean: `8.12 ± 0.30`, with the decimals of the mean.
pub fn mean(mean: f64, std: Option<f64>) -> String {
    mean_in_column(mean, std, mean)
}

/// Formats a mean: `8.12 ± 0.30`, with the decimals that suit `largest`, the largest mean of its column.
pub fn mean_in_column(mean: f64, std: Option<f64>, largest: f64) -> String {
    let mean = number_in_column(mean, largest);
    std.map_or_else(|| mean.clone(), |std| format!("{mean} ± {}", number_in_column(std, largest)))
}

/// Formats a probability: `0.031`, or `< 0.001`.
pub fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

/// Formats a chance from 0 to 1: `0.83`. Never rounds to 1 what is below 1.
pub fn chance(chance: f64) -> String {
    match chance {
        low if low > 0.0 && low < 0.005 => "under 0.01".into(),
        high if (0.995..1.0).contains(&high) => "over 0.99".into(),
        other => format!("{other:.2}"),
    }
}

/// Formats seeds: `seeds 0–7 and 9`.
pub fn seeds(seeds: &[u64]) -> String {
    let runs = seeds.chunk_by(|a, b| a + 1 == *b);
    let written = runs.flat_map(|run| match run {
        [first, _, .., last] => vec![format!("{first}–{last}")],
        few => few.iter().map(u64::to_string).collect(),
    });
    let written: Vec<String> = written.collect();
    format!("{} {}", if seeds.len() == 1 { "seed" } else { "seeds" }, list(&written))
}

/// Formats a count: `41,472`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// Formats a count with its noun: `1 job`, `12 jobs`.
pub fn plural(n: usize, one: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {one}{s}", count(n))
}

/// Formats `4` if all are there, `3 of 4` if some are missing.
pub fn part(n: usize, of: usize) -> String {
    if n == of { count(n) } else { format!("{} of {}", count(n), count(of)) }
}

/// Formats a range: `4–6`, or `4` if both ends are equal.
pub fn span(least: usize, most: usize) -> String {
    if least == most { count(least) } else { format!("{}–{}", count(least), count(most)) }
}

/// Formats a size: `1.4 GB`.
pub fn bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64 / 1e3, "kB");
    for larger in ["MB", "GB", "TB"] {
        if value >= 999.5 {
            (value, unit) = (value / 1e3, larger);
        }
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// Formats a size: `1.40 GiB`, or `512 B` below a kibibyte.
pub fn binary_bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if value >= 1024.0 {
            (value, unit) = (value / 1024.0, larger);
        }
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.2} {unit}") }
}

/// Formats a duration to a sensible precision: `2 h 05 min`, `1.5 days`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
        86_400..864_000 => format!("{:.1} days", seconds / 86_400.0),
        _ => format!("{} days", count((whole / 86_400) as usize)),
    }
}

/// Makes `names` distinct: repeated ones get a number.
pub fn distinct(names: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        let numbered = (2_u32..).map(|n| format!("{name} ({n})"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        let free = candidates
            .find(|candidate| !distinct.contains(candidate) && (candidate == name || !names.contains(candidate)));
        distinct.extend(free);
    }
    distinct
}

/// Joins items: `a`, `a and b`, `a, b and c`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

fn decimals(value: f64) -> Option<usize> {
    match value.abs() {
        0.0 => Some(2),
        size if size >= 1e6 => None,
        size if size >= 1000.0 => Some(1),
        size if size >= 1.0 => Some(2),
        size if size >= 0.1 => Some(3),
        size if size >= 0.001 => Some(4),
        _ => None,
    }
}

/// Uses the typographic minus sign, so −1 cannot be mistaken for a dash.
fn sign(text: String) -> String {
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().all(|c| "0.".contains(c)) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let cases = [
            (8.0, "8.00"),
            (8.126, "8.13"),
            (-0.5, "−0.500"),
            (0.0912, "0.0912"),
            (1.23e-5, "1.2e-5"),
            (12345.67, "12345.7"),
            (2e7, "2.0e7"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "−∞"),
            (0.0, "0.00"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        let beside_huge = [1.7, 0.0, -0.25, 3e8].map(|value| number_in_column(value, 1e9));
        assert_eq!(beside_huge, ["1.70", "0.00", "−0.250", "3.0e8"]);
        assert_eq!([2e-5, 0.0].map(|value| number_in_column(value, 2e-5)), ["2.0e-5", "0.00"]);
        assert_eq!(mean(7.154, Some(0.0712)), "7.15 ± 0.07");
        assert_eq!(mean(8.0, Some(0.0)), "8.00 ± 0.00");
        assert_eq!(mean(8.0, None), "8.00");
        assert_eq!([0.834, 1.0, 0.996, 0.001, 0.0].map(chance), ["0.83", "1.00", "over 0.99", "under 0.01", "0.00"]);
        let written = [vec![3], vec![0, 1], vec![0, 1, 2, 3, 5, 9, 10, 11]].map(|some| seeds(&some));
        assert_eq!(written, ["seed 3", "seeds 0 and 1", "seeds 0–3, 5 and 9–11"]);
        assert_eq!([0.5, 0.0312, 1.0, 1e-9].map(probability), ["0.500", "0.031", "1.000", "< 0.001"]);
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!((plural(1, "job"), plural(41_472, "job")), ("1 job".into(), "41,472 jobs".into()));
        assert_eq!([0, 999, 1000, 41_472, 1_234_567].map(count), ["0", "999", "1,000", "41,472", "1,234,567"]);
        let names = ["a", "b", "a", "a (2)", "a"].map(str::to_owned);
        assert_eq!(distinct(&names), ["a", "b", "a (3)", "a (2)", "a (4)"]);
        assert_eq!((part(4, 4), part(1, 1200)), ("4".into(), "1 of 1,200".into()));
    }

    #[test]
    fn sizes_and_times_are_readable() {
        assert_eq!([512, 9_960, 1_000_000, 1_500_000_000].map(bytes), ["0.5 kB", "10 kB", "1.0 MB", "1.5 GB"]);
        assert_eq!([512, 1024, 8 << 40].map(binary_bytes), ["512 B", "1.00 KiB", "8.00 TiB"]);
        assert_eq!(
            [0.4, 59.6, 3599.0, 7500.0, 90_000.0].map(duration),
            ["0 s", "1 min 00 s", "59 min 59 s", "2 h 05 min", "1.0 days"]
        );
        assert_eq!((span(3, 3), span(1, 1000)), ("3".to_owned(), "1–1,000".to_owned()));
    }
}
