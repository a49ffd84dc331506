//! Published figures: scores that others report, shown next to a variant's own. They are not used in tests, and no job
//! depends on them.
//!
//! ```yaml
//! published:
//!   - {variant: D2GAN, metric: inception_score, value: 7.15, std: 0.07, source: "Nguyen et al. 2017, Table 2"}
//!   - {variant: GAN, metric: modes_covered, value: 487.7, error: 34.59, n: 50, source: "Lin et al. 2018, Table 3"}
//! ```

use std::ops::Range;

use super::error::Mistakes;
use super::level::{items, join};
use super::metric::{Measure, Metric};
use super::parts;
use super::settings::Place;
use super::text::acts;
use super::value::Reader;
use super::yaml::{Name, Node};

/// One published figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The variant of the file that it is shown next to.
    pub variant: String,
    /// The score.
    pub metric: Measure,
    /// The figure, in the score's unit; finite.
    pub value: f64,
    /// The meaning and size of its ±.
    pub spread: Option<Spread>,
    /// The number of runs it is based on.
    pub n: Option<u64>,
    /// Where it was published.
    pub source: String,
}

/// What a ± means. Both are in the score's unit and at least 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// A standard deviation.
    Std(f64),
    /// A standard error: the standard deviation divided by the root of the number of runs.
    Error(f64),
}

/// The keys of a figure.
const KEYS: [&str; 7] = ["variant", "metric", "value", "std", "error", "n", "source"];
/// The required keys.
const REQUIRED: [&str; 4] = ["variant", "metric", "value", "source"];
/// Maximum number of runs of a figure.
const MAX_RUNS: u64 = 1_000_000_000;
/// Maximum number of characters of a source, which is shown in a note below a table.
const MAX_SOURCE: usize = 300;

impl Published {
    /// Reads the value of `published`, for a file with these variants and with these scores from the user's own
    /// trainers.
    pub(super) fn read_all(
        node: &Node,
        (variants, own): (&[&str], &[Measure]),
        mistakes: &mut Mistakes,
    ) -> Vec<(Published, Place)> {
        let mut all: Vec<(Published, Place)> = Vec::new();
        for (at, node) in items(node, "published", "a list of published figures", mistakes).iter().enumerate() {
            let path = format!("published[{at}]");
            let Some(figure) = Published::read(node, &path, (variants, own), mistakes) else { continue };
            let of = |figure: &Published| (figure.variant.clone(), figure.metric, figure.source.clone());
            if all.iter().any(|(other, _)| of(other) == of(&figure)) {
                let (metric, variant) = (figure.metric.name(), &figure.variant);
                let message = format!("a second figure for `{metric}` of `{variant}` from the same source");
                mistakes.advise(
                    &*path,
                    &node.span,
                    message,
                    "remove one, or make each `source` say what its figure is about",
                );
            }
            all.push((figure, Place { path: path.into(), span: node.span.clone() }));
        }
        all
    }

    /// Reads one figure; `None` after a mistake, which is reported.
    fn read(
        node: &Node,
        path: &str,
        (variants, own): (&[&str], &[Measure]),
        mistakes: &mut Mistakes,
    ) -> Option<Published> {
        let entries = parts::entries(node, path, mistakes)?;
        let variants: Vec<(&str, &str)> = variants.iter().map(|&name| (name, name)).collect();
        let scores = Metric::ALL.into_iter().map(Measure::Known).chain(own.iter().copied());
        let scores: Vec<(&str, Measure)> = scores.map(|score| (score.name(), score)).collect();
        let (mut variant, mut metric, mut value, mut spread, mut n, mut source) = (None, None, None, None, None, None);
        for (name, node) in entries {
            let path = join(path, &name.text);
            let mut reader = Reader { node, path: &path, mistakes };
            match name.text.as_str() {
                "variant" => variant = reader.named("a variant of this file", &variants),
                "metric" => metric = reader.named("a score", &scores),
                "value" => value = reader.number("a number", |_| true),
                "std" => spread = reader.number("a number of at least 0", |std| std >= 0.0).map(Spread::Std),
                "error" => spread = reader.number("a number of at least 0", |error| error >= 0.0).map(Spread::Error),
                "n" => n = reader.count(1, MAX_RUNS),
                "source" => source = origin(&mut reader),
                _ => mistakes.unknown(&path, &name.span, "a key of a published figure", &name.text, &KEYS),
            }
        }
        complete(entries, path, node.span.start, mistakes);
        Some(Published { variant: variant?.to_owned(), metric: metric?, value: value?, spread, n, source: source? })
    }
}

