//! Trials of a search and the best cells of a sweep, which decide what is trained next.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cells::{Cell, cells, ranked, text};
use super::document::{Cell as Shown, Table};
use super::options::{Options, Step};
use super::study::{Study, Variant};
use sweep_figure::format::{count, list, plural};
use sweep_spec::metric::Measure;
use sweep_spec::point::Point;
use sweep_spec::search::{self, Plan, Search, of_trials};
use sweep_store::Results;
use sweep_wire::status::Status;

/// Most trials that a table lists.
const ROWS: usize = 10;

/// How good a trial is, by its mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Worth {
    /// Its quality: larger is better, whichever way the score improves.
    Known(f64),
    /// A replicate diverged or collapsed: worse than any other trial.
    Nothing,
    /// A job failed, was cancelled, or has no score.
    Unknown,
}

/// A trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its values of the keys that have an effect.
    pub axes: BTreeMap<String, Value>,
    /// How good it is.
    pub worth: Worth,
}

impl Trial {
    /// Whether it belongs to this point. Keys without an effect are not compared.
    pub fn is_of(&self, point: &Point) -> bool {
        self.axes.iter().all(|(key, value)| point.get(key) == Some(value))
    }
}

/// Returns the trials of a search whose jobs have all ended, in the order they were proposed. Returns `None` if some
/// finished jobs have no scores and these `may_come`.
pub fn trials(results: &Results, search: &Search, may_come: bool) -> Option<Vec<Trial>> {
    let study = Study::new(results, Options { metric: Some(search.metric), ..Options::default() });
    let name = of_trials(&search.variant);
    let Some(variant) = study.trials.iter().find(|variant| variant.name == name) else { return Some(Vec::new()) };
    let study = by_its_own(&study, variant);
    // Scores that an own trainer did not report cannot be measured later.
    let may_come = may_come && search.metric.known().is_some();
    let unscored = |cell: &Cell| {
        let lacks = |run: &super::study::Run| study.quality(run, search.metric).is_none();
        may_come && cell.runs.iter().any(|run| run.status == Status::Done && lacks(run))
    };
    let found = all_cells(variant);
    if found.iter().any(unscored) {
        return None;
    }
    let trial = |cell: &Cell| Trial {
        axes: cell.runs.first().map(|run| run.axes.clone()).unwrap_or_default(),
        worth: worth(&study, cell, search.metric),
    };
    Some(found.iter().map(trial).collect())
}

/// Returns the study by the protocols of this variant. Other variants may be scored in another way or have other data.
pub(super) fn by_its_own<'s, 'a>(study: &'s Study<'a>, variant: &Variant<'a>) -> Cow<'s, Study<'a>> {
    study.by_protocols_of(&variant.runs).map_or(Cow::Borrowed(study), Cow::Owned)
}

/// Returns the cells of trials: one per point.
pub(super) fn all_cells<'a>(variant: &Variant<'a>) -> Vec<Cell<'a>> {
    let axes: BTreeSet<&str> = variant.runs.iter().flat_map(|run| run.axes.keys().map(String::as_str)).collect();
    cells(&Variant { axes: axes.into_iter().collect(), ..variant.clone() })
}

/// Returns how good a trial is. With replicates missing, it is unknown, because the remaining ones may be the lucky
/// ones.
pub(super) fn worth(study: &Study, cell: &Cell, metric: Measure) -> Worth {
    let known: Vec<f64> = cell.runs.iter().filter_map(|run| study.quality(run, metric)).collect();
    match known.len() {
        _ if known.contains(&f64::NEG_INFINITY) => Worth::Nothing,
        n if n < cell.runs.len() || n == 0 => Worth::Unknown,
        n => Worth::Known(known.iter().sum::<f64>() / n as f64),
    }
}

/// The best cells of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Their points, best first.
    pub points: Vec<Point>,
    /// How many cells there are.
    pub of: usize,
    /// All seeds its cells were trained with, including those of the trials that found them.
    pub seeds: BTreeSet<u64>,
}

/// Why cells cannot be picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpicked {
    /// There is no such variant; the known ones.
    NoVariant(Vec<String>),
    /// Its search has not confirmed any cell.
    Sought,
    /// There is no such score; the known ones.
    NoScore(Vec<&'static str>),
    /// This many jobs have not ended.
    Open(usize),
    /// It has no axes.
    NothingSwept,
    /// Only so many cells, of so many, have a score.
    TooFew(usize, usize),
}

