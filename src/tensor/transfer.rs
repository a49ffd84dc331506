//! Copies numbers from the CPU to a device without waiting.
//!
//! A copy from ordinary memory to a GPU waits until the GPU has finished its queue. A copy from pinned memory goes into
//! the queue like everything else, while the CPU goes on. The memory must not change until the copy is done. libtorch
//! ensures this: the memory comes from its caching host allocator. copy_kernel_cuda (aten/src/ATen/native/cuda/Copy.cu)
//! records an event for the block after a copy that does not wait. The allocator
//! (aten/src/ATen/core/CachingHostAllocator.h) reuses a freed block only after its events. So each call allocates a
//! block and drops it. The driver's queue bounds how many are in flight: it holds about a thousand kernels, a few
//! training steps.

use std::ffi::c_char;

use rayon::prelude::*;
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use super::host::values_mut;
use super::native::check;

/// Values of K members, `[K, each]`, in float32. `make` fills the values of the member at a position; members run in
/// parallel on the threads of [`super::threads::limit`]. There is at least one value.
pub fn members(
    count: usize,
    each: usize,
    (kind, device): (Kind, Device),
    make: impl Fn(usize, &mut [f32]) + Sync,
) -> Tensor {
    let mut made = room(&[count as i64, each as i64], Kind::Float, device);
    let rows = values_mut::<f32>(&mut made).par_chunks_mut(each);
    rows.enumerate().for_each(|(k, row)| make(k, row));
    sent(&made, kind, device)
}

/// Copies `values` to the device, as a tensor of this shape.
pub fn upload(values: &[f64], shape: &[i64], (kind, device): (Kind, Device)) -> Tensor {
    let values = Tensor::from_slice(values).view(shape).to_kind(kind);
    if device == Device::Cpu {
        return values;
    }
    let mut made = room(shape, kind, device);
    made.copy_(&values);
    sent(&made, kind, device)
}

/// CPU memory for values that go to `device`.
fn room(shape: &[i64], kind: Kind, device: Device) -> Tensor {
    if device == Device::Cpu {
        return Tensor::empty(shape, (kind, device));
    }
    let mut out = std::ptr::null_mut();
    // SAFETY: all pointers are valid for the call, and we own the result; the message is null or from malloc.
    unsafe {
        check(sweep_pinned(&mut out, shape.as_ptr(), shape.len() as i64, kind == Kind::Double));
        Tensor::from_ptr(out)
    }
}

/// Copies `made` to `device`. The copy is in the device's queue when this returns.
fn sent(made: &Tensor, kind: Kind, device: Device) -> Tensor {
    let there =
        if device == Device::Cpu { made.shallow_clone() } else { made.to_device_(device, made.kind(), true, true) };
    // The kind is converted on the device, so that only pinned memory is copied.
    there.to_kind(kind)
}

// SAFETY: the signature is that in device.cpp.
unsafe extern "C" {
    fn sweep_pinned(out: *mut *mut C_tensor, sizes: *const i64, dimensions: i64, is_double: bool) -> *mut c_char;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::to_f64;

    #[test]
    fn each_member_has_its_own_row() {
        for kind in [Kind::Float, Kind::Double] {
            let made = members(5, 3, (kind, Device::Cpu), |k, row| {
                row.iter_mut().enumerate().for_each(|(i, x)| *x = (10 * k + i) as f32);
            });
            assert_eq!((made.size(), made.kind()), (vec![5, 3], kind));
            let expected: Vec<f64> = (0..5).flat_map(|k| (0..3).map(move |i| f64::from(10 * k + i))).collect();
            assert_eq!(to_f64(&made), expected);
        }
    }

    #[test]
    fn a_column_keeps_its_numbers() {
        let there = upload(&[1.0, 2.0, 0.1, 4.0], &[2, 2, 1], (Kind::Float, Device::Cpu));
        assert_eq!((there.size(), to_f64(&there)), (vec![2, 2, 1], vec![1.0, 2.0, f64::from(0.1f32), 4.0]));
    }

    /// Without a GPU libtorch reports an error, which becomes a panic; nothing is leaked or freed twice.
    #[test]
    fn pinned_memory_without_a_gpu_is_a_panic_in_libtorchs_words() {
        if tch::Cuda::is_available() {
            let there = upload(&[1.0, 2.0], &[2], (Kind::Float, Device::Cuda(0)));
            assert_eq!(to_f64(&there), [1.0, 2.0]);
            return;
        }
        let refused = std::panic::catch_unwind(|| room(&[2, 3], Kind::Float, Device::Cuda(0)));
        let message = refused.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("pin_memory"), "{message}");
    }
}
