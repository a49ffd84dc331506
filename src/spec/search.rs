//! `search:`: points that are proposed during a run, based on the scores of earlier trials.
//!
//! ```yaml
//! search:
//!   metric: modes_covered             # the direction is known for each score
//!   trials: 60                        # points to try; the first `startup` are random, the others proposed by `method`
//!   startup: 12
//!   batch: 8                          # how many are proposed at a time and train together
//!   seeds: 2                          # replicates per trial
//!   confirm: 3                        # how many of the best are trained with the seeds of the variant
//!   space: {alpha: {min: 0.01, max: 1, distribution: log_uniform}, lr: {choices: [1e-4, 1e-3]}}
//! ```
//!
//! Trials are a variant of their own, named by [`of_trials`], with their own seeds: a seed that helped to pick a cell
//! is never used to report on it.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::axes::Axis;
use super::error::Mistakes;
use super::id::JobId;
use super::keys::{Key, Section};
use super::law::{Law, uniform};
use super::level::{join, overlap};
use super::metric::{Direction, Measure, Metric};
use super::parts;
use super::point::{Dimension, Point, value};
use super::settings::{Place, Setting};
use super::stop::Stop;
use super::sweep::{Swept, Variant};
use super::value::Reader;
use super::yaml::Node;

/// Maximum number of trials per variant.
const MOST: u64 = 10_000;
/// The first seed of trials. Seeds of variants usually count from 0.
const FIRST: u64 = 1_000_000;
/// The suffix that the name of a variant gets for its trials.
const TRIALS: &str = " (search)";

/// Returns the name of a variant's trials.
pub fn of_trials(variant: &str) -> String {
    format!("{variant}{TRIALS}")
}

/// Returns whether a variant consists of trials.
pub fn is_trials(variant: &str) -> bool {
    variant.ends_with(TRIALS)
}

/// Returns the variant that these trials belong to; returns other names unchanged.
pub fn of(name: &str) -> &str {
    name.strip_suffix(TRIALS).unwrap_or(name)
}

/// Reports a variant whose name is reserved for trials.
pub(super) fn refuse(name: &str, place: &Place, mistakes: &mut Mistakes) {
    if is_trials(name) {
        let help = format!("the trials of a `search` in `{}` would have this name: rename the variant", of(name));
        mistakes.advise(&*place.path, &place.span, "this name is reserved for trials", help);
    }
}

/// A search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The variant whose points are searched.
    pub variant: String,
    /// The score to optimise: its mean over the seeds of a trial, at the last step.
    pub metric: Measure,
    /// The direction in which it improves.
    pub better: Direction,
    /// The sizes of the search, as the file sets them.
    pub plan: Plan,
    space: Space,
}

/// The sizes of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Number of points to try.
    pub trials: usize,
    /// How many of them are drawn at random first.
    pub startup: usize,
    /// How many are proposed at a time.
    pub batch: usize,
    /// Replicates of each point.
    pub seeds: u64,
    /// How many of the best are trained with the variant's seeds.
    pub confirm: usize,
    /// The seed of random draws and proposals.
    pub seed: u64,
}

/// The keys to search, with how each is drawn.
type Space = Arc<[(Key, Law, Place)]>;

/// The state of a search so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// The points that are tried.
    pub trials: Vec<Point>,
    /// The points that are trained with the variant's seeds.
    pub confirmed: Vec<Point>,
}

/// Points derived from earlier results. They are saved before they are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// The variant.
    pub variant: String,
    /// The [search](Search::identity).
    pub identity: String,
    /// The number of trials before this round.
    pub after: usize,
    /// For points to confirm: the number of trials, and the maximum to confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<(usize, usize)>,
    /// The time, in seconds since the Unix epoch.
    pub at: f64,
    /// The points.
    pub points: Vec<Point>,
}

impl Search {
    /// Returns the state of this search after the saved rounds.
    pub fn given(&self, rounds: &[Round], identity: &str) -> Given {
        let mut given = Given { trials: self.drawn(self.plan.startup), confirmed: Vec::new() };
        let is_mine = |round: &&Round| round.variant == self.variant && round.identity == identity;
        let fits = |round: &&Round| round.points.iter().all(|point| self.place(point).is_some());
        for round in rounds.iter().filter(is_mine).take_while(fits) {
            let is_next = round.after == given.trials.len();
            match round.confirm {
                None if is_next => {
                    given.trials.extend(round.points.iter().take(self.plan.trials - round.after).cloned());
                }
                Some(of) if is_next && of == (self.plan.trials, self.plan.confirm) => {
                    given.confirmed.clone_from(&round.points);
                }
                None | Some(_) => {}
            }
        }
        given
    }

    /// Returns the random points that a search starts with.
    pub fn drawn(&self, count: usize) -> Vec<Point> {
        let point = |at: u64| {
            let draw = |(key, law, _): &(Key, Law, Place)| {
                (key.name().to_owned(), value(key, &law.draw(uniform(self.plan.seed, key, at))))
            };
            self.space.iter().map(draw).collect()
        };
        (0..count as u64).map(point).collect()
    }

