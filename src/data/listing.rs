//! Lists the pictures in a folder, for training and for scoring. The same rules decide what is a picture, what is left
//! out, and which folders are classes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::DataError;
use super::cache::{Fingerprint, Stamp};
use super::{regular, split_folders};

/// Endings of picture files.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];
/// The most nested folders, because links can form cycles.
const DEPTH: usize = 16;
/// Files and folders that operating systems add, some of them pictures. Names that start with a dot are ignored, too.
const HIDDEN: [&str; 5] = ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini"];

/// A picture's name and metadata.
type Picture = (String, Stamp);

/// The pictures below a folder. Those directly in a folder come before those in its subfolders, each sorted by name.
/// 1.28 million pictures take about 50 MB.
pub(super) struct Listing {
    root: PathBuf,
    /// The names relative to the root, one after another.
    names: String,
    /// Where each name ends.
    ends: Vec<usize>,
    /// The name of each class, with the index of its first picture.
    classes: Vec<(String, usize)>,
    fingerprint: Fingerprint,
    left_out: LeftOut,
}

/// What is in a folder but is not a picture.
#[derive(Default)]
struct LeftOut {
    hidden: usize,
    /// Other formats by ending: the count, and the first file.
    formats: BTreeMap<String, (usize, String)>,
    /// Number of broken links, and the first of them.
    dangling: (usize, String),
    /// Number of pipes, devices and sockets, and the first of them.
    special: (usize, String),
}

impl LeftOut {
    fn is_empty(&self) -> bool {
        self.hidden + self.dangling.0 + self.special.0 == 0 && self.formats.is_empty()
    }
}

fn one_more((count, first): &mut (usize, String), name: &str) {
    if *count == 0 {
        name.clone_into(first);
    }
    *count += 1;
}

/// Formats it like `2 hidden, 3 of other formats (.webp: 2, such as a.webp; .txt: 1, such as b.txt)`.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if self.hidden > 0 {
            words.push(format!("{} hidden", self.hidden));
        }
        if !self.formats.is_empty() {
            let all: usize = self.formats.values().map(|(count, _)| count).sum();
            let each = self.formats.iter().take(5).map(|(ending, (count, first))| {
                let ending = if ending.is_empty() { "without ending" } else { ending };
                format!("{ending}: {count}, such as {first}")
            });
            let more = if self.formats.len() > 5 { "; …" } else { "" };
            words.push(format!("{all} of other formats ({}{more})", each.collect::<Vec<_>>().join("; ")));
        }
        let named = [
            (&self.dangling, "a broken link", "broken links"),
            (&self.special, "a pipe or device", "pipes and devices"),
        ];
        for ((count, first), one, many) in named {
            match count {
                0 => {}
                1 => words.push(format!("{one} ({first})")),
                count => words.push(format!("{count} {many} ({first}, …)")),
            }
        }
        f.write_str(&words.join(", "))
    }
}

impl Listing {
    /// Lists the pictures below `root`. `purpose` says what is made of them.
    ///
    /// # Errors
    /// If there is none, a name is not valid text, or only some folders are classes.
    pub(crate) fn open(root: &Path, purpose: String) -> Result<Self, DataError> {
        let (fingerprint, root) = (Fingerprint::new(purpose, root), root.to_owned());
        let (names, ends, classes, left_out) = Default::default();
        let mut listing = Listing { root, names, ends, classes, fingerprint, left_out };
        listing.list()?;
        listing.refuse()?;
        Ok(listing)
    }

    /// Returns the folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the number of pictures.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns a picture's name relative to the root.
    pub(crate) fn name(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.names[start..self.ends[at]]
    }

    /// Returns a picture's path.
    pub(crate) fn path(&self, at: usize) -> PathBuf {
        self.root.join(self.name(at))
    }

    /// Returns the names of the classes. Empty if pictures have no classes.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the class of a picture. 0 if there are none.
    pub(crate) fn label(&self, at: usize) -> u16 {
        // This fits: folders with more classes are refused.
        self.classes.partition_point(|(_, first)| *first <= at).saturating_sub(1) as u16
    }

    /// Returns the metadata of all pictures.
    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Returns the metadata alone.
    pub(crate) fn into_fingerprint(self) -> Fingerprint {
        self.fingerprint
    }

    /// Describes what is in the folder but is not a picture.
    pub(crate) fn left_out(&self) -> Option<String> {
        (!self.left_out.is_empty()).then(|| self.left_out.to_string())
    }

    fn place(&self, what: String, advice: &str) -> DataError {
        DataError::Place { path: self.root.clone(), what, advice: advice.to_owned() }
    }

