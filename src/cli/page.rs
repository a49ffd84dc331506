//! The HTML report: one file that includes sample sheets up to a limit.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Failure;
use sweep_figure::{Files, Picture};
use sweep_operations::home_files::InHome;
use sweep_report::document::Document;
use sweep_report::format::plural;
use sweep_report::render::html::{self, Page, data_uri};
use sweep_system::clock;
use sweep_system::whole::{self, Survives};

/// The largest total size of sample sheets in the page, in bytes. The others lie next to it.
const ROOM: usize = 20_000_000;

/// Returns the page as one text. If it goes to a file, writes further sheets next to that.
pub(crate) fn whole(document: &Document, home: &Path, output: Option<&Path>) -> Result<String, Failure> {
    let sheets = Sheets {
        home: InHome(home),
        room: Cell::new(ROOM),
        beside: output.map(beside),
        written: Cell::new(0),
        failure: RefCell::new(None),
    };
    let made = format!("Made by sweep {} on {}.", env!("CARGO_PKG_VERSION"), clock::date(clock::now()));
    // It is only known after drawing whether any sheets lie next to it.
    let main = html::main(document, &sheets);
    let written = sheets.written.get();
    if let Some(error) = sheets.failure.take() {
        return Err(error);
    }
    if let (1.., Some((folder, _))) = (written, &sheets.beside) {
        tracing::warn!(
            "{} did not fit into the page and are in {}: keep them together",
            plural(written, "sample sheet"),
            folder.display()
        );
    }
    let pictures = if written > 0 { "file: 'self'" } else { "" };
    Ok(html::page(&document.title, &main, &Page { made: &made, pictures, alone: true }))
}

/// Returns the folder for sheets that do not fit into the page, and its name in the page.
fn beside(page: &Path) -> (PathBuf, OsString) {
    let mut name = page.file_stem().unwrap_or_default().to_owned();
    name.push("-sheets");
    (page.with_file_name(&name), name)
}

/// Sample sheets, in the page as long as there is room.
struct Sheets<'a> {
    home: InHome<'a>,
    room: Cell<usize>,
    beside: Option<(PathBuf, OsString)>,
    written: Cell<usize>,
    failure: RefCell<Option<Failure>>,
}

impl Sheets<'_> {
    /// Writes a sheet next to the page, and returns its address in the page.
    fn put(&self, (folder, called): &(PathBuf, OsString), name: &str, png: &[u8]) -> Option<String> {
        let path = folder.join(name);
        let put = || {
            fs::create_dir_all(folder)?;
            whole::write(&path, png, Survives::Kill)
        };
        match put() {
            Ok(()) => {
                self.written.set(self.written.get() + 1);
                Some(format!("{}/{name}", encoded(called)))
            }
            Err(error) => {
                let failure = Failure::environment(format!("cannot write {}: {error}", path.display()));
                self.failure.borrow_mut().get_or_insert(failure);
                None
            }
        }
    }
}

impl Files for Sheets<'_> {
    fn picture(&self, job: &str, step: u64, path: &str) -> Option<Picture> {
        let png = self.home.sheet(path)?;
        let left = self.room.get().checked_sub(png.len() * 4 / 3);
        let href = match (left, &self.beside) {
            (Some(left), _) => {
                self.room.set(left);
                data_uri(&png)
            }
            (None, Some(beside)) => self.put(beside, &format!("{job}-{step}.png"), &png)?,
            (None, None) => return None,
        };
        Some(Picture { href, png })
    }

    fn points(&self, path: &str) -> Option<Vec<[f64; 2]>> {
        self.home.points(path)
    }
}

/// Encodes a name for an address.
fn encoded(name: &OsStr) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    name.as_bytes()
        .iter()
        .copied()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Programs that open a file with the desktop's default program: on freedesktop.org desktops and on macOS.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// Opens a file. Returns whether a program here could.
pub(crate) fn is_shown(file: &Path) -> bool {
    let start = |opener: &&str| {
        let mut command = Command::new(opener);
        command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().is_ok()
    };
    OPENERS.iter().any(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheets_that_do_not_fit_lie_beside_the_page() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        let png = vec![7; 9000];
        whole::write(&home.join("a.png"), &png, Survives::Kill).unwrap();
        let page = folder.path().join("my report.html");
        let room = Cell::new(12_500);
        let sheets = Sheets {
            home: InHome(&home),
            room,
            beside: Some(beside(&page)),
            written: Cell::new(0),
            failure: RefCell::new(None),
        };
        let href = |step| sheets.picture("0a1b", step, "a.png").map(|picture| picture.href);
        assert!(href(1).unwrap().starts_with("data:image/png;base64,"));
        assert_eq!(href(2).as_deref(), Some("my%20report-sheets/0a1b-2.png"));
        assert_eq!(fs::read(folder.path().join("my report-sheets/0a1b-2.png")).unwrap(), png);
        assert_eq!((sheets.written.get(), sheets.picture("0a1b", 3, "../b.png")), (1, None));
    }
}
