//! Statistics of real images, kept on disk: features, the Gaussian fit to them, neighbourhoods.
//!
//! They depend only on the images and the network, and cost more than scoring does. A file holds the statistics of one
//! set of images from one network. Its name is a hash of both, and it contains a checksum. Files that are damaged or
//! from another version are computed again. If the folder is not writable, this costs time but is not an error.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tch::Tensor;

use super::error::MetricError;
use super::nets::{NetError, Network, Watch};
use sweep_tensor::file::{self, FileError, Named};

/// Increased when old files can no longer be used.
const FORMAT: u32 = 2;
/// All features, or those of the first images while not all are done.
const FEATURES: &str = "features";
const PART: &str = "first_features";
/// How often finished features are saved: on a CPU, the large network takes half an hour for all images of a data set.
const EVERY: Duration = Duration::from_secs(60);

/// Statistics of some images, as far as they are known.
#[derive(Debug)]
pub struct Statistics {
    /// `features` `[n, values]`, and results computed from them.
    pub known: Named,
    path: Option<PathBuf>,
}

impl Statistics {
    /// Returns the statistics of `samples` (pixels in [−1, 1]) evaluated by `network`, from `folder` or computed now.
    /// Waits if another process computes the same. `watch` is called with the progress. Features computed before it
    /// stops the work are kept.
    ///
    /// # Errors
    ///
    /// If the images cannot be evaluated, or `watch` stops it.
    pub fn of(
        samples: &[f32],
        network: &Network,
        folder: Option<&Path>,
        watch: &mut Watch,
    ) -> Result<Self, MetricError> {
        let mut statistics = Statistics { known: Named::new(), path: None };
        let Some(folder) = folder else {
            statistics.see(samples, network, watch)?;
            return Ok(statistics);
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{FORMAT} {} {} ", network.name(), network.checksum()).as_bytes());
        for block in samples.chunks(1 << 12) {
            hasher.update(&block.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
        let path = folder.join(format!("{}.safetensors", &hasher.finalize().to_hex()[..32]));
        statistics.known = read(&path);
        statistics.path = Some(path.clone());
        if statistics.known.contains_key(FEATURES) {
            return Ok(statistics);
        }
        // Whoever holds the lock may be computing them. Without a lock (in a folder that is not writable), compute them
        // here.
        let _lock = lock(folder, watch)?;
        statistics.known = read(&path);
        if !statistics.known.contains_key(FEATURES) {
            statistics.see(samples, network, watch)?;
        }
        Ok(statistics)
    }

    /// Evaluates the remaining `samples`, saving features from time to time.
    fn see(&mut self, samples: &[f32], network: &Network, watch: &mut Watch) -> Result<(), MetricError> {
        let size = network.shape().iter().product::<usize>();
        let all = samples.len() / size;
        let mut parts: Vec<Tensor> = self.known.remove(PART).into_iter().collect();
        let mut seen: usize = parts.iter().map(|part| part.size()[0] as usize).sum();
        let mut kept = Instant::now();
        while parts.is_empty() || seen < all {
            let block = &samples[seen * size..all.min(seen + network.block()) * size];
            match network.run(block, &mut |done, _| watch(seen + done, all)) {
                Ok(outputs) => parts.push(outputs.features),
                Err(error) => {
                    self.keep(PART, &parts)?;
                    return Err(error.into());
                }
            }
            seen += block.len() / size;
            if seen < all && kept.elapsed() >= EVERY {
                self.keep(PART, &parts)?;
                kept = Instant::now();
            }
        }
        self.known.remove(PART);
        self.keep(FEATURES, &parts)
    }

    /// Saves the features of the images evaluated so far under this name.
    fn keep(&mut self, name: &str, parts: &[Tensor]) -> Result<(), MetricError> {
        if !parts.is_empty() {
            self.known.insert(name.to_owned(), Tensor::f_cat(parts, 0)?);
            self.save();
        }
        Ok(())
    }

    /// Writes the statistics to disk. If it fails, logs a warning and continues.
    pub fn save(&self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = file::write(path, &self.known, HashMap::new()) {
            let path = path.display();
            tracing::warn!(
                "cannot save statistics of the real images to {path}: {error}; they will be computed again \
                next time"
            );
        }
    }
}

/// Waits until no other process is computing statistics in `folder`, and blocks others until the file is closed. `None`
/// if the folder is not writable. Meanwhile `watch` is called with 0 of 0 images.
///
/// # Errors
///
/// If `watch` stops it.
pub fn lock(folder: &Path, watch: &mut Watch) -> Result<Option<File>, NetError> {
    let path = folder.join("lock");
    // A lock file of another user can still be opened for reading.
    let open = || fs::create_dir_all(folder).and_then(|()| File::open(&path).or_else(|_| File::create(&path)));
    let Ok(file) = open() else { return Ok(None) };
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => {}
            Err(_) => return Ok(None),
        }
        if watch(0, 0).is_break() {
            return Err(NetError::Stopped);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Returns the tensors of a file. Empty if there is no file, or it is not reliable.
fn read(path: &Path) -> Named {
    match file::read(path) {
        Ok(contents) => contents.tensors,
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Named::new(),
        Err(error) => {
            let path = path.display();
            tracing::warn!(
                "cannot use the saved statistics of the real images in {path}: {error}; computing them \
                again"
            );
            Named::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::ControlFlow;

    use crate::nets::classifier::Classifier;
    use crate::nets::unwatched;
    use sweep_spec::dataset::Dataset;
    use sweep_tensor::host::bytes;

    #[test]
    fn statistics_are_saved_and_computed_again_when_damaged() {
        let network = Network::Classifier(Classifier::shipped(&Dataset::Mnist).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let samples: Vec<f32> = (0..3 * 784).map(|i| (i % 7) as f32 / 7.0).collect();
        let get = |samples: &[f32]| Statistics::of(samples, &network, Some(folder.path()), &mut unwatched).unwrap();
        let files = || {
            let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            names.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect::<Vec<_>>()
        };
        let first = get(&samples);
        // Results that are added later are saved as well.
        let mut more = get(&samples);
        more.known.insert("more".to_owned(), Tensor::from_slice(&[1.0]));
        more.save();
        let path = match &files()[..] {
            [path] => path.clone(),
            others => panic!("one file, not {others:?}"),
        };
        assert!(get(&samples).known.contains_key("more"));
        get(&samples[784..]);
        assert_eq!(files().len(), 2, "other images, another file");

        let mut damaged = fs::read(&path).unwrap();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        fs::write(&path, damaged).unwrap();
        let again = get(&samples);
        assert!(!again.known.contains_key("more"));
        assert_eq!(bytes(&again.known["features"]), bytes(&first.known["features"]));
        assert!(read(&path).contains_key(FEATURES));
    }

    #[test]
    fn images_evaluated_before_a_stop_are_not_evaluated_again() {
        let network = Network::Classifier(Classifier::shipped(&Dataset::Mnist).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let samples: Vec<f32> = (0..2500 * 784).map(|i| (i % 97) as f32 / 48.5 - 1.0).collect();
        let mut told = Vec::new();
        let stopped = Statistics::of(&samples, &network, Some(folder.path()), &mut |seen, all| {
            told.push((seen, all));
            if seen > 1000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(stopped.unwrap_err().is_stop());
        assert_eq!(told, [(1000, 2500), (2000, 2500)]);
        told.clear();
        let resumed = Statistics::of(&samples, &network, Some(folder.path()), &mut |seen, all| {
            told.push((seen, all));
            ControlFlow::Continue(())
        });
        assert_eq!(told, [(2000, 2500), (2500, 2500)]);
        let resumed = resumed.unwrap().known;
        assert_eq!(resumed.keys().collect::<Vec<_>>(), [FEATURES]);
        let once = Statistics::of(&samples, &network, None, &mut unwatched).unwrap();
        assert_eq!(bytes(&resumed[FEATURES]), bytes(&once.known[FEATURES]));

        // Another process holds the lock, so this waits, but stops on request.
        let _held = lock(folder.path(), &mut unwatched).unwrap().unwrap();
        let mut waited = 0;
        let stopped = lock(folder.path(), &mut |_, _| {
            waited += 1;
            if waited == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(NetError::Stopped)));
    }
}
