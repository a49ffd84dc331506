//! The event log: JSON lines, appended as a whole, and read up to the last complete line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::PROTOCOL;
use super::check::Check;
use super::event::{Event, Header, Outcome, Record};
use sweep_spec::id::CohortId;
use sweep_system::clock::now;

/// What is wrong with a log, and where.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// The log.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is not an event, or not one that is valid there.
    #[error("{path}, byte {offset}: not an event: {message}")]
    Garbage {
        /// The log.
        path: PathBuf,
        /// Where the line starts.
        offset: u64,
        /// Why.
        message: String,
    },
}

/// Bytes that [`read`] reads at a time, so memory stays bounded even if a log grows faster than it is read.
const CHUNK: u64 = 1 << 20;
/// Most bytes of a log's last line: a message is shorter.
const LAST: u64 = 64 << 10;
/// Most bytes of a line, without its end. A longer line is garbage, even before its end has come, so memory stays
/// bounded.
const LONGEST: usize = 16 << 20;

/// The text before a line's checksum: CRC-32 in eight hexadecimal digits, over all bytes before this text.
const SEAL: &str = r#","crc":""#;
/// Bytes from this text to the end of the line.
const SEALED: usize = SEAL.len() + 10;

/// Appends events.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    seq: u64,
}

impl Writer {
    /// Starts the log of an attempt at `path`, which must not exist.
    pub fn create(path: &Path, cohort: CohortId, attempt: u32) -> Result<Self, LogError> {
        let io = |source| LogError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).create_new(true).open(path).map_err(io)?;
        let mut writer = Writer { file, path: path.to_owned(), seq: 0 };
        writer.line(&Header { protocol: PROTOCOL, cohort, attempt })?;
        Ok(writer)
    }

    /// Appends one event as one line, in one write.
    pub fn append(&mut self, event: Event) -> Result<(), LogError> {
        self.line(&Record { seq: self.seq, at: now(), event })?;
        self.seq += 1;
        Ok(())
    }

    /// Makes the appended events durable.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.file.sync_data().map_err(|source| LogError::Io { path: self.path.clone(), source })
    }

    fn line<T: serde::Serialize>(&mut self, value: &T) -> Result<(), LogError> {
        let io = |source| LogError::Io { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(value).map_err(|error| io(error.into()))?;
        seal(&mut line);
        line.push(b'\n');
        self.file.write_all(&line).map_err(io)
    }
}

/// The result of [`read`].
#[derive(Debug, Default)]
pub struct Batch {
    /// The header, if reading started at 0 and its line is complete.
    pub header: Option<Header>,
    /// The complete events after it.
    pub records: Vec<Record>,
    /// Where to continue reading: the end of the last complete line that was read.
    pub offset: u64,
    /// Whether there is already more to read.
    pub more: bool,
}

/// Reads complete lines of the log at `path` from `offset` on, at most about a megabyte. An incomplete last line is not
/// read yet; a missing file counts as empty. Events before a line of garbage are not lost: the batch ends there, and
/// the next read from its offset returns the error.
pub fn read(path: &Path, offset: u64) -> Result<Batch, LogError> {
    read_some(path, offset, CHUNK)
}

/// Reads the header and the first event, if they are there.
pub fn head(path: &Path) -> Result<Batch, LogError> {
    read_some(path, 0, 1 << 10)
}

/// Returns the length of the log at `path` in bytes, as visible on this machine.
pub fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// Returns how the attempt with the log at `path` ended, if its last line says so.
pub fn ended(path: &Path) -> Option<Outcome> {
    let last = || {
        let mut file = File::open(path).ok()?;
        let start = file.metadata().ok()?.len().saturating_sub(LAST);
        file.seek(SeekFrom::Start(start)).ok()?;
        let mut tail = Vec::new();
        file.take(LAST).read_to_end(&mut tail).ok()?;
        let line = tail.strip_suffix(b"\n")?.rsplit(|&byte| byte == b'\n').next()?;
        parse::<Record>(line).ok()
    };
    match last()?.event {
        Event::Ended { outcome, .. } => Some(outcome),
        _ => None,
    }
}

/// Like [`read`], but reads about `most` bytes and at least one line.
fn read_some(path: &Path, offset: u64, most: u64) -> Result<Batch, LogError> {
    let mut batch = Batch { offset, ..Batch::default() };
    let mut is_header = offset == 0;
    let mut take = |line: &[u8]| {
        if std::mem::take(&mut is_header) {
            batch.header = Some(parse(line)?);
        } else {
            batch.records.push(parse(line)?);
        }
        Ok(true)
    };
    let (offset, more) = lines(path, (offset, false), &mut Vec::new(), most, &mut take)?;
    Ok(Batch { offset, more, ..batch })
}

/// Reads the log of one attempt piece by piece, like [`read`]. Events that make no sense count as garbage, too, and
/// anything after the attempt's last event is ignored.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    check: Check,
    /// Whether to wait until holes are filled.
    waits: bool,
    offset: u64,
    /// The start of the next line, already read.
    held: Vec<u8>,
}

