//! Memory that is freed and asked for again at every step.

/// Keeps freed memory in the process instead of giving it back to the system, which would have to clear and map it anew for the next
/// large tensor: a few percent of a training step. For processes that train; only glibc needs to be told.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The most that glibc takes as the size from which a block gets pages of its own.
        const LARGEST: libc::c_int = 32 << 20;
        // SAFETY: mallopt only sets the allocator's parameters; called before training starts, as it must be before threads do.
        let told = unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST) & libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX)
        };
        if told == 0 {
            tracing::debug!("the allocator keeps its own ways with freed memory");
        }
    }
}
