//! A folder of pictures as a data set, with or without one folder per class.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use super::DataError;
use super::cache::{Block, Damaged, Fingerprint, Form, Input, Labelled, Values};
use super::listing::Listing;
use super::picture::{LARGEST, decode};
use super::regular;
use sweep_spec::own_data::{Kind, Shape};

/// The pictures in a folder.
pub(super) struct Folder {
    kind: Kind,
    size: usize,
    listing: Listing,
}

impl Folder {
    /// Lists the pictures below `root`. They will be scaled to `size`×`size`.
    ///
    /// # Errors
    /// As for [`Listing::open`], and if `kind` needs classes and there are none.
    pub(crate) fn open(kind: Kind, root: &Path, size: usize) -> Result<Self, DataError> {
        let listing = Listing::open(root, Folder::purpose(kind, size))?;
        if kind == Kind::Imagenet32 && listing.classes().next().is_none() {
            return Err(DataError::Place {
                path: root.to_owned(),
                what: "expected one folder per class (n01440764, …), found pictures without class folders".to_owned(),
                advice: "set the path to the folder that holds the class folders, or use `name: images`".to_owned(),
            });
        }
        Ok(Folder { kind, size, listing })
    }

    fn purpose(kind: Kind, size: usize) -> String {
        format!("{} {size}", kind.name())
    }

    /// Returns the bytes of a picture's file, or what is wrong with it.
    fn file(&self, at: usize) -> Result<Result<Vec<u8>, String>, DataError> {
        let path = self.listing.path(at);
        match regular::read(&path, LARGEST) {
            Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Ok(Err(error.to_string())),
            Err(source) => Err(DataError::Read { path, source }),
            Ok(bytes) => Ok(Ok(bytes)),
        }
    }

    /// Applies `make` to each picture in `range`. Also returns the checksum of all their names, classes and files.
    fn each<T: Send>(
        &self,
        range: Range<usize>,
        done: &(dyn Fn(usize) + Sync),
        make: impl Fn(Result<Vec<u8>, String>) -> T + Sync,
    ) -> Result<(Vec<T>, blake3::Hash), DataError> {
        let one = |at| {
            let file = self.file(at)?;
            let hash = file.as_ref().map_or_else(|why| blake3::hash(why.as_bytes()), |bytes| blake3::hash(bytes));
            let made = make(file);
            done(1);
            Ok::<_, DataError>((made, hash))
        };
        let all: Vec<(T, blake3::Hash)> = range.clone().into_par_iter().map(one).collect::<Result<_, _>>()?;
        let mut hasher = blake3::Hasher::new();
        for (at, (_, hash)) in range.zip(&all) {
            hasher.update(self.listing.name(at).as_bytes()).update(&[0]);
            hasher.update(&self.listing.label(at).to_le_bytes()).update(hash.as_bytes());
        }
        Ok((all.into_iter().map(|(made, _)| made).collect(), hasher.finalize()))
    }
}

impl Input for Folder {
    fn name(&self) -> String {
        self.kind.name().to_owned()
    }

    fn path(&self) -> &Path {
        self.listing.root()
    }

    fn form(&self) -> Form {
        Form { size: Some(self.size as u32), range: None }
    }

    fn fingerprint(&self) -> &Fingerprint {
        self.listing.fingerprint()
    }

    fn look_again(&self) -> Result<Fingerprint, DataError> {
        Ok(Listing::open(self.listing.root(), Folder::purpose(self.kind, self.size))?.into_fingerprint())
    }

    fn shape(&self) -> Shape {
        Shape::Image([3, self.size, self.size])
    }

    fn values(&self) -> Values {
        Values::Bytes
    }

    fn labelled(&self) -> Labelled {
        Labelled { classes: self.listing.classes().map(str::to_owned).collect() }
    }

    fn len(&self) -> usize {
        self.listing.len()
    }

    fn left_out(&self) -> Option<String> {
        self.listing.left_out()
    }

    fn read(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<Block, DataError> {
        let (pictures, source) =
            self.each(range.clone(), done, |file| file.and_then(|bytes| decode(&bytes, self.size)))?;
        let mut block = Block { samples: Vec::new(), labels: Vec::new(), damaged: Vec::new(), source };
        for (at, picture) in range.zip(pictures) {
            match picture {
                Ok(pixels) => {
                    block.samples.extend(pixels);
                    block.labels.push(self.listing.label(at));
                }
                Err(why) => block.damaged.push(Damaged { name: self.listing.name(at).to_owned(), why }),
            }
        }
        Ok(block)
    }

    fn digest(&self, range: Range<usize>, done: &(dyn Fn(usize) + Sync)) -> Result<blake3::Hash, DataError> {
        self.each(range, done, drop).map(|(_, hash)| hash)
    }

    fn notes(&self) -> Result<Vec<String>, DataError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::listing::tests::write;
    use super::super::picture::tests::{jpeg, png};
    use super::*;

    #[test]
    fn pictures_are_read_with_their_classes_and_damaged_ones_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let broken = jpeg(9, 9)[..40].to_vec();
        write(dir.path(), &[("cats/a.jpeg", jpeg(9, 9)), ("dogs/deep/c.jpg", jpeg(9, 9)), ("dogs/b.png", broken)]);
        let folder = Folder::open(Kind::Imagenet32, dir.path(), 8).unwrap();
        let block = folder.read(0..3, &|_| {}).unwrap();
        assert_eq!((block.samples.len(), &block.labels[..]), (2 * 192, &[0, 1][..]));
        assert_eq!(block.damaged[0].name, "dogs/b.png");
        assert_eq!(block.source, folder.digest(0..3, &|_| {}).unwrap());
    }

    #[test]
    fn imagenet_has_classes() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("a.jpg", jpeg(9, 9))]);
        let error = Folder::open(Kind::Imagenet32, dir.path(), 8).err().unwrap().to_string();
        assert!(error.contains("use `name: images`"), "{error}");
    }

    #[test]
    fn the_checksum_is_of_names_classes_and_contents() {
        let of = |files: &[(&str, Vec<u8>)]| {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), files);
            let folder = Folder::open(Kind::Images, dir.path(), 8).unwrap();
            folder.digest(0..folder.len(), &|_| {}).unwrap()
        };
        let (one, other) = (png(9, 9), png(9, 10));
        let same = of(&[("a/x.png", one.clone()), ("b/y.png", other.clone())]);
        assert_eq!(same, of(&[("b/y.png", other.clone()), ("a/x.png", one.clone())]));
        for files in [
            [("a/x.png", other.clone()), ("b/y.png", one.clone())],
            [("a/x.png", one.clone()), ("b/z.png", other.clone())],
            [("a/x.png", one.clone()), ("b/y.png", png(10, 9))],
            [("x.png", one.clone()), ("y.png", other.clone())],
        ] {
            assert_ne!(same, of(&files));
        }
    }

    #[test]
    fn a_file_too_large_for_a_picture_is_damaged_and_not_read() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &[("a.jpg", jpeg(9, 9)), ("b.jpg", vec![])]);
        fs::File::options().write(true).open(dir.path().join("b.jpg")).unwrap().set_len(1 << 40).unwrap();
        let block = Folder::open(Kind::Images, dir.path(), 8).unwrap().read(0..2, &|_| {}).unwrap();
        assert!(block.damaged[0].why.contains("or more: expected at most"), "{}", block.damaged[0].why);
    }
}
