//! The `sweep` executable that people start. It does not link libtorch: `sweep-worker` next to it trains and scores.

#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

/// If stdout is closed (`>&-`), writing to it must fail, as in every program. But Rust opens `/dev/null` in its place
/// before `main`, so writing succeeds. This function runs even earlier and opens the file for reading only.
#[cfg(target_os = "linux")]
extern "C" fn keep_stdout_closed() {
    use rustix::fs::{Mode, OFlags, open};
    use rustix::io::fcntl_getfd;
    use rustix::stdio::{dup2_stdout, stdout};

    if fcntl_getfd(stdout()).is_err()
        && let Ok(file) = open("/dev/null", OFlags::RDONLY, Mode::empty())
    {
        let placed = dup2_stdout(&file).is_ok();
        // The file itself is stdout, unless a lower descriptor was closed, too.
        if placed && file.as_raw_fd() == stdout().as_raw_fd() {
            std::mem::forget(file);
        }
    }
}

// SAFETY: functions in this section are called once, on the only thread, after the C library has started and before
// Rust has. This function only needs the C library: it makes system calls and allocates nothing.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_RUST: extern "C" fn() = keep_stdout_closed;

fn main() {
    std::process::exit(sweep_cli::main(env!("SWEEP_BUILD")).into())
}
