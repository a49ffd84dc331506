//! The number of CPU threads for computing.

/// Sets the number of threads of libtorch's operations and, on the first call, of our own loops.
pub fn limit(threads: u32) {
    let threads = threads.max(1);
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    // The pool can be created only once, and a worker's slot never changes.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads as usize).build_global();
}
