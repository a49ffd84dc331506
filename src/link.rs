//! The build script of every package whose executables or tests link libtorch: so that these find it again by themselves, it gives them an
//! rpath, and no LD_LIBRARY_PATH is needed. `links = "sweep_tensor"` in src/tensor/Cargo.toml is where the path comes from.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The one executable that links it.
const WORKER: &str = "bin=sweep-worker";
/// What the executables are made of.
const SOURCES: [&str; 3] = ["src", "migrations", "Cargo.lock"];

fn main() {
    let mut args = vec!["-Wl,--no-as-needed".to_owned(), "-ltorch".to_owned()];
    if let Ok(lib) = env::var("DEP_SWEEP_TENSOR_LIB") {
        args.insert(0, format!("-Wl,-rpath,{lib}"));
    }
    // The package with the executables, one of which links none.
    if env::var("CARGO_PKG_NAME").is_ok_and(|name| name == "sweep") {
        for arg in &args {
            println!("cargo:rustc-link-arg-{WORKER}={arg}");
            println!("cargo:rustc-link-arg-tests={arg}");
        }
        // See src/worker.rs: libtorch looks this function up in the executable.
        println!("cargo:rustc-link-arg-{WORKER}=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
        SOURCES.iter().for_each(|path| println!("cargo:rerun-if-changed={path}"));
        // So that the two see whether they belong together.
        println!("cargo:rustc-env=SWEEP_BUILD={:016x}", hash(&SOURCES.map(PathBuf::from)));
    } else {
        println!("cargo:rerun-if-changed=../link.rs");
        args.iter().for_each(|arg| println!("cargo:rustc-link-arg={arg}"));
    }
}

/// Of the files at `paths` and below, with their places.
fn hash(paths: &[PathBuf]) -> u64 {
    fn files(path: &Path, found: &mut Vec<PathBuf>) {
        match fs::read_dir(path) {
            Ok(entries) => entries.flatten().for_each(|entry| files(&entry.path(), found)),
            Err(_) => found.push(path.to_owned()),
        }
    }
    let mut found = Vec::new();
    paths.iter().for_each(|path| files(path, &mut found));
    found.sort();
    let mut hasher = DefaultHasher::new();
    for path in found {
        (path.to_string_lossy(), fs::read(&path).unwrap_or_default()).hash(&mut hasher);
    }
    hasher.finish()
}
