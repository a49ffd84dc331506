//! Where the values of an array are stored, and how to read them.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use zip::ZipArchive;

use super::{NumbersError, wrong};
use crate::dtype::Dtype;
use crate::listing::Listing;
use crate::{picture, regular};

/// Where values are stored.
pub(super) enum Stored {
    /// In a file, from an offset on.
    Part {
        file: File,
        offset: u64,
        /// Whether the first dimension varies fastest, rather than the last.
        fortran: bool,
    },
    /// In an archive, under a name, after a header.
    Entry { archive: RefCell<Box<ZipArchive<BufReader<File>>>>, name: String, offset: u64, fortran: bool },
    /// One file per sample.
    Pictures(Box<Listing>),
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stored::Part { .. } => "in a file",
            Stored::Entry { .. } => "in an archive",
            Stored::Pictures(_) => "in a folder",
        })
    }
}

/// Values in row-major order.
pub(super) struct Values {
    bytes: Vec<u8>,
    dtype: Dtype,
}

impl Values {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.dtype.width()
    }

    pub(super) fn at(&self, at: usize) -> f64 {
        self.dtype.value(&self.bytes[at * self.dtype.width()..])
    }
}

fn file(path: &Path) -> Result<Vec<u8>, NumbersError> {
    regular::read(path, picture::LARGEST).map_err(|source| NumbersError::Read { path: path.to_owned(), source })
}

/// Returns the picture at `path`, one colour after another. Its size must match `dims` `[_, 3, height, width]`.
fn planes(path: &Path, dims: &[usize], first: &Path) -> Result<Vec<u8>, NumbersError> {
    let bytes = file(path)?;
    let broken = |what| wrong(path, what);
    let [height, width] = picture::sizes(&bytes).map_err(broken)?;
    // Checked before its pixels are unpacked, of which there may be any number.
    if [height, width] != dims[2..] {
        let (first, high, wide) = (first.display(), dims[2], dims[3]);
        return Err(wrong(
            path,
            format!(
                "{width}×{height} pixels, but {first} has {wide}×{high}: make all pictures the \
            same size"
            ),
        ));
    }
    let pixels = picture::open(&bytes).map_err(broken)?.into_raw();
    Ok((0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3)).copied().collect())
}

impl Stored {
    pub(super) fn entry(archive: ZipArchive<BufReader<File>>, name: String, offset: u64, fortran: bool) -> Self {
        Stored::Entry { archive: RefCell::new(Box::new(archive)), name, offset, fortran }
    }

    /// Returns the file of a sample, if each has its own.
    pub(super) fn file(&self, sample: usize) -> Option<PathBuf> {
        match self {
            Stored::Part { .. } | Stored::Entry { .. } => None,
            Stored::Pictures(listing) => Some(listing.path(sample)),
        }
    }

    /// Reads all values of an array with these `dims`, for which there must be memory.
    pub(super) fn load(&self, path: &Path, dims: &[usize], dtype: Dtype) -> Result<Values, NumbersError> {
        let failed = |source| NumbersError::Read { path: path.to_owned(), source };
        let size = dims.iter().product::<usize>() * dtype.width();
        let mut bytes = Vec::with_capacity(size);
        let fortran = match self {
            Stored::Part { file, offset, fortran } => {
                bytes.resize(size, 0);
                file.read_exact_at(&mut bytes, *offset).map_err(failed)?;
                *fortran
            }
            Stored::Entry { archive, name, offset, fortran } => {
                let damaged = |error: io::Error| wrong(path, format!("it is damaged: {error}"));
                let mut archive = archive.borrow_mut();
                let mut entry = archive.by_name(name).map_err(|error| damaged(error.into()))?;
                io::copy(&mut entry.by_ref().take(*offset), &mut io::sink()).map_err(damaged)?;
                entry.by_ref().take(size as u64).read_to_end(&mut bytes).map_err(damaged)?;
                // Detects extra bytes. Reading to the end also verifies the checksum.
                let more = entry.read(&mut [0]).map_err(damaged)?;
                if bytes.len() != size || more > 0 {
                    return Err(damaged(io::Error::other("its length differs from what the archive says")));
                }
                *fortran
            }
            Stored::Pictures(listing) => {
                bytes.resize(size, 0);
                let each = size / listing.len();
                let first = listing.path(0);
                bytes.par_chunks_exact_mut(each).enumerate().try_for_each(|(at, out)| {
                    out.copy_from_slice(&planes(&listing.path(at), dims, &first)?);
                    Ok::<_, NumbersError>(())
                })?;
                false
            }
        };
        let bytes = if fortran { row_by_row(&bytes, dims, dtype.width()) } else { bytes };
        Ok(Values { bytes, dtype })
    }
}

/// Returns height and width of the first picture.
pub(super) fn first_size(listing: &Listing) -> Result<[usize; 2], NumbersError> {
    let path = listing.path(0);
    picture::sizes(&file(&path)?).map_err(|what| wrong(&path, what))
}

/// Converts values of `width` bytes from column-major to row-major order.
fn row_by_row(bytes: &[u8], dims: &[usize], width: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = vec![0; dims.len()];
    for _ in 0..bytes.len() / width {
        let place = at.iter().zip(dims).rev().fold(0, |place, (at, size)| place * size + at);
        out.extend(&bytes[place * width..][..width]);
        for (at, size) in at.iter_mut().zip(dims).rev() {
            *at += 1;
            if at != size {
                break;
            }
            *at = 0;
        }
    }
    out
}
