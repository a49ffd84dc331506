//! Named tensors in a file: safetensors with a checksum, written whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tch::{Kind, Tensor};

use super::host;
use sweep_system::whole::{NewFile, Survives};

/// Tensors by name, float32 or float64.
pub type Named = BTreeMap<String, Tensor>;

/// The content of a file.
#[derive(Debug)]
pub struct Contents {
    /// Tensors, on the CPU.
    pub tensors: Named,
    /// Metadata.
    pub metadata: HashMap<String, String>,
}

/// Why a file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused access.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is invalid.
    #[error("{0}")]
    Unusable(String),
}

/// The key of the checksum, which covers everything else in the file.
const CHECKSUM: &str = "checksum";
/// The key of the checksum in older files, which covers names and contents only. Generators from older versions stay
/// readable.
const EARLIER: &str = "blake3";

/// Writes `tensors` and `metadata` to `path`, whole and durable.
///
/// # Errors
///
/// If the folder is not writable.
pub fn write(path: &Path, tensors: &Named, metadata: HashMap<String, String>) -> Result<(), FileError> {
    Ok(new(path, tensors, metadata)?.put(Survives::PowerCut)?)
}

/// As [`write()`], but keeps the old file at `path` as `previous` in the same folder: at every moment one of the two is
/// whole and durable.
///
/// # Errors
///
/// If the folder is not writable.
pub fn write_beside(
    path: &Path,
    previous: &Path,
    tensors: &Named,
    metadata: HashMap<String, String>,
) -> Result<(), FileError> {
    Ok(new(path, tensors, metadata)?.put_beside(previous, Survives::PowerCut)?)
}

/// Creates a file with this content that has no name yet.
fn new(path: &Path, tensors: &Named, mut metadata: HashMap<String, String>) -> Result<NewFile, FileError> {
    let unusable = |error: safetensors::SafeTensorError| FileError::Unusable(error.to_string());
    let bytes: BTreeMap<&String, (Dtype, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let shape = tensor.size().iter().map(|&size| size as usize).collect();
            let dtype = if tensor.kind() == Kind::Double { Dtype::F64 } else { Dtype::F32 };
            (name, (dtype, shape, host::bytes(tensor)))
        })
        .collect();
    let views: Result<Vec<_>, _> = bytes
        .iter()
        .map(|(name, (dtype, shape, data))| TensorView::new(*dtype, shape.clone(), data).map(|view| (name, view)))
        .collect();
    let views = views.map_err(unusable)?;
    let digest = digest(&metadata, views.iter().map(|(name, view)| (name.as_str(), view)));
    metadata.insert(CHECKSUM.to_owned(), digest);
    let file = safetensors::serialize(views, Some(metadata)).map_err(unusable)?;
    let mut new = NewFile::beside(path)?;
    new.write_all(&file)?;
    Ok(new)
}

/// Reads a file that [`write()`] wrote.
///
/// # Errors
///
/// If it cannot be read, is not whole, or does not match its checksum.
pub fn read(path: &Path) -> Result<Contents, FileError> {
    let unusable = |what: &str| FileError::Unusable(what.to_owned());
    let bytes = fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| FileError::Unusable(format!("not a whole safetensors file: {error}")))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| FileError::Unusable(error.to_string()))?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let views: BTreeMap<String, TensorView> = file.tensors().into_iter().collect();
    let each = || views.iter().map(|(name, view)| (name.as_str(), view));
    let (expected, found) = match (metadata.get(CHECKSUM), metadata.get(EARLIER)) {
        (Some(expected), _) => (expected, digest(&metadata, each())),
        // Older files had only tensors.
        (None, Some(expected)) if metadata.len() == 1 => (expected, digest_of_contents(each())),
        (None, _) => return Err(unusable("it has no checksum")),
    };
    if *expected != found {
        return Err(unusable("its checksum does not match: the file is damaged"));
    }
    let tensor = |(name, view): (String, TensorView)| {
        let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            other => return Err(FileError::Unusable(format!("`{name}` is {other:?}, expected F32 or F64"))),
        };
        let tensor = Tensor::f_from_data_size(view.data(), &shape, kind);
        Ok((name, tensor.map_err(|error| FileError::Unusable(error.to_string()))?))
    };
    Ok(Contents { tensors: views.into_iter().map(tensor).collect::<Result<_, _>>()?, metadata })
}

