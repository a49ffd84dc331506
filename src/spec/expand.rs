//! Expands a sweep into its jobs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::blueprint::Score;
use super::error::{Mistakes, SpecErrors};
use super::expand_variant::{Shared, VariantExpander};
use super::expect::Expect;
use super::id::{BlueprintId, JobId};
use super::job::{Job, Scores, Task, together};
use super::keys::Key;
use super::metric::Measure;
use super::policy::Policy;
use super::prune::Prune;
use super::race::Race;
use super::search::{self, Given, Search};
use super::stop::{Stop, Watched};
use super::sweep::{Sweep, Variant};
use super::trainer::Trainer;
use super::unused::Said;

/// Maximum number of jobs of a file, before exclusions.
const MAX_JOBS: u64 = 1_000_000;

/// What a sweep requests.
#[derive(Clone, Debug)]
pub struct Expansion {
    /// The sweep's name.
    pub sweep: String,
    /// The variants, in the order of the file.
    pub variants: Vec<Summary>,
    /// The jobs: by variant, then by point, then by seed.
    pub entries: Vec<Entry>,
    /// What the results are expected to show.
    pub expects: Vec<Expect>,
    /// How a run handles failures and time limits.
    pub policy: Policy,
    /// When to check whether more seeds are needed. The jobs cover all seeds that may be used.
    pub race: Option<Race>,
    /// Which cells are pruned.
    pub prune: Option<Prune>,
    /// Searches for good points.
    pub searches: Vec<Search>,
    /// The rules for stopping collapsed jobs.
    pub stops: Vec<Stop>,
    /// The blueprints whose jobs' final checkpoints are kept.
    pub keeps: BTreeSet<BlueprintId>,
    /// The user's own trainers, by the blueprints of their jobs.
    pub trainers: BTreeMap<BlueprintId, Arc<Trainer>>,
    /// Warnings about likely oversights such as unused keys, one per line with its place.
    pub warnings: Vec<String>,
}

/// One job and its place in a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The variant's name.
    pub variant: Arc<str>,
    /// The swept keys with this job's values as text, without seeds and keys that have no effect in this job.
    pub axes: Arc<[(Arc<str>, Arc<str>)]>,
    /// The job's id.
    pub id: JobId,
    /// The job. Equal blueprints are shared.
    pub job: Job,
    /// How it is scored. Equal scorings are shared.
    pub score: Arc<Score>,
    /// Whether its cell is exempt from pruning.
    pub spared: bool,
}

/// A summary of one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Names of its jobs' objectives; usually one.
    pub objectives: BTreeSet<&'static str>,
    /// Names of its jobs' data sets; usually one.
    pub datasets: BTreeSet<&'static str>,
    /// The swept keys with their number of points. Keys that are swept together form one entry.
    pub axes: Vec<(Vec<String>, usize)>,
    /// Replicates per point.
    pub seeds: usize,
    /// Its number of jobs.
    pub jobs: usize,
}

impl Expansion {
    /// Returns each job once with all its scorings, in the order of first occurrence.
    pub fn tasks(&self) -> Vec<Task> {
        let mut alone: HashMap<*const Score, Scores> = HashMap::new();
        together(self.entries.iter().map(|Entry { id, job, score, .. }| {
            let scores = alone.entry(Arc::as_ptr(score)).or_insert_with(|| [Arc::clone(score)].into());
            Task { id: *id, job: job.clone(), scores: Arc::clone(scores), earlier: None }
        }))
    }
}

impl Sweep {
    /// Returns the jobs of this sweep.
    ///
    /// # Errors
    ///
    /// Mistakes that only show in jobs: settings that are missing, or do not fit together.
    pub fn expand(&self) -> Result<Expansion, SpecErrors> {
        let mut mistakes = Mistakes::default();
        let mut expansion = self.expand_into(&mut mistakes);
        let warnings = std::mem::take(&mut expansion.warnings);
        match mistakes.or(&self.file, &self.text, expansion) {
            Ok(expansion) => Ok(Expansion { warnings, ..expansion }),
            Err(errors) => Err(SpecErrors { warnings, ..errors }),
        }
    }