/// Returns the best cells of a variant whose jobs have all ended, by their means over seeds at the last step.
pub fn best(results: &Results, variant: &str, by: Option<&str>, top: usize) -> Result<Best, Unpicked> {
    let usual = Study::new(results, Options::default());
    let metric = match by {
        None => None,
        Some(by) => {
            let names = || usual.metrics.iter().map(|metric| metric.name()).collect();
            Some(
                usual
                    .metrics
                    .iter()
                    .copied()
                    .find(|metric| metric.name() == by)
                    .ok_or_else(|| Unpicked::NoScore(names()))?,
            )
        }
    };
    let study = Study::new(results, Options { metric, ..Options::default() });
    let names = || study.variants.iter().map(|variant| variant.name.to_owned()).collect();
    let is_sought = study.trials.iter().any(|trials| search::of(trials.name) == variant);
    let unknown = || if is_sought { Unpicked::Sought } else { Unpicked::NoVariant(names()) };
    let of = study.variants.iter().find(|of| of.name == variant).ok_or_else(unknown)?;
    let open = of.all().filter(|run| !run.status.is_final()).count();
    if open > 0 {
        return Err(Unpicked::Open(open));
    }
    let study = by_its_own(&study, of);
    let all = cells(of);
    if of.axes.is_empty() {
        return Err(Unpicked::NothingSwept);
    }
    let ranked = ranked(&study, &all);
    let is_known = |cell: &&&Cell| study.ranking.first().is_some_and(|&main| cell.finished(&study, main) > 0);
    let points: Vec<Point> = ranked.iter().filter(is_known).take(top).map(|cell| point(cell)).collect();
    if points.len() < top {
        return Err(Unpicked::TooFew(points.len(), all.len()));
    }
    // The trials picked these cells.
    let trials = study.trials.iter().filter(|trials| search::of(trials.name) == variant);
    let seeds = of.all().chain(trials.flat_map(|trials| &trials.runs)).map(|run| run.seed).collect();
    Ok(Best { points, of: all.len() + super::early::count_stopped(of), seeds })
}

