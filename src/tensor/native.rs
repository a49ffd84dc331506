//! What this folder's C++ functions have in common: each returns null, or the message of an exception.

use std::ffi::{CStr, c_char, c_void};

use tch::TchError;

/// Goes on where `error`, what a function of this folder has returned, is null.
///
/// # Panics
///
/// With libtorch's message if there is one, as tch's functions do.
///
/// # Safety
///
/// `error` is null or a C string from malloc that nobody else frees.
pub(super) unsafe fn check(error: *mut c_char) {
    if !error.is_null() {
        // SAFETY: as the caller promises.
        let message = unsafe {
            let message = CStr::from_ptr(error).to_string_lossy().into_owned();
            free(error.cast());
            message
        };
        panic!("{}", TchError::Torch(message));
    }
}

// SAFETY: as the C library has it.
unsafe extern "C" {
    fn free(pointer: *mut c_void);
}
