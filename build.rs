//! Compiles the few lines of C++ that reach what tch leaves out, and links libtorch so that the binary finds it again by itself: an
//! rpath, and no LD_LIBRARY_PATH.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=migrations");
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        let lib = std::fs::canonicalize(&lib).unwrap_or_else(|_| PathBuf::from(lib));
        compile(&lib);
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
    println!("cargo:rustc-link-arg=-ltorch");
    // See src/main.rs: libtorch looks this function up in the executable.
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
}

/// `lib`: libtorch's, beside which its headers are. torch-sys has been built with the same compiler by now.
fn compile(lib: &Path) {
    let sources = ["src/tensor/backward.cpp", "src/tensor/device.cpp"];
    for file in sources.iter().chain(&["src/tensor/guarded.h"]) {
        println!("cargo:rerun-if-changed={file}");
    }
    let include = lib.with_file_name("include");
    cc::Build::new().cpp(true).flag("-std=c++17").flag("-w").include(include).files(sources).compile("sweep_tensor");
}
