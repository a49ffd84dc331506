//! A sweep's rows, sorted: variants, their runs, and for each metric the protocol that its statistics use.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::cells::text;
use super::options::{Options, Step};
use super::stats::advantage;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::metric::{Measure, Metric};
use sweep_spec::search;
use sweep_store::{Results, Scored};
use sweep_wire::status::Status;

/// A sweep, ready to be summarised.
#[derive(Clone, Debug)]
pub(super) struct Study<'a> {
    pub results: &'a Results,
    /// In the order of the file.
    pub variants: Vec<Variant<'a>>,
    /// Trials of searches. They picked the cells that are trained again, so no comparison uses them.
    pub trials: Vec<Variant<'a>>,
    /// The metrics measured at the step shown, built-in ones first.
    pub metrics: Vec<Measure>,
    /// For each metric its protocols, the one with most scores first. Statistics never mix protocols.
    pub protocols: BTreeMap<Measure, Vec<i64>>,
    /// The metric that cells are ranked by, then those that break ties.
    pub ranking: Vec<Measure>,
    /// The step of each run that is shown.
    pub step: Step,
}

/// One variant.
#[derive(Clone, Debug)]
pub(super) struct Variant<'a> {
    pub name: &'a str,
    /// Names of its jobs' objectives and data sets; usually one each.
    pub objectives: BTreeSet<&'static str>,
    pub datasets: BTreeSet<&'static str>,
    /// The keys that differ between its jobs, except seeds.
    pub axes: Vec<&'a str>,
    /// Its jobs, each once.
    pub runs: Vec<Run<'a>>,
    /// The jobs of cells that were stopped before the step shown. Statistics over all jobs leave them out.
    pub stopped: Vec<Run<'a>>,
    /// Whether its cells were picked as the best of others by other seeds, so they are no random draw.
    pub picked: bool,
    /// The same jobs, scored in other ways in other cells, as with `grid: {k: [3, 5]}`. Only tables of cells use them,
    /// because they are not separate trainings.
    pub again: Vec<Run<'a>>,
}

impl<'a> Variant<'a> {
    /// Returns it with only the keys that differ.
    pub(super) fn as_swept(&self) -> Variant<'a> {
        Variant { axes: swept(&self.runs), ..self.clone() }
    }

    /// Marks its cells as picked. All their keys become axes, because common values also tell which cells they are.
    pub(super) fn pick(&mut self) {
        let keys: BTreeSet<&str> = self.all().flat_map(|run| run.axes.keys().map(String::as_str)).collect();
        self.axes = keys.into_iter().collect();
        self.picked = true;
    }

    /// Returns it with its jobs once for each way they are scored, and the keys that differ then.
    pub(super) fn in_all_ways(&self) -> Variant<'a> {
        let runs = [self.runs.as_slice(), &self.again].concat();
        Variant { axes: swept(&runs), runs, again: Vec::new(), ..self.clone() }
    }
}

/// One job of a variant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub job: JobId,
    pub seed: u64,
    pub status: Status,
    /// Its objective and data set, if known.
    pub of: Option<(&'static str, &'static str)>,
    /// Why it failed or diverged.
    pub message: &'a str,
    /// Steps done.
    pub step: u64,
    /// Steps planned, if known.
    pub steps: Option<u64>,
    pub axes: &'a BTreeMap<String, Value>,
    /// How many modes its data have, if known.
    pub modes: Option<usize>,
    /// Its scores at the step shown.
    pub scores: &'a [Scored],
    /// Its curves by metric: (step, value), if they were read.
    pub curves: &'a BTreeMap<Measure, Vec<(u64, f64)>>,
    /// Its sample sheets by step, if they were read.
    pub sheets: &'a [(u64, String)],
    /// The cohorts it was in, if they were read.
    pub cohorts: &'a [CohortId],
    /// Its share of its cohort's training time, once it is done; in seconds.
    pub seconds: Option<f64>,
}

impl<'a> Variant<'a> {
    /// Returns all its jobs, including those of cells that were stopped early.
    pub(super) fn all(&self) -> impl Iterator<Item = &Run<'a>> {
        self.runs.iter().chain(&self.stopped)
    }

    /// Whether its jobs may have this score. Scores that own trainers report are not missing from other jobs.
    pub(super) fn may_have(&self, metric: Measure) -> bool {
        metric.known().is_some() || self.objectives.contains("own")
    }
}

impl Run<'_> {
    /// Returns the value of a key, if it has one.
    pub(super) fn value(&self, axis: &str) -> Option<&Value> {
        self.axes.get(axis)
    }

    /// Returns its score of this metric and protocol.
    pub(super) fn score(&self, metric: Measure, protocol: i64) -> Option<f64> {
        self.scores.iter().find(|score| (score.metric, score.protocol) == (metric, protocol)).map(|score| score.value)
    }

    /// Whether it has no score at the step shown because it had diverged or collapsed by then. A run that failed, was
    /// cancelled or has not ended may still succeed. A run that went beyond that step, or was not meant to reach it,
    /// was merely not scored.
    fn is_lost(&self, metric: Measure, shown: Step) -> bool {
        let by_then = match shown {
            Step::Last | Step::Best => true,
            Step::At(step) => self.step <= step && self.steps.is_none_or(|steps| step <= steps),
        };
        let came_to_nothing = matches!(self.status, Status::Diverged | Status::Collapsed);
        came_to_nothing && by_then && !self.scores.iter().any(|score| score.metric == metric)
    }
}

