//! What a changed sweep file means for trained jobs: which finished jobs it no longer asks for, and which keys changed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::networks::hidden;
use crate::own_trainers::{folder, scripts};
use crate::sweep_file::Loaded;
use sweep_report::format::plural;
use sweep_spec::arch::Model;
use sweep_spec::blueprint::{Blueprint, BuiltIn, OwnTrainer};
use sweep_spec::dataset::Dataset;
use sweep_spec::expand::{Entry, Expansion};
use sweep_spec::id::JobId;
use sweep_spec::job::{Job, Scores};
use sweep_spec::keys::Key;
use sweep_spec::metric::Metric;
use sweep_spec::penalty::Penalty;
use sweep_spec::point::json;
use sweep_store::{Measured, NewEntry, NewSweep};
use sweep_system::shell::quoted;
use sweep_wire::status::Status;

/// The largest number of groups of jobs that are shown.
const SHOWN: usize = 8;
/// The largest number of keys of a group that are shown.
const KEYS: usize = 4;
/// The largest number of characters of a value that are shown.
const LONG: usize = 60;

/// Settings of a job whose names in YAML differ.
const NAMES: [(&str, &str); 2] =
    [("train.generator", "train.optimizer_generator"), ("train.discriminator", "train.optimizer_discriminator")];

/// Returns a sweep file as it is registered.
pub(crate) fn sweep(file: &Path, loaded: &Loaded, at: f64) -> NewSweep {
    NewSweep {
        name: loaded.expansion.sweep.clone(),
        file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string(),
        source: loaded.text.clone(),
        at,
        entries: entries(&loaded.expansion),
        renamed: HashMap::new(),
        scripts: folder(file).map(|folder| scripts(&loaded.expansion.trainers, &folder)).unwrap_or_default(),
        looks: Vec::new(),
        rounds: Vec::new(),
        picked: loaded.picked.clone(),
    }
}

/// Returns the jobs that a file asks for, as they are registered.
pub(crate) fn entries(expansion: &Expansion) -> Vec<NewEntry> {
    // Entries with the same scores share them.
    let mut scores: HashMap<_, Scores> = HashMap::new();
    let entry = |(ordinal, entry): (usize, &Entry)| NewEntry {
        ordinal: ordinal as u64,
        variant: entry.variant.to_string(),
        axes: entry.axes.iter().map(|(key, text)| (key.to_string(), json(text))).collect(),
        id: entry.id,
        job: entry.job.clone(),
        scores: scores.entry(Arc::as_ptr(&entry.score)).or_insert_with(|| [Arc::clone(&entry.score)].into()).clone(),
    };
    expansion.entries.iter().enumerate().map(entry).collect()
}

/// Returns what to tell before `new` replaces `old`, the sweep with this name until now. `states` has the status of its
/// jobs.
pub(crate) fn notes(old: &NewSweep, states: &HashMap<JobId, Status>, new: &NewSweep) -> Vec<String> {
    let asked: HashSet<JobId> = new.entries.iter().map(|entry| entry.id).collect();
    let mut seen = HashSet::new();
    let gone: Vec<&NewEntry> =
        old.entries.iter().filter(|entry| !asked.contains(&entry.id) && seen.insert(entry.id)).collect();
    let is_finished = |entry: &&&NewEntry| match states.get(&entry.id) {
        Some(Status::Done | Status::Diverged) => true,
        Some(_) | None => false,
    };
    let finished: Vec<&NewEntry> = gone.iter().filter(is_finished).copied().collect();
    let mut notes = Vec::new();
    // A file that was moved and changed is still the same file.
    if old.file != new.file && !gone.is_empty() && fs::exists(&old.file).unwrap_or(true) {
        notes.push(taken(old, new, finished.len()));
    }
    if !finished.is_empty() {
        notes.push(unused(&finished, new));
    }
    notes
}

/// Whether two files ask for the same scores of the same jobs.
pub(crate) fn asks_the_same(old: &NewSweep, new: &NewSweep) -> bool {
    let asks =
        |sweep: &NewSweep| sweep.entries.iter().map(|entry| (entry.id, Arc::clone(&entry.scores))).collect::<Vec<_>>();
    asks(old) == asks(new)
}

/// Finished jobs that lack scores that a file asks for.
#[derive(Debug, Default)]
pub(crate) struct Unmeasured {
    /// Jobs that lack scores of their last step.
    pub(crate) last: BTreeSet<JobId>,
    /// Jobs that lack scores of earlier steps, whose generators are gone.
    pub(crate) between: BTreeSet<JobId>,
    /// Jobs whose own trainer has not reported scores that the file declares now, by the names of the scores.
    pub(crate) unreported: BTreeMap<&'static str, BTreeSet<JobId>>,
}

