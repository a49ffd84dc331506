//! A folder of pictures, with or without one folder a class.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::DataError;
use super::cache::{Block, Damaged, Fingerprint, Input, Labelled, Stamp, Values};
use super::picture::decode;
use sweep_spec::own::{Kind, Shape};

/// Endings of the files that are read.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];
/// Folders inside each other at most: links can lead in circles.
const DEPTH: usize = 16;
/// Folders that hold parts of a data set, and no classes.
const PARTS: [&str; 5] = ["train", "val", "valid", "validation", "test"];

/// A picture's name and what the system knows of it.
type Picture = (String, Stamp);

/// The pictures of a folder, in the order of their names. 1.28 million take about 50 MB.
pub(super) struct Folder {
    kind: Kind,
    root: PathBuf,
    size: usize,
    /// The names below the root, one after another.
    names: String,
    /// Where each name ends.
    ends: Vec<usize>,
    /// The classes' names, with the number of their first picture.
    classes: Vec<(String, usize)>,
    fingerprint: Fingerprint,
    /// Other files, for messages.
    others: usize,
}

impl Folder {
    /// Lists the pictures below `root`, which will be `size`×`size`.
    ///
    /// # Errors
    /// Where there is none, a name is no text, or folders are not what `kind` says.
    pub fn open(kind: Kind, root: &Path, size: usize) -> Result<Self, DataError> {
        let fingerprint = Fingerprint::new(&format!("{} {size}", kind.name()));
        let (names, ends, classes, root) = (String::new(), Vec::new(), Vec::new(), root.to_owned());
        let mut folder = Folder { kind, root, size, names, ends, classes, fingerprint, others: 0 };
        folder.list()?;
        folder.refuse()?;
        Ok(folder)
    }

    fn place(&self, what: String, advice: &str) -> DataError {
        DataError::Place { path: self.root.clone(), what, advice: advice.to_owned() }
    }

    fn list(&mut self) -> Result<(), DataError> {
        match fs::metadata(&self.root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(self.place("expected a folder of pictures, found a file".into(), "name its folder")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let advice = "check the path (a relative one begins at the folder of the sweep file)";
                return Err(self.place("there is no such folder".into(), advice));
            }
            Err(source) => return Err(DataError::Read { path: self.root.clone(), source }),
        }
        let (files, folders) = self.entries("")?;
        for (name, stamp) in files {
            self.add(&name, stamp);
        }
        let flat = !self.ends.is_empty();
        for folder in folders {
            let first = self.ends.len();
            self.walk(&folder, 1)?;
            if self.ends.len() > first && !flat {
                self.classes.push((folder, first));
            }
        }
        Ok(())
    }

    /// The pictures below `folder`.
    fn walk(&mut self, folder: &str, depth: usize) -> Result<(), DataError> {
        if depth > DEPTH {
            let what = format!("`{folder}` is more than {DEPTH} folders deep");
            return Err(self.place(what, "remove links that lead back to a folder above"));
        }
        let (files, folders) = self.entries(folder)?;
        for (name, stamp) in files {
            self.add(&format!("{folder}/{name}"), stamp);
        }
        folders.iter().try_for_each(|name| self.walk(&format!("{folder}/{name}"), depth + 1))
    }

    /// Pictures and folders in one folder, sorted; links are followed, and hidden files left out.
    fn entries(&mut self, folder: &str) -> Result<(Vec<Picture>, Vec<String>), DataError> {
        let path = self.root.join(folder);
        let failed = |source| DataError::Read { path: path.clone(), source };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().into_string().map_err(|name| DataError::Place {
                path: path.join(&name),
                what: "its name is not UTF-8 text".to_owned(),
                advice: "give it another name".to_owned(),
            })?;
            if name.starts_with('.') {
                continue;
            }
            let unreadable = |source| DataError::Read { path: entry.path(), source };
            let metadata = fs::metadata(entry.path()).map_err(unreadable)?;
            let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
            if metadata.is_dir() {
                folders.push(name);
            } else if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) && metadata.is_file() {
                files.push((name, Stamp::of(&metadata).map_err(unreadable)?));
            } else {
                self.others += 1;
            }
        }
        files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        folders.sort_unstable();
        Ok((files, folders))
    }

    fn add(&mut self, name: &str, stamp: Stamp) {
        self.fingerprint.add(name, stamp);
        self.names.push_str(name);
        self.ends.push(self.names.len());
    }

    /// What cannot be meant.
    fn refuse(&self) -> Result<(), DataError> {
        if self.ends.is_empty() {
            let found = if self.others == 0 { "none".to_owned() } else { format!("{} other files", self.others) };
            let what = format!("expected pictures (.jpg, .jpeg, .png) in it or in folders in it, found {found}");
            return Err(self.place(what, "name the folder that holds them"));
        }
        if u32::try_from(self.ends.len()).is_err() || self.classes.len() > usize::from(u16::MAX) {
            let what = format!("{} pictures in {} classes", self.ends.len(), self.classes.len());
            return Err(self.place(what, "name a smaller folder: 4 billion pictures in 65,535 classes at most"));
        }
        if self.kind == Kind::Images {
            return Ok(());
        }
        if self.classes.is_empty() {
            let what = "expected one folder a class (n01440764, …), found pictures without".to_owned();
            return Err(self.place(what, "name the folder that holds the folders, or take `name: images`"));
        }
        if self.classes.iter().any(|(name, _)| PARTS.contains(&name.as_str())) {
            let parts: Vec<&str> = self.classes.iter().map(|(name, _)| name.as_str()).collect();
            let what = format!("expected one folder a class (n01440764, …), found {}", parts.join(", "));
            let advice = format!("name the part to train on: {}", self.root.join(parts[0]).display());
            return Err(self.place(what, &advice));
        }
        Ok(())
    }

    fn name(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.names[start..self.ends[at]]
    }

    fn label(&self, at: usize) -> u16 {
        // Fewer classes than a label can count.
        self.classes.partition_point(|(_, first)| *first <= at).saturating_sub(1) as u16
    }

    /// One picture, or what is wrong with it.
    fn picture(&self, at: usize) -> Result<Result<Vec<u8>, Damaged>, DataError> {
        let name = self.name(at);
        let path = self.root.join(name);
        let bytes = fs::read(&path).map_err(|source| DataError::Read { path, source })?;
        Ok(decode(&bytes, self.size).map_err(|why| Damaged { name: name.to_owned(), why }))
    }
}

