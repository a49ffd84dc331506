//! Recognises from messages that a process gave up because it lacked memory or space. The same list serves a worker's
//! own log and the stderr of one that logged nothing.

/// What a process lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Memory, of the device or of the host.
    Memory,
    /// Space or permission to write.
    Space,
}

/// Parts of messages in lower case, with their meaning.
const WORDS: [(&str, Shortage); 17] = [
    // CUDA, PyTorch and JAX of a GPU: `CUDA error: out of memory`, `CUDA out of memory. Tried to allocate …`.
    ("out of memory", Shortage::Memory),
    ("out_of_memory", Shortage::Memory),
    ("out-of-memory", Shortage::Memory),
    ("resource_exhausted", Shortage::Memory),
    // TensorFlow.
    ("oom when allocating", Shortage::Memory),
    // cuBLAS, cuDNN, cuSOLVER, cuSPARSE, cuFFT.
    ("_alloc_failed", Shortage::Memory),
    // PyTorch of the host.
    ("can't allocate memory", Shortage::Memory),
    ("not enough memory", Shortage::Memory),
    // C++, Rust, Python with NumPy.
    ("bad_alloc", Shortage::Memory),
    ("memory allocation of", Shortage::Memory),
    ("memoryerror", Shortage::Memory),
    // The system: ENOMEM.
    ("cannot allocate memory", Shortage::Memory),
    // ENOSPC, EDQUOT, EROFS, EACCES, and EFBIG, which `ulimit -f` gives.
    ("no space left on device", Shortage::Space),
    ("disk quota exceeded", Shortage::Space),
    ("read-only file system", Shortage::Space),
    (DENIED, Shortage::Space),
    ("file too large", Shortage::Space),
];

/// Programs also report it for other files and continue.
const DENIED: &str = "permission denied";

impl Shortage {
    /// Whether `text` is about a permission, not necessarily to write.
    pub fn is_denied(text: &str) -> bool {
        text.to_ascii_lowercase().contains(DENIED)
    }

    /// Returns the shortage that `text` reports, if any.
    pub fn told_by(text: &str) -> Option<Shortage> {
        let text = text.to_ascii_lowercase();
        WORDS.iter().find(|(words, _)| text.contains(words)).map(|&(_, shortage)| shortage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_say_tells_what_is_missing() {
        // Of PyTorch, CUDA, JAX, NumPy, C++, Rust, glibc.
        let memory = [
            "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 139.80 GiB of which 5 MiB \
            is free.",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            "CUDA error: out of memory",
            "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
            "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
            "RESOURCE_EXHAUSTED: Failed to allocate request for 1.25GiB (1342177280B) on device ordinal 0",
            "failed call to cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY",
            "OOM when allocating tensor with shape[64,1024]",
            "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.",
            "[enforce fail at alloc_cpu.cpp:126] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to \
            allocate 1 bytes.",
            "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.28 TiB for an array with shape (1000000, \
            1000000)",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "memory allocation of 805306368 bytes failed",
            "error: cannot map x: Cannot allocate memory (os error 12)",
        ];
        let space = [
            "error: checkpoint.safetensors: No space left on device (os error 28)",
            "OSError: [Errno 122] Disk quota exceeded: 'x'",
            "error: x: Read-only file system (os error 30)",
            "PermissionError: [Errno 13] Permission denied: '/results/x'",
            "error: x: File too large (os error 27)",
        ];
        for (texts, shortage) in [(&memory[..], Shortage::Memory), (&space[..], Shortage::Space)] {
            for text in texts {
                assert_eq!(Shortage::told_by(text), Some(shortage), "{text}");
            }
        }
        for text in ["", "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", "Input/output error (os error 5)"] {
            assert_eq!(Shortage::told_by(text), None, "{text}");
        }
    }
}
