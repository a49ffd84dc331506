//! The event log: JSON lines, appended whole, read up to the last complete line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::PROTOCOL;
use super::event::{Event, Header, Record};
use crate::spec::id::CohortId;

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
    /// A complete line that is no event.
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

/// Bytes that [`read`] takes at a time: a log may grow faster than it is read, and memory must not.
const CHUNK: u64 = 1 << 20;

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

    /// Appends one event, as one line in one write.
    pub fn append(&mut self, event: Event) -> Result<(), LogError> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        self.line(&Record { seq: self.seq, at, event })?;
        self.seq += 1;
        Ok(())
    }

    fn line<T: serde::Serialize>(&mut self, value: &T) -> Result<(), LogError> {
        let io = |source| LogError::Io { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(value).map_err(|error| io(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(io)
    }
}

/// What [`read`] found.
#[derive(Debug, Default)]
pub struct Batch {
    /// The header, when reading started at 0 and its line is complete.
    pub header: Option<Header>,
    /// The complete events after it.
    pub records: Vec<Record>,
    /// Where to read on: the end of the last complete line that was read.
    pub offset: u64,
    /// Whether there is more to read already.
    pub more: bool,
}

/// Reads complete lines of the log at `path` from `offset` on, about a megabyte of them at most. A torn last line means "not yet"; no
/// file means nothing yet. What stands before a line of garbage is not lost by it: the batch ends there, and the next read from its
/// offset is the error.
pub fn read(path: &Path, offset: u64) -> Result<Batch, LogError> {
    read_some(path, offset, CHUNK)
}

/// The header and the first event, as far as they are there.
pub fn head(path: &Path) -> Result<Batch, LogError> {
    read_some(path, 0, 1 << 10)
}

/// [`read`] of about `most` bytes, but of one line at least.
fn read_some(path: &Path, offset: u64, most: u64) -> Result<Batch, LogError> {
    let io = |source| LogError::Io { path: path.to_owned(), source };
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Batch { offset, ..Batch::default() }),
        other => other.map_err(io)?,
    };
    file.seek(SeekFrom::Start(offset)).map_err(io)?;
    let mut text = Vec::new();
    let mut more = true;
    while more && !text.contains(&b'\n') {
        more = (&mut file).take(most).read_to_end(&mut text).map_err(io)? as u64 == most;
    }

    let mut batch = Batch { offset, more, ..Batch::default() };
    while let Some(end) = text[(batch.offset - offset) as usize..].iter().position(|&byte| byte == b'\n') {
        let start = (batch.offset - offset) as usize;
        let line = &text[start..start + end];
        let parsed = if batch.offset == 0 {
            serde_json::from_slice(line).map(|header| batch.header = Some(header))
        } else {
            serde_json::from_slice(line).map(|record| batch.records.push(record))
        };
        match parsed {
            Ok(()) => {}
            Err(_) if batch.offset > offset => break,
            Err(error) => {
                let (path, message) = (path.to_owned(), error.to_string());
                return Err(LogError::Garbage { path, offset, message });
            }
        }
        batch.offset += end as u64 + 1;
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::event::Outcome;

    #[test]
    fn a_torn_line_is_read_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        assert_eq!(read(&path, 0).unwrap().offset, 0);
        let mut writer = Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
        writer.append(Event::Checkpointed { step: 1 }).unwrap();
        writer.append(Event::Ended { outcome: Outcome::Finished, message: String::new() }).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let reference = read(&path, 0).unwrap();
        assert_eq!((reference.records.len(), reference.offset), (2, whole.len() as u64));
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let first = read(&path, 0).unwrap();
            std::fs::write(&path, &whole).unwrap();
            let rest = read(&path, first.offset).unwrap();
            assert!(first.header.or(rest.header).is_some());
            assert_eq!([first.records, rest.records].concat(), reference.records);
        }
        for most in 1..whole.len() as u64 + 2 {
            let (mut records, mut offset, mut more) = (Vec::new(), 0, true);
            while more {
                let batch = read_some(&path, offset, most).unwrap();
                assert!(!batch.more || batch.offset > offset, "a piece has a line at least");
                records.extend(batch.records);
                (offset, more) = (batch.offset, batch.more);
            }
            assert_eq!((records.len(), offset), (reference.records.len(), reference.offset), "{most}");
        }
    }

    #[test]
    fn garbage_is_an_error_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        Writer::create(&path, CohortId::of(b"c"), 1).unwrap();
        let header = std::fs::metadata(&path).unwrap().len();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"nonsense\n").unwrap();
        let before = read(&path, 0).unwrap();
        assert_eq!((before.header.is_some(), before.offset), (true, header));
        match read(&path, header) {
            Err(LogError::Garbage { offset, .. }) => assert_eq!(offset, header),
            other => panic!("{other:?}"),
        }
    }
}