/// A checksum over all that a file says: metadata, and names, kinds, shapes and contents of tensors.
fn digest<'a>(
    metadata: &HashMap<String, String>,
    tensors: impl Iterator<Item = (&'a str, &'a TensorView<'a>)>,
) -> String {
    let mut hasher = blake3::Hasher::new();
    // With its length before each piece, no two files have the same pieces.
    let mut add = |piece: &[u8]| {
        hasher.update(&(piece.len() as u64).to_le_bytes()).update(piece);
    };
    let metadata: BTreeMap<&String, &String> = metadata.iter().filter(|(key, _)| *key != CHECKSUM).collect();
    add(&metadata.len().to_le_bytes());
    for (key, value) in metadata {
        add(key.as_bytes());
        add(value.as_bytes());
    }
    for (name, view) in tensors {
        add(name.as_bytes());
        add(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        add(view.data());
    }
    hasher.finalize().to_hex().to_string()
}

/// The checksum of earlier files.
fn digest_of_contents<'a>(tensors: impl Iterator<Item = (&'a str, &'a TensorView<'a>)>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, view) in tensors {
        hasher.update(name.as_bytes()).update(view.data());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn files_are_read_back_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = Named::from([
            ("a".to_owned(), Tensor::from_slice(&[1.0f32, f32::NAN]).reshape([2, 1])),
            ("b".to_owned(), Tensor::zeros([0, 3], (Kind::Double, Device::Cpu))),
        ]);
        write(&path, &tensors, HashMap::from([("key".to_owned(), "value".to_owned())])).unwrap();
        let found = read(&path).unwrap();
        assert_eq!(found.metadata["key"], "value");
        assert_eq!((found.tensors["a"].size(), found.tensors["b"].kind()), (vec![2, 1], Kind::Double));
        assert_eq!(host::bytes(&found.tensors["a"]), host::bytes(&tensors["a"]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing temporary is left");

        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert!(matches!(read(&path), Err(FileError::Unusable(_))), "cut at {cut}");
        }
        let mut bent = whole;
        let last = bent.len() - 1;
        bent[last] ^= 1;
        fs::write(&path, bent).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("checksum does not match"));
        assert!(matches!(read(&folder.path().join("none")), Err(FileError::Io(_))));
    }

    #[test]
    fn every_change_of_a_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = Named::from([("a".to_owned(), Tensor::zeros([2, 3], (Kind::Float, Device::Cpu)))]);
        write(&path, &tensors, HashMap::from([("step".to_owned(), "3000".to_owned())])).unwrap();
        let whole = fs::read(&path).unwrap();
        let changed = |from: &str, to: &str| {
            let mut text = whole.clone();
            let at = text.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
            text[at..at + from.len()].copy_from_slice(to.as_bytes());
            fs::write(&path, text).unwrap();
            read(&path).unwrap_err().to_string()
        };
        for (from, to) in [("\"3000\"", "\"2000\""), ("\"step\"", "\"stop\""), ("[2,3]", "[3,2]"), ("\"a\"", "\"b\"")] {
            assert!(changed(from, to).contains("checksum does not match"), "{to}");
        }
        assert!(changed("\"checksum\"", "\"chuckles\"").contains("no checksum"));
        for at in 8..whole.len() {
            let mut bent = whole.clone();
            bent[at] ^= 4;
            fs::write(&path, bent).unwrap();
            assert!(read(&path).is_err(), "a bit of byte {at}");
        }
    }

    #[test]
    fn the_previous_file_is_kept_until_the_new_one_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (path, previous) = (folder.path().join("x"), folder.path().join("x.previous"));
        for step in 1..=3 {
            let metadata = HashMap::from([("step".to_owned(), step.to_string())]);
            write_beside(&path, &previous, &Named::new(), metadata).unwrap();
            let step_of = |path| read(path).map(|contents| contents.metadata["step"].clone()).ok();
            assert_eq!(step_of(&path), Some(step.to_string()));
            assert_eq!(step_of(&previous), (step > 1).then(|| (step - 1).to_string()));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing temporary is left");
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let data = [0, 0, 128, 63];
        let view = TensorView::new(Dtype::F32, vec![1], &data).unwrap();
        let earlier = digest_of_contents([("a", &view)].into_iter());
        let file = |checksum: String| {
            safetensors::serialize([("a", &view)], Some(HashMap::from([(EARLIER.to_owned(), checksum)]))).unwrap()
        };
        fs::write(&path, file(earlier)).unwrap();
        assert_eq!(host::bytes(&read(&path).unwrap().tensors["a"]), data);
        fs::write(&path, file("0".to_owned())).unwrap();
        assert!(read(&path).is_err());
    }

    #[test]
    fn mutants_of_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        let tensors = [("a.weight".to_owned(), Tensor::from_slice(&[1.0_f32; 12]).reshape([3, 4]))].into();
        write(&path, &tensors, [("step".to_owned(), "7".to_owned())].into()).unwrap();
        // What is not refused means what was written: white space may be another.
        sweep_fuzz::survive_as_file(&[fs::read(&path).unwrap()], |path| {
            if let Ok(contents) = read(path) {
                assert_eq!(contents.metadata["step"], "7");
                assert_eq!(contents.tensors.keys().collect::<Vec<_>>(), ["a.weight"]);
                assert_eq!(contents.tensors["a.weight"], tensors["a.weight"]);
            }
        });
    }
}
