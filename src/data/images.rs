//! Labelled images, kept in memory as bytes.

use std::ops::Range;

use super::idx::Idx;
use super::{DataError, Real};
use sweep_numerics::pixels::scale;
use sweep_numerics::random::{Permutation, Purpose, Stream};

/// Images, each with a label.
#[derive(Clone, Debug)]
pub struct Images {
    /// Values in one image.
    pub features: usize,
    /// `[n, features]`.
    pub pixels: Vec<u8>,
    /// `[n]`.
    pub labels: Vec<u8>,
}

/// The two parts of MNIST.
#[derive(Clone, Debug)]
pub struct Mnist {
    /// 60,000 digits.
    pub train: Images,
    /// 10,000 digits by other writers.
    pub test: Images,
}

impl Images {
    /// Joins images, `[n, …]`, with their labels, `[n]`.
    ///
    /// # Errors
    /// If there are no images, or the number of labels differs.
    pub fn new(images: Idx, labels: Idx) -> Result<Self, DataError> {
        let count = images.dims.first().copied().unwrap_or(0);
        if count != labels.values.len() {
            return Err(DataError::Counts { images: count, labels: labels.values.len() });
        }
        if count == 0 || images.values.is_empty() {
            return Err(DataError::Empty);
        }
        Ok(Images { features: images.values.len() / count, pixels: images.values, labels: labels.values })
    }

    /// Returns the number of images, which is at least one.
    #[expect(clippy::len_without_is_empty, reason = "an empty set of images cannot be made")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns how often each class occurs; sums to 1.
    pub fn frequencies(&self) -> Vec<f64> {
        let classes = self.labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
        let mut counts = vec![0u32; classes];
        self.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts.into_iter().map(|count| f64::from(count) / self.len() as f64).collect()
    }
}

/// Images to take batches from. Each member visits them in its own order, which changes every epoch.
#[derive(Clone, Debug)]
pub struct Resident {
    images: Images,
    frequencies: Vec<f64>,
}

/// How many images ahead to prefetch. Samples are at random places of a block that does not fit in a cache. Waiting for
/// each in turn takes four times as long as the conversion.
const AHEAD: u64 = 4;

impl Resident {
    /// Prepares `images` for training.
    pub fn new(images: Images) -> Self {
        Resident { frequencies: images.frequencies(), images }
    }

    /// Returns images for scores to compare with: a part of one fixed order.
    fn in_order(&self, places: Range<usize>) -> Vec<f32> {
        let order = order(self.images.len(), 0, Purpose::Reference, 0);
        let mut out = vec![0.0; places.len() * self.images.features];
        for (place, image) in places.zip(out.chunks_exact_mut(self.images.features)) {
            scale(self.pixels(order.at(place as u32)), image);
        }
        out
    }

    fn pixels(&self, sample: u32) -> &[u8] {
        let start = sample as usize * self.images.features;
        &self.images.pixels[start..start + self.images.features]
    }
}

/// Returns a permutation of all samples.
pub(super) fn order(len: usize, seed: u64, purpose: Purpose, epoch: u64) -> Permutation {
    // The count fits: IDX files count in 32 bits, and caches with more samples are refused.
    Permutation::new(len as u32, &Stream::new(seed, purpose, epoch))
}

/// An endless sequence of sample numbers, epoch after epoch.
pub(super) struct Samples {
    seed: u64,
    len: usize,
    epoch: u64,
    position: u32,
    order: Permutation,
}

impl Samples {
    /// Returns the sequence of the member with this seed, starting at `position` of its first epoch.
    pub(super) fn new(len: usize, seed: u64, position: u64) -> Self {
        let epoch = position / len as u64;
        let order = order(len, seed, Purpose::Data, epoch);
        Samples { seed, len, position: (position % len as u64) as u32, epoch, order }
    }

    pub(super) fn next(&mut self) -> u32 {
        if self.position as usize == self.len {
            self.position = 0;
            self.epoch += 1;
            self.order = order(self.len, self.seed, Purpose::Data, self.epoch);
        }
        self.position += 1;
        self.order.at(self.position - 1)
    }
}

/// Prefetches `bytes` into the processor's cache.
pub(super) fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect on memory that the program could observe, and every x86-64 processor
        // supports it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}

impl Real for Resident {
    fn features(&self) -> usize {
        self.images.features
    }

    fn batch(&self, seed: u64, index: u64, out: &mut [f32]) {
        let features = self.images.features;
        debug_assert!(
            out.len().is_multiple_of(features),
            "{} values are not whole images of {features} values",
            out.len()
        );
        let first = index * (out.len() / features) as u64;
        let samples = |position| Samples::new(self.images.len(), seed, position);
        let (mut now, mut ahead) = (samples(first), samples(first + AHEAD));
        for image in out.chunks_exact_mut(features) {
            prefetch(self.pixels(ahead.next()));
            scale(self.pixels(now.next()), image);
        }
    }

