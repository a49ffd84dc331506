//! `seeds: {looks: …}`: seeds are added as long as a comparison is undecided.

use serde::{Deserialize, Serialize};

use super::error::Mistakes;
use super::parts;
use super::value::Reader;
use super::yaml::{Content, Node};

/// Maximum number of seeds of a file.
const MOST: u64 = 100_000;
/// Maximum number of looks. The looks share the significance level; with more looks, each would get almost nothing.
const LOOKS: usize = 20;
/// The default significance level.
const ALPHA: f64 = 0.05;

/// When a sweep checks whether it needs more seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Race {
    /// The number of seeds at each look, ascending; the last is the maximum.
    pub looks: Vec<u64>,
    /// The probability of any wrong "better" or "worse", over all comparisons and looks together.
    pub alpha: f64,
    /// How this level is divided among the looks.
    pub spending: Spending,
    /// The first seed; the others count up from it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first: u64,
}

fn is_zero(first: &u64) -> bool {
    *first == 0
}

/// How much of the significance level each look may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spending {
    /// About the same at each look.
    Pocock,
    /// Little at first, most at the last look.
    ObrienFleming,
}

impl Spending {
    /// All rules, the default first.
    pub const ALL: [Spending; 2] = [Spending::Pocock, Spending::ObrienFleming];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Spending::Pocock => "pocock",
            Spending::ObrienFleming => "obrien_fleming",
        }
    }
}

/// A look that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The declaration at that time.
    pub race: Race,
    /// The variants at that time.
    pub variants: Vec<String>,
    /// Its number, from 1.
    pub number: usize,
    /// When the look was taken, in seconds since the Unix epoch.
    pub at: f64,
    /// A hash of the jobs compared and how they are scored.
    pub jobs: String,
    /// What was found, in words.
    pub found: Vec<String>,
    /// The variants that get the seeds of the next look.
    pub more: Vec<String>,
}

/// The keys of `seeds` if it is a map.
const KEYS: [&str; 4] = ["looks", "alpha", "spending", "first"];

