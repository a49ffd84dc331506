//! A finished cache, mapped into memory.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::manifest::{LABEL, Manifest, Values};
use super::{Folder, folder};
use crate::images::{Samples, order, prefetch};
use crate::{DataError, Real, regular};
use sweep_numerics::pixels::scale;
use sweep_numerics::random::Purpose;
use sweep_spec::id::DataId;

/// How many samples ahead to prefetch.
const AHEAD: u64 = 4;
/// The most bytes of a manifest: enough if half of ImageNet is damaged.
const MOST: u64 = 1 << 28;

/// The samples of a cache. Each member visits them in its own order, which changes every epoch.
#[derive(Debug)]
pub struct Mapped {
    manifest: Manifest,
    folder: Folder,
    samples: Mmap,
    labels: Mmap,
}

/// Maps `path`, which should have `expected` bytes.
fn map(path: &Path, expected: usize) -> Result<Mmap, DataError> {
    let failed = |source: io::Error| DataError::Read { path: path.to_owned(), source };
    let (file, metadata) = regular::open(path).map_err(failed)?;
    let found = metadata.len();
    if found != expected as u64 {
        let what = format!("expected {expected} bytes according to the manifest, but the file ends at byte {found}");
        return Err(DataError::Cache { path: path.to_owned(), what });
    }
    // SAFETY: this program never writes to files of a finished cache again, and other programs have no reason to. A
    // change by somebody else would spoil the training but not memory safety, because any value is a valid byte.
    unsafe { Mmap::map(&file) }.map_err(failed)
}

impl Mapped {
    /// Opens the cache with this content.
    ///
    /// # Errors
    /// If there is none, or it is incomplete. Its samples are not read: see [`Mapped::check`].
    pub fn open(root: &Path, content: DataId) -> Result<Self, DataError> {
        Mapped::open_in(&folder(root, content), content)
    }

    /// Opens the cache in `folder`.
    pub(super) fn open_in(folder: &Folder, content: DataId) -> Result<Self, DataError> {
        let path = folder.manifest();
        let wrong = |what: String| DataError::Cache { path: path.clone(), what };
        let text = regular::read(&path, MOST).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => DataError::Unprepared { content, folder: folder.path().to_owned() },
            _ => DataError::Read { path: path.clone(), source },
        })?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        if !manifest.is_current() {
            return Err(wrong("it was written by another version of this program".to_owned()));
        }
        if manifest.content() != content {
            return Err(wrong(format!("expected the checksum {content}, found {}", manifest.content())));
        }
        let count = manifest.samples();
        let too_many = || wrong(format!("{count} samples are more than this program supports"));
        if count == 0 || u32::try_from(count).is_err() {
            return Err(too_many());
        }
        let bytes = count.checked_mul(manifest.sample_bytes()).ok_or_else(too_many)?;
        let samples = map(&folder.samples(), bytes)?;
        let labels = map(&folder.labels(), count * LABEL)?;
        Ok(Mapped { manifest, folder: folder.clone(), samples, labels })
    }

    /// Returns what it contains.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads everything, on all threads, and compares it with the checksums.
    ///
    /// # Errors
    /// If it has changed.
    pub fn check(&self) -> Result<(), DataError> {
        let open = |path: PathBuf| {
            regular::open(&path).map(|(file, _)| file).map_err(|source| DataError::Read { path, source })
        };
        let (samples, labels) = (open(self.folder.samples())?, open(self.folder.labels())?);
        let changed = self.manifest.first_changed(
            |buffer, offset| samples.read_exact_at(buffer, offset),
            |buffer, offset| labels.read_exact_at(buffer, offset),
        );
        match changed.map_err(|source| DataError::Read { path: self.folder.path().to_owned(), source })? {
            None => Ok(()),
            Some(first) => {
                let at = first * self.manifest.sample_bytes();
                let what = format!("the samples from byte {at} on differ from those that were written");
                Err(DataError::Cache { path: self.folder.samples(), what })
            }
        }
    }

    /// Returns the class of sample `at`, an index into [`Manifest::classes`]. 0 if samples have no classes.
    pub fn label(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.labels[LABEL * at], self.labels[LABEL * at + 1]])
    }

    fn count(&self) -> usize {
        self.labels.len() / LABEL
    }

    fn sample(&self, at: u32) -> &[u8] {
        let bytes = self.samples.len() / self.count();
        &self.samples[at as usize * bytes..][..bytes]
    }

    /// Returns samples for scores to compare with: a part of one fixed order.
    fn in_order(&self, places: Range<usize>) -> Vec<f32> {
        let (order, features) = (order(self.count(), 0, Purpose::Reference, 0), self.features());
        let mut out = vec![0.0; places.len() * features];
        for (place, out) in places.zip(out.chunks_exact_mut(features)) {
            self.convert(self.sample(order.at(place as u32)), out);
        }
        out
    }

    fn convert(&self, sample: &[u8], out: &mut [f32]) {
        match self.manifest.values {
            Values::Bytes => scale(sample, out),
            Values::Floats => {
                for (value, bytes) in out.iter_mut().zip(sample.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
        }
    }
}

impl Real for Mapped {
    fn features(&self) -> usize {
        self.manifest.shape.dims().iter().product()
    }

    fn batch(&self, seed: u64, index: u64, out: &mut [f32]) {
        let features = self.features();
        debug_assert!(
            out.len().is_multiple_of(features),
            "{} values are not whole samples of {features} values",
            out.len()
        );
        let first = index * (out.len() / features) as u64;
        let samples = |position| Samples::new(self.count(), seed, position);
        let (mut now, mut ahead) = (samples(first), samples(first + AHEAD));
        for out in out.chunks_exact_mut(features) {
            prefetch(self.sample(ahead.next()));
            self.convert(self.sample(now.next()), out);
        }
    }

    fn reference(&self, n: usize) -> Vec<f32> {
        self.in_order(0..n.min(self.count()))
    }

    fn others(&self, n: usize, after: usize) -> Option<Vec<f32>> {
        (after + n <= self.count()).then(|| self.in_order(after..after + n))
    }

    fn len(&self) -> Option<usize> {
        Some(self.count())
    }

    fn labelled(&self, number: usize, pixels: &mut [u8]) -> Option<usize> {
        if self.manifest.classes.is_empty() {
            return None;
        }
        let sample = self.sample(number as u32);
        match self.manifest.values {
            Values::Bytes => pixels.copy_from_slice(sample),
            Values::Floats => {
                let steps = |bytes| ((f32::from_le_bytes(bytes) + 1.0) * 127.5).round() as u8;
                pixels.iter_mut().zip(sample.as_chunks::<4>().0).for_each(|(pixel, bytes)| *pixel = steps(*bytes));
            }
        }
        Some(self.label(number).into())
    }

    fn content(&self) -> Option<String> {
        Some(self.manifest.content().to_string())
    }

    fn label_frequencies(&self) -> Option<Vec<f64>> {
        let classes = self.manifest.classes.len();
        if classes == 0 {
            return None;
        }
        let mut counts = vec![0u32; classes];
        for at in 0..self.count() {
            if let Some(count) = counts.get_mut(usize::from(self.label(at))) {
                *count += 1;
            }
        }
        Some(counts.into_iter().map(|count| f64::from(count) / self.count() as f64).collect())
    }
}
