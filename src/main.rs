//! The executable that people start. It links no libtorch: what trains and scores is `sweep-worker` beside it.

#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

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
    std::process::exit(sweep_cli::main(env!("SWEEP_BUILD")).into())
}
