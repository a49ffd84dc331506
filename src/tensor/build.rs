//! Compiles a few lines of C++ for functions that tch does not expose, and tells dependent packages where libtorch is.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        let lib = std::fs::canonicalize(&lib).unwrap_or_else(|_| PathBuf::from(lib));
        compile(&lib);
        println!("cargo:lib={}", lib.display());
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
    println!("cargo:rustc-link-arg=-ltorch");
}

/// `lib` is libtorch's folder, next to which are the headers. torch-sys was built with the same compiler before.
fn compile(lib: &Path) {
    let sources = ["backward.cpp", "device.cpp"];
    for file in sources.iter().chain(&["guarded.h"]) {
        println!("cargo:rerun-if-changed={file}");
    }
    let include = lib.with_file_name("include");
    cc::Build::new().cpp(true).flag("-std=c++17").flag("-w").include(include).files(sources).compile("sweep_tensor");
}