impl Reader {
    /// Creates a reader from `offset` on, with the check for that position.
    pub fn new(path: PathBuf, check: Check, offset: u64) -> Self {
        Reader { path, check, waits: false, offset, held: Vec::new() }
    }

    /// For a log that is being written on a network file system, which may show a hole before it shows the line.
    #[must_use]
    pub fn waiting(self) -> Self {
        Reader { waits: true, ..self }
    }

    /// Returns the events logged since the last call, or the next piece of them.
    ///
    /// # Errors
    ///
    /// If the log cannot be read or is garbage; then also at every further call.
    pub fn read(&mut self) -> Result<Batch, LogError> {
        let mut batch = Batch::default();
        let mut is_header = self.offset == 0;
        let check = &mut self.check;
        let mut take = |line: &[u8]| {
            if check.has_ended() {
                return Ok(false);
            }
            if is_header {
                let header = parse(line)?;
                check.header(&header)?;
                (is_header, batch.header) = (false, Some(header));
            } else {
                let mut record: Record = parse(line)?;
                check.record(&mut record)?;
                record.event.shorten();
                batch.records.push(record);
            }
            Ok(true)
        };
        let (offset, more) = lines(&self.path, (self.offset, self.waits), &mut self.held, CHUNK, &mut take)?;
        self.offset = offset;
        Ok(Batch { offset, more, ..batch })
    }
}

/// Appends the checksum of an object as its last value.
pub(super) fn seal(object: &mut Vec<u8>) {
    object.pop();
    let sum = crc32fast::hash(object);
    object.extend_from_slice(format!(r#"{SEAL}{sum:08x}"}}"#).as_bytes());
}

/// Checks the checksum of a line, if it has one.
pub(super) fn check_seal(line: &[u8]) -> Result<(), String> {
    let Some((object, end)) = line.split_last_chunk::<SEALED>() else { return Ok(()) };
    let Some(sum) = end.strip_prefix(SEAL.as_bytes()) else { return Ok(()) };
    let found = format!("{:08x}\"}}", crc32fast::hash(object));
    if sum == found.as_bytes() { Ok(()) } else { Err("its checksum does not match: the line is damaged".to_owned()) }
}

fn parse<T: serde::de::DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    check_seal(line)?;
    serde_json::from_slice(line).map_err(|error| error.to_string())
}

/// Hands the lines of `path` from `offset` on to `take`: about `most` bytes, and at least one line. `take` returns
/// whether it took the line and wants more, or an error about the line.
///
/// `held` has the bytes after `offset` that earlier calls read without finding a line end, and keeps those of the next
/// unfinished line. With `waits`, a line with a hole counts as not written yet.
///
/// Returns the end of the last line taken, and whether there is already more to read. A line of garbage counts as
/// more; it is an error only if it is the first line.
fn lines(
    path: &Path,
    (offset, waits): (u64, bool),
    held: &mut Vec<u8>,
    most: u64,
    take: &mut dyn FnMut(&[u8]) -> Result<bool, String>,
) -> Result<(u64, bool), LogError> {
    let io = |source| LogError::Io { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((offset, false)),
        other => other.map_err(io)?,
    };
    file.seek(SeekFrom::Start(offset + held.len() as u64)).map_err(io)?;
    let (mut more, mut ends) = (true, false);
    while more && !ends && held.len() <= LONGEST {
        let known = held.len();
        more = (&mut file).take(most).read_to_end(held).map_err(io)? as u64 == most;
        ends = held[known..].contains(&b'\n');
    }
    if !ends && held.len() <= LONGEST {
        return Ok((offset, false));
    }

    let mut taken = 0;
    loop {
        let rest = &held[taken..];
        let result = match rest.iter().position(|&byte| byte == b'\n') {
            // A zero byte is a hole: lines have none.
            Some(end) if waits && end <= LONGEST && rest[..end].contains(&0) => Ok(None),
            Some(end) if end <= LONGEST => take(&rest[..end]).map(|took| took.then_some(end + 1)),
            None if rest.len() <= LONGEST => Ok(None),
            Some(_) | None => Err(format!("a line of more than {} MiB", LONGEST >> 20)),
        };
        match result {
            Ok(Some(length)) => taken += length,
            Ok(None) => break,
            Err(message) if taken == 0 => {
                held.clear();
                return Err(LogError::Garbage { path: path.to_owned(), offset, message });
            }
            Err(_) => {
                // The next read from there returns the error.
                held.clear();
                return Ok((offset + taken as u64, true));
            }
        }
    }
    let refused = held[taken..].contains(&b'\n');
    if refused {
        held.clear()
    } else {
        drop(held.drain(..taken))
    }
    Ok((offset + taken as u64, more && !refused))
}

#[cfg(test)]
mod tests;
