//! `from:`: the best cells of another sweep.
//!
//! ```yaml
//! from: {sweep: wide, top: 5, by: mode_score}        # add `variant: D2GAN` if it has another name there
//! ```
//!
//! The seeds that picked a cell make it look better than it is, so its variant needs other seeds here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::axes::Axis;
use super::error::Mistakes;
use super::level::join;
use super::parts;
use super::point::{self, Point};
use super::settings::Place;
use super::value::Reader;
use super::yaml::Node;

/// Maximum number of cells.
const MOST: u64 = 10_000;

/// Which cells of another sweep to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct From {
    /// The other sweep's name.
    pub sweep: String,
    /// The variant of that sweep.
    pub variant: String,
    /// How many of the best.
    pub top: usize,
    /// The score to rank by; `None`: the one that reports rank by.
    pub by: Option<String>,
}

/// Cells that were picked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picked {
    /// The variant they were picked for.
    pub variant: String,
    /// Where they come from.
    pub from: From,
    /// The time, in seconds since the Unix epoch.
    pub at: f64,
    /// The points, best first.
    pub points: Vec<Point>,
    /// The number of cells they were picked from.
    pub of: usize,
    /// The seeds used for ranking.
    pub seeds: BTreeSet<u64>,
}

/// `from:` as declared.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    sweep: String,
    variant: Option<String>,
    top: usize,
    by: Option<String>,
    pub place: Place,
}

/// The keys of `from`.
const KEYS: [&str; 4] = ["sweep", "variant", "top", "by"];