    fn reference(&self, n: usize) -> Vec<f32> {
        self.in_order(0..n.min(self.images.len()))
    }

    fn others(&self, n: usize, after: usize) -> Option<Vec<f32>> {
        (after + n <= self.images.len()).then(|| self.in_order(after..after + n))
    }

    fn len(&self) -> Option<usize> {
        Some(self.images.len())
    }

    fn labelled(&self, number: usize, pixels: &mut [u8]) -> Option<usize> {
        pixels.copy_from_slice(self.pixels(number as u32));
        Some(self.images.labels[number].into())
    }

    fn content(&self) -> Option<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.images.pixels).update(&self.images.labels);
        Some(hasher.finalize().to_hex()[..16].to_owned())
    }

    fn label_frequencies(&self) -> Option<Vec<f64>> {
        Some(self.frequencies.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `n` images of 3 pixels. The first two identify the image.
    fn numbered(n: usize) -> Resident {
        let values = (0..n).flat_map(|i| [(i % 256) as u8, (i / 256) as u8, 255]).collect();
        let labels = (0..n).map(|i| (i % 4) as u8).collect();
        let images = Idx { dims: vec![n, 3], values };
        Resident::new(Images::new(images, Idx { dims: vec![n], values: labels }).unwrap())
    }

    fn number(image: &[f32]) -> usize {
        let byte = |x: f32| ((x + 1.0) * 127.5).round() as usize;
        byte(image[0]) + 256 * byte(image[1])
    }

    #[test]
    fn an_epoch_has_every_sample_once_whatever_the_batch_size() {
        let data = numbered(1000);
        for n in [1, 7, 64, 1000, 1500] {
            let mut seen = Vec::new();
            let mut batch = vec![f32::NAN; 3 * n];
            for index in 0..3000usize.div_ceil(n) as u64 {
                data.batch(5, index, &mut batch);
                assert!(batch.iter().all(|x| x.abs() <= 1.0));
                seen.extend(batch.chunks_exact(3).map(number));
            }
            for (epoch, order) in seen[..3000].chunks_exact(1000).enumerate() {
                let mut sorted = order.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..1000), "batch {n}, epoch {epoch}");
            }
            let same = seen[..1000].iter().zip(&seen[1000..2000]).filter(|(a, b)| a == b).count();
            assert!(same < 12, "two epochs agree in {same} places");
        }
    }

    #[test]
    fn a_batch_depends_on_seed_and_index_and_nothing_else() {
        let data = numbered(1000);
        let draw = |seed, index| {
            let mut out = vec![f32::NAN; 3 * 64];
            data.batch(seed, index, &mut out);
            out
        };
        let base = draw(1, 40);
        assert_eq!(draw(1, 40), base);
        assert_ne!(draw(2, 40), base);
        assert_ne!(draw(1, 41), base);
    }

    #[test]
    fn the_reference_is_fixed_distinct_and_at_most_everything() {
        let data = numbered(1000);
        let some = data.reference(100);
        assert_eq!(some, data.reference(1000)[..300]);
        assert_eq!(data.reference(5000), data.reference(1000));
        assert_eq!(data.others(400, 600).unwrap(), data.reference(1000)[1800..]);
        assert_eq!(data.others(400, 601), None);
        let mut all: Vec<_> = data.reference(5000).chunks_exact(3).map(number).collect();
        assert!(!all.is_sorted(), "not the order of the file, which may be sorted by class");
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[test]
    fn labels_and_their_frequencies() {
        let data = numbered(10);
        let mut pixels = vec![0; data.features()];
        for (number, label) in [0, 1, 2, 3, 0, 1, 2, 3, 0, 1].into_iter().enumerate() {
            assert_eq!(data.labelled(number, &mut pixels), Some(label));
            assert_eq!(pixels, data.pixels(number as u32));
        }
        assert_eq!(data.label_frequencies().unwrap(), [0.3, 0.3, 0.2, 0.2]);
        assert_eq!((Real::len(&data), data.features()), (Some(10), 3));
    }

    #[test]
    fn images_and_labels_must_match_and_exist() {
        let idx = |dims: &[usize]| Idx { dims: dims.to_vec(), values: vec![0; dims.iter().product()] };
        let error = |images: &[usize], labels: &[usize]| Images::new(idx(images), idx(labels)).unwrap_err().to_string();
        assert!(error(&[3, 2, 2], &[4]).starts_with("3 images but 4 labels"));
        assert_eq!(error(&[0, 2, 2], &[0]), "the data set has no samples");
        assert_eq!(error(&[3, 0, 2], &[3]), "the data set has no samples");
    }
}