impl<'a> Study<'a> {
    /// Sorts `results`, which hold the scores at the step of `options`.
    pub(super) fn new(results: &'a Results, options: Options) -> Self {
        let mut variants: Vec<Variant> = Vec::new();
        let mut seen: HashMap<(&str, JobId), &[Scored]> = HashMap::new();
        for entry in &results.entries {
            let index = variants.iter().position(|variant| variant.name == entry.variant).unwrap_or_else(|| {
                let (objectives, datasets) = (BTreeSet::new(), BTreeSet::new());
                variants.push(Variant {
                    name: &entry.variant,
                    objectives,
                    datasets,
                    axes: Vec::new(),
                    runs: Vec::new(),
                    stopped: Vec::new(),
                    picked: false,
                    again: Vec::new(),
                });
                variants.len() - 1
            });
            let blueprint = results.blueprints.get(&entry.blueprint);
            if let Some(blueprint) = blueprint {
                variants[index].objectives.insert(blueprint.objective_name());
                if let Some(dataset) = blueprint.dataset() {
                    variants[index].datasets.insert(dataset.name());
                }
            }
            let modes = blueprint.and_then(|blueprint| blueprint.dataset()?.modes());
            let (step, steps) = (entry.step, blueprint.map(|blueprint| blueprint.steps()));
            let (job, seed, status, message) = (entry.job, entry.seed, entry.status, entry.message.as_str());
            let (axes, scores, curves, sheets) =
                (&*entry.axes, entry.scores.as_slice(), &entry.curves, entry.sheets.as_slice());
            let (cohorts, seconds) = (entry.cohorts.as_slice(), entry.seconds);
            let of = blueprint.map(|blueprint| (blueprint.objective_name(), blueprint.dataset_name()));
            let run = Run {
                cohorts,
                seconds,
                of,
                job,
                seed,
                status,
                message,
                step,
                steps,
                axes,
                modes,
                scores,
                curves,
                sheets,
            };
            match seen.entry((&entry.variant, job)) {
                Vacant(first) => {
                    first.insert(scores);
                    variants[index].runs.push(run);
                }
                Occupied(first) if !is_of(scores, first.get()) => variants[index].again.push(run),
                Occupied(_) => {}
            }
        }
        for variant in &mut variants {
            variant.axes = swept(&variant.runs);
        }
        let protocols = protocols(&variants);
        let (trials, variants): (Vec<_>, Vec<_>) = variants.into_iter().partition(|of| search::is_trials(of.name));
        let metrics: Vec<Measure> = protocols.keys().copied().collect();
        let ranking = options.metric.map_or_else(|| ranking(&metrics), |main| vec![main]);
        let mut study = Study { results, variants, trials, metrics, protocols, ranking, step: options.step };
        study.set_stopped_apart();
        study
    }