/// Returns what `new` asks for that was not `measured` of finished jobs.
pub(crate) fn unmeasured(measured: &HashMap<JobId, Vec<Measured>>, new: &NewSweep) -> Unmeasured {
    let mut found = Unmeasured::default();
    // Entries that ask for the same share it, and there may be many.
    let mut asks: HashMap<_, Vec<(Metric, String)>> = HashMap::new();
    for entry in &new.entries {
        let Some(measured) = measured.get(&entry.id) else { continue };
        let steps = entry.job.blueprint.steps();
        for score in entry.scores.iter() {
            for measure in score.reported.measures() {
                let asked = score.asks(measure).to_string();
                let mut of = measured.iter().filter(|of| of.metric == measure && of.asked == asked);
                if !of.any(|of| of.steps.contains(&steps)) {
                    found.unreported.entry(measure.name()).or_default().insert(entry.id);
                }
            }
            let asked = |metric: &Metric| (*metric, score.asked(*metric).to_string());
            let asked = asks.entry(Arc::as_ptr(score)).or_insert_with(|| score.metrics.iter().map(asked).collect());
            for (metric, asked) in asked {
                let of = measured.iter().find(|of| of.metric == *metric && of.asked == *asked);
                for step in score.at(steps).filter(|step| of.is_none_or(|of| !of.steps.contains(step))) {
                    let lacking = if step == steps { &mut found.last } else { &mut found.between };
                    lacking.insert(entry.id);
                }
            }
        }
    }
    found
}

impl Unmeasured {
    /// Describes missing scores of the last step. `own`: SWEEP_WORKER trains.
    pub(crate) fn last_note(&self, own: bool) -> Option<String> {
        let count = self.last.len();
        let (jobs, have) = (plural(count, "finished job"), if count == 1 { "does not have" } else { "do not have" });
        let what = if own {
            ", and SWEEP_WORKER is not asked for them again, so they stay empty"
        } else {
            ": `sweep run` measures them from the saved generators, without training"
        };
        (count > 0).then(|| format!("note: the file asks for scores that {jobs} {have}{what}"))
    }

    /// Describes scores that an own trainer has not reported.
    pub(crate) fn unreported_notes(&self) -> impl Iterator<Item = String> + '_ {
        self.unreported.iter().map(|(name, jobs)| {
            format!(
                "note: {} of the trainer did not report `{name}` as declared. They are not trained again for that; a \
                new `trainer.version` is",
                plural(jobs.len(), "finished job")
            )
        })
    }

    /// Describes missing scores of earlier steps.
    pub(crate) fn between_note(&self) -> Option<String> {
        let count = self.between.len();
        let (jobs, lack) = (plural(count, "finished job"), if count == 1 { "lacks" } else { "lack" });
        (count > 0).then(|| {
            format!(
                "note: {jobs} {lack} scores of earlier steps that the file asks for (score.every): the generators of \
                these steps are gone. `sweep run --rescore-history` trains again for them; otherwise curves show what \
                was measured"
            )
        })
    }
}

/// Describes another file that takes over the name.
fn taken(old: &NewSweep, new: &NewSweep, finished: usize) -> String {
    let jobs: HashSet<JobId> = old.entries.iter().map(|entry| entry.id).collect();
    format!(
        "note: another file has the name `{name}`, too: {}, which asks for {} ({finished} finished ones of which this \
        file does not ask for). From this run on the name stands for {} alone. To keep both, give one of them another \
        name (`sweep: …`). `sweep run {}` brings the former back, without training again.",
        old.file,
        plural(jobs.len(), "job"),
        new.file,
        quoted(&old.file),
        name = new.name
    )
}

/// Describes which keys of finished jobs changed.
fn unused(finished: &[&NewEntry], new: &NewSweep) -> String {
    let place = |entry: &NewEntry| (entry.variant.clone(), Json::from(entry.axes.clone()).to_string(), entry.job.seed);
    let now: HashMap<_, &Job> = new.entries.iter().map(|entry| (place(entry), &entry.job)).collect();
    let mut groups = BTreeMap::<String, usize>::new();
    for entry in finished {
        let changes = match now.get(&place(entry)) {
            Some(job) => changes(&entry.job, job),
            None => vec![Change::gone(&entry.variant)],
        };
        *groups.entry(listed(&changes)).or_default() += 1;
    }
    let (jobs, are) = (plural(finished.len(), "finished job"), if finished.len() == 1 { "is" } else { "are" });
    let mut text = format!("note: {jobs} of `{}` {are} no longer used:", new.name);
    for (changes, count) in groups.iter().take(SHOWN) {
        text += &format!("\n  {count}: {changes}");
    }
    if groups.len() > SHOWN {
        text += &format!("\n  … and {} other changes", groups.len() - SHOWN);
    }
    text
}

