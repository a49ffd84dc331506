//! Makes a cache, piece by piece. Each piece is on disk before the journal lists it, so an interruption costs at most
//! one piece.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::event::{Events, PrepareEvent};
use super::input::{MOST, part};
use super::manifest::{Damaged, LABEL, Manifest, Origin, Piece};
use super::{Folder, Input, Mapped};
use crate::{DataError, regular};
use sweep_spec::id::DataId;
use sweep_system::whole::{self, Survives};

/// This many samples may be damaged in any data set.
const FEW: usize = 3;
/// In a large data set, one in this many may be damaged.
const SHARE: usize = 100;

/// Returns how many of the first `sources`, each with its number of samples, still match `input`.
fn same(input: &dyn Input, sources: &[(usize, String)], events: Events<'_>) -> Result<usize, DataError> {
    let total = sources.iter().map(|(samples, _)| samples).sum();
    events(PrepareEvent::Comparing { name: &input.name(), total });
    let mut start = 0;
    for (at, (samples, source)) in sources.iter().enumerate() {
        let found = input.digest(start..start + samples, &|more| events(PrepareEvent::Read(more)))?;
        if found.to_hex().as_str() != source {
            return Ok(at);
        }
        start += samples;
    }
    Ok(sources.len())
}

/// A line of the journal.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// Samples read for the piece, including damaged ones.
    read: usize,
    piece: Piece,
    damaged: Vec<Damaged>,
    /// The checksum of the input that was read for it.
    source: String,
}

/// The state of the files from which all pieces so far were read, or with which they were compared.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    /// The layout of samples. If it differs, nothing can be reused.
    layout: String,
    exact: String,
    settled: bool,
}

impl Head {
    fn of(input: &dyn Input) -> Self {
        let (exact, settled) = (input.fingerprint().exact(), input.fingerprint().is_settled());
        let layout = format!("{:?} {:?} {}", input.shape(), input.values(), input.labelled().classes.is_empty());
        Head { layout, exact, settled }
    }

    fn read(folder: &Folder) -> Option<Self> {
        serde_json::from_slice(&regular::read(&folder.head(), 1 << 16).ok()?).ok()
    }

    fn write(&self, folder: &Folder) -> io::Result<()> {
        whole::write(&folder.head(), &serde_json::to_vec(self)?, Survives::PowerCut)
    }
}

/// A cache that is being made.
pub(super) struct CacheWriter {
    folder: Folder,
    samples: File,
    labels: File,
    journal: File,
    manifest: Manifest,
    /// Samples of the input that are done.
    read: usize,
    /// The checksum of the input that was read for each piece.
    sources: Vec<String>,
}

impl CacheWriter {
    /// Continues from where an earlier process stopped. Pieces are reused if the files are provably unchanged.
    /// Otherwise the files are read again and compared, up to the first piece that differs.
    pub(super) fn resume(input: &dyn Input, folder: Folder, events: Events<'_>) -> Result<Self, DataError> {
        let broken = |source| DataError::Write { path: folder.path().to_owned(), source };
        let (earlier, head) = (Head::read(&folder), Head::of(input));
        if earlier.as_ref().is_none_or(|earlier| earlier.layout != head.layout) && folder.path().exists() {
            fs::remove_dir_all(folder.path()).map_err(broken)?;
        }
        let open = || {
            fs::create_dir_all(folder.path())?;
            whole::sweep_up(folder.path());
            let file = |path: PathBuf| OpenOptions::new().read(true).append(true).create(true).open(path);
            let (samples, labels, journal) = (file(folder.samples())?, file(folder.labels())?, file(folder.journal())?);
            let manifest = Manifest::new(
                input.name(),
                input.path().display().to_string(),
                input.shape(),
                input.values(),
                input.labelled().classes,
            );
            let (folder, read, sources) = (folder.clone(), 0, Vec::new());
            Ok(CacheWriter { folder, samples, labels, journal, manifest, read, sources })
        };
        let mut making = open().map_err(broken)?;
        let believed = head.settled && earlier.is_some_and(|earlier| earlier == head);
        let compare = |sources: &[(usize, String)]| {
            if believed || sources.is_empty() { Ok(sources.len()) } else { same(input, sources, events) }
        };
        making.replay(input.len(), compare)?;
        head.write(&folder).map_err(broken)?;
        Ok(making)
    }

    /// Reuses what the journal lists and the files contain, as far as `compare` confirms it. Cuts off the rest, such as
    /// a line without its end or a piece without its line.
    fn replay(
        &mut self,
        total: usize,
        compare: impl FnOnce(&[(usize, String)]) -> Result<usize, DataError>,
    ) -> Result<(), DataError> {
        let path = self.folder.path().to_owned();
        let broken = |source| DataError::Write { path: path.clone(), source };
        let (lengths, entries): (Vec<usize>, Vec<Entry>) = self.entries(total).map_err(broken)?.into_iter().unzip();
        let sources: Vec<_> = entries.iter().map(|entry| (entry.read, entry.source.clone())).collect();
        let kept = compare(&sources)?;
        let (bytes, mut count) = (self.manifest.sample_bytes() as u64, 0);
        for entry in entries.into_iter().take(kept) {
            count += entry.piece.samples as u64;
            self.take(entry);
        }
        let length: usize = lengths[..kept].iter().sum();
        let cut = || {
            self.journal.set_len(length as u64)?;
            self.samples.set_len(count * bytes)?;
            self.labels.set_len(count * LABEL as u64)
        };
        cut().map_err(broken)
    }

