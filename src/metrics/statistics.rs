//! What is known of real images, kept on disk: features, the fit to them, neighbourhoods.
//!
//! They depend on the images and on the network alone, and cost more than a scoring does. A file holds those of one set of images seen
//! by one network; its name is a hash of both, and it carries a checksum of its contents. A file that is damaged, or that another
//! version wrote, is made again; a folder that cannot be written to costs time and nothing else.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::MetricError;
use super::nets::Network;
use crate::tensor::file::{self, FileError, Named};

/// Changes when an old file cannot be used any more.
const FORMAT: u32 = 1;

/// Statistics of some images, as far as they are known.
#[derive(Debug)]
pub struct Statistics {
    /// `features` `[n, features]`, and whatever else was worked out of them.
    pub known: Named,
    path: Option<PathBuf>,
}

impl Statistics {
    /// Those of `samples`, pixels in [−1, 1], seen by `network`: from `folder`, or made now. Another process that makes the same is
    /// waited for.
    pub fn of(samples: &[f32], network: &Network, folder: Option<&Path>) -> Result<Self, MetricError> {
        let see = || Ok::<_, MetricError>(Named::from([("features".to_owned(), network.run(samples)?.features)]));
        let Some(folder) = folder else { return Ok(Statistics { known: see()?, path: None }) };
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{FORMAT} {} {} ", network.name(), network.checksum()).as_bytes());
        for block in samples.chunks(1 << 12) {
            hasher.update(&block.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        let path = folder.join(format!("{}.safetensors", &hasher.finalize().to_hex()[..32]));
        if let Some(known) = read(&path) {
            return Ok(Statistics { known, path: Some(path) });
        }
        // Whoever has the lock may be making them. Without a lock (in a folder that cannot be written to) they are made here.
        let _lock = lock(folder);
        let known = match read(&path) {
            Some(known) => known,
            None => see()?,
        };
        let statistics = Statistics { known, path: Some(path) };
        statistics.save();
        Ok(statistics)
    }

    /// Makes what is known durable; says so where it cannot, and goes on.
    pub fn save(&self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = file::write(path, &self.known, HashMap::new()) {
            let path = path.display();
            tracing::warn!("statistics of the real images are not kept, since {path} cannot be written: {error}");
        }
    }
}

/// Waits until no other process makes something in `folder`, and keeps others waiting as long as the file is open.
///
/// # Errors
///
/// Where the folder cannot be written to.
pub fn lock(folder: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("lock");
    // One that another user made can be read.
    let file = File::open(&path).or_else(|_| File::create(&path))?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// The tensors of a file; `None` where there is none, or none that can be relied on.
fn read(path: &Path) -> Option<Named> {
    match file::read(path) {
        Ok(contents) => Some(contents.tensors).filter(|tensors| tensors.contains_key("features")),
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let path = path.display();
            tracing::warn!("statistics of the real images are made again, since {path} cannot be used: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::nets::classifier::Classifier;
    use crate::spec::dataset::Dataset;
    use crate::tensor::host::bytes;

    #[test]
    fn statistics_are_kept_and_made_again_when_they_are_damaged() {
        let network = Network::Classifier(Classifier::shipped(&Dataset::Mnist).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let samples: Vec<f32> = (0..3 * 784).map(|i| (i % 7) as f32 / 7.0).collect();
        let get = |samples: &[f32]| Statistics::of(samples, &network, Some(folder.path())).unwrap();
        let files = || {
            let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            names.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect::<Vec<_>>()
        };
        let first = get(&samples);
        // What is worked out later is kept as well.
        let mut more = get(&samples);
        more.known.insert("more".to_owned(), tch::Tensor::from_slice(&[1.0]));
        more.save();
        let path = match &files()[..] {
            [path] => path.clone(),
            others => panic!("one file, not {others:?}"),
        };
        assert!(get(&samples).known.contains_key("more"));
        get(&samples[784..]);
        assert_eq!(files().len(), 2, "other images, another file");

        let mut damaged = std::fs::read(&path).unwrap();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        let again = get(&samples);
        assert!(!again.known.contains_key("more"));
        assert_eq!(bytes(&again.known["features"]), bytes(&first.known["features"]));
        assert!(read(&path).is_some());
    }
}