    /// Returns the search space, one dimension per key.
    pub fn dimensions(&self) -> Vec<Dimension> {
        self.space.iter().map(|(_, law, _)| law.dimension()).collect()
    }

    /// Returns the point at a place in these [dimensions](Search::dimensions).
    pub fn point(&self, place: &[f64]) -> Point {
        let of = self.space.iter().zip(place);
        of.map(|((key, law, _), place)| (key.name().to_owned(), value(key, &law.at(*place)))).collect()
    }

    /// Returns the place of a point, or `None` if it is not a point of this search.
    pub fn place(&self, point: &Point) -> Option<Vec<f64>> {
        self.space.iter().map(|(key, law, _)| law.place(key, point.get(key.name())?)).collect()
    }

    /// Returns a text that changes whenever proposals for the same trial scores would change, except for the number of
    /// trials. `startup`: the jobs trained first with the settings of their scores, which represent all jobs; `stops`:
    /// the early stopping rules.
    pub fn identity(&self, startup: impl Iterator<Item = (JobId, String)>, stops: &[Stop]) -> String {
        let Plan { startup: first, seeds, seed, .. } = self.plan;
        let space: Vec<String> = self.space.iter().map(|(key, law, _)| format!("{} {law:?}", key.path())).collect();
        let mut text = format!("{} {first} {seeds} {seed}\n{}\n", self.metric.name(), space.join("\n"));
        for stop in stops {
            text += &stop.text;
            text.push('\n');
        }
        let mut before = String::new();
        for (job, asked) in startup {
            text += &job.to_string();
            if before != asked {
                text += &asked;
                before = asked;
            }
        }
        JobId::of(text.as_bytes()).to_string()
    }

    /// Splits the variant into its trials and its confirmed points.
    pub(super) fn parts(&self, variant: &Variant, given: &Given) -> [Variant; 2] {
        let part = |name: String, seeds: Vec<u64>, points: &[Point]| Variant {
            name,
            seeds,
            axes: vec![Swept { axis: self.axis(points), when: Vec::new(), own: false }],
            search: None,
            is_open: points.is_empty(),
            ..variant.clone()
        };
        let seeds = (FIRST..FIRST + self.plan.seeds).collect();
        let trials = part(of_trials(&variant.name), seeds, &given.trials);
        [trials, part(variant.name.clone(), variant.seeds.clone(), &given.confirmed)]
    }

    fn axis(&self, points: &[Point]) -> Axis {
        let setting = |point: &Point, (key, law, place): &(Key, Law, Place)| {
            let found = point.get(key.name()).and_then(|value| law.value(key, value));
            Arc::new(Setting { value: found, place: place.clone() })
        };
        let point = |point: &Point| self.space.iter().map(|of| setting(point, of)).collect();
        let place = self.space.first().map(|(.., place)| place.clone()).unwrap_or_default();
        Axis {
            keys: self.space.iter().map(|(key, ..)| key.clone()).collect(),
            points: points.iter().map(point).collect(),
            place,
        }
    }
}

/// A search as declared, before the file's scores are known.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    /// The name of the score, and where it stands.
    pub metric: (String, Place),
    plan: Plan,
    space: Space,
    pub place: Place,
}

/// The keys of `search`.
const KEYS: [&str; 9] = ["method", "metric", "trials", "startup", "batch", "seeds", "seed", "confirm", "space"];

