//! The contents of a cache.

use std::io;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use sweep_spec::id::DataId;
use sweep_spec::own_data::Shape;

/// Increased when old caches can no longer be read.
const FORMAT: u32 = 1;

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Bytes: 0 means −1 and 255 means 1.
    Bytes,
    /// Little-endian float32, as used in training.
    Floats,
}

impl Values {
    /// Returns the bytes per value.
    pub fn width(self) -> usize {
        match self {
            Values::Bytes => 1,
            Values::Floats => 4,
        }
    }
}

/// A sample that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Its name in the data set.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Consecutive samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// The number of samples.
    pub samples: usize,
    /// BLAKE3 of the samples, then the labels.
    pub hash: String,
}

impl Piece {
    /// Describes these samples.
    pub(super) fn of(samples: &[u8], labels: &[u8]) -> Self {
        let hash = blake3::Hasher::new().update(samples).update(labels).finalize();
        Piece { samples: labels.len() / LABEL, hash: hash.to_hex().to_string() }
    }
}

/// Bytes per label on disk, little-endian.
pub(super) const LABEL: usize = 2;

/// The contents of a cache, and their origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The shape of one sample.
    pub shape: Shape,
    /// How values are stored.
    pub values: Values,
    pub(super) pieces: Vec<Piece>,
    /// The data set's name when it was made.
    pub name: String,
    /// The path of the samples at that time.
    pub path: String,
    /// The names of the classes, by label. Empty if samples have no labels.
    pub classes: Vec<String>,
    /// The samples that were left out.
    pub damaged: Vec<Damaged>,
    /// What a user should know whenever these samples are used.
    pub notes: Vec<String>,
    /// What was there but is not a sample, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// The files it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
}

/// The files that a cache was made from. Together with name and path, this is enough to compare them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Height and width to which images were scaled.
    pub size: Option<u32>,
    /// The values that map to −1 and 1.
    pub range: Option<(f64, f64)>,
    /// A checksum of what was read.
    pub checksum: DataId,
}

impl Manifest {
    /// Returns a manifest without samples.
    pub(super) fn new(name: String, path: String, shape: Shape, values: Values, classes: Vec<String>) -> Self {
        let (pieces, damaged, notes) = (Vec::new(), Vec::new(), Vec::new());
        let (left_out, origin) = (None, None);
        Manifest { format: FORMAT, shape, values, pieces, name, path, classes, damaged, notes, left_out, origin }
    }

    /// Returns whether this version can read it.
    pub(super) fn is_current(&self) -> bool {
        self.format == FORMAT
    }

    /// Returns the number of samples.
    pub fn samples(&self) -> usize {
        self.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.samples))
    }

    /// Returns the bytes per sample.
    pub fn sample_bytes(&self) -> usize {
        self.shape.dims().iter().product::<usize>() * self.values.width()
    }

    /// Returns the checksum of the samples as used in training.
    pub fn content(&self) -> DataId {
        let pieces: Vec<_> = self.pieces.iter().map(|piece| (piece.samples, &piece.hash)).collect();
        let text = serde_json::json!([self.format, self.shape, self.values, pieces]).to_string();
        DataId::of(text.as_bytes())
    }

    /// Returns the first sample of the first piece that differs from what was written. `samples` and `labels` fill a
    /// buffer from an offset in their file. They read instead of mapping, because mapped pages count as this process's
    /// memory.
    pub(super) fn first_changed(
        &self,
        samples: impl Fn(&mut [u8], u64) -> io::Result<()> + Sync,
        labels: impl Fn(&mut [u8], u64) -> io::Result<()> + Sync,
    ) -> io::Result<Option<usize>> {
        let bytes = self.sample_bytes();
        let mut start = 0;
        let first = |piece| {
            let first = start;
            start += piece;
            first
        };
        let firsts: Vec<usize> = self.pieces.iter().map(|piece| piece.samples).map(first).collect();
        let changed = |(&first, piece): (&usize, &Piece)| {
            let (mut sample, mut label) = (vec![0; piece.samples * bytes], vec![0; piece.samples * LABEL]);
            samples(&mut sample, (first * bytes) as u64)?;
            labels(&mut label, (first * LABEL) as u64)?;
            Ok((Piece::of(&sample, &label) != *piece).then_some(first))
        };
        let found: Vec<Option<usize>> =
            firsts.par_iter().zip(&self.pieces).map(changed).collect::<io::Result<Vec<Option<usize>>>>()?;
        Ok(found.into_iter().flatten().next())
    }
}