/// Reports missing keys, and a figure that has both `std` and `error`.
fn complete(entries: &[(Name, Node)], path: &str, start: usize, mistakes: &mut Mistakes) {
    let find = |wanted: &str| entries.iter().find(|(name, _)| name.text == wanted);
    for key in REQUIRED.into_iter().filter(|key| find(key).is_none()) {
        let help = "a figure is `{variant: …, metric: …, value: …, source: …}`, with `std` or `error`, and `n` if they \
            are known";
        mistakes.advise(path, &(start..start), format!("`{key}` is not set"), help);
    }
    if let (Some((std, _)), Some((error, _))) = (find("std"), find("error")) {
        let second: &Range<usize> = if std.span.start > error.span.start { &std.span } else { &error.span };
        let help = "a ± is either a standard deviation (`std`) or a standard error (`error`)";
        mistakes.advise(path, second, "`std` and `error` are both set", help);
    }
}

/// Reads a source: some text on one line, without control characters.
fn origin(reader: &mut Reader) -> Option<String> {
    let text = reader.node.text().filter(|_| !reader.node.is_nothing()).map(str::trim);
    let fits = |text: &&str| !text.is_empty() && text.chars().count() <= MAX_SOURCE && !text.contains(acts);
    let found = text.filter(fits).map(str::to_owned);
    if found.is_none() {
        reader.expected(&format!(
            "where the figure was read (\"Nguyen et al. 2017, Table 2\"), in one line of at most {MAX_SOURCE} \
            characters"
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Sweep;

    /// Returns a file with two variants and `lines` as its figures.
    fn file(lines: &[&str]) -> String {
        let variants = "variants: [{name: D2GAN, objective: d2gan, alpha: 1, beta: 1}, {name: GAN, objective: gan}]";
        let start = format!("sweep: s\ndataset: gaussians\ntrain: {{steps: 10}}\n{variants}\npublished:\n");
        start + &lines.iter().map(|line| format!("  - {line}\n")).collect::<String>()
    }

    fn figures(lines: &[&str]) -> Vec<Published> {
        Sweep::parse("f", &file(lines)).unwrap().published().cloned().collect()
    }

    #[test]
    fn figures_are_read() {
        let found = figures(&[
            "{variant: D2GAN, metric: wasserstein, value: 7.15, std: 0.07, n: 10, \
             source: \"Nguyen et al. 2017, Table 2\"}",
            "{source: there, value: -1e2, metric: modes_covered, variant: GAN, error: 0}",
        ]);
        let first = Published {
            variant: "D2GAN".to_owned(),
            metric: Metric::Wasserstein.into(),
            value: 7.15,
            spread: Some(Spread::Std(0.07)),
            n: Some(10),
            source: "Nguyen et al. 2017, Table 2".to_owned(),
        };
        let second = Published {
            variant: "GAN".to_owned(),
            metric: Metric::ModesCovered.into(),
            value: -100.0,
            spread: Some(Spread::Error(0.0)),
            n: None,
            source: "there".to_owned(),
        };
        assert_eq!(found, [first, second]);
        // Figures from two sources may differ.
        let two = ["a", "b"].map(|name| format!("{{variant: GAN, metric: wasserstein, value: 1, source: {name}}}"));
        assert_eq!(figures(&two.each_ref().map(String::as_str)).len(), 2);
    }

    #[test]
    fn all_mistakes_are_said_with_their_places() {
        let good = "{variant: GAN, metric: wasserstein, value: 1, source: a}";
        let text = file(&[
            "{variant: D2GANN, metric: wassertein, value: 7.15 ± 0.07, sdt: 0.07, n: 0, source: \"  \"}",
            "{variant: GAN, value: .inf}",
            "{variant: GAN, metric: wasserstein, value: 1, std: -1, error: 0.1, source: [a]}",
            "7.15",
            good,
            good,
            "{variant: GAN, metric: wasserstein, value: 1, source: \"a\\tb\"}",
        ]);
        let found = Sweep::parse("f", &text).unwrap_err().to_string();
        for expected in [
            "f:6:15: published[0].variant: `D2GANN` is not a variant of this file (did you mean `D2GAN`?)",
            "f:6:31: published[0].metric: `wassertein` is not a score (did you mean `wasserstein`?)",
            "f:6:50: published[0].value: expected a number, found `7.15 ± 0.07`",
            "f:6:63: published[0].sdt: `sdt` is not a key of a published figure (did you mean `std`?)",
            "f:6:77: published[0].n: expected a whole number from 1 to 1000000000, found `0`",
            "f:6:88: published[0].source: expected where the figure was read",
            "f:7:5: published[1]: `metric` is not set (a figure is `{variant: …, metric: …, value: …, source: …}`",
            "f:7:5: published[1]: `source` is not set",
            "f:7:27: published[1].value: expected a number, found `.inf`",
            "f:8:56: published[2].std: expected a number of at least 0, found `-1`",
            "f:8:60: published[2]: `std` and `error` are both set",
            "f:8:80: published[2].source: expected where the figure was read",
            "f:9:5: published[3]: expected a map, found `7.15`",
            "f:11:5: published[5]: a second figure for `wasserstein` of `GAN` from the same source",
            "f:12:59: published[6].source: expected where the figure was read",
        ] {
            assert!(found.contains(expected), "{expected}\nis not in\n{found}");
        }
        assert_eq!(found.lines().count(), 15, "{found}");
        let file = file(&[]).replace("published:\n", "published: {variant: GAN}\n");
        let found = Sweep::parse("f", &file).unwrap_err().to_string();
        assert!(found.starts_with("f:5:12: published: expected a list of published figures, found the map"), "{found}");
        // `published` belongs in the file, not in a variant.
        let found = Sweep::parse("f", &file.replace("objective: gan}", "objective: gan, published: []}")).unwrap_err();
        assert!(found.to_string().contains("variants[1].published: `published` is not a key"), "{found}");
    }

    #[test]
    fn scores_of_a_trainer_of_ones_own_have_figures() {
        let text = "sweep: s\ntrainer: {command: [t, \"${args}\"], scores: {fid: lower}, steps: 5}\nvariants: \
            [{name: a}]\n\
                    published: [{variant: a, metric: fid, value: 3, source: b}]\n";
        let metric = Sweep::parse("f", text).unwrap().published().next().unwrap().metric;
        assert_eq!((metric.name(), metric.known()), ("fid", None));
        let found = Sweep::parse("f", &text.replace("metric: fid", "metric: fdi")).unwrap_err().to_string();
        assert!(found.contains("`fdi` is not a score (did you mean `fid`?)"), "{found}");
    }

    #[test]
    fn jobs_are_the_same_whatever_is_published_and_what_nothing_measures_is_a_warning() {
        let expand = |lines: &[&str]| Sweep::parse("f", &file(lines)).and_then(|sweep| sweep.expand()).unwrap();
        let (measured, other) = (
            expand(&["{variant: GAN, metric: wasserstein, value: 1, source: a}"]),
            expand(&["{variant: GAN, metric: frechet, value: 1, source: a}"]),
        );
        let without = file(&[]).replace("published:\n", "");
        let ids = |text: &str| {
            let entries = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap().entries;
            entries.iter().map(|entry| entry.id).collect::<Vec<_>>()
        };
        assert_eq!(measured.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), ids(&without));
        assert_eq!(measured.warnings, [""; 0]);
        let [warning] = &other.warnings[..] else { panic!("{:?}", other.warnings) };
        assert!(warning.starts_with("f:6:5: published[0]: `frechet` is not a score of `GAN`"), "{warning}");
    }
}
