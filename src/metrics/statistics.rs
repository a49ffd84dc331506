//! What is known of real images, kept on disk: features, the fit to them, neighbourhoods.
//!
//! They depend on the images and on the network alone, and cost more than a scoring does. A file holds those of one set of images seen
//! by one network; its name is a hash of both, and it carries a checksum of its contents. A file that is damaged, or that another
//! version wrote, is made again; a folder that cannot be written to costs time and nothing else.

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

/// Changes when an old file cannot be used any more.
const FORMAT: u32 = 2;
/// All features; and those of the first images, as long as not all have been seen.
const FEATURES: &str = "features";
const PART: &str = "first_features";
/// How often what was seen is kept: the large network takes half an hour for all images of a data set on a CPU.
const EVERY: Duration = Duration::from_secs(60);

/// Statistics of some images, as far as they are known.
#[derive(Debug)]
pub struct Statistics {
    /// `features` `[n, values]`, and whatever else was worked out of them.
    pub known: Named,
    path: Option<PathBuf>,
}

impl Statistics {
    /// Those of `samples`, pixels in [−1, 1], seen by `network`: from `folder`, or made now. Another process that makes the same is
    /// waited for. `watch` is told how far it is; what was seen before it ends the work is kept.
    ///
    /// # Errors
    ///
    /// Where the images cannot be seen, or `watch` ends it.
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
        // Whoever has the lock may be making them. Without a lock (in a folder that cannot be written to) they are made here.
        let _lock = lock(folder, watch)?;
        statistics.known = read(&path);
        if !statistics.known.contains_key(FEATURES) {
            statistics.see(samples, network, watch)?;
        }
        Ok(statistics)
    }

    /// Sees those of `samples` that have not been seen, and keeps what was seen every now and then.
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

    /// Keeps the features of the images that have been seen, under this name.
    fn keep(&mut self, name: &str, parts: &[Tensor]) -> Result<(), MetricError> {
        if !parts.is_empty() {
            self.known.insert(name.to_owned(), Tensor::f_cat(parts, 0)?);
            self.save();
        }
        Ok(())
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

/// Waits until no other process makes something in `folder`, and keeps others waiting as long as the file is open; `None` where the
/// folder cannot be written to. `watch` is told of 0 of 0 images meanwhile.
///
/// # Errors
///
/// Where `watch` ends it.
pub fn lock(folder: &Path, watch: &mut Watch) -> Result<Option<File>, NetError> {
    let path = folder.join("lock");
    // One that another user made can be read.
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

/// The tensors of a file; none where there is none, or none that can be relied on.
fn read(path: &Path) -> Named {
    match file::read(path) {
        Ok(contents) => contents.tensors,
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Named::new(),
        Err(error) => {
            let path = path.display();
            tracing::warn!("statistics of the real images are made again, since {path} cannot be used: {error}");
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
    fn statistics_are_kept_and_made_again_when_they_are_damaged() {
        let network = Network::Classifier(Classifier::shipped(&Dataset::Mnist).unwrap());
        let folder = tempfile::tempdir().unwrap();
        let samples: Vec<f32> = (0..3 * 784).map(|i| (i % 7) as f32 / 7.0).collect();
        let get = |samples: &[f32]| Statistics::of(samples, &network, Some(folder.path()), &mut unwatched).unwrap();
        let files = || {
            let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            names.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect::<Vec<_>>()
        };
        let first = get(&samples);
        // What is worked out later is kept as well.
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
    fn what_was_seen_before_a_stop_is_not_seen_again() {
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

        // Another process holds the lock: it is waited for, but not for ever.
        let _held = lock(folder.path(), &mut unwatched).unwrap().unwrap();
        let mut waited = 0;
        let stopped = lock(folder.path(), &mut |_, _| {
            waited += 1;
            if waited == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(NetError::Stopped)));
    }
}
