//! `prune:`: stops cells early if others of their variant are better at the same step.
//!
//! ```yaml
//! prune: {metric: mode_score, rule: halving, first: 1000, eta: 3, keep: 2, spare: [GAN, {alpha: 0.1}]}
//! prune: {metric: mode_score, rule: median, first: 1000, every: 1000}
//! ```

mod contest;
mod field;

pub use contest::{Rung, Standing, ladder};
pub use field::Field;

use super::condition::Condition;
use super::error::Mistakes;
use super::level::{items, join};
use super::metric::{Direction, Measure, Metric};
use super::parts;
use super::settings::{Place, Settings};
use super::value::Reader;
use super::yaml::{Content, Node};

/// Maximum number of training steps for rungs.
const MOST: u64 = 1_000_000_000;

/// Which cells are stopped early.
#[derive(Clone, Debug, PartialEq)]
pub struct Prune {
    /// The score to compare cells by: its mean over their seeds.
    pub metric: Measure,
    /// The direction in which it improves.
    pub better: Direction,
    /// The rule that decides which cells continue.
    pub rule: Rule,
    /// The minimum number of cells per variant that continue to the end.
    pub keep: usize,
}

/// The rule that decides which cells continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// At each rung, the best one in `eta` cells continues. Rungs are at `first`, `first`·`eta`, `first`·`eta`², …
    /// steps (Jamieson & Talwalkar 2016, *AISTATS*: successive halving).
    Halving {
        /// Steps at the first rung.
        first: u64,
        /// One in this many cells continues.
        eta: u64,
    },
    /// At each rung, those cells continue whose best mean so far is not worse than the median of the others' averages
    /// so far. Rungs are at `first`, `first` + `every`, … steps (Golovin et al. 2017, *KDD*: the median stopping rule).
    Median {
        /// Steps at the first rung.
        first: u64,
        /// Steps between rungs.
        every: u64,
    },
}

impl Rule {
    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Halving { .. } => "halving",
            Rule::Median { .. } => "median",
        }
    }

    /// Returns the steps at which cells with this many steps are compared, ascending and before the last step.
    pub fn rungs(self, steps: u64) -> Vec<u64> {
        let (first, next): (u64, Box<dyn Fn(u64) -> u64>) = match self {
            Rule::Halving { first, eta } => (first, Box::new(move |step| step.saturating_mul(eta))),
            Rule::Median { first, every } => (first, Box::new(move |step| step.saturating_add(every))),
        };
        std::iter::successors(Some(first), |step| Some(next(*step))).take_while(|step| *step < steps).collect()
    }
}

/// `prune:` as declared, with what it spares.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub prune: Prune,
    /// Variants whose cells all continue to the end.
    pub variants: Vec<String>,
    /// Cells of any variant for which one of these holds also continue to the end.
    pub cells: Vec<Condition>,
    pub place: Place,
}

/// The keys of `prune`.
const KEYS: [&str; 7] = ["metric", "rule", "first", "eta", "every", "keep", "spare"];

impl Declared {
    /// Returns whether a cell of `variant` with these settings is exempt from pruning.
    pub(super) fn spares(&self, variant: &str, settings: &Settings) -> bool {
        self.variants.iter().any(|name| name == variant) || self.cells.iter().any(|cell| cell.holds(settings))
    }

