//! Error handling for this folder's C++ functions: each returns null, or the message of an exception.

use std::ffi::{CStr, c_char, c_void};

use tch::TchError;

/// Checks `error`, the result of a function in this folder.
///
/// # Panics
///
/// If it is not null, with libtorch's message, like tch's functions.
///
/// # Safety
///
/// `error` is null or a C string from malloc that nobody else frees.
pub(super) unsafe fn check(error: *mut c_char) {
    if !error.is_null() {
        // SAFETY: the caller guarantees it.
        let message = unsafe {
            let message = CStr::from_ptr(error).to_string_lossy().into_owned();
            free(error.cast());
            message
        };
        panic!("{}", TchError::Torch(message));
    }
}

// SAFETY: the signature is that of the C library.
unsafe extern "C" {
    fn free(pointer: *mut c_void);
}
