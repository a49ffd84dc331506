//! How far away other machines are from a home directory: whether they can see it, and how late they see changes.

use std::env;
use std::fs;
use std::path::Path;

use sweep_system::clock::{now, seconds};
use sweep_system::disk;
use sweep_system::whole::NewFile;
use sweep_wire::home::Home;

/// Seconds until all machines see a change on a network file system: NFS caches file attributes for up to a minute.
const FAR: f64 = 60.0;
/// The same for a file system of this machine.
const NEAR: f64 = 1.0;
/// The variable with which a user overrides this delay.
pub const DELAY: &str = "SWEEP_DELAY";

/// Returns the seconds until all machines see a change in `home`.
///
/// # Errors
///
/// The user's value is not a number. The error says so in words.
pub fn delay(home: &Home) -> Result<f64, String> {
    match env::var(DELAY) {
        Ok(text) if !text.is_empty() => {
            let seconds = text.parse::<f64>().ok().filter(|seconds| (0.1..=3600.0).contains(seconds));
            seconds.ok_or_else(|| format!("{DELAY} is `{text}`: expected seconds, such as 60"))
        }
        _ => Ok(if disk::shared(home.path()).is_some() { FAR } else { NEAR }),
    }
}

/// Whether other machines may change files in `home`.
pub fn is_far(home: &Home) -> bool {
    delay(home).is_ok_and(|delay| delay > NEAR) || disk::shared(home.path()).is_some() || home.pointer().exists()
}

/// Returns how many seconds ago the file at `path` was written, by the clock of the file system, which may differ from
/// this machine's. If nothing can be written next to it, uses this machine's clock. `None` if there is no such file.
pub(super) fn age(path: &Path) -> Option<f64> {
    let written = fs::metadata(path).and_then(|about| about.modified()).ok()?;
    let new = NewFile::beside(path).and_then(|new| new.modified());
    Some(new.map_or_else(|_| now(), seconds) - seconds(written))
}

/// Returns the name of this machine.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
