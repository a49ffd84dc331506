//! Making a cache: piece by piece, each on disk before the journal says so, so that whatever ends it costs one piece at most.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::manifest::{Damaged, LABEL, Manifest, Piece};
use super::{Input, Mapped, folder, home};
use crate::DataError;
use sweep_spec::id::DataId;

/// Bytes of a piece, about. A piece is in memory as a whole.
const PIECE: usize = 8 << 20;
/// Samples of a piece at most, so that little is lost and progress is seen.
const MOST: usize = 2048;
/// So many may be damaged in any data set.
const FEW: usize = 3;
/// And so many of a large one: one in a hundred.
const SHARE: usize = 100;

/// What goes on while samples are made ready.
#[derive(Debug)]
pub enum PrepareEvent<'a> {
    /// Another process makes a cache here; this one waits for it.
    Waiting(&'a str),
    /// It begins, or goes on after `done` of `total`.
    Begun {
        /// The data set's name.
        name: &'a str,
        /// Where it lies.
        path: &'a Path,
        /// Samples that are ready.
        done: usize,
        /// Samples in all.
        total: usize,
    },
    /// So many more samples have been read.
    Read(usize),
    /// A sample is left out.
    Damaged(&'a Damaged),
}

/// Where events go.
type Events<'a> = &'a (dyn Fn(PrepareEvent<'_>) + Sync);

/// The content of `input`, where there is a cache of it.
pub(crate) fn known(root: &Path, input: &dyn Input) -> Option<DataId> {
    let text = fs::read_to_string(home(root).join("index").join(input.fingerprint())).ok()?;
    let content = text.trim().parse().ok()?;
    Mapped::open(root, content).is_ok().then_some(content)
}

/// Sees to it that there is a cache of `input` under `root`. Goes on where an earlier call was interrupted; waits while another process
/// makes a cache.
///
/// # Errors
/// Where samples cannot be read, too many are damaged, or the cache cannot be written.
pub(crate) fn build(input: &dyn Input, root: &Path, events: Events<'_>) -> Result<DataId, DataError> {
    if let Some(content) = known(root, input) {
        return Ok(content);
    }
    if input.len() == 0 {
        return Err(DataError::Empty);
    }
    let home = home(root);
    let unwritable = |source| DataError::Write { path: home.clone(), source };
    fs::create_dir_all(&home).map_err(unwritable)?;
    let _lock = lock(&home, events).map_err(unwritable)?;
    // Whoever had the lock may have made this one.
    if let Some(content) = known(root, input) {
        return Ok(content);
    }
    let mut making = Making::resume(input, super::making(root).join(input.fingerprint()))?;
    let manifest = making.run(input, events)?;
    let content = manifest.content();
    making.finish(&manifest, &folder(root, content), content)?;
    remember(&home, &input.fingerprint(), content).map_err(unwritable)?;
    Ok(content)
}

/// Held until the file is closed, however that comes about.
fn lock(home: &Path, events: Events<'_>) -> io::Result<File> {
    let path = home.join("lock");
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if let Err(rustix::io::Errno::WOULDBLOCK) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        let mut holder = String::new();
        file.read_to_string(&mut holder)?;
        events(PrepareEvent::Waiting(holder.trim()));
        flock(&file, FlockOperation::LockExclusive)?;
    }
    // Also where the first attempt failed for another reason: this one then says which.
    flock(&file, FlockOperation::LockExclusive)?;
    file.rewind()?;
    file.set_len(0)?;
    write!(file, "process {}", std::process::id())?;
    Ok(file)
}

/// Puts a name into the index, whole or not at all.
fn remember(home: &Path, fingerprint: &str, content: DataId) -> io::Result<()> {
    let index = home.join("index");
    fs::create_dir_all(&index)?;
    let path = index.join(fingerprint);
    let new = index.join(format!("{fingerprint}.new"));
    let mut file = File::create(&new)?;
    writeln!(file, "{content}")?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// Samples that were read for it, damaged ones included.
    read: usize,
    piece: Piece,
    damaged: Vec<Damaged>,
}

/// A cache that is being made.
struct Making {
    folder: PathBuf,
    samples: File,
    labels: File,
    journal: File,
    manifest: Manifest,
    /// Samples of the input that are done.
    read: usize,
}

impl Making {
    /// As far as an earlier process got.
    fn resume(input: &dyn Input, folder: PathBuf) -> Result<Self, DataError> {
        let open = || {
            fs::create_dir_all(&folder)?;
            let options = || OpenOptions::new().read(true).append(true).create(true).clone();
            let file = |name: &str| options().open(folder.join(name));
            let (samples, labels, journal) = (file("samples.bin")?, file("labels.bin")?, file("journal.jsonl")?);
            let manifest = Manifest::new(
                input.name(),
                input.path().display().to_string(),
                input.shape(),
                input.values(),
                input.labelled().classes,
            );
            let mut making = Making { folder: folder.clone(), samples, labels, journal, manifest, read: 0 };
            making.replay(input.len())?;
            Ok(making)
        };
        open().map_err(|source| DataError::Write { path: folder.clone(), source })
    }

    /// Takes over what the journal says and the files hold, and cuts off the rest: a line without its end, a piece without its line.
    fn replay(&mut self, total: usize) -> io::Result<()> {
        let bytes = self.manifest.sample_bytes() as u64;
        let (samples, labels) = (self.samples.metadata()?.len(), self.labels.metadata()?.len());
        let mut reader = BufReader::new(&self.journal);
        let (mut kept, mut count) = (0, 0u64);
        loop {
            let mut line = Vec::new();
            // No piece has a longer line than its samples are many.
            let length = reader.by_ref().take(1 << 24).read_until(b'\n', &mut line)?;
            let Ok(entry) = serde_json::from_slice::<Entry>(&line) else { break };
            if !line.ends_with(b"\n")
                || entry.read > MOST
                || entry.read.checked_sub(entry.damaged.len()) != Some(entry.piece.samples)
            {
                break;
            }
            let after = count + entry.piece.samples as u64;
            if after * bytes > samples || after * LABEL as u64 > labels || self.read + entry.read > total {
                break;
            }
            (kept, count) = (kept + length as u64, after);
            self.read += entry.read;
            self.manifest.pieces.push(entry.piece);
            self.manifest.damaged.extend(entry.damaged);
        }
        self.journal.set_len(kept)?;
        self.samples.set_len(count * bytes)?;
        self.labels.set_len(count * LABEL as u64)
    }

    /// Reads what is missing.
    fn run(&mut self, input: &dyn Input, events: Events<'_>) -> Result<Manifest, DataError> {
        let total = input.len();
        let piece = (PIECE / self.manifest.sample_bytes().max(1)).clamp(16, MOST);
        let (name, path) = (input.name(), input.path());
        events(PrepareEvent::Begun { name: &name, path, done: self.read, total });
        for damaged in &self.manifest.damaged {
            events(PrepareEvent::Damaged(damaged));
        }
        while self.read < total {
            let end = (self.read + piece).min(total);
            let block = input.read(self.read..end, &|more| events(PrepareEvent::Read(more)))?;
            block.damaged.iter().for_each(|damaged| events(PrepareEvent::Damaged(damaged)));
            let labels: Vec<u8> = block.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
            let entry =
                Entry { read: end - self.read, piece: Piece::of(&block.samples, &labels), damaged: block.damaged };
            self.append(&block.samples, &labels, &entry)
                .map_err(|source| DataError::Write { path: self.folder.clone(), source })?;
            self.read = end;
            self.manifest.pieces.push(entry.piece);
            self.manifest.damaged.extend(entry.damaged);
            self.bearable(input)?;
        }
        let mut manifest = self.manifest.clone();
        manifest.notes = input.notes()?;
        Ok(manifest)
    }

    /// The samples must be on disk before the journal says that they are.
    fn append(&mut self, samples: &[u8], labels: &[u8], entry: &Entry) -> io::Result<()> {
        self.samples.write_all(samples)?;
        self.labels.write_all(labels)?;
        self.samples.sync_data()?;
        self.labels.sync_data()?;
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.journal.write_all(&line)?;
        self.journal.sync_data()
    }

    /// An error where too many samples are damaged: then something else is wrong.
    fn bearable(&self, input: &dyn Input) -> Result<(), DataError> {
        let (damaged, total) = (self.manifest.damaged.len(), input.len());
        if damaged <= FEW.max(total / SHARE) && 2 * damaged < total {
            return Ok(());
        }
        let first = self.manifest.damaged.iter().take(FEW);
        // Whatever mends it changes the files, which are then read again.
        fs::remove_dir_all(&self.folder).map_err(|source| DataError::Write { path: self.folder.clone(), source })?;
        Err(DataError::Damaged {
            name: input.name(),
            path: input.path().to_owned(),
            damaged,
            read: self.read,
            first: first.map(|Damaged { name, why }| format!("{name}: {why}")).collect(),
        })
    }

    /// Checks what has been written and gives it its name.
    fn finish(self, manifest: &Manifest, folder: &Path, content: DataId) -> Result<(), DataError> {
        let broken = |source| DataError::Write { path: self.folder.clone(), source };
        let mut file = File::create(self.folder.join("manifest.json")).map_err(broken)?;
        file.write_all(&serde_json::to_vec_pretty(manifest).map_err(io::Error::other).map_err(broken)?)
            .map_err(broken)?;
        file.sync_all().map_err(broken)?;
        if Mapped::open_in(&self.folder, content).and_then(|mapped| mapped.check()).is_err() {
            // Half a piece of another time, or a disk that forgets.
            fs::remove_dir_all(&self.folder).map_err(broken)?;
            let what = "what was written is not what is read back; it has been removed: run the same command again";
            return Err(DataError::Cache { path: self.folder, what: what.to_owned() });
        }
        if Mapped::open_in(folder, content).is_ok() {
            // The same samples from elsewhere.
            return fs::remove_dir_all(&self.folder).map_err(broken);
        }
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(broken)?;
        }
        fs::rename(&self.folder, folder).map_err(broken)?;
        fs::remove_file(folder.join("journal.jsonl")).map_err(broken)
    }
}
