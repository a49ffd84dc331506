//! Published figures next to a variant's own scores: those that the sweep's file names for the same variant and score,
//! with their sources.

use super::document::Cell;
use sweep_figure::format::{self, list};
use sweep_spec::metric::Measure;
use sweep_spec::published::{Published, Spread};

/// Most decimals of a figure; one with more is rounded as other numbers are.
const DECIMALS: usize = 6;

/// Returns the figures for this score of this variant.
pub(super) fn of<'a>(all: &'a [Published], metric: Measure, variant: &str) -> Vec<&'a Published> {
    all.iter().filter(|figure| figure.metric == metric && figure.variant == variant).collect()
}

/// Formats `7.15 ± 0.07`; several figures, if sources differ, one after the other.
pub(super) fn cell(figures: &[&Published]) -> Cell {
    match figures {
        [] => Cell::Empty,
        some => Cell::Text(some.iter().map(|figure| text(figure)).collect::<Vec<_>>().join("; ")),
    }
}

/// Returns the notes on the figures shown: whose they are, what ± means, and what comes from each source.
pub(super) fn notes(shown: &[&Published]) -> Vec<String> {
    if shown.is_empty() {
        return Vec::new();
    }
    let mut whose = "Published figures come from their authors' networks and training, not from these runs.".to_owned();
    if shown.iter().any(|figure| matches!(figure.spread, Some(Spread::Error(_)))) {
        whose.push_str(" With SE, ± is a standard error, not a standard deviation.");
    }
    let sources = distinct(shown.iter().map(|figure| figure.source.as_str()));
    let from = |source: &str| {
        let here: Vec<&&Published> = shown.iter().filter(|figure| figure.source == source).collect();
        let variants = |metric: Measure| {
            distinct(here.iter().filter(|figure| figure.metric == metric).map(|figure| figure.variant.clone()))
        };
        let metrics = distinct(here.iter().map(|figure| figure.metric));
        // Scores of the same variants are named together.
        let parts = distinct(metrics.iter().map(|&metric| variants(metric))).into_iter().map(|of| {
            let same = metrics.iter().filter(|&&metric| variants(metric) == of).map(|metric| metric.name().to_owned());
            format!("{} of {}", list(&same.collect::<Vec<_>>()), list(&of))
        });
        format!("Published {}: {}.", parts.collect::<Vec<_>>().join("; "), source.trim_end_matches('.'))
    };
    [whose].into_iter().chain(sources.into_iter().map(from)).collect()
}

/// Formats `7.15 ± 0.07` or `817.4 ± 37.9 (SE, n = 50)` with the digits of the file and the same decimals on both sides
/// of ±.
fn text(figure: &Published) -> String {
    let (spread, se) = match figure.spread {
        None => (None, None),
        Some(Spread::Std(std)) => (Some(std), None),
        Some(Spread::Error(error)) => (Some(error), Some("SE".to_owned())),
    };
    let decimals = [Some(figure.value), spread].into_iter().flatten().map(decimals).max().unwrap_or(0);
    let number = |value: f64| match value.abs() {
        size if decimals > DECIMALS || size >= 1e9 => format::number(value),
        _ => format!("{value:.decimals$}").replace('-', "−"),
    };
    let spread = spread.map_or_else(String::new, |spread| format!(" ± {}", number(spread)));
    let about: Vec<String> = se.into_iter().chain(figure.n.map(|n| format!("n = {n}"))).collect();
    let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
    format!("{}{spread}{about}", number(figure.value))
}

/// Returns the number of decimals in the shortest text for this number.
fn decimals(value: f64) -> usize {
    value.to_string().split_once('.').map_or(0, |(_, digits)| digits.len())
}

/// Returns each item once, in order of first appearance.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.fold(Vec::new(), |mut known, one| {
        if !known.contains(&one) {
            known.push(one);
        }
        known
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::metric::Metric;

    fn figure(variant: &str, metric: Metric, value: f64, spread: Option<Spread>, source: &str) -> Published {
        let (variant, source) = (variant.to_owned(), source.to_owned());
        Published { variant, metric: metric.into(), value, spread, n: None, source }
    }

    #[test]
    fn a_figure_has_the_digits_of_its_file() {
        let shown = |value, spread, n| text(&Published { n, ..figure("a", Metric::Frechet, value, spread, "s") });
        for (found, expected) in [
            (shown(7.15, Some(Spread::Std(0.07)), Some(10)), "7.15 ± 0.07 (n = 10)"),
            (shown(817.4, Some(Spread::Error(37.91)), None), "817.40 ± 37.91 (SE)"),
            (shown(6.4, Some(Spread::Error(0.5)), Some(50)), "6.4 ± 0.5 (SE, n = 50)"),
            (shown(5.62, None, None), "5.62"),
            (shown(1000.0, Some(Spread::Std(0.0)), None), "1000 ± 0"),
            (shown(-0.5, None, None), "−0.5"),
            (shown(1.5e-9, None, None), "1.5e-9"),
            (shown(2e12, None, None), "2.0e12"),
        ] {
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_note_names_each_source_once_with_what_is_from_there() {
        let all = [
            figure("GAN", Metric::ModesCovered, 1.0, Some(Spread::Error(0.1)), "A, Table 1."),
            figure("D2GAN", Metric::ModesCovered, 1.0, None, "A, Table 1."),
            figure("GAN", Metric::ModeKl, 1.0, None, "A, Table 1."),
            figure("D2GAN", Metric::ModeKl, 1.0, None, "A, Table 1."),
            figure("GAN", Metric::Frechet, 1.0, None, "A, Table 1."),
            figure("GAN", Metric::Frechet, 2.0, None, "B"),
        ];
        let shown: Vec<&Published> = all.iter().chain([&all[0]]).collect();
        let expected = [
            "Published figures come from their authors' networks and training, not from these runs. With SE, ± is a \
            standard error, not a standard deviation.",
            "Published modes_covered and mode_kl of GAN and D2GAN; frechet of GAN: A, Table 1.",
            "Published frechet of GAN: B.",
        ];
        assert_eq!(notes(&shown), expected);
        assert_eq!(notes(&[]), [""; 0]);
        assert_eq!(cell(&of(&all, Metric::Frechet.into(), "GAN")), Cell::Text("1; 2".into()));
        assert_eq!(cell(&of(&all, Metric::Frechet.into(), "D2GAN")), Cell::Empty);
    }
}
