//! Memory that is freed and allocated again at every step.

/// Keeps freed memory in the process. Otherwise the system would have to clear and map it again for the next large
/// tensor, a few percent of a training step. For training processes; has an effect on glibc only.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// The largest threshold that glibc accepts for blocks with their own pages.
        const LARGEST: libc::c_int = 32 << 20;
        // SAFETY: mallopt only sets the allocator's parameters. It is called before training starts, as required:
        // before there are threads.
        let told = unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST) & libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX)
        };
        if told == 0 {
            tracing::debug!("the allocator did not accept the settings for freed memory");
        }
    }
}