    fn list(&mut self) -> Result<(), DataError> {
        match fs::metadata(&self.root).map(|metadata| (metadata.is_dir(), regular::kind(&metadata))) {
            Ok((true, _)) => {}
            Ok((false, kind)) => {
                let what = format!("expected a folder of pictures, found {}", kind.unwrap_or("a file"));
                return Err(self.place(what, "set the path to its folder"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let advice = "check the path (in a sweep file, relative paths start at the folder of that file)";
                return Err(self.place("there is no such folder".into(), advice));
            }
            Err(source) => return Err(DataError::Read { path: self.root.clone(), source }),
        }
        self.walk("", 0)
    }

    /// Adds the pictures below `folder`, at this depth.
    fn walk(&mut self, folder: &str, depth: usize) -> Result<(), DataError> {
        if depth > DEPTH {
            let what = format!("`{folder}` is nested more than {DEPTH} folders deep");
            return Err(self.place(what, "remove links that lead back to a folder above"));
        }
        let below = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let before = self.ends.len();
        let (files, folders) = self.entries(folder)?;
        for (name, stamp) in files {
            self.add(&below(&name), stamp);
        }
        let beside = self.ends.len() - before;
        let mut with = Vec::new();
        for name in folders {
            let first = self.ends.len();
            self.walk(&below(&name), depth + 1)?;
            if self.ends.len() > first {
                with.push((name, first));
            }
        }
        let names: Vec<&str> = with.iter().map(|(name, _)| name.as_str()).collect();
        let first = (beside > 0).then(|| self.name(before));
        let path = if folder.is_empty() { self.root.clone() } else { self.root.join(folder) };
        if let Some((what, advice)) = split_folders::refusal(&path, depth == 0, first, &names) {
            return Err(DataError::Place { path, what, advice });
        }
        if depth == 0 {
            self.classes = with;
        }
        Ok(())
    }

    /// Returns pictures and subfolders of one folder, sorted. Links are followed.
    fn entries(&mut self, folder: &str) -> Result<(Vec<Picture>, Vec<String>), DataError> {
        let path = self.root.join(folder);
        let failed = |source| DataError::Read { path: path.clone(), source };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().into_string().map_err(|name| DataError::Place {
                path: path.join(&name),
                what: "its name is not UTF-8 text".to_owned(),
                advice: "rename it".to_owned(),
            })?;
            if name.starts_with('.') || HIDDEN.contains(&name.as_str()) {
                self.left_out.hidden += 1;
                continue;
            }
            let unreadable = |source| DataError::Read { path: entry.path(), source };
            let metadata = match fs::metadata(entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    one_more(&mut self.left_out.dangling, &name);
                    continue;
                }
                metadata => metadata.map_err(unreadable)?,
            };
            if metadata.is_dir() {
                folders.push(name);
                continue;
            }
            if regular::kind(&metadata).is_some() {
                one_more(&mut self.left_out.special, &name);
                continue;
            }
            let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
            if ENDINGS.contains(&ending.as_str()) {
                files.push((name, Stamp::of(&metadata).map_err(unreadable)?));
            } else {
                let ending = if ending.is_empty() { ending } else { format!(".{ending}") };
                one_more(self.left_out.formats.entry(ending).or_default(), &name);
            }
        }
        files.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        folders.sort_unstable();
        Ok((files, folders))
    }

    fn add(&mut self, name: &str, stamp: Stamp) {
        self.fingerprint.add(name, stamp, &self.root.join(name));
        self.names.push_str(name);
        self.ends.push(self.names.len());
    }

