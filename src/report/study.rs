//! A sweep's rows, sorted: variants, their runs, and for each metric the protocol that its statistics are of.

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
    /// Trials of searches, by which nothing is said of variants: they have picked what is trained anew.
    pub trials: Vec<Variant<'a>>,
    /// What was measured at the step that is shown, the program's own first.
    pub metrics: Vec<Measure>,
    /// For each metric the protocol of most of its scores, then the others. Statistics never mix them.
    pub protocols: BTreeMap<Measure, Vec<i64>>,
    /// What cells are ranked by, and what ties are ranked by.
    pub ranking: Vec<Measure>,
    /// Which step of each run is shown.
    pub step: Step,
}

/// One variant.
#[derive(Clone, Debug)]
pub(super) struct Variant<'a> {
    pub name: &'a str,
    /// Names of its jobs' objectives and data sets; most often one each.
    pub objectives: BTreeSet<&'static str>,
    pub datasets: BTreeSet<&'static str>,
    /// The keys that differ between its jobs, seeds aside.
    pub axes: Vec<&'a str>,
    /// Its jobs, each once.
    pub runs: Vec<Run<'a>>,
    /// The jobs of cells that were stopped early, before the step that is shown: nothing that is said of all jobs is of them.
    pub stopped: Vec<Run<'a>>,
    /// Whether its cells are the best of others, picked by other seeds: no draw from what might be tried.
    pub picked: bool,
    /// The same jobs where other cells have them scored in other ways, as of `grid: {k: [3, 5]}`: for tables of cells alone, since they are no
    /// other trainings.
    pub again: Vec<Run<'a>>,
}

impl<'a> Variant<'a> {
    /// With the keys that differ alone, where it has others, too.
    pub(super) fn as_swept(&self) -> Variant<'a> {
        Variant { axes: swept(&self.runs), ..self.clone() }
    }

    /// With all keys that its cells were picked by: also what all of them have in common says which they are.
    pub(super) fn pick(&mut self) {
        let keys: BTreeSet<&str> = self.all().flat_map(|run| run.axes.keys().map(String::as_str)).collect();
        self.axes = keys.into_iter().collect();
        self.picked = true;
    }

    /// With its jobs as often as they are scored, and the keys that differ then.
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
    /// What trains it, and what on; none of a job of which no more is known.
    pub of: Option<(&'static str, &'static str)>,
    /// Why it failed or diverged.
    pub message: &'a str,
    /// Steps done.
    pub step: u64,
    /// Steps planned, where that is known.
    pub steps: Option<u64>,
    pub axes: &'a BTreeMap<String, Value>,
    /// How many modes its data have, as far as that is known.
    pub modes: Option<usize>,
    /// Its scores at the step that is shown.
    pub scores: &'a [Scored],
    /// Values of a metric by step, as far as they were read.
    pub curves: &'a BTreeMap<Measure, Vec<(u64, f64)>>,
    /// Its sample sheets by step, as far as they were read.
    pub sheets: &'a [(u64, String)],
    /// The cohorts that it was in, as far as they were read.
    pub cohorts: &'a [CohortId],
    /// Its share of its cohort's training time, once it is done.
    pub seconds: Option<f64>,
}

impl<'a> Variant<'a> {
    /// All its jobs, those of cells that were stopped early, too.
    pub(super) fn all(&self) -> impl Iterator<Item = &Run<'a>> {
        self.runs.iter().chain(&self.stopped)
    }

    /// Whether its jobs may have this score: what others' trainers report is nothing that they lack.
    pub(super) fn may_have(&self, metric: Measure) -> bool {
        metric.known().is_some() || self.objectives.contains("own")
    }
}

