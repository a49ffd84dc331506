//! A sweep to register, and the file from which it can be registered again.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{StoreError, files, former_ids};
use sweep_spec::blueprint::{Blueprint, Score};
use sweep_spec::former::Former;
use sweep_spec::from::Picked;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::{Job, Scores};
use sweep_spec::metric::Metric;
use sweep_spec::parameters::Parameters;
use sweep_spec::race::Look;
use sweep_spec::search::Round;
use sweep_wire::home::Home;

/// A sweep file and the jobs it expands to.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSweep {
    /// Its name. Registering another sweep under the same name replaces it (jobs and scores stay).
    pub name: String,
    /// The path of the YAML file.
    pub file: String,
    /// The YAML text.
    pub source: String,
    /// When it was run, in seconds since the Unix epoch.
    pub at: f64,
    /// Its jobs.
    pub entries: Vec<NewEntry>,
    /// Former ids of its jobs from earlier programs, with today's ids.
    pub renamed: HashMap<JobId, JobId>,
    /// The checksums of own trainers' scripts from when their first jobs were trained.
    pub scripts: Scripts,
    /// If seeds are added until comparisons are decided: the looks so far, including those of an earlier file with this
    /// name.
    pub looks: Vec<Look>,
    /// If cells are searched: the points proposed and picked so far, including those of an earlier file with this name.
    pub rounds: Vec<Round>,
    /// If cells come from other sweeps: which ones.
    pub picked: Vec<Picked>,
}

/// Checksums of the files that a trainer's command names, by blueprint.
pub type Scripts = BTreeMap<BlueprintId, BTreeMap<String, String>>;

/// One job of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// Its position in the expanded file; unique in the sweep.
    pub ordinal: u64,
    /// Its variant.
    pub variant: String,
    /// This job's values of the variant's swept keys, without the seed.
    pub axes: Map<String, Value>,
    /// [`Job::id`] of `job`, which the caller has already: 41,472 hashes take a while.
    pub id: JobId,
    /// What to train.
    pub job: Job,
    /// The scores to measure. If several name the same metric, the last one counts.
    pub scores: Scores,
}

/// The content of `sweeps/<name>.json`, with each blueprint once.
#[derive(Serialize, Deserialize)]
struct File {
    name: String,
    file: String,
    source: String,
    at: f64,
    /// Those of an earlier program contain what to measure.
    blueprints: Vec<Value>,
    #[serde(default)]
    scores: Vec<Scores>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    renamed: BTreeMap<JobId, JobId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    scripts: Scripts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    looks: Vec<Look>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rounds: Vec<Round>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    picked: Vec<Picked>,
    entries: Vec<FileEntry>,
}

#[derive(Serialize, Deserialize)]
struct FileEntry {
    ordinal: u64,
    variant: String,
    axes: Map<String, Value>,
    blueprint: usize,
    #[serde(default)]
    scores: usize,
    #[serde(alias = "knobs")]
    parameters: Parameters,
    seed: u64,
}