impl Input for Folder {
    fn name(&self) -> String {
        self.kind.name().to_owned()
    }

    fn path(&self) -> &Path {
        &self.root
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.text()
    }

    fn shape(&self) -> Shape {
        Shape::Image([3, self.size, self.size])
    }

    fn values(&self) -> Values {
        Values::Bytes
    }

    fn labelled(&self) -> Labelled {
        Labelled { classes: self.classes.iter().map(|(name, _)| name.clone()).collect() }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError> {
        let one = |at| {
            let picture = self.picture(at);
            done(1);
            picture
        };
        let pictures: Vec<Result<Vec<u8>, Damaged>> =
            range.clone().into_par_iter().map(one).collect::<Result<_, _>>()?;
        let mut block = Block { samples: Vec::new(), labels: Vec::new(), damaged: Vec::new() };
        for (at, picture) in range.zip(pictures) {
            match picture {
                Ok(pixels) => {
                    block.samples.extend(pixels);
                    block.labels.push(self.label(at));
                }
                Err(damaged) => block.damaged.push(damaged),
            }
        }
        Ok(block)
    }

    fn notes(&self) -> Result<Vec<String>, DataError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::{jpeg, png};
    use super::*;

    fn write(root: &Path, files: &[(&str, Vec<u8>)]) {
        for (name, bytes) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn error(kind: Kind, root: &Path) -> String {
        Folder::open(kind, root, 8).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn classes_are_the_folders_that_hold_pictures_however_deep() {
        let dir = tempfile::tempdir().unwrap();
        write(
            dir.path(),
            &[
                ("cats/b.PNG", png(9, 9)),
                ("cats/a.jpeg", jpeg(9, 9)),
                ("empty/readme.txt", vec![]),
                ("dogs/deep/er/c.jpg", jpeg(9, 9)),
                (".hidden/d.jpg", jpeg(9, 9)),
            ],
        );
        let folder = Folder::open(Kind::Images, dir.path(), 8).unwrap();
        let names: Vec<(&str, u16)> = (0..folder.len()).map(|at| (folder.name(at), folder.label(at))).collect();
        assert_eq!(names, [("cats/a.jpeg", 0), ("cats/b.PNG", 0), ("dogs/deep/er/c.jpg", 1)]);
        assert_eq!(folder.labelled().classes, ["cats", "dogs"]);
        let block = folder.read(1..3, &|_| {}).unwrap();
        assert_eq!((block.samples.len(), &block.labels[..]), (2 * 192, &[0, 1][..]));
        assert!(Folder::open(Kind::Imagenet32, dir.path(), 8).is_ok());
    }

    #[test]
    fn pictures_beside_folders_have_no_classes() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("more/b.png", png(9, 9)), ("a.jpg", jpeg(9, 9)[..40].to_vec())]);
        let folder = Folder::open(Kind::Images, dir.path(), 8).unwrap();
        assert_eq!((folder.len(), folder.labelled().classes.len(), folder.label(1)), (2, 0, 0));
        let block = folder.read(0..2, &|_| {}).unwrap();
        assert_eq!((block.labels.len(), block.damaged[0].name.as_str()), (1, "a.jpg"));
        assert!(error(Kind::Imagenet32, dir.path()).contains("take `name: images`"));
    }

    #[test]
    fn the_fingerprint_is_that_of_the_files_and_not_of_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new place"));
        write(&old, &[("a.png", png(9, 9)), ("b.png", png(9, 9))]);
        let print = |root: &Path, size| Folder::open(Kind::Images, root, size).unwrap().fingerprint();
        let before = print(&old, 8);
        assert_ne!(print(&old, 16), before);
        fs::rename(&old, &new).unwrap();
        assert_eq!(print(&new, 8), before);
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        fs::File::options().write(true).open(new.join("b.png")).unwrap().set_modified(later).unwrap();
        assert_ne!(print(&new, 8), before);
    }

    #[test]
    fn what_is_no_folder_of_pictures_says_what_to_name_instead() {
        let dir = tempfile::tempdir().unwrap();
        assert!(error(Kind::Images, &dir.path().join("no")).contains("there is no such folder"));
        assert!(error(Kind::Images, dir.path()).contains("found none"));
        write(dir.path(), &[("readme.txt", vec![]), ("train/n1/x.jpg", jpeg(9, 9)), ("val/n1/y.jpg", jpeg(9, 9))]);
        assert!(error(Kind::Images, &dir.path().join("readme.txt")).contains("found a file"));
        let parts = error(Kind::Imagenet32, dir.path());
        assert!(parts.contains("found train, val") && parts.ends_with("/train"), "{parts}");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        assert!(error(Kind::Images, dir.path()).contains("folders deep"));
    }
}
