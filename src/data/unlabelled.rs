//! Reads the unlabelled part of STL-10, piece by piece.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::DataError;
use super::cache::{Block, Fingerprint, Form, Input, Labelled, Stamp, Values};
use super::error::Flaw;
use super::regular;
use super::stl10::{IMAGE, MD5, PUBLISHED, SMALL, count, digest, shrink};
use sweep_spec::own_data::Shape;

/// The unlabelled part, as stored on disk.
pub(super) struct Unlabelled {
    path: PathBuf,
    file: File,
    images: usize,
    fingerprint: Fingerprint,
}

impl Unlabelled {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read, or is not a whole number of images.
    pub(crate) fn open(path: PathBuf) -> Result<Self, DataError> {
        let open = || {
            let (file, metadata) = regular::open(&path)?;
            Ok::<_, Flaw>((count(metadata.len())?, look(&path, &file)?, file))
        };
        match open() {
            Ok((images, fingerprint, file)) => Ok(Unlabelled { images, fingerprint, file, path }),
            Err(flaw) => Err(DataError::File { set: "stl10", path, flaw }),
        }
    }
}

/// Returns the metadata of the file.
fn look(path: &Path, file: &File) -> io::Result<Fingerprint> {
    let mut fingerprint = Fingerprint::new("stl10 unlabelled 32".to_owned(), path);
    fingerprint.add_open(Stamp::of(&file.metadata()?)?, file);
    Ok(fingerprint)
}

impl Unlabelled {
    fn failed(&self, error: io::Error) -> DataError {
        DataError::File { set: "stl10", path: self.path.clone(), flaw: error.into() }
    }

    /// Returns the bytes of images as they are on disk.
    fn bytes(&self, range: &Range<usize>) -> Result<Vec<u8>, DataError> {
        let mut bytes = vec![0; range.len() * IMAGE];
        self.file.read_exact_at(&mut bytes, (range.start * IMAGE) as u64).map_err(|error| self.failed(error))?;
        Ok(bytes)
    }
}

impl Input for Unlabelled {
    fn name(&self) -> String {
        "stl10".to_owned()
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn form(&self) -> Form {
        Form::default()
    }

    fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    fn look_again(&self) -> Result<Fingerprint, DataError> {
        look(&self.path, &self.file).map_err(|error| self.failed(error))
    }

    fn shape(&self) -> Shape {
        Shape::Image([3, SMALL, SMALL])
    }

    fn values(&self) -> Values {
        Values::Bytes
    }

    fn labelled(&self) -> Labelled {
        Labelled::default()
    }

    fn len(&self) -> usize {
        self.images
    }

    fn left_out(&self) -> Option<String> {
        None
    }

    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError> {
        let bytes = self.bytes(&range)?;
        let images: Vec<Vec<u8>> = bytes.par_chunks_exact(IMAGE).map(shrink).collect();
        done(images.len());
        let (labels, samples, source) = (vec![0; images.len()], images.concat(), blake3::hash(&bytes));
        Ok(Block { labels, samples, damaged: Vec::new(), source })
    }

    fn digest(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<blake3::Hash, DataError> {
        let hash = blake3::hash(&self.bytes(&range)?);
        done(range.len());
        Ok(hash)
    }

    fn notes(&self) -> Result<Vec<String>, DataError> {
        if self.images < PUBLISHED {
            // This can be seen without reading it, each time.
            return Ok(Vec::new());
        }
        let shown = self.path.display();
        let found = digest(&self.path).map_err(|error| self.failed(error))?;
        if found == MD5 {
            return Ok(Vec::new());
        }
        Ok(vec![format!("{shown}: expected MD5 {MD5}, found {found}: scores are not comparable with published ones")])
    }
}
