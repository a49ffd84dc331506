//! Data sets that are made ready before they are trained on: the user's own, and STL-10.

use std::path::{Path, PathBuf};

use super::DataError;
use super::array::Array;
use super::cache::{Input, Mapped, PrepareEvent, build, known};
use super::folder::Folder;
use super::unlabelled::Unlabelled;
use sweep_spec::own::{Kind, Own, Source, Trouble};

/// Where `source` lies: relative to `base`, the folder of the sweep file.
fn place(source: &Source, base: &Path) -> PathBuf {
    match (source.path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => base.join(&source.path),
    }
}

fn input(source: &Source, base: &Path) -> Result<Box<dyn Input>, DataError> {
    let path = place(source, base);
    Ok(match source.kind {
        Kind::Imagenet32 | Kind::Images => {
            Box::new(Folder::open(source.kind, &path, source.size.unwrap_or(32) as usize)?)
        }
        Kind::Npy => Box::new(Array::open(&path, source.range)?),
    })
}

/// What lies at `source`, without reading samples: their checksum is known where they are in a cache under `root`. Relative paths begin at
/// `base`.
///
/// # Errors
/// Where there is no such data set.
pub fn glance(source: &Source, base: &Path, root: &Path) -> Result<Own, DataError> {
    let input = input(source, base)?;
    Ok(Own { kind: source.kind, shape: input.shape(), content: known(root, &*input) })
}

/// Sees to it that the samples of `source` are in a cache under `root`.
///
/// # Errors
/// Where they cannot be read, or the cache not be written.
pub fn prepare(
    source: &Source,
    base: &Path,
    root: &Path,
    events: &(dyn Fn(PrepareEvent<'_>) + Sync),
) -> Result<Own, DataError> {
    let input = input(source, base)?;
    let content = build(&*input, root, events)?;
    Ok(Own { kind: source.kind, shape: input.shape(), content: Some(content) })
}

/// Sees to it that STL-10, which lies at `path`, is in a cache under `root`, and opens it.
///
/// # Errors
/// Where it cannot be read, or the cache not be written.
pub(super) fn stl10(
    path: PathBuf,
    root: &Path,
    events: &(dyn Fn(PrepareEvent<'_>) + Sync),
) -> Result<Mapped, DataError> {
    let content = build(&Unlabelled::open(path)?, root, events)?;
    Mapped::open(root, content)
}

impl DataError {
    /// As a mistake of the file that names the path.
    pub fn trouble(&self) -> Trouble {
        match self {
            DataError::Place { path, what, advice } => {
                Trouble { message: format!("{}: {what}", path.display()), help: Some(advice.clone()) }
            }
            other => Trouble { message: other.to_string(), help: None },
        }
    }
}