impl Race {
    /// Reads the value of `seeds`.
    pub(super) fn read(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Race> {
        let before = mistakes.len();
        let mut race = Race { looks: Vec::new(), alpha: ALPHA, spending: Spending::Pocock, first: 0 };
        for (name, node) in parts::entries(node, path, mistakes).unwrap_or_default() {
            let path = super::level::join(path, &name.text);
            let mut reader = Reader { node, path: &path, mistakes };
            match name.text.as_str() {
                "looks" => race.looks = looks(node, &path, mistakes),
                "alpha" => {
                    let found = node.value().as_f64().filter(|alpha| *alpha > 0.0 && *alpha <= 0.5);
                    match found {
                        Some(alpha) => race.alpha = alpha,
                        None => reader.expected("a probability above 0 and at most 0.5, such as 0.05"),
                    }
                }
                "first" => race.first = reader.count(0, super::level::MAX_FIRST).unwrap_or_default(),
                "spending" => {
                    let known = Spending::ALL.map(|spending| (spending.name(), spending));
                    if let Some(found) = reader.named("a way to spend the level", &known) {
                        race.spending = found;
                    }
                }
                _ => mistakes.unknown(&path, &name.span, "a key of `seeds` with looks", &name.text, &KEYS),
            }
        }
        if race.looks.is_empty() && mistakes.len() == before {
            let help = "set the numbers of seeds at which to compare: `seeds: {looks: [8, 12, 16, 20]}`";
            mistakes.advise(path, &node.span, "`looks` is not set", help);
        }
        (mistakes.len() == before).then_some(race)
    }

    /// Returns how many seeds a variant has after these looks.
    pub fn seeds_of(&self, variant: &str, looks: &[&Look]) -> u64 {
        let more = looks.iter().take_while(|look| look.more.iter().any(|name| name == variant)).count();
        self.looks.get(more).or(self.looks.last()).copied().unwrap_or_default()
    }

    /// Returns the seed after the first `seeds` ones.
    pub fn after(&self, seeds: u64) -> u64 {
        self.first + seeds
    }

    /// Returns the fraction of all seeds that `seeds` is.
    pub fn share(&self, seeds: u64) -> f64 {
        self.looks.last().map_or(1.0, |&most| seeds as f64 / most as f64)
    }

    /// Returns the seeds of all looks.
    pub(super) fn seeds(&self) -> Vec<u64> {
        (self.first..self.after(self.looks.last().copied().unwrap_or_default())).collect()
    }
}

fn looks(node: &Node, path: &str, mistakes: &mut Mistakes) -> Vec<u64> {
    let Content::List(nodes) = &node.content else {
        Reader { node, path, mistakes }.expected("a list of numbers of seeds, such as [8, 12, 16, 20]");
        return Vec::new();
    };
    if nodes.is_empty() || nodes.len() > LOOKS {
        mistakes.add(path, &node.span, format!("expected 1 to {LOOKS} looks, found {}", nodes.len()));
        return Vec::new();
    }
    let mut looks: Vec<u64> = Vec::new();
    for node in nodes {
        let Some(seeds) = (Reader { node, path, mistakes }).count(1, MOST) else { continue };
        if let Some(before) = looks.last().filter(|before| **before >= seeds) {
            mistakes.add(
                path,
                &node.span,
                format!("{seeds} seeds are not more than the {before} of the previous look"),
            );
        }
        looks.push(seeds);
    }
    looks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Sweep;

    fn read(seeds: &str, second: &str) -> Result<Sweep, String> {
        let text = format!(
            "sweep: s\ndataset: gaussians\ntrain: {{steps: 1}}\nseeds: {seeds}\nvariants:\n  - {{name: GAN, objective: \
            gan}}\n{second}"
        );
        Sweep::parse("f", &text).map_err(|errors| errors.render(200, false))
    }

    const SECOND: &str = "  - {name: D2GAN, objective: lsgan}\n";

    #[test]
    fn looks_are_read_with_what_is_usual() {
        let sweep = read("{looks: [8, 12]}", SECOND).unwrap();
        let race = Race { looks: vec![8, 12], alpha: 0.05, spending: Spending::Pocock, first: 0 };
        assert_eq!(sweep.race, Some(race.clone()));
        assert_eq!(sweep.expand().unwrap().entries.len(), 24, "all that there may be");
        let other = read("{looks: [3], alpha: 0.1, spending: obrien_fleming}", SECOND).unwrap().race;
        assert_eq!(other, Some(Race { looks: vec![3], alpha: 0.1, spending: Spending::ObrienFleming, first: 0 }));
        assert_eq!(read("5", SECOND).unwrap().race, None);
        // Each variant has the seeds up to the look after the last one that continued it.
        let look = |number, more: &[&str]| Look {
            race: race.clone(),
            variants: Vec::new(),
            number,
            at: 0.0,
            jobs: String::new(),
            found: Vec::new(),
            more: more.iter().map(|&name| name.to_owned()).collect(),
        };
        let (first, last) = (look(1, &["GAN"]), look(2, &[]));
        let seeds = |name: &str, looks: &[&Look]| race.seeds_of(name, looks);
        assert_eq!((seeds("GAN", &[]), seeds("GAN", &[&first]), seeds("D2GAN", &[&first])), (8, 12, 8));
        assert_eq!((seeds("GAN", &[&first, &last]), seeds("D2GAN", &[&first, &last])), (12, 8));
    }

    #[test]
    fn mistakes_have_places() {
        for (seeds, second, what) in [
            ("{}", SECOND, "`count` is not set"),
            ("{first: 5}", SECOND, "`count` is not set"),
            ("{count: 5, looks: [8]}", SECOND, "`count` is not a key of `seeds` with looks"),
            ("{look: [8]}", SECOND, "did you mean `looks`"),
            ("{looks: 8}", SECOND, "expected a list of numbers of seeds, such as [8, 12, 16, 20], found"),
            ("{looks: []}", SECOND, "expected 1 to 20 looks, found 0"),
            ("{looks: [8, 8]}", SECOND, "8 seeds are not more than the 8 of the previous look"),
            ("{looks: [0, 8]}", SECOND, "a whole number from 1"),
            ("{looks: [8], alpha: 0}", SECOND, "a probability above 0"),
            ("{looks: [8], alpha: 5}", SECOND, "a probability above 0"),
            ("{looks: [8], spending: all}", SECOND, "a way to spend the level"),
            ("{looks: [8]}", "", "looks compare variants, but there is only one"),
            ("{looks: [8]}", "  - {name: D2GAN, objective: lsgan, seeds: 3}\n", "the file's `seeds` declares looks"),
            ("3", "  - {name: D2GAN, objective: lsgan, seeds: {looks: [8]}}\n", "belongs at the top of the file"),
        ] {
            let error = read(seeds, second).unwrap_err();
            assert!(error.contains(what), "{seeds}: {error}");
        }
    }
}
