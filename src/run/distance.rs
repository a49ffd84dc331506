//! How far away other machines are from a home directory: whether they may see it, and how late.

use std::env;
use std::fs;
use std::path::Path;

use sweep_system::clock::{now, seconds};
use sweep_system::disk;
use sweep_system::whole::NewFile;
use sweep_wire::home::Home;

/// Seconds after which changes on file systems of a network are seen on all machines: NFS keeps what it knows of files for up to a minute.
const FAR: f64 = 60.0;
/// And of this machine's own.
const NEAR: f64 = 1.0;
/// How late that is, where a user knows better.
pub const DELAY: &str = "SWEEP_DELAY";

/// The seconds after which changes in `home` are seen on all machines.
///
/// # Errors
///
/// In words, where the user says something else than a number.
pub fn delay(home: &Home) -> Result<f64, String> {
    match env::var(DELAY) {
        Ok(text) if !text.is_empty() => {
            let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
            seconds.ok_or_else(|| format!("{DELAY} is `{text}`: expected seconds, such as 60"))
        }
        _ => Ok(if disk::shared(home.path()).is_some() { FAR } else { NEAR }),
    }
}

/// Whether other machines may change what is in `home`.
pub fn is_far(home: &Home) -> bool {
    delay(home).is_ok_and(|delay| delay > NEAR) || disk::shared(home.path()).is_some() || home.pointer().exists()
}

/// For how many seconds the file at `path` was not written, by the clock of the file system, which need not be that of this machine; where
/// nothing can be written there, it is taken for that. None where the file is not there.
pub(super) fn age(path: &Path) -> Option<f64> {
    let written = fs::metadata(path).and_then(|about| about.modified()).ok()?;
    let new = NewFile::beside(path).and_then(|new| new.modified());
    Some(new.map_or_else(|_| now(), seconds) - seconds(written))
}

/// The name of this machine.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