impl Declared {
    /// Reads the value of `from`; `None` after a mistake, which is reported.
    pub(super) fn read(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Declared> {
        let before = mistakes.len();
        let entries = parts::entries(node, path, mistakes)?;
        let (mut sweep, mut variant, mut top, mut by) = (None, None, None, None);
        for (name, node) in entries {
            let path = join(path, &name.text);
            let mut reader = Reader { node, path: &path, mistakes };
            let mut text = |what: &str| {
                let found = node.text().filter(|text| !text.trim().is_empty() && !node.is_nothing());
                if found.is_none() {
                    reader.expected(what);
                }
                found.map(|text| text.trim().to_owned())
            };
            match name.text.as_str() {
                "sweep" => sweep = text("the name of another sweep"),
                "variant" => variant = text("the name of a variant of that sweep"),
                "by" => by = text("a score"),
                "top" => top = reader.count(1, MOST),
                _ => mistakes.unknown(&path, &name.span, "a key of `from`", &name.text, &KEYS),
            }
        }
        let has = |wanted: &str| entries.iter().any(|(name, _)| name.text == wanted);
        for key in ["sweep", "top"].into_iter().filter(|key| !has(key)) {
            let help = "write `from: {sweep: wide, top: 5}`";
            mistakes.advise(path, &node.span, format!("`{key}` is not set"), help);
        }
        if mistakes.len() > before {
            return None;
        }
        let place = Place { path: path.into(), span: node.span.clone() };
        Some(Declared { sweep: sweep?, variant, top: top? as usize, by, place })
    }

    /// Returns what a variant with this name takes.
    pub(super) fn of(&self, variant: &str) -> From {
        let of = self.variant.clone().unwrap_or_else(|| variant.to_owned());
        From { sweep: self.sweep.clone(), variant: of, top: self.top, by: self.by.clone() }
    }

    /// Returns the axis of the picked cells for a variant with these seeds; `None` if they are not known, or after a
    /// mistake, which is reported.
    pub(super) fn axis(&self, variant: &str, seeds: &[u64], mistakes: &mut Mistakes) -> Option<Axis> {
        let Picked { points, seeds: picking, .. } = mistakes.picked(&self.of(variant), variant, &self.place)?;
        let Place { path, span } = &self.place;
        let used: Vec<String> = seeds.iter().filter(|seed| picking.contains(seed)).map(u64::to_string).collect();
        if !used.is_empty() {
            let shown = match used.len() {
                0..=5 => used.join(", "),
                more => format!("{} and {} more", used[..4].join(", "), more - 4),
            };
            let first = picking.last().map_or(0, |last| last + 1);
            let message = format!(
                "{} {shown} picked these cells in `{}` and would make them look too good: `{variant}` needs other \
                seeds",
                if used.len() == 1 { "the seed" } else { "the seeds" },
                self.sweep
            );
            let help = format!(
                "write `seeds: {{first: {first}, count: {}}}`, or `first: {first}` next to `looks`, for all variants \
                to compare",
                seeds.len()
            );
            mistakes.advise(&**path, span, message, help);
            return None;
        }
        let names: Vec<&String> = points.first().map(|point| point.keys().collect()).unwrap_or_default();
        if points.iter().any(|point| point.keys().collect::<Vec<_>>() != names) {
            let message = format!(
                "the best cells of `{}` in `{}` do not all have the same keys",
                self.of(variant).variant,
                self.sweep
            );
            mistakes.advise(&**path, span, message, "take fewer cells, or write them under `zip`");
            return None;
        }
        let keys: Vec<_> = names.iter().filter_map(|name| parts::here(name, span, path, mistakes)).collect();
        if keys.len() < names.len() {
            return None;
        }
        let mut read = |point: &Point| {
            keys.iter().zip(point.values()).map(|(key, value)| point::read(key, value, &self.place, mistakes)).collect()
        };
        let points = points.iter().map(&mut read).collect();
        Some(Axis { keys, points, place: self.place.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use serde_json::json;

    use super::*;
    use crate::error::Outside;
    use crate::own_data::{OwnData, Source, Trouble};
    use crate::sweep::Sweep;

    /// Another sweep with these points as its best, picked by the seeds 0 and 1.
    struct Other(Vec<serde_json::Value>);

    impl Outside for Other {
        fn look(&self, _: &Source) -> Result<OwnData, Trouble> {
            panic!("there is no path")
        }

        fn pick(&self, sweep: &str, variant: &str, from: &From) -> Option<Result<Picked, Trouble>> {
            assert_eq!((sweep, from.sweep.as_str()), ("s", "wide"));
            if from.variant != "D2GAN" {
                return Some(Err(Trouble { message: format!("there is no {}", from.variant), help: None }));
            }
            let points = self.0.iter().map(|point| point.as_object().unwrap().clone()).collect();
            let (variant, seeds) = (variant.to_owned(), [0, 1].into());
            Some(Ok(Picked { variant, from: from.clone(), at: 0.0, points, of: 9, seeds }))
        }
    }

    fn read(points: &[serde_json::Value], seeds: &str, from: &str) -> Result<Vec<String>, String> {
        let text = format!(
            "sweep: s\ndataset: gaussians\nseeds: {seeds}\ntrain: {{steps: 10}}\nvariants:\n  - {{name: GAN, \
            objective: gan}}\n  \
             - {{name: D2GAN, objective: d2gan, from: {from}}}\n"
        );
        let sweep = Sweep::parse_looking("f", &text, Rc::new(Other(points.to_vec())));
        let entries = sweep.and_then(|sweep| sweep.expand()).map_err(|errors| errors.render(200, false))?.entries;
        let entry = |entry: &crate::expand::Entry| {
            let axes: Vec<String> = entry.axes.iter().map(|(key, text)| format!("{key}={text}")).collect();
            format!("{} {} {}", entry.variant, axes.join(" "), entry.job.seed)
        };
        Ok(entries.iter().map(entry).collect())
    }

    const FROM: &str = "{sweep: wide, top: 2, by: wasserstein}";

    #[test]
    fn the_best_cells_of_another_sweep_are_swept_as_if_they_stood_here() {
        let points = [
            json!({"alpha": 0.1, "beta": 0.2, "generator": [8, 8], "optimizer": "adam"}),
            json!({"alpha": 1, "beta": 0.5, "generator": "[16, leaky_relu]", "optimizer": "rmsprop"}),
        ];
        // Values are read back as they were shown.
        let found = read(&points[..1], "{first: 2, count: 1}", FROM).unwrap();
        assert_eq!(found, ["GAN  2", "D2GAN alpha=0.1 beta=0.2 generator=[8, 8] optimizer=adam 2"]);
        let wrong = read(&points, "[5]", FROM).unwrap_err();
        assert!(wrong.contains("variants[1].from"), "{wrong}");
    }

    #[test]
    fn seeds_that_have_picked_are_refused() {
        let points = [json!({"alpha": 0.1, "beta": 0.2}), json!({"alpha": 0.3, "beta": 0.2})];
        let found = read(&points, "3", FROM).unwrap_err();
        assert!(found.contains("the seeds 0, 1 picked these cells in `wide`"), "{found}");
        assert!(found.contains("`seeds: {first: 2, count: 3}`"), "{found}");
        assert_eq!(read(&points, "{first: 2, count: 3}", FROM).unwrap().len(), 9);
        // Looks can start at another seed too.
        assert_eq!(read(&points, "{looks: [2, 4], first: 2}", FROM).unwrap().len(), 12);
        assert!(read(&points, "{looks: [2, 4]}", FROM).is_err());
    }

    #[test]
    fn what_cannot_be_picked_says_why() {
        let points = [json!({"alpha": 0.1, "beta": 0.2}), json!({"alpha": 0.3})];
        let found = read(&points, "[7]", FROM).unwrap_err();
        assert!(found.contains("do not all have the same keys"), "{found}");
        let found = read(&points, "[7]", "{sweep: wide, top: 2, variant: LSGAN}").unwrap_err();
        assert!(found.contains("there is no LSGAN"), "{found}");
        let found = read(&points, "[7]", "{sweep: wide}").unwrap_err();
        assert!(found.contains("`top` is not set"), "{found}");
        let found = read(&points[..1], "[7]", "{sweep: wide, top: 1}, grid: {lr: [1e-3]}").unwrap_err();
        assert!(found.contains("cannot be combined with other points"), "{found}");
    }

    #[test]
    fn where_nobody_knows_other_sweeps_its_jobs_are_left_out() {
        let text = "sweep: s\ndataset: gaussians\ntrain: {steps: 10}\nobjective: d2gan\nfrom: {sweep: wide, top: 2}\n";
        let sweep = Sweep::parse("f", text).unwrap();
        assert_eq!(sweep.picked_from().map(|(variant, from)| (variant, from.top)).collect::<Vec<_>>(), [("d2gan", 2)]);
        assert_eq!(sweep.expand().unwrap().entries, []);
    }
}
