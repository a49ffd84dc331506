//! Output to a place that a user named: a file, or a pipe or device.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use super::whole::{NewFile, Survives};

/// Where to write.
#[derive(Debug)]
pub enum Output {
    /// A file, which is replaced completely or not at all.
    File(NewFile),
    /// A pipe or a device, which cannot be replaced.
    Stream(File),
}

impl Output {
    /// Opens `path` for writing. A link stays a link. A read-only file is not replaced, and a replaced file keeps its
    /// permissions.
    ///
    /// # Errors
    ///
    /// If it cannot be written to.
    pub fn open(path: &Path) -> io::Result<Self> {
        let known = match fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return NewFile::beside(path).map(Output::File),
            other => other?,
        };
        let file = File::options().write(true).open(path)?;
        if !known.is_file() {
            return Ok(Output::Stream(file));
        }
        let new = NewFile::beside(&path.canonicalize()?)?;
        new.set_permissions(known.permissions())?;
        Ok(Output::File(new))
    }

    /// Finishes writing; a file gets its name now.
    ///
    /// # Errors
    ///
    /// As [`NewFile::put`].
    pub fn finish(self) -> io::Result<()> {
        match self {
            Output::File(file) => file.put(Survives::PowerCut),
            Output::Stream(_) => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::File(file) => file.write(bytes),
            Output::Stream(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Output::File(file) => file.flush(),
            Output::Stream(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_a_user_names_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        let put = |path: &Path, text: &str| {
            let mut output = Output::open(path)?;
            output.write_all(text.as_bytes())?;
            output.finish()
        };
        put(&file, "new").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        put(&link, "newer").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"newer");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        // A device is not replaced.
        let null = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        assert!(matches!(Output::open(&null).unwrap(), Output::Stream(_)));
        put(&null, "nothing").unwrap();
        assert_eq!(put(folder.path(), "x").unwrap_err().kind(), ErrorKind::IsADirectory);
        let error = put(&folder.path().join("none/x"), "x").unwrap_err();
        assert_eq!(error.to_string(), "No such file or directory (os error 2)");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing temporary is left");
    }
}
