//! `stop:`: early stopping of jobs that have collapsed.
//!
//! ```yaml
//! stop: [modes_covered < 2 for 3, loss_d < 1e-4 for 1000 steps]
//! ```

use super::error::Mistakes;
use super::level::items;
use super::metric::{Measure, Metric};
use super::relation::Relation;
use super::settings::Place;
use super::trace;
use super::yaml::Node;

/// A rule: stop if a logged number satisfies a comparison for some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// The text in the file.
    pub text: String,
    /// The number to watch.
    pub what: Watched,
    /// The relation.
    pub relation: Relation,
    /// The number to compare with; finite.
    pub number: f64,
    /// How long it has to hold.
    pub lasting: Lasting,
}

/// The number that a rule watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A score.
    Score(Measure),
    /// A loss or an output, by its name in logs.
    Loss(&'static str),
}

/// How long a rule has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// At this many checks in a row.
    Times(u64),
    /// At every check over at least this many steps.
    Steps(u64),
}

/// Maximum number of checks or steps.
const MOST: u64 = 1_000_000_000;

/// The start of the message about a malformed rule.
const EXPECTED: &str = "expected a rule such as `modes_covered < 2 for 3` or `loss_d < 1e-4 for 1000 steps`";

impl Stop {
    /// Reads the value of `stop`, for a file with these scores from the user's own trainers.
    pub(super) fn read_all(node: &Node, own: &[Measure], mistakes: &mut Mistakes) -> Vec<(Stop, Place)> {
        let mut all = Vec::new();
        for (at, node) in items(node, "stop", "a list of rules", mistakes).iter().enumerate() {
            let path = format!("stop[{at}]");
            if let Some(stop) = Stop::read(node, &path, own, mistakes) {
                all.push((stop, Place { path: path.into(), span: node.span.clone() }));
            }
        }
        all
    }

    /// Reads one rule; `None` after a mistake, which is reported.
    fn read(node: &Node, path: &str, own: &[Measure], mistakes: &mut Mistakes) -> Option<Stop> {
        let text = node.text().unwrap_or_default().trim();
        if text == "not finite" {
            let help = "remove it: a job with a loss, weight or output that is not finite always stops as diverged";
            mistakes.advise(path, &node.span, "`not finite` is not a rule", help);
            return None;
        }
        let parsed = name_of(text).and_then(|(name, rest)| {
            let (relation, rest) = Relation::strip(rest.trim_start())?;
            let (number, lasting) =
                rest.split_once(" for ").map_or((rest, None), |(number, rest)| (number, Some(rest)));
            let number = number.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
            let lasting = match lasting {
                None => Lasting::Times(1),
                Some(lasting) => {
                    let (count, steps) = match lasting.trim().strip_suffix("steps") {
                        Some(count) => (count, true),
                        None => (lasting, false),
                    };
                    let count = count.trim().parse::<u64>().ok().filter(|count| (1..=MOST).contains(count))?;
                    if steps { Lasting::Steps(count) } else { Lasting::Times(count) }
                }
            };
            Some((name, relation, number, lasting))
        });
        let Some((name, relation, number, lasting)) = parsed else {
            let help = "write the name of a score or a loss, `<`, `<=`, `>`, `>=` or `==`, a number, and how long it \
                has to hold: `for 3` (scorings) or `for 1000 steps`";
            mistakes.advise(path, &node.span, format!("{EXPECTED}, found {}", node.describe()), help);
            return None;
        };
        let scores = Metric::ALL.into_iter().map(Measure::Known).chain(own.iter().copied());
        let mut known: Vec<(&str, Watched)> = scores.map(|score| (score.name(), Watched::Score(score))).collect();
        known.extend(trace::NAMES.iter().map(|&name| (name, Watched::Loss(name))));
        let Some((_, what)) = known.iter().find(|(other, _)| *other == name) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            mistakes.unknown(path, &node.span, "a score or a loss", name, &names);
            return None;
        };
        Some(Stop { text: text.to_owned(), what: *what, relation, number, lasting })
    }
}

/// Returns the name at the start of `text`, and the rest.
fn name_of(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| c.is_whitespace() || "<>=!".contains(c))?;
    (end > 0).then(|| text.split_at(end))
}