/// Returns a cell's values of the swept keys.
fn point(cell: &Cell) -> Point {
    let axes = cell.runs.first().map(|run| run.axes);
    axes.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Returns the score that trials are compared by.
pub(super) fn metric(study: &Study, trials: &Variant, searches: &[Search]) -> Option<Measure> {
    let search = searches.iter().find(|search| search.variant == search::of(trials.name));
    search.map(|search| search.metric).or(study.ranking.first().copied())
}

/// Describes the variants whose cells were searched.
pub(super) fn paragraphs(study: &Study, searches: &[Search]) -> Vec<String> {
    // Usually all are searched alike.
    let mut said: Vec<(Measure, String, Vec<String>)> = Vec::new();
    for trials in &study.trials {
        let (Some(metric), Some(words)) = (metric(study, trials, searches), words(study, trials, searches)) else {
            continue;
        };
        let name = search::of(trials.name).to_owned();
        match said.iter_mut().find(|(by, known, _)| (*by, known) == (metric, &words)) {
            Some((.., names)) => names.push(name),
            None => said.push((metric, words, vec![name])),
        }
    }
    let one = |(metric, words, names): (Measure, String, Vec<String>)| match names.as_slice() {
        [name] => format!("{name} was searched by {}: {words}", metric.name()),
        names => format!("{} were searched by {}, each separately: {words}", list(names), metric.name()),
    };
    said.into_iter().map(one).collect()
}

/// Describes the trials of a variant.
fn words(study: &Study, trials: &Variant, searches: &[Search]) -> Option<String> {
    let name = search::of(trials.name);
    let metric = metric(study, trials, searches)?;
    let study = &*by_its_own(study, trials);
    let all = all_cells(trials);
    let ended = all.iter().filter(|cell| cell.runs.iter().all(|run| run.status.is_final())).count();
    let confirmed = study.variants.iter().find(|variant| variant.name == name).map(cells);
    let is_barren = !all.iter().any(|cell| matches!(worth(study, cell, metric), Worth::Known(_)));
    let plan = searches.iter().find(|search| search.variant == name).map(|search| search.plan);
    let planned = plan.map_or(all.len(), |plan| plan.trials);
    let how = match plan {
        Some(Plan { trials, startup, seeds, .. }) => {
            let drawn = match startup < trials {
                true => format!("the first {} drawn at random, the others proposed by TPE", count(startup)),
                false => "all drawn at random".to_owned(),
            };
            let found = match ended {
                ended if ended == trials => plural(trials, "trial"),
                ended if ended == all.len() && confirmed.is_some() => {
                    format!("{} (all points there are)", plural(ended, "trial"))
                }
                ended => format!("{} of {}", count(ended), plural(trials, "trial")),
            };
            format!("{found} with {} each ({drawn})", plural(seeds as usize, "seed"))
        }
        None => plural(ended, "trial"),
    };
    let then = match &confirmed {
        Some(found) => {
            let which = match (found.len(), are_best(study, (&all, found), metric)) {
                (1, true) => "The best one is".to_owned(),
                (cells, true) => format!("The best {} are", count(cells)),
                (1, false) => "The one that was best when the trials first ended is".to_owned(),
                (cells, false) => format!("The {} that were best when the trials first ended are", count(cells)),
            };
            format!(
                "{which} trained again with other seeds. Verdicts do not use the scores that picked the cells, because \
                those look too good. Tables and figures over all its jobs cover only the picked cells, not all that \
                were tried."
            )
        }
        None if is_barren && ended >= planned => "No trial has a usable score.".to_owned(),
        None => {
            let so_far = if is_barren { "No trial has a usable score so far. " } else { "" };
            format!(
                "{so_far}The best are trained again with other seeds once all have ended; until then, there is no \
                verdict."
            )
        }
    };
    Some(format!("{how}. {then}"))
}

/// Whether no other trial is better than the confirmed ones. One that had failed may have been trained since.
fn are_best(study: &Study, (trials, confirmed): (&[Cell], &[Cell]), metric: Measure) -> bool {
    let axes = |cell: &Cell| cell.runs.first().map(|run| run.axes.clone());
    let known = |cell: &Cell| match worth(study, cell, metric) {
        Worth::Known(worth) => Some(worth),
        Worth::Nothing | Worth::Unknown => None,
    };
    let is_confirmed = |cell: &Cell| confirmed.iter().any(|other| axes(other) == axes(cell));
    let of = |wanted: bool| trials.iter().filter(move |cell| is_confirmed(cell) == wanted).filter_map(known);
    let least = of(true).fold(f64::INFINITY, f64::min);
    of(false).all(|worth| worth <= least)
}

/// Returns the best trials of each search.
pub(super) fn tables(study: &Study, searches: &[Search]) -> Vec<Table> {
    // Scores at another step did not pick the cells.
    if study.step != Step::Last {
        return Vec::new();
    }
    study.trials.iter().filter_map(|trials| table(study, trials, metric(study, trials, searches)?)).collect()
}

fn table(study: &Study, trials: &Variant, metric: Measure) -> Option<Table> {
    let study = &*by_its_own(study, trials);
    let all = all_cells(trials);
    let merit = |cell: &Cell| match worth(study, cell, metric) {
        Worth::Known(worth) => Some(worth),
        Worth::Nothing | Worth::Unknown => None,
    };
    let mut known: Vec<(f64, usize, &Cell)> =
        all.iter().enumerate().filter_map(|(place, cell)| Some((merit(cell)?, place, cell))).collect();
    if known.is_empty() {
        return None;
    }
    known.sort_by(|a, b| b.0.total_cmp(&a.0));
    let axes: Vec<&str> = trials.axes.clone();
    let title = format!("{}: the best of {}", trials.name, plural(all.len(), "trial"));
    let mut table = Table::new("trials", title, axes.len(), &axes);
    table.columns.extend(["trial".to_owned(), "n".to_owned(), metric.name().to_owned()]);
    for (_, place, cell) in known.iter().take(ROWS) {
        let run = cell.runs.first()?;
        let mut row: Vec<Shown> = axes.iter().map(|axis| Shown::Text(text(run.value(axis)))).collect();
        let of = cell.runs.len();
        let found = cell.summary(study, metric);
        row.push(Shown::Count(place + 1));
        row.push(Shown::Part { count: found.map_or(0, |found| found.n), of });
        row.push(found.map_or(Shown::Empty, |found| Shown::Mean { mean: found.mean, std: found.std, n: found.n, of }));
        table.rows.push(row);
    }
    let lost = all.iter().filter(|cell| worth(study, cell, metric) == Worth::Nothing).count();
    if lost > 0 {
        table.notes.push(format!("{} lost: a replicate diverged or collapsed.", plural(lost, "trial")));
    }
    let unknown = all.iter().filter(|cell| worth(study, cell, metric) == Worth::Unknown).count();
    if unknown > 0 {
        table.notes.push(format!("{} without a score for each seed.", plural(unknown, "trial")));
    }
    table.notes.push("No test uses these scores: they picked the cells that are trained with other seeds.".into());
    Some(table)
}

/// Returns the note on how many trials were drawn at random.
pub(super) fn drawn(searches: &[Search]) -> Option<String> {
    let one = |search: &Search| format!("{} of {}", count(search.plan.startup), search.variant);
    let all: Vec<String> = searches.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("The first {} were drawn at random.", list(&all)))
}