    /// Returns the variants. Variants with a search are split into their trials and their confirmed points.
    fn parts(&self) -> Vec<Cow<'_, Variant>> {
        let parts = |variant: &'_ Variant| match &variant.search {
            None => None,
            Some(search) => {
                let start = || Given { trials: search.drawn(search.plan.startup), confirmed: Vec::new() };
                Some(search.parts(variant, &self.given.get(&variant.name).cloned().unwrap_or_else(start)))
            }
        };
        let all = self.variants.iter().flat_map(|variant| match parts(variant) {
            None => vec![Cow::Borrowed(variant)],
            Some(parts) => parts.map(Cow::Owned).into(),
        });
        all.collect()
    }

    /// Expands as far as possible, and collects what is wrong with the rest.
    pub(super) fn expand_into(&self, mistakes: &mut Mistakes) -> Expansion {
        let mut expansion = Expansion {
            sweep: self.name.clone(),
            variants: Vec::new(),
            entries: Vec::new(),
            expects: self.expects.iter().map(|(expect, _)| expect.clone()).collect(),
            policy: self.policy.clone(),
            race: self.race.clone(),
            prune: self.prune.as_ref().map(|declared| declared.prune.clone()),
            searches: self.searches().cloned().collect(),
            stops: self.stops.iter().map(|(stop, _)| stop.clone()).collect(),
            keeps: BTreeSet::new(),
            trainers: BTreeMap::new(),
            warnings: Vec::new(),
        };
        let mut warnings = Mistakes::default();
        // A key may only seem unused because of a mistake.
        let mut unused = Mistakes::default();
        // Keys that the file sets and no variant uses.
        let mut idle: Vec<&Said> = self.said.iter().collect();
        let mut shared = Shared::default();
        let mut scored: BTreeMap<String, BTreeSet<Measure>> = BTreeMap::new();
        let mut left = MAX_JOBS;
        for variant in self.parts().iter().map(AsRef::as_ref) {
            if variant.is_open {
                expansion.variants.push(Summary::open(variant));
                continue;
            }
            let Some(rest) = points(variant).and_then(|points| left.checked_sub(points)) else {
                let place = &variant.place;
                let message = format!("more than {MAX_JOBS} jobs in this file, up to and with `{}`", variant.name);
                mistakes.advise(
                    &*place.path,
                    &place.span,
                    message,
                    "sweep fewer keys at once, or draw from them with `random`",
                );
                continue;
            };
            left = rest;
            let before = expansion.entries.len();
            let said = variant.said.iter().chain(&self.said).map(|said| said.key.clone()).collect();
            let together = (&mut *mistakes, &mut warnings);
            let mut walk = VariantExpander::new(variant, said, together, &mut expansion.entries, &mut shared);
            walk.spare(self.prune.as_ref());
            walk.axis(&mut variant.settings.clone(), &mut Vec::new());
            let (matter, included) = (walk.matter(), walk.included);
            let blueprints = walk.blueprints();
            if let Some(trainer) = &variant.settings.trainer {
                expansion.trainers.extend(blueprints.map(|id| (id, Arc::clone(trainer))));
            }
            let keys = walk.idle;
            idle.retain(|said| keys.contains(&said.key));
            for said in variant.said.iter().filter(|said| keys.contains(&said.key)) {
                said.warn(&format!("`{}`", search::of(&variant.name)), &mut unused);
            }
            let entries = &expansion.entries[before..];
            check(variant, included, &matter, mistakes);
            for entry in entries {
                scored.entry(variant.name.clone()).or_default().extend(entry.score.measures());
            }
            let swept = variant.axes.iter().map(|swept| {
                let keys = swept
                    .axis
                    .keys
                    .iter()
                    .filter(|key| matter.contains(*key))
                    .map(|key| key.name().to_owned())
                    .collect();
                (keys, swept.axis.points.len())
            });
            expansion.variants.push(Summary {
                name: variant.name.clone(),
                objectives: entries.iter().map(|entry| entry.job.blueprint.objective_name()).collect(),
                datasets: entries.iter().map(|entry| entry.job.blueprint.dataset_name()).collect(),
                axes: swept.filter(|(keys, _): &(Vec<_>, _)| !keys.is_empty()).collect(),
                seeds: variant.seeds.len(),
                jobs: entries.len(),
            });
        }
        shared.say_found(mistakes, &mut warnings);
        if let Some(declared) = self.prune.as_ref().filter(|_| mistakes.len() == 0) {
            declared.check(&expansion.entries, mistakes);
        }
        for (stop, place) in &self.stops {
            let Watched::Score(metric) = stop.what else { continue };
            if !scored.values().any(|metrics| metrics.contains(&metric)) {
                let names: BTreeSet<&str> = scored.values().flatten().map(|metric| metric.name()).collect();
                let names = names.into_iter().collect::<Vec<_>>().join(", ");
                let message = format!("`{}` is not a score of this file", metric.name());
                mistakes.advise(&*place.path, &place.span, message, format!("its `score.metrics` are {names}"));
            }
        }
        let metric = |variant: &'_ Variant| Some(variant.sought.as_ref()?.metric.1.clone());
        for (search, place) in self.variants.iter().filter_map(|of| Some((of.search.as_ref()?, metric(of)?))) {
            let trials = scored.get(&search::of_trials(&search.variant));
            if let Some(metrics) = trials.filter(|metrics| !metrics.contains(&search.metric)) {
                let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
                let message = format!("`{}` is not a score of `{}`", search.metric.name(), search.variant);
                mistakes.advise(
                    &*place.path,
                    &place.span,
                    message,
                    format!("its `score.metrics` are {}", names.join(", ")),
                );
            }
        }
        expansion.keeps = std::mem::take(&mut shared.keeps);
        for (expect, place) in &self.expects {
            for term in expect.terms() {
                let Some((metric, variant)) = term.of() else { continue };
                // A variant without jobs has its own mistakes.
                if let Some(metrics) = scored.get(variant).filter(|metrics| !metrics.contains(&metric)) {
                    let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
                    mistakes.advise(
                        &*place.path,
                        &place.span,
                        format!("`{}` is not a score of `{variant}`", metric.name()),
                        format!("its `score.metrics` are {}", names.join(", ")),
                    );
                }
            }
        }
        for (figure, place) in &self.published {
            let (metric, variant) = (figure.metric, &figure.variant);
            if let Some(metrics) = scored.get(variant.as_str()).filter(|metrics| !metrics.contains(&metric)) {
                let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
                unused.advise(
                    &*place.path,
                    &place.span,
                    format!("`{}` is not a score of `{variant}`, so no report shows this figure", metric.name()),
                    format!("its `score.metrics` are {}", names.join(", ")),
                );
            }
        }
        // A key with the same name in several trainers is listed once.
        let used = |one: &Said| {
            self.said.iter().any(|said| {
                said.place == one.place
                    && said.key.name() == one.key.name()
                    && !idle.iter().any(|idle| std::ptr::eq(*idle, said))
            })
        };
        for said in idle.iter().filter(|said| !used(said)) {
            said.warn("this file", &mut unused);
        }
        for (what, place) in &self.idle {
            let help = "every variant sweeps something itself, or sets all keys to search";
            unused.advise(&*place.path, &place.span, format!("`{what}` applies to no variant of this file"), help);
        }
        if mistakes.len() == 0 {
            warnings.append(unused);
        }
        expansion.warnings = warnings.lines(&self.file, &self.text);
        expansion
    }
}

