//! Makes sure that there is a cache: finds one with the same contents, or makes a new one.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::event::{Events, PrepareEvent};
use super::input::part;
use super::writer::CacheWriter;
use super::{Folder, Input, Mapped, folder, home, index};
use crate::{DataError, regular};
use sweep_spec::id::DataId;
use sweep_system::whole::{self, Survives};

/// Returns the content of `input` if there is a cache of it and finding that out is quick: its files are provably
/// unchanged, or small enough to be read again.
pub(crate) fn known(root: &Path, input: &dyn Input) -> Result<Option<DataId>, DataError> {
    match remembered(root, &input.fingerprint().exact()) {
        None if input.fingerprint().is_small() => compared(root, input, &|_| {}),
        known => Ok(known),
    }
}

/// Returns what the index contains under `name`, if there is a cache of it.
fn remembered(root: &Path, name: &str) -> Option<DataId> {
    let text = regular::read(&index(root).join(name), 100).ok()?;
    let content = str::from_utf8(&text).ok()?.trim().parse().ok()?;
    Mapped::open(root, content).is_ok().then_some(content)
}

/// Returns the content of `input` if there is a cache of it. Reads its files if similar ones have been read before.
fn compared(root: &Path, input: &dyn Input, events: Events<'_>) -> Result<Option<DataId>, DataError> {
    if remembered(root, &input.fingerprint().alike()).is_none() {
        return Ok(None);
    }
    let Some(content) = made_of(root, checksum(input, events)?) else { return Ok(None) };
    // Without write access to the index, the files will be compared again next time.
    let _ = note(root, input, content);
    Ok(Some(content))
}

/// Returns the content of files with this checksum, if there is a cache of it.
pub(crate) fn made_of(root: &Path, checksum: DataId) -> Option<DataId> {
    remembered(root, &checksum.to_string())
}

/// Returns the checksum of the files of `input`, which it reads in full.
///
/// # Errors
/// If they cannot be read, or changed while they were read.
pub(crate) fn checksum(input: &dyn Input, events: Events<'_>) -> Result<DataId, DataError> {
    let (name, total) = (input.name(), input.len());
    events(PrepareEvent::Comparing { name: &name, total });
    let done = |more| events(PrepareEvent::Read(more));
    let parts = (0..total).step_by(part(input)).map(|from| {
        let to = (from + part(input)).min(total);
        input.digest(from..to, &done).map(|hash| hash.to_hex().to_string())
    });
    let parts = parts.collect::<Result<Vec<String>, DataError>>()?;
    unchanged(input)?;
    Ok(input.fingerprint().contents(parts.iter().map(String::as_str)))
}

/// Records `content` under the metadata of the files, if the metadata proves that the files are unchanged.
fn note(root: &Path, input: &dyn Input, content: DataId) -> io::Result<()> {
    let fingerprint = input.fingerprint();
    if fingerprint.is_settled() { remember(root, &fingerprint.exact(), content) } else { Ok(()) }
}

/// Returns an error if files of `input` have changed since it was opened.
fn unchanged(input: &dyn Input) -> Result<(), DataError> {
    if !input.fingerprint().changed(&input.look_again()?) {
        return Ok(());
    }
    Err(DataError::Place {
        path: input.path().to_owned(),
        what: "it changed while it was read".to_owned(),
        advice: "wait until nothing writes to it, then run the same command again".to_owned(),
    })
}

/// Makes sure that there is a cache of `input` under `root`. Continues an interrupted build; waits while another
/// process makes a cache.
///
/// # Errors
/// If samples cannot be read, too many are damaged, or the cache cannot be written.
pub(crate) fn build(input: &dyn Input, root: &Path, events: Events<'_>) -> Result<DataId, DataError> {
    let fingerprint = input.fingerprint();
    if let Some(content) = remembered(root, &fingerprint.exact()) {
        return Ok(content);
    }
    if input.len() == 0 {
        return Err(DataError::Empty);
    }
    let alike = remembered(root, &fingerprint.alike());
    if let Some(content) = compared(root, input, events)? {
        return Ok(content);
    }
    let home = home(root);
    let unwritable = |source| DataError::Write { path: home.clone(), source };
    fs::create_dir_all(&home).map_err(unwritable)?;
    let _lock = lock(&home, events).map_err(unwritable)?;
    whole::sweep_up(&index(root));
    // Another process may have made it while this one waited for the lock.
    if let Some(content) = remembered(root, &fingerprint.exact()) {
        return Ok(content);
    }
    if remembered(root, &fingerprint.alike()) != alike
        && let Some(content) = compared(root, input, events)?
    {
        return Ok(content);
    }
    let mut making = CacheWriter::resume(input, Folder(super::unfinished_dir(root).join(place(input))), events)?;
    let manifest = making.run(input, events)?;
    unchanged(input)?;
    let (content, checksum) = (manifest.content(), manifest.origin.as_ref().map(|origin| origin.checksum));
    making.finish(&manifest, &folder(root, content), content)?;
    for name in checksum.map(|checksum| checksum.to_string()).into_iter().chain([fingerprint.alike()]) {
        remember(root, &name, content).map_err(unwritable)?;
    }
    note(root, input, content).map_err(unwritable)?;
    Ok(content)
}

/// Returns the name of the folder in which the cache of this path is made.
fn place(input: &dyn Input) -> String {
    let path = std::path::absolute(input.path()).unwrap_or_else(|_| input.path().to_owned());
    let form = format!("{} {:?}\0", input.name(), input.form());
    DataId::of(&[form.as_bytes(), path.as_os_str().as_encoded_bytes()].concat()).to_string()
}

/// Takes a lock. It is held until the file is closed, even if the process is killed.
fn lock(home: &Path, events: Events<'_>) -> io::Result<File> {
    let path = home.join("lock");
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if let Err(rustix::io::Errno::WOULDBLOCK) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        let mut holder = String::new();
        file.read_to_string(&mut holder)?;
        events(PrepareEvent::Waiting(holder.trim()));
        flock(&file, FlockOperation::LockExclusive)?;
    }
    // If the first attempt failed for another reason, this one reports it.
    flock(&file, FlockOperation::LockExclusive)?;
    file.rewind()?;
    file.set_len(0)?;
    write!(file, "process {}", std::process::id())?;
    Ok(file)
}

/// Adds a name to the index.
fn remember(root: &Path, name: &str, content: DataId) -> io::Result<()> {
    let index = index(root);
    fs::create_dir_all(&index)?;
    whole::write(&index.join(name), format!("{content}\n").as_bytes(), Survives::PowerCut)
}
