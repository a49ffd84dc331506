//! Errors of data sets.

use std::io;
use std::path::PathBuf;

use super::checksum::Checksum;
use super::idx::IdxError;
use super::npy::NpyError;
use super::records::RecordError;
use super::stl10::StlError;
use sweep_spec::id::DataId;

/// Why a data set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Files are missing.
    #[error(
        "no {set} in {}: {} missing; run `sweep data fetch {set}`, or name the folder that holds the files with --data \
        or SWEEP_DATA",
        root.display(),
        list(files)
    )]
    Missing {
        /// The data set's name.
        set: &'static str,
        /// Where they were searched.
        root: PathBuf,
        /// Their names.
        files: Vec<&'static str>,
    },
    /// A file is not what it should be.
    #[error("{}: {flaw}; run `sweep data fetch {set}` to get a correct copy", path.display())]
    File {
        /// The data set's name.
        set: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        flaw: Flaw,
    },
    /// The number of images differs from the number of labels.
    #[error("{images} images but {labels} labels: the two files belong to different data sets")]
    Counts {
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// It is too large to be read as a whole.
    #[error("{0} can only be used through its cache, and has no test part")]
    Large(&'static str),
    /// It has no samples.
    #[error("the data set has no samples")]
    Empty,
    /// A path does not hold what it should.
    #[error("{}: {what}; {advice}", path.display())]
    Place {
        /// The path.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
        /// What to do.
        advice: String,
    },
    /// A NumPy array that cannot be used.
    #[error("{}: {flaw}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: NpyError,
    },
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Too many samples are damaged.
    #[error(
        "{}: {damaged} of the first {read} samples of {name} are damaged, which is too many to leave out: {}{}; repair \
        or remove them",
        path.display(),
        first.join("; "),
        if *damaged > first.len() { "; …" } else { "" }
    )]
    Damaged {
        /// The data set's name.
        name: String,
        /// Its path.
        path: PathBuf,
        /// How many are damaged.
        damaged: usize,
        /// The number of samples read.
        read: usize,
        /// The first damaged ones, each with what is wrong.
        first: Vec<String>,
    },
    /// A cache cannot be written.
    #[error(
        "cannot write to {}: {source}; prepared samples are stored in the folder of data sets: choose one that is \
        writable and has enough space with --data or SWEEP_DATA",
        path.display()
    )]
    Write {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A cache is damaged.
    #[error(
        "{}: {what}; remove its folder, then `sweep run` or `sweep data prepare` will make it again",
        path.display()
    )]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
    },
    /// There is no cache.
    #[error(
        "the samples {content} are not in {}: run `sweep data prepare FILE` with the sweep file that names their path",
        folder.display()
    )]
    Unprepared {
        /// Their checksum.
        content: DataId,
        /// The folder where they should be.
        folder: PathBuf,
    },
    /// The samples have not been read yet.
    #[error(
        "the samples of `{0}` have not been read yet: run `sweep data prepare FILE` with the sweep file that names \
        their path"
    )]
    Unread(&'static str),
    /// A mixture is not valid.
    #[error(
        "a mixture needs at least one mode, finite centres and a finite covariance of at least 0; found {modes} modes, \
        covariance {covariance}"
    )]
    Mixture {
        /// Number of modes.
        modes: usize,
        /// Variance of each coordinate around its mode.
        covariance: f64,
    },
}

/// What is wrong with one file.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Its name ends in .gz, but it is not compressed.
    #[error(
        "expected gzip (bytes 1f 8b at byte 0), found {found}; if the file is not compressed, remove .gz from its \
        name"
    )]
    NotGzip {
        /// The first bytes.
        found: String,
    },
    /// The compressed stream is truncated or damaged.
    #[error("the gzip stream is broken at byte {offset} of {length}, after {unpacked} unpacked bytes: {source}")]
    Gzip {
        /// The position in the compressed file.
        offset: usize,
        /// Size of the compressed file.
        length: usize,
        /// Bytes unpacked before that.
        unpacked: usize,
        /// The error of the decoder.
        source: io::Error,
    },
    /// The header or the length is wrong.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// A record is not valid.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The length is wrong.
    #[error(transparent)]
    Stl(#[from] StlError),
    /// The format is right, but the contents differ.
    #[error("the contents differ from the published file: expected {expected}, found {found}")]
    Checksum {
        /// That of the published file, uncompressed.
        expected: Checksum,
        /// That of this file.
        found: String,
    },
    /// It is truncated.
    #[error("expected at least {least} bytes of weights, but the file ends at byte {found}")]
    Short {
        /// The size of the weights alone.
        least: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// It is too long.
    #[error("expected at most {most} bytes, but the file ends at byte {found}")]
    Long {
        /// The most bytes it may have.
        most: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// It is a file of another data set with the same file names.
    #[error("this is a file of {other}, not of {set}")]
    Swapped {
        /// The requested data set.
        set: &'static str,
        /// The data set that this file belongs to.
        other: &'static str,
    },
}

/// Joins names: "a, b and c are", "a is".
fn list(files: &[&str]) -> String {
    match files {
        [] => "nothing is".to_owned(),
        [one] => format!("{one} is"),
        [first @ .., last] => format!("{} and {last} are", first.join(", ")),
    }
}