/// A changed key of a job.
#[derive(Clone, Debug)]
struct Change {
    key: String,
    old: Option<Json>,
    new: Option<Json>,
}

impl Change {
    fn gone(variant: &str) -> Self {
        let key = format!("the file no longer asks for them (variant {variant})");
        Change { key, old: None, new: None }
    }

    /// Describes it as `train.steps 10 → 20`.
    fn text(&self) -> String {
        let value = |value: &Option<Json>| match value {
            None => "unset".to_owned(),
            Some(value) => shown(value),
        };
        match (value(&self.old), value(&self.new)) {
            _ if self.old.is_none() && self.new.is_none() => self.key.clone(),
            (old, new) if old == new || old.chars().count() + new.chars().count() > 2 * LONG => {
                format!("another {}", self.key)
            }
            (old, new) => format!("{} {old} → {new}", self.key),
        }
    }
}

/// Lists the first of them; a change of the objective brings many.
fn listed(changes: &[Change]) -> String {
    let mut texts: Vec<String> = changes.iter().take(KEYS).map(Change::text).collect();
    if changes.len() > KEYS {
        texts.push(format!("and {} more", changes.len() - KEYS));
    }
    texts.join(", ")
}

fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key}: {}", shown(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

/// Returns the keys in which two jobs with the same seed differ.
fn changes(old: &Job, new: &Job) -> Vec<Change> {
    let mut changes = Vec::new();
    match (&*old.blueprint, &*new.blueprint) {
        (Blueprint::BuiltIn(a), Blueprint::BuiltIn(b)) => changes_of(a, b, &mut changes),
        (Blueprint::Own(a), Blueprint::Own(b)) => {
            let json = |own: &OwnTrainer| {
                let mut json = serde_json::to_value(own).unwrap_or_default();
                json["dataset"] = Json::from(own.dataset.as_ref().map_or("none", Dataset::name));
                json
            };
            fields("trainer.", &json(a), &json(b), &mut changes);
        }
        (Blueprint::BuiltIn(_), Blueprint::Own(_)) | (Blueprint::Own(_), Blueprint::BuiltIn(_)) => {
            changes.push(Change { key: "another trainer".to_owned(), old: None, new: None });
        }
    }
    let parameters = |job: &Job| -> Json {
        let own = job.blueprint.own().is_some();
        let path = |name: &str| Key::find(name).filter(|_| !own).map_or(name.to_owned(), |key| key.path());
        let json = |value| serde_json::to_value(value).unwrap_or_default();
        job.parameters.iter().map(|(name, value)| (path(name), json(value))).collect()
    };
    fields("", &parameters(old), &parameters(new), &mut changes);
    changes
}

/// Returns the keys in which two blueprints differ.
fn changes_of(a: &BuiltIn, b: &BuiltIn, changes: &mut Vec<Change>) {
    if a.revision != b.revision {
        let key =
            "trained by another version of this program, with which the same settings give other results".to_owned();
        changes.push(Change { key, old: None, new: None });
    }
    let json = |value: serde_json::Result<Json>| value.unwrap_or_default();
    let (was, is) = (json(serde_json::to_value(a.dataset)), json(serde_json::to_value(b.dataset)));
    chosen("dataset", "dataset.", &was, &is, changes);
    let (was, is) = (json(serde_json::to_value(a.objective)), json(serde_json::to_value(b.objective)));
    chosen("objective", "", &was, &is, changes);
    if a.penalties != b.penalties {
        let shown = |all: &[Penalty]| {
            let all: Vec<String> = all.iter().map(Penalty::to_string).collect();
            Some(format!("[{}]", all.join(", ")).into())
        };
        changes.push(Change { key: "penalties".to_owned(), old: shown(&a.penalties), new: shown(&b.penalties) });
    }
    networks(&a.model, &b.model, changes);
    fields("train.", &json(serde_json::to_value(&a.train)), &json(serde_json::to_value(&b.train)), changes);
}

/// Compares a choice of one of several kinds: another kind, or the same one with other settings.
fn chosen(key: &str, section: &str, old: &Json, new: &Json, changes: &mut Vec<Change>) {
    let name = |value: &Json| match value {
        Json::Object(map) => map.keys().next().cloned().unwrap_or_default(),
        value => shown(value),
    };
    let (was, is) = (name(old), name(new));
    if was != is {
        changes.push(Change { key: key.to_owned(), old: Some(was.into()), new: Some(is.into()) });
    } else if old != new {
        fields(section, &old[&was], &new[&is], changes);
    }
}

