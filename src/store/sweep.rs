//! A sweep as it is registered, and the file from which it can be registered again.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{StoreError, files};
use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::JobId;
use sweep_spec::job::Job;
use sweep_spec::parameters::Parameters;

/// Bytes of a sweep's name in that of its file, before a hash: file systems have 255 for all of it, some fewer. What is cut is longer than
/// this with its hash, so that no other name's file can be the same.
const LONGEST: usize = 180;

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
    /// Where [`NewSweep::save`] puts a sweep of this name. Characters that a file name may not have are written as `%` and their code; of a
    /// name that is too long so, the beginning and a hash.
    pub fn path(home: &Path, name: &str) -> PathBuf {
        let mut file = String::new();
        // The end of the last character that still fits.
        let mut fits = 0;
        for byte in name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => file.push(char::from(byte)),
                other => file.push_str(&format!("%{other:02x}")),
            }
            if file.len() <= LONGEST {
                fits = file.len();
            }
        }
        if file.len() > LONGEST {
            file.truncate(fits);
            file.push_str(&format!("-{}", &blake3::hash(name.as_bytes()).to_hex()[..16]));
        }
        home.join("sweeps").join(file + ".json")
    }

    /// Writes the file from which `sweep rebuild` registers this sweep again. Call it before [`super::Store::register`].
    pub fn save(&self, home: &Path) -> Result<(), StoreError> {
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
        files::write_json(
            &NewSweep::path(home, &self.name),
            &File { name, file, source, at: self.at, blueprints, entries },
        )
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

    fn file(name: &str) -> String {
        let path = NewSweep::path(Path::new("home"), name);
        assert_eq!(path.parent(), Some(Path::new("home/sweeps")));
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn every_legal_name_has_a_file_of_its_own() {
        assert_eq!(file("ab-1_Z"), "ab-1_Z.json");
        assert_eq!(file("a/b ü"), "a%2fb%20%c3%bc.json");
        // As long as may be.
        assert_eq!(file(&"中".repeat(20)), format!("{}.json", "%e4%b8%ad".repeat(20)));
        let long = ["中".repeat(36), "中".repeat(100), format!("ab{}", "中".repeat(36)), "😀".repeat(100)];
        for name in &long {
            let file = file(name);
            let (start, hash) = file.strip_suffix(".json").unwrap().rsplit_once('-').unwrap();
            assert!(start.len() > LONGEST - 3 && start.len() <= LONGEST && hash.len() == 16, "{file}");
            // Whole escapes.
            assert_eq!(start.trim_start_matches("ab").len() % 3, 0, "{file}");
        }
        let files: std::collections::HashSet<String> = long.iter().map(|name| file(name)).collect();
        assert_eq!(files.len(), long.len());
        let home = tempfile::tempdir().unwrap();
        let sweep = crate::tests::sweep(&long[1], &[0.1], &[0.1], 1);
        sweep.save(home.path()).unwrap();
        assert_eq!(NewSweep::load(&NewSweep::path(home.path(), &long[1])).unwrap(), sweep);
    }
}