impl Summary {
    /// Summarises a variant whose cells are not known yet.
    fn open(variant: &Variant) -> Summary {
        let settings = &variant.settings;
        let objective = match &settings.trainer {
            Some(_) => Some("own"),
            None => settings.objective().map(|objective| objective.name()),
        };
        Summary {
            name: variant.name.clone(),
            objectives: objective.into_iter().collect(),
            datasets: BTreeSet::new(),
            axes: Vec::new(),
            seeds: variant.seeds.len(),
            jobs: 0,
        }
    }
}

/// Returns points times seeds; `None` on overflow.
fn points(variant: &Variant) -> Option<u64> {
    let axes = variant.axes.iter().map(|swept| swept.axis.points.len() as u64);
    axes.chain([variant.seeds.len() as u64]).try_fold(1, |product: u64, n| product.checked_mul(n))
}

fn check(variant: &Variant, included: bool, matter: &HashSet<Key>, mistakes: &mut Mistakes) {
    if !included {
        let place = &variant.place;
        mistakes.add(&*place.path, &place.span, format!("every job of `{}` is excluded", variant.name));
        return;
    }
    for swept in variant.axes.iter().filter(|swept| swept.own) {
        for key in swept.axis.keys.iter().filter(|key| !matter.contains(*key)) {
            let place = &swept.axis.place;
            mistakes.advise(
                &*place.path,
                &place.span,
                format!("`{}` changes nothing in any job of `{}`", key.name(), variant.name),
                "remove it here, or set what it belongs to",
            );
        }
    }
}
