//! How many CPU threads this process computes with.

/// `threads` for libtorch's operations, and, where this is said for the first time, for loops of our own.
pub fn limit(threads: u32) {
    let threads = threads.max(1);
    tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    // The pool can be made only once; a worker's slot never changes.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads as usize).build_global();
}
