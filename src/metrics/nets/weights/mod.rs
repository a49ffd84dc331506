//! Reads weights of networks that were trained elsewhere, from PyTorch and safetensors files. In pure Rust, because
//! such files are not trusted.

mod pickle;
mod torch;

use safetensors::{Dtype, SafeTensors};

use torch::TorchFile;

/// What is wrong with a weights file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The file as a whole is not valid.
    #[error("{0}")]
    Format(String),
    /// A tensor is missing.
    #[error("no tensor `{0}`")]
    Missing(String),
    /// A tensor has another type or shape.
    #[error("`{name}` is {found}, not {expected}")]
    Tensor {
        /// Its name.
        name: String,
        /// Its type and shape.
        found: String,
        /// The expected type and shape.
        expected: String,
    },
}

/// The tensors of a file.
#[derive(Debug)]
pub(super) struct Weights<'a>(Format<'a>);

#[derive(Debug)]
enum Format<'a> {
    Torch(TorchFile<'a>),
    Safetensors(SafeTensors<'a>),
}

impl<'a> Weights<'a> {
    /// Reads a file written by `torch.save` or safetensors.
    ///
    /// # Errors
    /// If `bytes` are neither, or are truncated.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Flaw> {
        if let Some(file) = TorchFile::read(bytes) {
            return file.map(|file| Weights(Format::Torch(file)));
        }
        let wrong = |error| Flaw::Format(format!("not a file written by torch.save or safetensors ({error})"));
        Ok(Weights(Format::Safetensors(SafeTensors::deserialize(bytes).map_err(wrong)?)))
    }

    /// Returns the values of the float32 tensor `name`, row by row.
    ///
    /// # Errors
    /// If it is missing, or has another type or shape.
    pub(super) fn floats(&self, name: &str, shape: &[i64]) -> Result<Vec<f32>, Flaw> {
        let file = match &self.0 {
            Format::Torch(file) => return file.floats(name, shape),
            Format::Safetensors(file) => file,
        };
        let view = file.tensor(name).map_err(|_| Flaw::Missing(name.to_owned()))?;
        if view.dtype() != Dtype::F32 || !view.shape().iter().map(|&size| size as i64).eq(shape.iter().copied()) {
            let found = format!("{:?} {:?}", view.dtype(), view.shape());
            return Err(Flaw::Tensor { name: name.to_owned(), found, expected: format!("F32 {shape:?}") });
        }
        let (values, _) = view.data().as_chunks::<4>();
        Ok(values.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use proptest::prelude::*;

    use super::*;

    const FILES: [&[u8]; 2] = [
        include_bytes!("../../../../tests/fixtures/metrics/zip.pth"),
        include_bytes!("../../../../tests/fixtures/metrics/legacy.pth"),
    ];

    fn floats(bytes: &[u8], name: &str, shape: &[i64]) -> Result<Vec<f32>, Flaw> {
        Weights::read(bytes)?.floats(name, shape)
    }

    /// Reads everything in a file.
    fn all(bytes: &[u8]) -> Result<Vec<Vec<f32>>, Flaw> {
        let weights = Weights::read(bytes)?;
        let tensors: [(&str, &[i64]); 4] =
            [("conv.weight", &[3, 4]), ("transposed", &[4, 3]), ("part", &[2, 2]), ("parameter", &[2])];
        tensors.into_iter().map(|(name, shape)| weights.floats(name, shape)).collect()
    }

    #[test]
    fn tensors_match_those_that_pytorch_wrote_in_either_format_and_any_layout() {
        let grid: Vec<f32> = (0..12).map(|i| i as f32 / 4.0).collect();
        let transposed: Vec<f32> = (0..12).map(|i| (i % 3 * 4 + i / 3) as f32 / 4.0).collect();
        for file in FILES {
            let part = vec![1.25, 1.5, 2.25, 2.5];
            assert_eq!(all(file).unwrap(), [grid.clone(), transposed.clone(), part, vec![1.5, -1.5]]);
        }
    }

    #[test]
    fn missing_or_different_tensors_are_named() {
        for file in FILES {
            assert_eq!(floats(file, "fc.weight", &[1]), Err(Flaw::Missing("fc.weight".to_owned())));
            let error = floats(file, "part", &[4]).unwrap_err().to_string();
            assert_eq!(error, "`part` is FloatStorage [2, 2], not FloatStorage [4]");
            let error = floats(file, "half", &[3]).unwrap_err().to_string();
            assert_eq!(error, "`half` is HalfStorage [3], not FloatStorage [3]");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for file in FILES {
            for length in 0..file.len() {
                assert!(Weights::read(&file[..length]).is_err(), "{length} of {} bytes", file.len());
            }
        }
    }

    #[test]
    fn a_pickle_that_calls_something_is_refused_by_name() {
        let attack =
            [FILES[1].get(..21).unwrap(), b"\x80\x02N.\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."].concat();
        let error = Weights::read(&attack).unwrap_err().to_string();
        assert_eq!(error, "expected only weights, but the pickle calls `os.system`");
    }

    #[test]
    fn a_tensor_beyond_its_storage_is_an_error() {
        // Change the strides of the first tensor from (4, 1) to (5, 1).
        let mut file = FILES[1].to_vec();
        let at = file.windows(4).position(|bytes| bytes == b"K\x04K\x01").unwrap();
        file[at + 1] = 5;
        assert!(floats(&file, "conv.weight", &[3, 4]).unwrap_err().to_string().contains("extends beyond"));
    }

    #[test]
    fn an_archive_that_inflates_beyond_its_size_is_refused() {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        archive.start_file("archive/data.pkl", zip::write::FileOptions::default()).unwrap();
        archive.write_all(&vec![b'N'; 40_000_000]).unwrap();
        let bomb = archive.finish().unwrap().into_inner();
        assert!(bomb.len() < 50_000);
        let most = sweep_fuzz::most_memory(|| assert!(all(&bomb).is_err()));
        assert!(most < 10_000_000, "{most} bytes");
    }

    #[test]
    fn mutants_of_weights() {
        sweep_fuzz::survive(&FILES.map(<[u8]>::to_vec), |bytes| drop(all(bytes)));
    }

    proptest! {
        #[test]
        fn no_change_to_a_file_makes_its_reader_panic(
            legacy in any::<bool>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut file = FILES[usize::from(legacy)].to_vec();
            for (at, byte) in changes {
                let at = at.index(file.len());
                file[at] = byte;
            }
            if let Err(flaw) = all(&file) {
                prop_assert!(!flaw.to_string().is_empty());
            }
        }

        #[test]
        fn every_pickle_is_read_or_an_error(
            codes in prop::collection::vec(
                prop::sample::select(b"\x80(N\x88\x89KMJ\x8aXTUc}])\x85\x86\x87taesuqrhjQRb.\x00\x01\x02\n".to_vec()),
                0..200,
            ),
        ) {
            let _ = Weights::read(&[&FILES[1][..21], &b"\x80\x02N."[..], &codes[..]].concat());
        }
    }
}