    /// Returns the valid lines at the start of the journal whose pieces exist, each with its length.
    fn entries(&self, total: usize) -> io::Result<Vec<(usize, Entry)>> {
        let bytes = self.manifest.sample_bytes() as u64;
        let (samples, labels) = (self.samples.metadata()?.len(), self.labels.metadata()?.len());
        let mut reader = BufReader::new(&self.journal);
        let (mut entries, mut read, mut count) = (Vec::new(), 0, 0u64);
        loop {
            let mut line = Vec::new();
            // No piece can have a longer line: its number of samples is limited.
            let length = reader.by_ref().take(1 << 24).read_until(b'\n', &mut line)?;
            let Ok(entry) = serde_json::from_slice::<Entry>(&line) else { break };
            if !line.ends_with(b"\n")
                || entry.read > MOST
                || entry.read.checked_sub(entry.damaged.len()) != Some(entry.piece.samples)
            {
                break;
            }
            count += entry.piece.samples as u64;
            read += entry.read;
            if count * bytes > samples || count * LABEL as u64 > labels || read > total {
                break;
            }
            entries.push((length, entry));
        }
        Ok(entries)
    }

    /// Records one more finished piece.
    fn take(&mut self, entry: Entry) {
        self.read += entry.read;
        self.manifest.pieces.push(entry.piece);
        self.manifest.damaged.extend(entry.damaged);
        self.sources.push(entry.source);
    }

    /// Reads the remaining samples.
    pub(super) fn run(&mut self, input: &dyn Input, events: Events<'_>) -> Result<Manifest, DataError> {
        let (total, part) = (input.len(), part(input));
        let (name, path, classes) = (input.name(), input.path(), input.labelled().classes);
        self.manifest.left_out = input.left_out();
        let left_out = self.manifest.left_out.as_deref();
        events(PrepareEvent::Begun { name: &name, path, done: self.read, total, classes: &classes, left_out });
        for damaged in &self.manifest.damaged {
            events(PrepareEvent::Damaged(damaged));
        }
        while self.read < total {
            let end = (self.read + part).min(total);
            let block = input.read(self.read..end, &|more| events(PrepareEvent::Read(more)))?;
            block.damaged.iter().for_each(|damaged| events(PrepareEvent::Damaged(damaged)));
            let labels: Vec<u8> = block.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
            let entry = Entry {
                read: end - self.read,
                piece: Piece::of(&block.samples, &labels),
                damaged: block.damaged,
                source: block.source.to_hex().to_string(),
            };
            self.append(&block.samples, &labels, &entry)
                .map_err(|source| DataError::Write { path: self.folder.path().to_owned(), source })?;
            self.take(entry);
            self.bearable(input)?;
        }
        let mut manifest = self.manifest.clone();
        manifest.notes = input.notes()?;
        let checksum = input.fingerprint().contents(self.sources.iter().map(String::as_str));
        let form = input.form();
        manifest.origin = Some(Origin { size: form.size, range: form.range, checksum });
        Ok(manifest)
    }

    /// Appends a piece. The samples must be on disk before the journal lists them.
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

    /// Returns an error if too many samples are damaged, because then something else is wrong.
    fn bearable(&self, input: &dyn Input) -> Result<(), DataError> {
        let (damaged, total) = (self.manifest.damaged.len(), input.len());
        if damaged <= FEW.max(total / SHARE) && 2 * damaged < total {
            return Ok(());
        }
        let first = self.manifest.damaged.iter().take(FEW);
        // Repairing them changes the files, so they will be read again anyway.
        fs::remove_dir_all(self.folder.path())
            .map_err(|source| DataError::Write { path: self.folder.path().to_owned(), source })?;
        Err(DataError::Damaged {
            name: input.name(),
            path: input.path().to_owned(),
            damaged,
            read: self.read,
            first: first.map(|Damaged { name, why }| format!("{name}: {why}")).collect(),
        })
    }

    /// Checks what was written, then renames the folder to its final name.
    pub(super) fn finish(self, manifest: &Manifest, folder: &Folder, content: DataId) -> Result<(), DataError> {
        let broken = |source| DataError::Write { path: self.folder.path().to_owned(), source };
        let write = || whole::write(&self.folder.manifest(), &serde_json::to_vec_pretty(manifest)?, Survives::PowerCut);
        write().map_err(broken)?;
        if Mapped::open_in(&self.folder, content).and_then(|mapped| mapped.check()).is_err() {
            // Half a piece from earlier, or an unreliable disk.
            fs::remove_dir_all(self.folder.path()).map_err(broken)?;
            let what = "the data read back differ from what was written, so they were removed: run the same command \
                again";
            return Err(DataError::Cache { path: self.folder.0, what: what.to_owned() });
        }
        if Mapped::open_in(folder, content).is_ok() {
            // The same samples exist already, made from elsewhere.
            return fs::remove_dir_all(self.folder.path()).map_err(broken);
        }
        if folder.path().exists() {
            fs::remove_dir_all(folder.path()).map_err(broken)?;
        }
        whole::rename(self.folder.path(), folder.path(), Survives::PowerCut).map_err(broken)?;
        [folder.head(), folder.journal()].iter().try_for_each(fs::remove_file).map_err(broken)
    }
}
