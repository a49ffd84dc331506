//! The executable that links libtorch: it trains and scores what `sweep`, beside which it lies, hands over to it.

use std::io::Write;

/// Intel MKL inside libtorch picks its slowest kernels on other makers' processors, unless the process itself says, through this
/// function that MKL looks up by name, that the fast ones may be used: on AMD EPYC (Zen 5) that doubles the speed of sgemm.
#[unsafe(no_mangle)]
pub extern "C" fn mkl_serv_intel_cpu_true() -> i32 {
    1
}

fn main() {
    let code = sweep_compute::main(env!("SWEEP_BUILD"));
    // As Rust does when `main` returns; whoever has to know whether something was written has asked.
    let _ = std::io::stdout().flush();
    // SAFETY: it ends the process, and nothing is left to do: what has a destructor was dropped in `main` of the library. An ordinary exit would
    // take down all tables of libtorch, which is a third of the time of a short command.
    unsafe { libc::_exit(code.into()) }
}
