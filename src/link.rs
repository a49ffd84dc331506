//! The build script of every package whose executables or tests link libtorch. It gives them an rpath, so they find
//! libtorch without LD_LIBRARY_PATH. The path comes from `links = "sweep_tensor"` in src/tensor/Cargo.toml.
//! For an executable that other machines will run, `SWEEP_RPATH` names the place of libtorch there; `scripts/wheel`
//! sets it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The only executable that links libtorch.
const WORKER: &str = "bin=sweep-worker";
/// The sources of the executables besides `src`.
const SOURCES: [&str; 2] = ["migrations", "Cargo.lock"];
/// The folder of `src` that is in no executable.
const PYTHON: &str = "python";
/// Where an executable for other machines looks for libtorch.
const ELSEWHERE: &str = "SWEEP_RPATH";

fn main() {
    let links = ["-Wl,--no-as-needed".to_owned(), "-ltorch".to_owned()];
    let here = env::var("DEP_SWEEP_TENSOR_LIB").map(|lib| vec![format!("-Wl,-rpath,{lib}")]).unwrap_or_default();
    let args = [&here[..], &links].concat();
    // The package with both executables; `sweep` itself does not link libtorch.
    if env::var("CARGO_PKG_NAME").is_ok_and(|name| name == "sweep") {
        println!("cargo:rerun-if-env-changed={ELSEWHERE}");
        // LD_LIBRARY_PATH does not override the older kind of rpath. On clusters it may name some other libtorch.
        let there =
            env::var(ELSEWHERE).map(|path| vec!["-Wl,--disable-new-dtags".to_owned(), format!("-Wl,-rpath,{path}")]);
        for arg in there.unwrap_or(here).iter().chain(&links) {
            println!("cargo:rustc-link-arg-{WORKER}={arg}");
        }
        args.iter().for_each(|arg| println!("cargo:rustc-link-arg-tests={arg}"));
        // See src/worker.rs: libtorch looks this function up in the executable.
        println!("cargo:rustc-link-arg-{WORKER}=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
        let sources = sources();
        sources.iter().for_each(|path| println!("cargo:rerun-if-changed={}", path.display()));
        // Lets the two executables check that they belong together.
        println!("cargo:rustc-env=SWEEP_BUILD={:016x}", hash(&sources));
    } else {
        println!("cargo:rerun-if-changed=../link.rs");
        args.iter().for_each(|arg| println!("cargo:rustc-link-arg={arg}"));
    }
}

/// Returns the sources of the executables. Python caches compiled modules in its folder, which must not cause a build.
fn sources() -> Vec<PathBuf> {
    let modules = fs::read_dir("src").into_iter().flatten().flatten().map(|entry| entry.path());
    let modules = modules.filter(|path| !path.ends_with(PYTHON));
    modules.chain(SOURCES.map(PathBuf::from)).collect()
}

/// The hash of the files at and below `paths`, with their paths.
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
