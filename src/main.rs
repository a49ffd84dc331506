//! The executable. Everything is in the library.

use std::io::Write;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

/// Intel MKL inside libtorch picks its slowest kernels on other makers' processors, unless the process itself says, through this
/// function that MKL looks up by name, that the fast ones may be used: on AMD EPYC (Zen 5) that doubles the speed of sgemm.
#[unsafe(no_mangle)]
pub extern "C" fn mkl_serv_intel_cpu_true() -> i32 {
    1
}

/// Where stdout is closed (`>&-`), writing to it must fail, as it does for every program. But Rust opens `/dev/null` there before it calls
/// `main`, and so makes it work. Hence, still before that, and only then, the same file is opened for reading alone.
#[cfg(target_os = "linux")]
extern "C" fn keep_stdout_closed() {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::fcntl_getfd;
    use rustix::stdio::{dup2_stdout, stdout};

    if fcntl_getfd(stdout()).is_err()
        && let Ok(file) = open("/dev/null", OFlags::RDONLY, Mode::empty())
    {
        let placed = dup2_stdout(&file).is_ok();
        // It is stdout itself where nothing below it was closed.
        if placed && file.as_raw_fd() == stdout().as_raw_fd() {
            std::mem::forget(file);
        }
    }
}

// SAFETY: what stands in this section is called once, on the only thread, after the C library has started and before Rust has; the
// function needs the former alone: it makes system calls and allocates nothing.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_RUST: extern "C" fn() = keep_stdout_closed;

fn main() {
    let code = sweep::cli::main();
    // As Rust does when `main` returns; whoever has to know whether something was written has asked.
    let _ = std::io::stdout().flush();
    // SAFETY: it ends the process, and nothing is left to do: what has a destructor was dropped in `cli::main`. An ordinary exit would take
    // down all tables of libtorch, which is a third of the time of a short command.
    unsafe { libc::_exit(code.into()) }
}