    /// Returns an error if the folder cannot be what the user meant.
    fn refuse(&self) -> Result<(), DataError> {
        if self.ends.is_empty() {
            let found = if self.left_out.is_empty() { "none".to_owned() } else { self.left_out.to_string() };
            let what = format!("expected pictures (.jpg, .jpeg, .png) in it or in its subfolders, found {found}");
            return Err(self.place(what, "set the path to the folder that holds them"));
        }
        if u32::try_from(self.ends.len()).is_err() || self.classes.len() > usize::from(u16::MAX) {
            let what = format!("{} pictures in {} classes", self.ends.len(), self.classes.len());
            return Err(self.place(
                what,
                "use a smaller folder: at most 4 billion pictures in 65,535 classes are \
                supported",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::picture::tests::{jpeg, png};

    pub(crate) fn write(root: &Path, files: &[(&str, Vec<u8>)]) {
        for (name, bytes) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Lists empty files with these names.
    fn list(names: &[&str]) -> Result<Listing, String> {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &names.iter().map(|name| (*name, vec![])).collect::<Vec<_>>());
        let shown = dir.path().display().to_string();
        Listing::open(dir.path(), String::new()).map_err(|error| error.to_string().replace(&shown, "DIR"))
    }

    #[test]
    fn classes_are_the_folders_that_hold_pictures_however_deep() {
        let listing =
            list(&["cats/b.PNG", "cats/a.jpeg", "empty/readme.txt", "dogs/deep/er/c.jpg", ".hidden/d.jpg"]).unwrap();
        let names: Vec<(&str, u16)> = (0..listing.len()).map(|at| (listing.name(at), listing.label(at))).collect();
        assert_eq!(names, [("cats/a.jpeg", 0), ("cats/b.PNG", 0), ("dogs/deep/er/c.jpg", 1)]);
        assert_eq!(listing.classes().collect::<Vec<_>>(), ["cats", "dogs"]);
        let flat = list(&["b.jpg", "a.png"]).unwrap();
        assert_eq!((flat.len(), flat.classes().count(), flat.label(1)), (2, 0, 0));
        assert_eq!(flat.left_out(), None);
    }

    #[test]
    fn left_out_files_are_counted_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let names =
            [".DS_Store", "a.jpg", "b.webp", "c.webp", "LICENSE", "notes.txt", "__MACOSX/a.jpg", "@eaDir/a.jpg"];
        write(dir.path(), &names.map(|name| (name, vec![])));
        std::os::unix::fs::symlink("nowhere", dir.path().join("gone.jpg")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join("endless.jpg")).unwrap();
        let listing = Listing::open(dir.path(), String::new()).unwrap();
        assert_eq!((listing.len(), listing.name(0)), (1, "a.jpg"));
        let expected = "3 hidden, 4 of other formats (without ending: 1, such as LICENSE; .txt: 1, such as notes.txt; \
                        .webp: 2, such as b.webp), a broken link (gone.jpg), a pipe or device \
                        (endless.jpg)";
        assert_eq!(listing.left_out().unwrap(), expected);
        fs::remove_file(dir.path().join("a.jpg")).unwrap();
        let error = Listing::open(dir.path(), String::new()).err().unwrap().to_string();
        assert!(error.contains("found 3 hidden, 4 of other formats"), "{error}");
    }

    #[test]
    fn folders_that_are_parts_of_a_data_set_are_not_classes_and_the_right_one_is_named() {
        for (names, expected) in [
            (&["train/a.jpg", "test/b.jpg"][..], "set the path to the one to use: DIR/train"),
            (&["train/cat/a.jpg", "val/cat/b.jpg"], "set the path to the one to use: DIR/train"),
            (&["Valid/a.jpg", "TEST/b.jpg", "Train/b.jpg"], "use: DIR/Train"),
            (&["train2017/a.jpg", "val2017/b.jpg"], "use: DIR/train2017"),
            (&["trainA/a.jpg", "trainB/a.jpg", "testA/b.jpg", "testB/a.jpg"], "use: DIR/trainA"),
            (&["images/a.jpg", "masks/a.png"], "use: DIR/images"),
            (&["images1024x1024/a.png", "thumbnails128x128/a.png"], "use: DIR/images1024x1024"),
            (&["extra/a.jpg", "train/a.jpg", "test/a.jpg"], "use: DIR/train"),
            (&["photos/train/a.jpg", "photos/test/a.jpg", "paintings/train/a.jpg"], "use: DIR/photos/train"),
            (&["my_train/a.jpg", "my_test/a.jpg"], "use: DIR/my_train"),
            (&["1_Val/a.jpg", "2_test/a.jpg", "0_train/a.jpg"], "use: DIR/0_train"),
            (&["cat-image/a.jpg", "cat-mask/a.jpg"], "use: DIR/cat-image"),
            (&["only/a.jpg"], "set the path to it: DIR/only"),
            (&["data/cat/a.jpg", "data/dog/a.jpg", "notes/x.txt"], "set the path to it: DIR/data"),
            (&["montage.png", "cat/a.jpg", "dog/a.jpg"], "found both, such as montage.png and cat; move"),
        ] {
            let error = list(names).err().unwrap_or_default();
            assert!(error.contains(expected), "{names:?}: {error}");
        }
        for names in [
            &["train/a.jpg", "bus/a.jpg", "car/a.jpg"][..],
            &["testimony/a.jpg", "valley/a.jpg", "trains/a.jpg"],
            &["bullet_train/a.jpg", "freight_train/a.jpg", "litmus_test/a.jpg", "gas_mask/a.jpg"],
            &["0/1.png", "1/1.png"],
            &["cat/front/a.jpg", "cat/b.jpg", "dog/a.jpg"],
        ] {
            let mut classes: Vec<&str> = names.iter().filter_map(|name| Some(name.split_once('/')?.0)).collect();
            classes.sort_unstable();
            classes.dedup();
            assert_eq!(list(names).unwrap().classes().collect::<Vec<_>>(), classes);
        }
    }

    #[test]
    fn errors_for_other_folders_say_which_path_to_use() {
        let dir = tempfile::tempdir().unwrap();
        let error =
            |path: &Path| Listing::open(path, String::new()).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error(&dir.path().join("no")).contains("there is no such folder"));
        assert!(error(dir.path()).contains("found none"));
        assert!(error(Path::new("/dev/zero")).contains("found a device"));
        write(dir.path(), &[("readme.txt", vec![]), ("x/a.jpg", jpeg(9, 9)), ("y/a.png", png(9, 9))]);
        assert!(error(&dir.path().join("readme.txt")).contains("found a file"));
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        assert!(error(dir.path()).contains("folders deep"));
    }
}
