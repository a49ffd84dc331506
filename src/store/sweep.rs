//! A sweep as it is registered, and the file from which it can be registered again.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{StoreError, files};
use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::JobId;
use sweep_spec::job::Job;
use sweep_spec::parameters::Parameters;
use sweep_wire::home::Home;

/// A sweep file and the jobs that it expands to.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSweep {
    /// Its name: registering another sweep under the same name replaces it (jobs and scores stay).
    pub name: String,
    /// Where the YAML is.
    pub file: String,
    /// The YAML.
    pub source: String,
    /// When it was run, in seconds since the Unix epoch.
    pub at: f64,
    /// The jobs that it asks for.
    pub entries: Vec<NewEntry>,
}

/// One job that a sweep asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// Its place in the expanded file; unique in the sweep.
    pub ordinal: u64,
    /// The variant that it belongs to.
    pub variant: String,
    /// The swept keys of the variant with this job's values, without the seed.
    pub axes: serde_json::Map<String, serde_json::Value>,
    /// [`Job::id`] of `job`: the caller has it already, and 41,472 hashes take a while.
    pub id: JobId,
    /// What to train.
    pub job: Job,
}

/// The content of `sweeps/<name>.json`: blueprints once each.
#[derive(Serialize, Deserialize)]
struct File {
    name: String,
    file: String,
    source: String,
    at: f64,
    blueprints: Vec<Arc<Blueprint>>,
    entries: Vec<FileEntry>,
}

#[derive(Serialize, Deserialize)]
struct FileEntry {
    ordinal: u64,
    variant: String,
    axes: serde_json::Map<String, serde_json::Value>,
    blueprint: usize,
    #[serde(alias = "knobs")]
    parameters: Parameters,
    seed: u64,
}

impl NewSweep {
    /// Writes the file from which `sweep rebuild` registers this sweep again. Call it before [`super::Store::register`].
    pub fn save(&self, home: &Home) -> Result<(), StoreError> {
        let mut blueprints = Vec::new();
        let mut known: HashMap<*const Blueprint, usize> = HashMap::new();
        let entries = self.entries.iter().map(|entry| {
            let blueprint = *known.entry(Arc::as_ptr(&entry.job.blueprint)).or_insert_with(|| {
                blueprints.push(Arc::clone(&entry.job.blueprint));
                blueprints.len() - 1
            });
            FileEntry {
                ordinal: entry.ordinal,
                variant: entry.variant.clone(),
                axes: entry.axes.clone(),
                blueprint,
                parameters: entry.job.parameters.clone(),
                seed: entry.job.seed,
            }
        });
        let entries = entries.collect();
        let (name, file, source) = (self.name.clone(), self.file.clone(), self.source.clone());
        files::write_json(&home.sweep(&self.name), &File { name, file, source, at: self.at, blueprints, entries })
    }

    /// Reads what [`NewSweep::save`] wrote.
    pub fn load(path: &Path) -> Result<NewSweep, StoreError> {
        let format = |message: String| StoreError::Format { path: path.to_owned(), expected: "a saved sweep", message };
        let text = fs::read(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
        let file: File = serde_json::from_slice(&text).map_err(|error| format(error.to_string()))?;
        let entry = |entry: FileEntry| {
            let blueprint = file.blueprints.get(entry.blueprint).map(Arc::clone);
            let blueprint = blueprint.ok_or_else(|| format(format!("there is no blueprint {}", entry.blueprint)))?;
            let job = Job { blueprint, parameters: entry.parameters, seed: entry.seed };
            let (ordinal, variant, axes) = (entry.ordinal, entry.variant, entry.axes);
            Ok(NewEntry { ordinal, variant, axes, id: job.id(), job })
        };
        let entries = file.entries.into_iter().map(entry).collect::<Result<_, StoreError>>()?;
        Ok(NewSweep { name: file.name, file: file.file, source: file.source, at: file.at, entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_of_any_name_is_read_as_it_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let sweep = crate::tests::sweep(&"中".repeat(100), &[0.1], &[0.1], 1);
        sweep.save(&home).unwrap();
        assert_eq!(NewSweep::load(&home.sweep(&sweep.name)).unwrap(), sweep);
    }
}
