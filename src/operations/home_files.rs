//! Files of a home directory that figures show.

use std::fs;
use std::path::{Component, Path, PathBuf};

use sweep_data::numbers::{self, Wanted};
use sweep_figure::{Files, Picture};

/// The largest file of points, in bytes.
const POINTS: u64 = 1 << 24;
/// The largest sample sheet, in bytes.
const SHEET: u64 = 1 << 26;

/// The files that figures show, in a home directory.
pub struct InHome<'a>(pub &'a Path);

impl InHome<'_> {
    /// Returns the file at a path from the database; `None` if it is outside the home, or not a file.
    fn file(&self, path: &str, most: u64) -> Option<PathBuf> {
        let path = Path::new(path);
        let inside = path.components().all(|component| matches!(component, Component::Normal(_)));
        let path = self.0.join(path);
        let is_usable = || fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= most);
        (inside && is_usable()).then_some(path)
    }

    /// Returns a sample sheet as a PNG; `None` if there is none.
    pub fn sheet(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.file(path, SHEET)?).ok()
    }
}

impl Files for InHome<'_> {
    fn picture(&self, _: &str, _: u64, path: &str) -> Option<Picture> {
        let png = self.sheet(path)?;
        Some(Picture { href: sweep_report::render::html::data_uri(&png), png })
    }

    fn points(&self, path: &str) -> Option<Vec<[f64; 2]>> {
        let found = numbers::read(&self.file(path, POINTS)?, Wanted { key: None, flag: "", usual: "" }, POINTS).ok()?;
        let points = found.points(2).ok()?;
        Some(points.chunks_exact(2).map(|point| [point[0].into(), point[1].into()]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_system::whole::{self, Survives};

    #[test]
    fn files_are_those_of_the_home_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        fs::create_dir(&home).unwrap();
        for name in ["home/a.png", "b.png"] {
            whole::write(&folder.path().join(name), b"png", Survives::Kill).unwrap();
        }
        let of = InHome(&home);
        assert_eq!(of.sheet("a.png").as_deref(), Some(&b"png"[..]));
        let absolute = folder.path().join("b.png").display().to_string();
        for path in ["../b.png", "./../b.png", &absolute, "", "none.png", "."] {
            assert_eq!(of.sheet(path), None, "{path}");
        }
    }
}
