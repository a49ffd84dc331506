//! Reads files by `torch.save`: a zip archive since PyTorch 1.6; before that, a row of pickles followed by the numbers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::Flaw;
use super::pickle::{Pickle, Storage, Tensor};

/// The first bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// The first bytes of the older format: the pickles of its magic number and its version, 1001.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02\x4d\xe9\x03\x2e";

/// Tensors, and the bytes of their storages.
#[derive(Debug)]
pub(super) struct TorchFile<'a> {
    tensors: HashMap<String, Tensor>,
    storages: HashMap<String, Cow<'a, [u8]>>,
}

impl<'a> TorchFile<'a> {
    /// Reads a file of either format. `None` if `bytes` are neither.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Result<Self, Flaw>> {
        if bytes.starts_with(ZIP) {
            Some(Self::zip(bytes))
        } else if bytes.starts_with(LEGACY) {
            Some(Self::legacy(bytes))
        } else {
            None
        }
    }

    /// Returns the values of a float32 tensor, row by row.
    pub(super) fn floats(&self, name: &str, expected: &[i64]) -> Result<Vec<f32>, Flaw> {
        let tensor = self.tensors.get(name).ok_or_else(|| Flaw::Missing(name.to_owned()))?;
        let Tensor { storage, offset, shape, strides } = tensor;
        if storage.kind != "FloatStorage" || !shape.iter().map(|&size| size as i64).eq(expected.iter().copied()) {
            let found = format!("{} {shape:?}", storage.kind.escape_debug());
            return Err(Flaw::Tensor { name: name.to_owned(), found, expected: format!("FloatStorage {expected:?}") });
        }
        let bytes = self.storages.get(&storage.key).map_or(&[][..], |bytes| bytes);
        let mut places = vec![*offset];
        for (&size, &stride) in shape.iter().zip(strides) {
            let step = |place: usize, i: usize| i.checked_mul(stride).and_then(|far| place.checked_add(far));
            let next = places.iter().flat_map(|&place| (0..size).map(move |i| step(place, i)));
            places = next.collect::<Option<_>>().ok_or_else(|| outside(name))?;
        }
        let (values, _) = bytes.as_chunks::<4>();
        let value = |place: usize| values.get(place).map(|&bytes| f32::from_le_bytes(bytes));
        places.into_iter().map(value).collect::<Option<_>>().ok_or_else(|| outside(name))
    }

    fn zip(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let broken = |error: ZipError| Flaw::Format(format!("the zip archive is damaged or truncated: {error}"));
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
        let pickle = archive.file_names().find(|name| name.ends_with("/data.pkl")).map(str::to_owned);
        let pickle = pickle
            .ok_or_else(|| Flaw::Format("expected an archive by torch.save, but it has no data.pkl".to_owned()))?;
        let folder = pickle.trim_end_matches("data.pkl");
        // `torch.save` does not compress. An archive whose entries inflate to more than its size is not from it.
        let mut left = bytes.len() as u64;
        let mut entry = |name: &str| {
            let file = archive.by_name(name).map_err(broken)?;
            let mut contents = Vec::new();
            file.take(left).read_to_end(&mut contents).map_err(|error| broken(error.into()))?;
            left -= contents.len() as u64;
            Ok::<_, Flaw>(contents)
        };
        // Python writes numbers in the byte order of its machine. A big-endian machine would say so here.
        let order = entry(&format!("{folder}byteorder")).unwrap_or_default();
        if order == b"big" {
            return Err(Flaw::Format("its numbers are big-endian, expected little-endian".to_owned()));
        }
        let tensors = Pickle::read(&entry(&pickle)?)?.tensors()?;
        let mut storages = HashMap::new();
        for storage in distinct(&tensors) {
            if storages.contains_key(&storage.key) {
                continue;
            }
            let contents = entry(&format!("{folder}data/{}", storage.key))?;
            storages.insert(storage.key.clone(), Cow::Owned(contents));
        }
        Ok(TorchFile { tensors, storages })
    }

    fn legacy(bytes: &'a [u8]) -> Result<Self, Flaw> {
        let mut rest = &bytes[LEGACY.len()..];
        let mut next = || {
            let pickle = Pickle::read(rest)?;
            rest = &rest[pickle.length..];
            Ok::<_, Flaw>(pickle)
        };
        // Properties of the machine that wrote it.
        next()?;
        let tensors = next()?.tensors()?;
        let keys = next()?;
        let kinds: HashMap<&str, &Storage> =
            distinct(&tensors).map(|storage| (storage.key.as_str(), storage)).collect();
        let mut storages = HashMap::new();
        for key in keys.texts()? {
            let storage = kinds.get(key).ok_or_else(|| Flaw::Format("a storage belongs to no tensor".to_owned()))?;
            let size = width(&storage.kind).and_then(|width| storage.count.checked_mul(width));
            let size = size.ok_or_else(|| {
                Flaw::Format(format!("its numbers have an unknown type, `{}`", storage.kind.escape_debug()))
            })?;
            let torn = || {
                let at = bytes.len() - rest.len();
                Flaw::Format(format!(
                    "expected {} numbers from byte {at}, but the file ends at byte {}: it is truncated",
                    storage.count,
                    bytes.len()
                ))
            };
            let (count, behind) = rest.split_first_chunk::<8>().ok_or_else(torn)?;
            if u64::from_le_bytes(*count) != storage.count as u64 {
                return Err(torn());
            }
            let (contents, behind) = behind.split_at_checked(size).ok_or_else(torn)?;
            storages.insert(key.to_owned(), Cow::Borrowed(contents));
            rest = behind;
        }
        Ok(TorchFile { tensors, storages })
    }
}

fn outside(name: &str) -> Flaw {
    Flaw::Format(format!("`{name}` extends beyond its storage: the file is damaged"))
}

/// Returns the storages of all tensors. A storage may occur several times.
fn distinct(tensors: &HashMap<String, Tensor>) -> impl Iterator<Item = &Storage> {
    tensors.values().map(|tensor| &tensor.storage)
}

/// Returns the bytes per number.
fn width(kind: &str) -> Option<usize> {
    match kind {
        "DoubleStorage" | "LongStorage" => Some(8),
        "FloatStorage" | "IntStorage" => Some(4),
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => Some(2),
        "ByteStorage" | "CharStorage" | "BoolStorage" => Some(1),
        _ => None,
    }
}