impl Declared {
    /// Reads the value of `search`; `None` after a mistake, which is reported.
    pub(super) fn read(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Declared> {
        let before = mistakes.len();
        let entries = parts::entries(node, path, mistakes)?;
        let (mut metric, mut space) = (None, Vec::new());
        let (mut trials, mut startup, mut batch, mut seeds, mut seed, mut confirm) =
            (None, None, None, None, None, None);
        for (name, node) in entries {
            let path = join(path, &name.text);
            let mut reader = Reader { node, path: &path, mistakes };
            match name.text.as_str() {
                "method" => drop(reader.named("a method", &[("tpe", ())])),
                "metric" => {
                    let place = Place { path: path.as_str().into(), span: node.span.clone() };
                    metric = node.text().map(|text| (text.to_owned(), place));
                    if metric.is_none() {
                        reader.expected("a score");
                    }
                }
                "trials" => trials = reader.count(1, MOST),
                "startup" => startup = reader.count(1, MOST),
                "batch" => batch = reader.count(1, MOST),
                "seeds" => seeds = reader.count(1, 1000),
                "seed" => seed = reader.count(0, u64::MAX),
                "confirm" => confirm = reader.count(1, MOST),
                "space" => space = read_space(node, &path, mistakes),
                _ => mistakes.unknown(&path, &name.span, "a key of `search`", &name.text, &KEYS),
            }
        }
        let has = |wanted: &str| entries.iter().any(|(name, _)| name.text == wanted);
        for key in ["metric", "trials", "space"].into_iter().filter(|key| !has(key)) {
            let help = "write `search: \
                {metric: modes_covered, trials: 60, space: {lr: {min: 1e-5, max: 1e-2, distribution: log_uniform}}}`";
            mistakes.advise(path, &node.span, format!("`{key}` is not set"), help);
        }
        let trials = trials.unwrap_or(1);
        for (key, count) in [("startup", startup), ("confirm", confirm)] {
            let there = entries.iter().find(|(name, _)| name.text == key);
            if let (Some((_, node)), true, true) = (there, count.is_some_and(|count| count > trials), has("trials")) {
                let message = format!("`{key}` is more than the number of trials ({trials})");
                mistakes.add(join(path, key), &node.span, message);
            }
        }
        let (startup, confirm) = (startup.unwrap_or(12.min(trials)), confirm.unwrap_or(3.min(trials)));
        if mistakes.len() > before {
            return None;
        }
        let size = |count: u64| count as usize;
        let plan = Plan {
            trials: size(trials),
            startup: size(startup),
            batch: size(batch.unwrap_or(8)),
            seeds: seeds.unwrap_or(1),
            confirm: size(confirm),
            seed: seed.unwrap_or(0),
        };
        let place = Place { path: path.into(), span: node.span.clone() };
        Some(Declared { metric: metric?, plan, space: space.into(), place })
    }

    /// Returns the same search without some keys, or `None` if no key is left.
    pub(super) fn without(&self, is_gone: impl Fn(&Key) -> bool) -> Option<Declared> {
        let space: Space = self.space.iter().filter(|(key, ..)| !is_gone(key)).cloned().collect();
        (!space.is_empty()).then(|| Declared { space, ..self.clone() })
    }

    /// Returns the search for a variant, given the scores that the user's own trainers report.
    pub(super) fn of(&self, variant: &Variant, own: &[Measure], mistakes: &mut Mistakes) -> Option<Search> {
        let scores = Metric::ALL.into_iter().map(Measure::Known).chain(own.iter().copied());
        let scores: Vec<Measure> = scores.collect();
        let (text, place) = &self.metric;
        let Some(&metric) = scores.iter().find(|score| score.name() == text) else {
            let names: Vec<&str> = scores.iter().map(|score| score.name()).collect();
            mistakes.unknown(&place.path, &place.span, "a score", text, &names);
            return None;
        };
        let Some(better) = metric.better() else {
            let help = format!("set `trainer: {{scores: {{{text}: higher}}}}`, or `lower`");
            mistakes.advise(&*place.path, &place.span, format!("the direction of `{text}` is not declared"), help);
            return None;
        };
        let trials = FIRST..FIRST + self.plan.seeds;
        if let Some(seed) = variant.seeds.iter().find(|seed| trials.contains(seed)) {
            let message =
                format!("the seed {seed} of `{}` is reserved for trials, which use {FIRST} and up", variant.name);
            mistakes.advise(&*self.place.path, &self.place.span, message, "give the variant other seeds");
        }
        if self.plan.trials as u64 * self.plan.seeds > MOST * 10 {
            mistakes.add(&*self.place.path, &self.place.span, "trials times seeds is too large");
        }
        Some(Search { variant: variant.name.clone(), metric, better, plan: self.plan, space: Arc::clone(&self.space) })
    }
}

fn read_space(node: &Node, path: &str, mistakes: &mut Mistakes) -> Vec<(Key, Law, Place)> {
    let entries = parts::entries(node, path, mistakes).unwrap_or_default();
    let read = |(name, node): &(super::yaml::Name, Node)| {
        let key = parts::here(&name.text, &name.span, path, mistakes)?;
        let path = join(path, &name.text);
        if key.section() == Section::Score || key.name() == "dataset" {
            let message = format!("trials with different `{}` have scores that cannot be compared", key.name());
            mistakes.advise(
                &*path,
                &name.span,
                message,
                "search training settings instead, and use one variant per data set",
            );
            return None;
        }
        let law = Law::read(&key, node, &path, mistakes)?;
        Some((key, law, Place { path: path.as_str().into(), span: span_of(name.span.clone(), node) }))
    };
    let mut space: Vec<(Key, Law, Place)> = Vec::new();
    for (key, law, place) in entries.iter().filter_map(read).collect::<Vec<_>>() {
        match space.iter().find(|(other, ..)| overlap(other, &key)) {
            Some((other, ..)) => {
                let message = format!("`{}` is searched twice: it is also part of `{}`", key.name(), other.name());
                mistakes.add(&*place.path, &place.span, message);
            }
            None => space.push((key, law, place)),
        }
    }
    if entries.is_empty() {
        mistakes.add(path, &node.span, "the search space is empty: add a key");
    }
    space
}

/// Returns the span from a name to the end of its value.
fn span_of(name: Range<usize>, node: &Node) -> Range<usize> {
    name.start..node.span.end.max(name.end)
}
