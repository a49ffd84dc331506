//! The unlabelled part of STL-10, read piece by piece.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::DataError;
use super::cache::{Block, Fingerprint, Input, Labelled, Stamp, Values};
use super::error::Flaw;
use super::stl10::{IMAGE, MD5, PUBLISHED, SMALL, count, digest, shrink};
use sweep_spec::own::Shape;

/// The unlabelled part, as it lies on disk.
pub(super) struct Unlabelled {
    path: PathBuf,
    file: File,
    images: usize,
    fingerprint: Fingerprint,
}

impl Unlabelled {
    /// The file at `path`.
    ///
    /// # Errors
    /// Where it cannot be read, or is no whole number of images.
    pub fn open(path: PathBuf) -> Result<Self, DataError> {
        let open = || {
            let file = File::open(&path)?;
            let metadata = file.metadata()?;
            let mut fingerprint = Fingerprint::new("stl10 unlabelled 32");
            fingerprint.add("", Stamp::of(&metadata)?);
            Ok::<_, Flaw>((count(metadata.len())?, fingerprint, file))
        };
        match open() {
            Ok((images, fingerprint, file)) => Ok(Unlabelled { images, fingerprint, file, path }),
            Err(flaw) => Err(DataError::File { set: "stl10", path, flaw }),
        }
    }
}

impl Input for Unlabelled {
    fn name(&self) -> String {
        "stl10".to_owned()
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.text()
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

    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError> {
        let mut bytes = vec![0; range.len() * IMAGE];
        let failed = |error: io::Error| DataError::File { set: "stl10", path: self.path.clone(), flaw: error.into() };
        self.file.read_exact_at(&mut bytes, (range.start * IMAGE) as u64).map_err(failed)?;
        let images: Vec<Vec<u8>> = bytes.par_chunks_exact(IMAGE).map(shrink).collect();
        done(images.len());
        Ok(Block { labels: vec![0; images.len()], samples: images.concat(), damaged: Vec::new() })
    }

    fn notes(&self) -> Result<Vec<String>, DataError> {
        if self.images < PUBLISHED {
            // Seen without reading it, each time.
            return Ok(Vec::new());
        }
        let shown = self.path.display();
        let failed = |error: io::Error| DataError::File { set: "stl10", path: self.path.clone(), flaw: error.into() };
        let found = digest(&self.path).map_err(failed)?;
        if found == MD5 {
            return Ok(Vec::new());
        }
        Ok(vec![format!("{shown}: MD5 {MD5} expected, {found} found: scores do not compare with others'")])
    }
}
