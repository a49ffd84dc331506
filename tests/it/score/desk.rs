//! Files to score, and the program that scores them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;
use sweep::spec::metric::{Metric, Needs};

/// A folder with arrays, and the program in it.
pub(super) struct Desk(tempfile::TempDir);

impl Desk {
    pub(super) fn new() -> Self {
        Desk(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// An array of float32, as NumPy writes it.
    pub(super) fn array(&self, name: &str, shape: &[usize], values: impl IntoIterator<Item = f64>) {
        let bytes: Vec<u8> = values.into_iter().flat_map(|value| (value as f32).to_le_bytes()).collect();
        assert_eq!(bytes.len(), 4 * shape.iter().product::<usize>());
        self.npy(name, "'<f4', 'fortran_order': False", shape, bytes);
    }

    /// Any array, of a type and an order.
    pub(super) fn npy(&self, name: &str, how: &str, shape: &[usize], bytes: Vec<u8>) {
        let shape = shape.iter().map(|size| format!("{size},")).collect::<String>();
        let mut header = format!("{{'descr': {how}, 'shape': ({shape}), }}");
        while !(header.len() + 11).is_multiple_of(64) {
            header.push(' ');
        }
        header.push('\n');
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.bytes());
        file.extend(bytes);
        std::fs::write(self.path().join(name), file).unwrap();
    }

    /// An archive of files, not compressed, as NumPy writes it.
    pub(super) fn zip(&self, name: &str, files: &[&str]) {
        let (mut archive, mut directory) = (Vec::new(), Vec::new());
        for file in files {
            let bytes = std::fs::read(self.path().join(file)).unwrap();
            let mut sum = flate2::Crc::new();
            sum.update(&bytes);
            let size = (bytes.len() as u32).to_le_bytes();
            // Versions, flags, method, time and date; then checksum, both sizes and the length of the name.
            let mut about = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0].to_vec();
            about.extend([sum.sum().to_le_bytes(), size, size, (file.len() as u32).to_le_bytes()].concat());
            directory.extend([b"PK\x01\x02\x14\x00".as_slice(), &about, &[0; 10]].concat());
            directory.extend((archive.len() as u32).to_le_bytes());
            directory.extend(file.bytes());
            archive.extend([b"PK\x03\x04".as_slice(), &about, file.as_bytes(), &bytes].concat());
        }
        let (at, size, count) = (archive.len() as u32, directory.len() as u32, files.len() as u8);
        archive.extend(directory);
        archive.extend([b"PK\x05\x06\x00\x00\x00\x00".as_slice(), &[count, 0, count, 0]].concat());
        archive.extend([size.to_le_bytes(), at.to_le_bytes()].concat());
        archive.extend([0, 0]);
        std::fs::write(self.path().join(name), archive).unwrap();
    }

    /// Tensors of float32 in one file.
    pub(super) fn tensors(&self, name: &str, tensors: &[(&str, &[usize], Vec<f32>)]) {
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let all: Vec<_> = tensors.iter().map(|(name, shape, values)| (*name, shape.to_vec(), bytes(values))).collect();
        let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
        let views: Vec<_> = all.iter().map(|(name, shape, bytes)| (*name, view(shape, bytes))).collect();
        std::fs::write(self.path().join(name), safetensors::serialize(views, None).unwrap()).unwrap();
    }

    /// Exit code, stdout and stderr of `sweep score`.
    pub(super) fn score(&self, args: &[&str]) -> (i32, String, String) {
        self.sweep(&[&["score"], args].concat())
    }

    /// Exit code, stdout and stderr of the program.
    pub(super) fn sweep(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweep"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SWEEP_")) {
            command.env_remove(name);
        }
        let output = command
            .args(args)
            .env("SWEEP_DATA", self.path().join("data"))
            .env("SWEEP_HOME", self.path().join("results"))
            .current_dir(self.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        let (code, stdout, stderr) = self.score(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    #[track_caller]
    pub(super) fn refused(&self, args: &[&str], because: &str) {
        let (code, stdout, stderr) = self.score(args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(because), "{because} is not in\n{stderr}");
    }
}

pub(super) fn value(found: &Value, metric: &str) -> f64 {
    found["scores"][metric]["value"].as_f64().unwrap_or_else(|| panic!("no {metric} in {found}"))
}

/// The scores that were found.
pub(super) fn names(found: &Value) -> BTreeSet<&str> {
    found["scores"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// The scores of which what they need is `there`, but for those that are computed by name alone.
pub(super) fn all(there: impl Fn(Needs) -> bool) -> BTreeSet<&'static str> {
    let there = |metric: &Metric| metric.needs() != Needs::Training && there(metric.needs());
    Metric::ALL.into_iter().filter(there).map(Metric::name).collect()
}

/// The eight centres of the ring, again and again.
pub(super) fn centres(n: usize) -> impl Iterator<Item = f64> {
    let at = |k: usize| std::f64::consts::TAU * (k % 8) as f64 / 8.0;
    (0..n).flat_map(move |k| [2.0 * at(k).sin(), 2.0 * at(k).cos()])
}