impl NewSweep {
    /// Writes the file from which `sweep rebuild` registers this sweep. Call it before [`super::Store::register`].
    pub fn save(&self, home: &Home) -> Result<(), StoreError> {
        let path = home.sweep(&self.name);
        let (mut blueprints, mut scores) = (Vec::new(), Vec::new());
        let mut known: HashMap<*const Blueprint, usize> = HashMap::new();
        let mut scorings: HashMap<*const Arc<Score>, usize> = HashMap::new();
        let entries = self.entries.iter().map(|entry| {
            let blueprint = *known.entry(Arc::as_ptr(&entry.job.blueprint)).or_insert_with(|| {
                blueprints.push(serde_json::to_value(&entry.job.blueprint).unwrap_or_default());
                blueprints.len() - 1
            });
            let scoring = *scorings.entry(entry.scores.as_ptr()).or_insert_with(|| {
                scores.push(Arc::clone(&entry.scores));
                scores.len() - 1
            });
            FileEntry {
                ordinal: entry.ordinal,
                variant: entry.variant.clone(),
                axes: entry.axes.clone(),
                blueprint,
                scores: scoring,
                parameters: entry.job.parameters.clone(),
                seed: entry.job.seed,
            }
        });
        let entries = entries.collect();
        let renamed = self.renamed.iter().map(|(was, job)| (*was, *job)).collect();
        let (name, file, source) = (self.name.clone(), self.file.clone(), self.source.clone());
        let (scripts, looks) = (self.scripts.clone(), self.looks.clone());
        let (rounds, picked) = (self.rounds.clone(), self.picked.clone());
        files::write_json(
            &path,
            &File {
                name,
                file,
                source,
                at: self.at,
                blueprints,
                scores,
                renamed,
                scripts,
                looks,
                rounds,
                picked,
                entries,
            },
        )
    }

    /// Reads what [`NewSweep::save`] wrote, in this or an earlier program.
    pub fn load(path: &Path) -> Result<NewSweep, StoreError> {
        NewSweep::load_measured(path, &BTreeMap::new())
    }

    /// Reads it, given what was `measured` later for jobs of an earlier program: protocols by metric.
    pub(super) fn load_measured(
        path: &Path,
        measured: &BTreeMap<JobId, BTreeMap<Metric, Value>>,
    ) -> Result<NewSweep, StoreError> {
        let format = |message: String| StoreError::Format { path: path.to_owned(), expected: "a saved sweep", message };
        let text = fs::read(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        let file: File = serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
        let blueprints = file.blueprints.iter().map(Shared::of).collect::<serde_json::Result<Vec<_>>>();
        let blueprints = blueprints.map_err(|error| format(error.to_string()))?;
        let mut renamed: HashMap<JobId, JobId> = file.renamed.into_iter().collect();
        let mut entries = Vec::with_capacity(file.entries.len());
        for FileEntry { ordinal, variant, axes, blueprint: at, scores, parameters, seed } in file.entries {
            let shared = blueprints.get(at).ok_or_else(|| format(format!("there is no blueprint {at}")))?;
            let job = Job { blueprint: Arc::clone(&shared.blueprint), parameters, seed };
            let id = job.id_in(shared.id);
            let scores = match &shared.former {
                Some((former, scores)) => {
                    let was = former.was(&job);
                    renamed.insert(was, id);
                    match (measured.get(&was), &**scores) {
                        (Some(measured), [usual]) => former_ids::asked_for(usual, &former.dataset, measured),
                        _ => Arc::clone(scores),
                    }
                }
                None => {
                    let found = file.scores.get(scores).map(Arc::clone);
                    found.ok_or_else(|| format(format!("there is no way of scoring {scores}")))?
                }
            };
            entries.push(NewEntry { ordinal, variant, axes, id, job, scores });
        }
        Ok(NewSweep {
            name: file.name,
            file: file.file,
            source: file.source,
            at: file.at,
            entries,
            renamed,
            scripts: file.scripts,
            looks: file.looks,
            rounds: file.rounds,
            picked: file.picked,
        })
    }
}

/// A blueprint in a file.
struct Shared {
    blueprint: Arc<Blueprint>,
    id: BlueprintId,
    /// Its form in an earlier program, and what was measured then.
    former: Option<(Former, Scores)>,
}

impl Shared {
    fn of(json: &Value) -> serde_json::Result<Shared> {
        let former = Former::of(json)?;
        let blueprint = match &former {
            Some(former) => former.blueprint.clone(),
            None => serde_json::from_value(json.clone())?,
        };
        let scores = |former: Former| {
            let scores = [Arc::new(former.score.clone())].into();
            (former, scores)
        };
        Ok(Shared { id: blueprint.id(), blueprint: Arc::new(blueprint), former: former.map(scores) })
    }
}