    /// Reads the value of `prune`, for a file with these variants and scores of the user's own trainers; `None` after a
    /// mistake, which is reported.
    pub(super) fn read(
        node: &Node,
        (variants, own): (&[&str], &[Measure]),
        mistakes: &mut Mistakes,
    ) -> Option<Declared> {
        const PATH: &str = "prune";
        let before = mistakes.len();
        let entries = parts::entries(node, PATH, mistakes)?;
        let scores = Metric::ALL.into_iter().map(Measure::Known).chain(own.iter().copied());
        let scores: Vec<(&str, Measure)> = scores.map(|score| (score.name(), score)).collect();
        let (mut metric, mut is_median, mut first, mut eta, mut every, mut keep) = (None, None, None, None, None, None);
        let (mut spared, mut cells) = (Vec::new(), Vec::new());
        for (name, node) in entries {
            let path = join(PATH, &name.text);
            let mut reader = Reader { node, path: &path, mistakes };
            match name.text.as_str() {
                "metric" => metric = reader.named("a score", &scores),
                "rule" => is_median = reader.named("a rule", &[("halving", false), ("median", true)]),
                "first" => first = reader.count(1, MOST),
                "eta" => eta = reader.count(2, 1000),
                "every" => every = reader.count(1, MOST),
                "keep" => keep = reader.count(1, 1_000_000),
                "spare" => {
                    for (at, node) in
                        items(node, &path, "a list of variants and conditions", mistakes).iter().enumerate()
                    {
                        let path = format!("{path}[{at}]");
                        match &node.content {
                            Content::Map(_) => cells.extend(Condition::read(node, &path, mistakes)),
                            Content::Scalar { .. } | Content::List(_) => {
                                let known: Vec<(&str, &str)> = variants.iter().map(|&name| (name, name)).collect();
                                let found =
                                    Reader { node, path: &path, mistakes }.named("a variant of this file", &known);
                                spared.extend(found.map(str::to_owned));
                            }
                        }
                    }
                }
                _ => mistakes.unknown(&path, &name.span, "a key of `prune`", &name.text, &KEYS),
            }
        }
        let find = |wanted: &str| entries.iter().find(|(name, _)| name.text == wanted);
        for key in ["metric", "rule", "first"].into_iter().filter(|key| find(key).is_none()) {
            let help = "write `prune: {metric: mode_score, rule: halving, first: 1000}`";
            mistakes.advise(PATH, &node.span, format!("`{key}` is not set"), help);
        }
        if let Some(is_median) = is_median {
            let (rule, stray, its) = if is_median { ("median", "eta", "every") } else { ("halving", "every", "eta") };
            if let Some((name, _)) = find(stray) {
                let message = format!("`rule: {rule}` has no `{stray}`");
                mistakes.advise(&*join(PATH, stray), &name.span, message, format!("it has `{its}`"));
            }
        }
        let better = match metric {
            None => None,
            Some(metric) => {
                let better = metric.better();
                if let (None, Some((_, node))) = (better, find("metric")) {
                    let message = format!("the direction of `{}` is not declared", metric.name());
                    let help = format!("set `trainer: {{scores: {{{}: higher}}}}`, or `lower`", metric.name());
                    mistakes.advise("prune.metric", &node.span, message, help);
                }
                better
            }
        };
        if mistakes.len() > before {
            return None;
        }
        let first = first?;
        let rule = match is_median? {
            true => Rule::Median { first, every: every.unwrap_or(first) },
            false => Rule::Halving { first, eta: eta.unwrap_or(3) },
        };
        let keep = keep.map_or(1, |keep| keep as usize);
        let prune = Prune { metric: metric?, better: better?, rule, keep };
        let place = Place { path: PATH.into(), span: node.span.clone() };
        Some(Declared { prune, variants: spared, cells, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Sweep;

    fn read(prune: &str) -> Result<crate::expand::Expansion, String> {
        let text = format!(
            "sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\nscore: {{every: 10, metrics: [wasserstein]}}\nprune: \
            {prune}\nvariants:\n  \
             - {{name: GAN, objective: gan, grid: {{lr: [0.1, 0.2]}}}}\n  \
             - {{name: D2GAN, objective: d2gan, beta: 1, grid: {{alpha: [0.1, 0.2, 0.3]}}}}\n"
        );
        Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).map_err(|errors| errors.render(200, false))
    }

    #[test]
    fn rungs_end_before_the_last_step() {
        let halving = Rule::Halving { first: 10, eta: 3 };
        assert_eq!(halving.rungs(100), [10, 30, 90]);
        assert_eq!(halving.rungs(90), [10, 30]);
        assert!(halving.rungs(10).is_empty());
        assert_eq!(Rule::Median { first: 20, every: 30 }.rungs(100), [20, 50, 80]);
    }

    #[test]
    fn what_is_said_is_read() {
        let expansion = read("{metric: wasserstein, rule: halving, first: 10, spare: [GAN, {alpha: 0.3}]}").unwrap();
        let rule = Rule::Halving { first: 10, eta: 3 };
        let prune = Prune { metric: Metric::Wasserstein.into(), better: Direction::Lower, rule, keep: 1 };
        assert_eq!(expansion.prune, Some(prune));
        let spared: Vec<bool> = expansion.entries.iter().map(|entry| entry.spared).collect();
        assert_eq!(spared, [true, true, false, false, true]);
        let median = read("{metric: wasserstein, rule: median, first: 20, keep: 2}").unwrap().prune.unwrap();
        assert_eq!((median.rule, median.keep), (Rule::Median { first: 20, every: 20 }, 2));
        assert!(
            read("{metric: wasserstein, rule: median, first: 20}").unwrap().entries.iter().all(|entry| !entry.spared)
        );
    }

    #[test]
    fn mistakes_have_places() {
        for (prune, what) in [
            ("{rule: halving, first: 10}", "`metric` is not set"),
            ("{metric: wasserstein, first: 10}", "`rule` is not set"),
            ("{metric: wasserstein, rule: halving}", "`first` is not set"),
            ("{metric: wasserstein, rule: half, first: 10}", "`half` is not a rule"),
            ("{metric: modes, rule: halving, first: 10}", "`modes` is not a score"),
            ("{metric: mode_score, rule: halving, first: 10}", "`mode_score` is not a score of"),
            ("{metric: wasserstein, rule: halving, first: 10, eta: 1}", "a whole number from 2"),
            ("{metric: wasserstein, rule: halving, first: 10, every: 5}", "`rule: halving` has no `every`"),
            ("{metric: wasserstein, rule: median, first: 10, eta: 2}", "`rule: median` has no `eta`"),
            ("{metric: wasserstein, rule: halving, first: 15}", "is not scored at step 15"),
            ("{metric: wasserstein, rule: halving, first: 100}", "nothing is compared"),
            ("{metric: wasserstein, rule: halving, first: 10, spare: [WGAN]}", "`WGAN` is not a variant"),
            ("{metric: wasserstein, rule: halving, first: 10, spare: [{gamma: 1}]}", "`gamma`"),
            ("{metric: wasserstein, rule: halving, first: 10, spare: [GAN, D2GAN]}", "there is nothing to compare"),
        ] {
            let error = read(prune).unwrap_err();
            assert!(error.contains(what), "{prune}: {error}");
        }
    }
}
