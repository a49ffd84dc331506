//! What a worker writes to stderr: the last lines for the database, and up to a limit all of it for a file.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use sweep_system::whole::{self, Survives};

/// Bytes kept in memory: enough for 100 lines of a log or a backtrace.
const BYTES: usize = 64 * 1024;
/// The number of lines returned.
const LINES: usize = 100;

/// The largest size of a file, in bytes. No one reads more than 16 MB of text, and a worker that never stops talking
/// must not fill the disk.
const MOST: u64 = 16_000_000;

/// A file that takes what a worker writes, up to [`MOST`] bytes.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    left: u64,
    full: bool,
}

impl Kept {
    /// Opens the file at `path` to append to it. If it is long, moves it to `earlier` first, which replaces the one
    /// there.
    pub(super) fn open(path: &Path, earlier: &Path) -> io::Result<Kept> {
        if fs::metadata(path).is_ok_and(|about| about.len() > MOST / 2) {
            whole::rename(path, earlier, Survives::Kill)?;
        }
        let file = File::options().create(true).append(true).open(path)?;
        let left = MOST.saturating_sub(file.metadata()?.len());
        Ok(Kept { file, left, full: false })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let part = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= part as u64;
        // A file that cannot be written is no reason to end the run.
        let _ = self.file.write_all(&bytes[..part]);
        if part < bytes.len() && !self.full {
            self.full = true;
            let _ = self.file.write_all(b"\n(the rest is not saved)\n");
        }
    }
}

/// The end of a stream of text.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    /// Appends `bytes`, and drops the oldest if there are too many.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(BYTES);
        self.bytes.drain(..surplus);
        self.cut |= surplus > 0;
    }

    /// Returns the last lines since [`Tail::take`] was last called.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<&str> = text.lines().collect();
        if self.cut && lines.len() > 1 {
            lines.remove(0); // Its beginning is missing.
        }
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Returns the last lines since the previous call, and forgets them.
    pub(super) fn take(&mut self) -> String {
        let text = self.text();
        *self = Tail::default();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_lines_stay() {
        let mut tail = Tail::default();
        (0..250).for_each(|line| tail.push(format!("line {line}\n").as_bytes()));
        let text = tail.take();
        assert_eq!((text.lines().count(), text.lines().next()), (100, Some("line 150")));
        assert_eq!(tail.take(), "", "taken once");
    }

    #[test]
    fn a_file_has_a_limit_and_the_next_one_starts_empty() {
        let folder = tempfile::tempdir().unwrap();
        let [path, earlier] = ["worker-0.log", "worker-0.old.log"].map(|name| folder.path().join(name));
        let piece = vec![b'x'; 1_000_000];
        let mut kept = Kept::open(&path, &earlier).unwrap();
        (0..20).for_each(|_| kept.push(&piece));
        let length = fs::metadata(&path).unwrap().len();
        assert!((MOST..MOST + 100).contains(&length), "{length}");
        Kept::open(&path, &earlier).unwrap().push(b"again");
        assert_eq!(fs::read(&path).unwrap(), b"again");
        assert_eq!(fs::metadata(&earlier).unwrap().len(), length);
    }

    #[test]
    fn memory_is_bounded_and_a_cut_line_is_left_out() {
        let mut tail = Tail::default();
        tail.push(&[b'x'; 3 * BYTES]);
        assert_eq!(tail.bytes.len(), BYTES);
        tail.push(b"\nthe end\xff\n");
        assert_eq!(tail.take(), "the end\u{fffd}");
    }
}