/// Compares the fields of a map.
fn fields(section: &str, old: &Json, new: &Json, changes: &mut Vec<Change>) {
    let none = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&none), new.as_object().unwrap_or(&none));
    for field in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (old.get(field), new.get(field));
        if old != new {
            let path = format!("{section}{field}");
            let name = NAMES.iter().find(|(own, _)| *own == path).map_or(path.as_str(), |(_, name)| name);
            changes.push(Change { key: name.to_owned(), old: old.cloned(), new: new.cloned() });
        }
    }
}

/// Compares networks. If they differ in more than a line can say, shows their hidden sizes, or only that they differ.
fn networks(old: &Model, new: &Model, changes: &mut Vec<Change>) {
    let size = |layers: &[_]| Some(Json::from(hidden(layers)));
    for (key, old, new) in [
        ("model.generator", &old.generator, &new.generator),
        ("model.discriminator", &old.discriminator, &new.discriminator),
        ("model.encoder", &old.encoder, &new.encoder),
        ("model.denoiser", &old.denoiser, &new.denoiser),
    ] {
        if old != new {
            changes.push(Change { key: key.to_owned(), old: size(old), new: size(new) });
        }
    }
    let rest = |model: &Model| {
        let mut rest = serde_json::to_value(model).unwrap_or_default();
        if let Some(rest) = rest.as_object_mut() {
            rest.retain(|key, _| !["generator", "discriminator", "encoder", "denoiser"].contains(&key.as_str()));
        }
        rest
    };
    fields("model.", &rest(old), &rest(new), changes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::sweep::Sweep;

    const FILE: &str = "sweep: s\ndataset: gaussians\nobjective: d2gan\nalpha: 0.1\nbeta: 0.2\nmodel: {generator: \
        [16], noise: 8}\ntrain: {steps: 10, batch: 32, lr: 1e-3}\nscore: {every: 10, samples: 100}\n";

    fn job(text: &str) -> Job {
        Sweep::parse("f", text).unwrap().expand().unwrap().entries.remove(0).job
    }

    #[test]
    fn every_key_that_makes_another_job_is_named() {
        for (old, new, expected) in [
            ("steps: 10,", "steps: 20,", "train.steps 10 → 20"),
            // What is measured is not part of a job.
            ("every: 10", "every: 5", ""),
            ("samples: 100", "samples: 200", ""),
            ("batch: 32", "batch: 64", "train.batch 32 → 64"),
            ("lr: 1e-3", "lr: 2e-3", "train.lr_discriminator 0.001 → 0.002, train.lr_generator 0.001 → 0.002"),
            ("alpha: 0.1", "alpha: 0.3", "alpha 0.1 → 0.3"),
            ("dataset: gaussians", "dataset: {gaussians: {modes: 9}}", "dataset.modes 8 → 9"),
            ("[16]", "[17]", "model.generator 1×16 → 1×17"),
            ("noise: 8", "noise: 9", "another model.generator, model.noise 8 → 9"),
            ("noise: 8", "noise: 8, noise_distribution: uniform", "model.noise_distribution unset → uniform"),
            ("noise: 8", "noise: 8, init: he_normal", "model.init {normal: {std: 0.02}} → he_normal"),
            ("noise: 8", "noise: 8, pack: 2", "another model.discriminator, model.pack unset → 2"),
            ("noise: 8", "noise: 8, generator_norm: batch", "another model.generator"),
            ("batch: 32", "batch: 32, d_steps: 3", "train.d_steps 1 → 3"),
            ("batch: 32", "batch: 32, precision: tf32", "train.precision unset → tf32"),
            ("d2gan\nalpha: 0.1\nbeta: 0.2", "gan", "objective d2gan → gan, alpha 0.1 → unset, beta 0.2 → unset"),
        ] {
            assert!(FILE.contains(old), "{old}");
            assert_eq!(listed(&changes(&job(FILE), &job(&FILE.replace(old, new)))), expected, "{old} to {new}");
        }
        // A job that an earlier version trained with the same settings.
        let text = "sweep: s\ndataset: gaussians\nobjective: dfm\ntrain: {steps: 10}\n";
        let (mut old, new) = (job(text), job(text));
        let mut built_in = old.blueprint.built_in().unwrap().clone();
        built_in.revision = 0;
        old.blueprint = Arc::new(Blueprint::BuiltIn(built_in));
        let expected = "trained by another version of this program, with which the same settings give other results";
        assert_eq!(listed(&changes(&old, &new)), expected);
    }
}
