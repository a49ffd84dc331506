//! What can be wrong with real samples.

use std::io;
use std::path::PathBuf;

use super::idx::IdxError;
use super::records::RecordError;

/// A data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Files are not there.
    #[error(
        "no {set} in {}: {} missing; run `sweep data fetch {set}`, or name the folder that holds the files with --data or SWEEP_DATA",
        root.display(),
        list(files)
    )]
    Missing {
        /// The data set's name.
        set: &'static str,
        /// Where they were looked for.
        root: PathBuf,
        /// Their names.
        files: Vec<&'static str>,
    },
    /// A file is there, but not what it should be.
    #[error("{}: {flaw}; run `sweep data fetch {set}` to get a sound one", path.display())]
    File {
        /// The data set's name.
        set: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        flaw: Flaw,
    },
    /// Images and labels don't belong together.
    #[error("{images} images but {labels} labels: the two files belong to different data sets")]
    Counts {
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A data set without a sample.
    #[error("the data set has no samples")]
    Empty,
    /// A mixture that cannot be drawn from.
    #[error(
        "a mixture needs at least one mode, finite centres and a finite covariance of at least 0; found {modes} modes, covariance {covariance}"
    )]
    Mixture {
        /// Number of modes.
        modes: usize,
        /// Variance of each coordinate about its mode.
        covariance: f64,
    },
}

/// What is wrong with one file.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is named .gz and isn't.
    #[error("expected gzip (bytes 1f 8b at byte 0), found {found}; a file that is not compressed is named without .gz")]
    NotGzip {
        /// The first bytes.
        found: String,
    },
    /// The compressed stream breaks off or is damaged.
    #[error("the gzip stream is broken at byte {offset} of {length}, after {unpacked} unpacked bytes: {source}")]
    Gzip {
        /// Where in the compressed file.
        offset: usize,
        /// Size of the compressed file.
        length: usize,
        /// Bytes that came out before.
        unpacked: usize,
        /// What the decoder said.
        source: io::Error,
    },
    /// The header or the length is wrong.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// A record is not what it should be.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// All looks right, but the contents are others.
    #[error("the contents differ from the published file: MD5 {expected} expected, {found} found")]
    Checksum {
        /// Of the published file, uncompressed.
        expected: &'static str,
        /// Of this one.
        found: String,
    },
    /// It is a file of another data set with the same file names.
    #[error("this is a file of {other}, not of {set}")]
    Swapped {
        /// The data set that was asked for.
        set: &'static str,
        /// The one that this file belongs to.
        other: &'static str,
    },
}

/// "a, b and c are", "a is".
fn list(files: &[&str]) -> String {
    match files {
        [] => "nothing is".to_owned(),
        [one] => format!("{one} is"),
        [first @ .., last] => format!("{} and {last} are", first.join(", ")),
    }
}