impl Run<'_> {
    /// The value of a key, where it has one.
    pub(super) fn value(&self, axis: &str) -> Option<&Value> {
        self.axes.get(axis)
    }

    /// Its score of this metric and protocol.
    pub(super) fn score(&self, metric: Measure, protocol: i64) -> Option<f64> {
        self.scores.iter().find(|score| (score.metric, score.protocol) == (metric, protocol)).map(|score| score.value)
    }

    /// Whether it has no score at the step that is shown because training had come to nothing by then. A run that failed, was cancelled or has
    /// not ended may yet come to something; and one that went on beyond that step, or was not to get there, was only not scored.
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
    /// Sorts `results`, of which the scores at the step of `options` were read.
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

    /// The variants, and trials of searches: whoever has jobs.
    pub(super) fn everyone(&self) -> impl Iterator<Item = &Variant<'a>> {
        self.variants.iter().chain(&self.trials)
    }

    /// The trials with the place of their variant, whose colour they have.
    pub(super) fn placed_trials(&self) -> impl Iterator<Item = (usize, &Variant<'a>)> {
        self.trials.iter().enumerate().map(|(at, trials)| {
            let of = self.variants.iter().position(|variant| variant.name == search::of(trials.name));
            (of.unwrap_or(self.variants.len() + at), trials)
        })
    }

    /// Takes the jobs of cells that were stopped before the step that is shown out of those of their variants.
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

    /// The protocol that a metric's statistics are of, where it was measured.
    pub(super) fn protocol(&self, metric: Measure) -> Option<i64> {
        self.protocols.get(&metric)?.first().copied()
    }

    /// The same by the protocols of `runs`, where these have no scores by the usual ones: a cell of a sweep over how samples are scored. `None` where
    /// they have.
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

    /// What a perfect generator scores under a protocol, with the data set where jobs of several were measured so.
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

    /// A run's score under [`Study::protocol`].
    pub(super) fn score(&self, run: &Run, metric: Measure) -> Option<f64> {
        run.score(metric, self.protocol(metric)?)
    }

    /// How good a run is, the larger the better: −∞ where it came to nothing or its score is not finite; `None` where that is not known.
    pub(super) fn quality(&self, run: &Run, metric: Measure) -> Option<f64> {
        match self.score(run, metric) {
            // Whatever it scored when a rule has stopped it at the last step.
            Some(_) if run.status == Status::Collapsed && self.step == Step::Last => Some(f64::NEG_INFINITY),
            Some(score) if score.is_finite() => Some(advantage(metric, score, 0.0)),
            Some(_) => Some(f64::NEG_INFINITY),
            None => run.is_lost(metric, self.step).then_some(f64::NEG_INFINITY),
        }
    }
}

/// Whether all of these scores of a job were asked for among `others`.
fn is_of(scores: &[Scored], others: &[Scored]) -> bool {
    scores.iter().all(|score| others.iter().any(|other| (other.metric, other.ask) == (score.metric, score.ask)))
}

/// The keys that have more than one value, or that some runs do not have.
fn swept<'a>(runs: &[Run<'a>]) -> Vec<&'a str> {
    let keys: BTreeSet<&str> = runs.iter().flat_map(|run| run.axes.keys().map(String::as_str)).collect();
    let differs = |key: &&str| runs.iter().any(|run| run.value(key) != runs[0].value(key));
    keys.into_iter().filter(differs).collect()
}

/// For each metric its protocols, the one with the most scores first.
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
    /// What was measured on the way, while no job has got to its end: what will be ranked by first.
    pub(super) fn underway(&self) -> Vec<Measure> {
        let all: Vec<Measure> = self.results.underway.iter().map(|(metric, _)| *metric).collect();
        let first = ranking(&all);
        first.iter().copied().chain(all.iter().copied().filter(|metric| !first.contains(metric))).collect()
    }
}

/// Images are ranked by their MODE score, points by the modes that they cover and then by their distance; else by what there is.
pub(super) fn ranking(metrics: &[Measure]) -> Vec<Measure> {
    let usual: &[Measure] = if metrics.contains(&Metric::ModeScore.into()) {
        &[Measure::Known(Metric::ModeScore)]
    } else {
        &[Measure::Known(Metric::ModesCovered), Measure::Known(Metric::Wasserstein)]
    };
    let found: Vec<Measure> = usual.iter().copied().filter(|metric| metrics.contains(metric)).collect();
    if found.is_empty() { metrics.iter().copied().take(1).collect() } else { found }
}
