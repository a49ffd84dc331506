//! What is in a cache.

use std::io;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use sweep_spec::id::DataId;
use sweep_spec::own::Shape;

/// Changes when an old cache cannot be read any more.
const FORMAT: u32 = 1;

/// How values lie on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Bytes; 0 stands for −1 and 255 for 1.
    Bytes,
    /// Little-endian float32, as they are trained on.
    Floats,
}

impl Values {
    /// Bytes of one value.
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
    /// Its name inside the data set.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// Samples one after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    /// How many.
    pub samples: usize,
    /// BLAKE3 of the samples, then the labels.
    pub hash: String,
}

impl Piece {
    /// What describes these samples.
    pub(super) fn of(samples: &[u8], labels: &[u8]) -> Self {
        let hash = blake3::Hasher::new().update(samples).update(labels).finalize();
        Piece { samples: labels.len() / LABEL, hash: hash.to_hex().to_string() }
    }
}

/// Bytes of a label on disk: little-endian.
pub(super) const LABEL: usize = 2;

/// What is in a cache, and where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The shape of one sample.
    pub shape: Shape,
    /// How values lie on disk.
    pub values: Values,
    pub(super) pieces: Vec<Piece>,
    /// The data set's name when it was made.
    pub name: String,
    /// Where the samples lay then.
    pub path: String,
    /// The classes' names, by label; empty where samples have no labels.
    pub classes: Vec<String>,
    /// What was left out.
    pub damaged: Vec<Damaged>,
    /// What a user should know each time this is trained on.
    pub notes: Vec<String>,
    /// What lay there and is no sample, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// Of which files it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
}

/// The files of which a cache was made: with the name and the path, all that it takes to compare them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Height and width that images got.
    pub size: Option<u32>,
    /// What −1 and 1 stood for.
    pub range: Option<(f64, f64)>,
    /// A checksum of what was read.
    pub checksum: DataId,
}

impl Manifest {
    /// One without samples.
    pub(super) fn new(name: String, path: String, shape: Shape, values: Values, classes: Vec<String>) -> Self {
        let (pieces, damaged, notes) = (Vec::new(), Vec::new(), Vec::new());
        let (left_out, origin) = (None, None);
        Manifest { format: FORMAT, shape, values, pieces, name, path, classes, damaged, notes, left_out, origin }
    }

    /// Whether this version can read it.
    pub(super) fn is_current(&self) -> bool {
        self.format == FORMAT
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.samples))
    }

    /// Bytes of one sample.
    pub fn sample_bytes(&self) -> usize {
        self.shape.dims().iter().product::<usize>() * self.values.width()
    }

    /// The checksum of what is trained on.
    pub fn content(&self) -> DataId {
        let pieces: Vec<_> = self.pieces.iter().map(|piece| (piece.samples, &piece.hash)).collect();
        let text = serde_json::json!([self.format, self.shape, self.values, pieces]).to_string();
        DataId::of(text.as_bytes())
    }

    /// The first sample of the first piece that is not as it was written. `samples` and `labels` fill a buffer from a byte of their file
    /// on: by reading, since what is mapped counts as this process's memory.
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
