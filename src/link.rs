//! The build script of every package whose executables or tests link libtorch: so that these find it again by themselves, it gives them an
//! rpath, and no LD_LIBRARY_PATH is needed. `links = "sweep_tensor"` in src/tensor/Cargo.toml is where the path comes from.

fn main() {
    println!("cargo:rerun-if-changed=../link.rs");
    if let Ok(lib) = std::env::var("DEP_SWEEP_TENSOR_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    }
    println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
    println!("cargo:rustc-link-arg=-ltorch");
    // See src/main.rs: libtorch looks this function up in the executable.
    if std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == "sweep") {
        println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
    }
}