    /// Returns the variants and the trials of searches.
    pub(super) fn everyone(&self) -> impl Iterator<Item = &Variant<'a>> {
        self.variants.iter().chain(&self.trials)
    }

    /// Returns the trials with the position of their variant, which gives them its colour.
    pub(super) fn placed_trials(&self) -> impl Iterator<Item = (usize, &Variant<'a>)> {
        self.trials.iter().enumerate().map(|(at, trials)| {
            let of = self.variants.iter().position(|variant| variant.name == search::of(trials.name));
            (of.unwrap_or(self.variants.len() + at), trials)
        })
    }

    /// Separates the jobs of cells that were stopped before the step shown from the other jobs of their variants.
    fn set_stopped_apart(&mut self) {
        let mut variants = std::mem::take(&mut self.variants);
        for variant in variants.iter_mut().filter(|variant| variant.runs.iter().any(|run| run.status == Status::Pruned))
        {
            let key = |run: &Run| variant.axes.iter().map(|axis| text(run.axes.get(*axis))).collect::<Vec<_>>();
            let lacks = |run: &&Run| {
                run.status == Status::Pruned
                    && self.ranking.first().is_none_or(|&main| self.quality(run, main).is_none())
            };
            let gone: BTreeSet<Vec<String>> = variant.runs.iter().filter(lacks).map(key).collect();
            let (stopped, runs) = variant.runs.iter().partition(|run| gone.contains(&key(run)));
            (variant.stopped, variant.runs) = (stopped, runs);
        }
        self.variants = variants;
    }

    /// Returns the protocol that a metric's statistics use, if it was measured.
    pub(super) fn protocol(&self, metric: Measure) -> Option<i64> {
        self.protocols.get(&metric)?.first().copied()
    }

    /// Returns the study by the protocols of `runs` if they have no scores under the usual ones, as in a sweep over how
    /// samples are scored; otherwise `None`.
    pub(super) fn by_protocols_of(&self, runs: &[Run]) -> Option<Study<'a>> {
        let mut protocols = self.protocols.clone();
        for (&metric, order) in &mut protocols {
            let is_theirs = |protocol: &i64| runs.iter().any(|run| run.score(metric, *protocol).is_some());
            if let Some(first) = order.iter().position(is_theirs) {
                order[..=first].rotate_right(1);
            }
        }
        (protocols != self.protocols).then(|| Study { protocols, ..self.clone() })
    }

    /// Returns the scores of a perfect generator under a protocol, with the data set if there are several.
    pub(super) fn floors(&self, metric: Measure, protocol: i64) -> Vec<(Option<&'static str>, f64)> {
        let mut found: Vec<(&'static str, f64)> = Vec::new();
        for ((blueprint, of, by), &value) in &self.results.floors {
            let dataset = self.results.blueprints.get(blueprint).map(|blueprint| blueprint.dataset_name());
            if let Some(dataset) = dataset.filter(|_| (*of, *by) == (metric, protocol))
                && !found.contains(&(dataset, value))
                && !value.is_nan()
            {
                found.push((dataset, value));
            }
        }
        let several = found.len() > 1;
        found.into_iter().map(|(dataset, value)| (several.then_some(dataset), value)).collect()
    }

    /// Returns a run's score under [`Study::protocol`].
    pub(super) fn score(&self, run: &Run, metric: Measure) -> Option<f64> {
        run.score(metric, self.protocol(metric)?)
    }

    /// Returns how good a run is; larger is better. It is −∞ for a run that diverged, collapsed, or has no finite
    /// score, and `None` if unknown.
    pub(super) fn quality(&self, run: &Run, metric: Measure) -> Option<f64> {
        match self.score(run, metric) {
            // A run that a rule stopped at the last step is lost whatever its score.
            Some(_) if run.status == Status::Collapsed && self.step == Step::Last => Some(f64::NEG_INFINITY),
            Some(score) if score.is_finite() => Some(advantage(metric, score, 0.0)),
            Some(_) => Some(f64::NEG_INFINITY),
            None => run.is_lost(metric, self.step).then_some(f64::NEG_INFINITY),
        }
    }
}

/// Whether `others` has all of these scores of a job.
fn is_of(scores: &[Scored], others: &[Scored]) -> bool {
    scores.iter().all(|score| others.iter().any(|other| (other.metric, other.ask) == (score.metric, score.ask)))
}

/// Returns the keys with more than one value, or missing from some runs.
fn swept<'a>(runs: &[Run<'a>]) -> Vec<&'a str> {
    let keys: BTreeSet<&str> = runs.iter().flat_map(|run| run.axes.keys().map(String::as_str)).collect();
    let differs = |key: &&str| runs.iter().any(|run| run.value(key) != runs[0].value(key));
    keys.into_iter().filter(differs).collect()
}

/// Returns the protocols of each metric, the one with most scores first.
fn protocols(variants: &[Variant]) -> BTreeMap<Measure, Vec<i64>> {
    let mut counts: BTreeMap<Measure, BTreeMap<i64, usize>> = BTreeMap::new();
    for score in variants.iter().flat_map(|variant| &variant.runs).flat_map(|run| run.scores) {
        *counts.entry(score.metric).or_default().entry(score.protocol).or_default() += 1;
    }
    for score in variants.iter().flat_map(|variant| &variant.again).flat_map(|run| run.scores) {
        counts.entry(score.metric).or_default().entry(score.protocol).or_default();
    }
    let ordered = |counts: BTreeMap<i64, usize>| {
        let mut ordered: Vec<(i64, usize)> = counts.into_iter().collect();
        ordered.sort_by_key(|&(id, count)| (std::cmp::Reverse(count), id));
        ordered.into_iter().map(|(id, _)| id).collect()
    };
    counts.into_iter().map(|(metric, counts)| (metric, ordered(counts))).collect()
}

impl Study<'_> {
    /// Returns the metrics measured during training while no job has finished, those of the ranking first.
    pub(super) fn underway(&self) -> Vec<Measure> {
        let all: Vec<Measure> = self.results.underway.iter().map(|(metric, _)| *metric).collect();
        let first = ranking(&all);
        first.iter().copied().chain(all.iter().copied().filter(|metric| !first.contains(metric))).collect()
    }
}

/// Ranks images by their MODE score, points by covered modes and then Wasserstein distance, and anything else by the
/// first metric there is.
pub(super) fn ranking(metrics: &[Measure]) -> Vec<Measure> {
    let usual: &[Measure] = if metrics.contains(&Metric::ModeScore.into()) {
        &[Measure::Known(Metric::ModeScore)]
    } else {
        &[Measure::Known(Metric::ModesCovered), Measure::Known(Metric::Wasserstein)]
    };
    let found: Vec<Measure> = usual.iter().copied().filter(|metric| metrics.contains(metric)).collect();
    if found.is_empty() { metrics.iter().copied().take(1).collect() } else { found }
}
