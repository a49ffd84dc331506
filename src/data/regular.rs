//! Opens regular files only: opening a pipe would wait for its writer, and reading a device may never end.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens the regular file at `path`.
///
/// # Errors
/// If it cannot be opened, or is not a regular file.
pub fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Without this flag, opening a pipe waits until somebody writes to it. It does not affect reading files.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    match kind(&metadata) {
        None => Ok((file, metadata)),
        Some(kind) => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("expected a file, found {kind}"))),
    }
}

/// Reads the regular file at `path`, which may have at most `most` bytes.
///
/// # Errors
/// As for [`open`], and if there are more bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open(path)?;
    let too_many = |bytes: u64| {
        let text = format!("it has {bytes} bytes or more: expected at most {most}");
        io::Error::new(io::ErrorKind::FileTooLarge, text)
    };
    if metadata.len() > most {
        return Err(too_many(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // It may have grown since its size was read.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_many(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Returns what something is, if it is not a regular file.
pub(super) fn kind(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_devices_and_folders_are_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (path, expected) in [
            (pipe.as_path(), "found a pipe"),
            (Path::new("/dev/zero"), "found a device"),
            (dir.path(), "found a folder"),
            (Path::new("/nonexistent"), "No such file"),
        ] {
            let error = read(path, 10).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn files_up_to_a_size_are_read_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 10]).unwrap();
        assert_eq!(read(file.path(), 10).unwrap(), [7; 10]);
        let error = read(file.path(), 9).unwrap_err().to_string();
        assert_eq!(error, "it has 10 bytes or more: expected at most 9");
        // A sparse terabyte is refused by its length.
        file.as_file().set_len(1 << 40).unwrap();
        assert!(read(file.path(), 1 << 30).is_err());
    }
}
