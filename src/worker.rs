//! The executable that links libtorch: `sweep`, in the same folder, starts it to train and score.

use std::io::Write;

/// Intel MKL inside libtorch selects its slowest kernels on processors of other makers, unless the process has this
/// function, which MKL looks up by name. It doubles the speed of sgemm on AMD EPYC (Zen 5).
#[unsafe(no_mangle)]
pub extern "C" fn mkl_serv_intel_cpu_true() -> i32 {
    1
}

fn main() {
    let code = sweep_compute::main(env!("SWEEP_BUILD"));
    // As Rust does when `main` returns. Callers that need to know whether a write succeeded have checked.
    let _ = std::io::stdout().flush();
    // SAFETY: this ends the process, and nothing is left to do: `main` of the library has dropped everything with a
    // destructor. A normal exit would also destroy libtorch's tables, a third of the time of a short command.
    unsafe { libc::_exit(code.into()) }
}
