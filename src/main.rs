//! The executable. Everything is in the library.

use std::process::ExitCode;

/// Intel MKL inside libtorch picks its slowest kernels on other makers' processors, unless the process itself says, through this
/// function that MKL looks up by name, that the fast ones may be used: on AMD EPYC (Zen 5) that doubles the speed of sgemm.
#[unsafe(no_mangle)]
pub extern "C" fn mkl_serv_intel_cpu_true() -> i32 {
    1
}

fn main() -> ExitCode {
    sweep::cli::main()
}
