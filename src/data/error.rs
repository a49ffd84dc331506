//! What can be wrong with real samples.

use std::io;
use std::path::PathBuf;

use super::checksum::Checksum;
use super::idx::IdxError;
use super::npy::NpyError;
use super::records::RecordError;
use super::stl10::StlError;
use sweep_spec::id::DataId;

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
    /// It is too large to be read as a whole.
    #[error("{0} is trained on through its cache only, and has no part to test with")]
    Large(&'static str),
    /// A data set without a sample.
    #[error("the data set has no samples")]
    Empty,
    /// What lies at a path is not what it should be.
    #[error("{}: {what}; {advice}", path.display())]
    Place {
        /// The path.
        path: PathBuf,
        /// What was expected and what was found.
        what: String,
        /// What to do.
        advice: String,
    },
    /// An array of NumPy that cannot be used.
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
        /// What the system said.
        source: io::Error,
    },
    /// Too many samples are damaged for it to be chance.
    #[error(
        "{}: {damaged} of the first {read} samples of {name} are damaged, which is too many to leave out: {}{}; mend or remove them",
        path.display(),
        first.join("; "),
        if *damaged > first.len() { "; …" } else { "" }
    )]
    Damaged {
        /// The data set's name.
        name: String,
        /// Where it lies.
        path: PathBuf,
        /// How many are damaged.
        damaged: usize,
        /// Of so many.
        read: usize,
        /// The first of them, each with what is wrong.
        first: Vec<String>,
    },
    /// A cache cannot be written.
    #[error(
        "cannot write to {}: {source}; samples are made ready in the folder of data sets: name one that is writable and has room with \
         --data or SWEEP_DATA",
        path.display()
    )]
    Write {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A cache that is not as it was made.
    #[error("{}: {what}; remove its folder, and `sweep run` or `sweep data prepare` makes it again", path.display())]
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
        /// Where they would be.
        folder: PathBuf,
    },
    /// Nobody has read the samples yet.
    #[error(
        "the samples of `{0}` have not been read yet: run `sweep data prepare FILE` with the sweep file that names their path"
    )]
    Unread(&'static str),
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
    /// The length is wrong.
    #[error(transparent)]
    Stl(#[from] StlError),
    /// All looks right, but the contents are others.
    #[error("the contents differ from the published file: {expected} expected, {found} found")]
    Checksum {
        /// Of the published file, uncompressed.
        expected: Checksum,
        /// Of this one.
        found: String,
    },
    /// It breaks off.
    #[error("expected at least {least} bytes of weights, but the file ends at byte {found}")]
    Short {
        /// The weights alone.
        least: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// It goes on where nothing is expected.
    #[error("expected at most {most} bytes, but the file ends at byte {found}")]
    Long {
        /// Bytes at most.
        most: u64,
        /// Bytes in the file.
        found: u64,
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