/// How long a rule has held for a job so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The step at which it began to hold, and the number of checks since; `None` if it does not hold.
    held: Option<(u64, u64)>,
    /// The last step checked.
    last: Option<u64>,
}

impl Watch {
    /// Checks the value at a later step, and returns whether the rule has held long enough. Steps that were checked
    /// before are ignored, because a job that continues from a checkpoint repeats them.
    pub fn look(&mut self, stop: &Stop, step: u64, value: f64) -> bool {
        if self.last.is_some_and(|last| step <= last) {
            return false;
        }
        self.last = Some(step);
        if !stop.relation.holds(value, stop.number) {
            self.held = None;
            return false;
        }
        let (since, times) = self.held.map_or((step, 1), |(since, times)| (since, times + 1));
        self.held = Some((since, times));
        match stop.lasting {
            Lasting::Times(count) => times >= count,
            Lasting::Steps(count) => step - since >= count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Sweep;

    fn read(stop: &str) -> Result<Vec<Stop>, String> {
        let text = format!(
            "sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\nscore: {{every: 10, metrics: \
            [modes_covered]}}\nobjective: gan\nstop: {stop}\n"
        );
        let expansion = Sweep::parse("f", &text).and_then(|sweep| sweep.expand());
        expansion.map(|expansion| expansion.stops).map_err(|errors| errors.render(200, false))
    }

    #[test]
    fn rules_are_read() {
        let stops = read("[modes_covered < 2 for 3, loss_d<=1e-4 for 1000 steps, output_real > 5]").unwrap();
        let found: Vec<(Watched, Relation, f64, Lasting)> =
            stops.iter().map(|stop| (stop.what, stop.relation, stop.number, stop.lasting)).collect();
        assert_eq!(
            found,
            [
                (Watched::Score(Metric::ModesCovered.into()), Relation::Less, 2.0, Lasting::Times(3)),
                (Watched::Loss("loss_d"), Relation::LessOrEqual, 1e-4, Lasting::Steps(1000)),
                (Watched::Loss("output_real"), Relation::Greater, 5.0, Lasting::Times(1)),
            ]
        );
        assert_eq!(stops[1].text, "loss_d<=1e-4 for 1000 steps");
    }

    #[test]
    fn mistakes_have_places() {
        for (stop, what) in [
            ("modes_covered < 2", "expected a list of rules"),
            ("[modes_covered]", EXPECTED),
            ("[modes_covered < two]", EXPECTED),
            ("[modes_covered < 2 for 0]", EXPECTED),
            ("[modes_covered < 2 for 3 epochs]", EXPECTED),
            ("[modes_covered < .inf]", EXPECTED),
            ("[not finite]", "always stops as diverged"),
            ("[los_d < 1]", "did you mean `loss_d`"),
            ("[mode_score < 1]", "`mode_score` is not a score"),
        ] {
            let error = read(stop).unwrap_err();
            assert!(error.contains(what), "{stop}: {error}");
        }
    }

    /// Returns the step at which the rule has held long enough, with these values ten steps apart.
    fn holds(rule: &str, values: &[f64]) -> Option<u64> {
        let stop = read(&format!("[{rule}]")).unwrap().remove(0);
        let mut watch = Watch::default();
        (1..).zip(values).find(|(step, value)| watch.look(&stop, 10 * step, **value)).map(|(step, _)| 10 * step)
    }

    #[test]
    fn a_rule_holds_in_a_row() {
        assert_eq!(holds("modes_covered < 2 for 3", &[1.0, 1.0, 2.0, 1.0, 1.0, 1.0]), Some(60));
        assert_eq!(holds("modes_covered < 2 for 3", &[1.0, 1.0, f64::NAN, 1.0, 1.0]), None);
        assert_eq!(holds("loss_d < 1 for 20 steps", &[0.5, 0.5, 0.5]), Some(30));
        assert_eq!(holds("loss_d < 1 for 21 steps", &[0.5, 0.5, 0.5, 0.5]), Some(40));
        assert_eq!(holds("loss_d < 1", &[2.0, 0.5]), Some(20));
        let stop = read("[modes_covered < 2 for 2]").unwrap().remove(0);
        let mut watch = Watch::default();
        assert!(!watch.look(&stop, 10, 1.0) && !watch.look(&stop, 10, 1.0), "said twice");
        assert!(watch.look(&stop, 20, 1.0));
    }
}
