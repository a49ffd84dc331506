//! The build script of every package whose executables or tests link libtorch: so that these find it again by themselves, it gives them an
//! rpath, and no LD_LIBRARY_PATH is needed. `links = "sweep_tensor"` in src/tensor/Cargo.toml is where the path comes from.

/// The one executable that links it.
const WORKER: &str = "bin=sweep-worker";

fn main() {
    println!("cargo:rerun-if-changed=../link.rs");
    let mut args = vec!["-Wl,--no-as-needed".to_owned(), "-ltorch".to_owned()];
    if let Ok(lib) = std::env::var("DEP_SWEEP_TENSOR_LIB") {
        args.insert(0, format!("-Wl,-rpath,{lib}"));
    }
    // The package with the executables, one of which links none.
    if std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == "sweep") {
        for arg in &args {
            println!("cargo:rustc-link-arg-{WORKER}={arg}");
            println!("cargo:rustc-link-arg-tests={arg}");
        }
        // See src/worker.rs: libtorch looks this function up in the executable.
        println!("cargo:rustc-link-arg-{WORKER}=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
    } else {
        args.iter().for_each(|arg| println!("cargo:rustc-link-arg={arg}"));
    }
}
