//! Slices of the memory of CPU tensors, for loops that libtorch would need several passes for.

use sweep_numerics::math::Float;
use tch::{Device, Kind, Tensor};

/// A number type of tensors.
pub trait Number: tch::kind::Element + Float {}
impl Number for f32 {}
impl Number for f64 {}

/// The values of a contiguous CPU tensor of `T`, row-major.
pub fn values<T: Number>(tensor: &Tensor) -> &[T] {
    check::<T>(tensor);
    // A tensor without values has a null pointer.
    if tensor.numel() == 0 {
        return &[];
    }
    // SAFETY: the tensor holds `numel` initialised values of T in one block (checked), which lives as long as the
    // tensor. No one writes to it while it is borrowed: writers use `values_mut`, which borrows it mutably, or libtorch
    // between calls.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<T>(), tensor.numel()) }
}

/// As [`values`], for writing. Tensors that share the memory see the change, which parameter views rely on.
pub fn values_mut<T: Number>(tensor: &mut Tensor) -> &mut [T] {
    check::<T>(tensor);
    if tensor.numel() == 0 {
        return &mut [];
    }
    // SAFETY: as in `values`; the mutable borrow excludes other users of this tensor. Views of the same memory are only
    // read by libtorch calls, none of which runs while the slice is in use.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<T>(), tensor.numel()) }
}

/// Copies `tensor`'s values as float64, row-major, from any device and kind.
pub fn to_f64(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_device(Device::Cpu).to_kind(Kind::Double).contiguous();
    values::<f64>(&tensor).to_vec()
}

/// Copies `tensor`'s values as float32, row-major, from any device and kind.
pub fn to_f32(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    values::<f32>(&tensor).to_vec()
}

fn check<T: Number>(tensor: &Tensor) {
    assert!(
        tensor.device() == Device::Cpu && tensor.kind() == T::KIND && tensor.is_contiguous(),
        "expected a contiguous CPU tensor of {:?}, found {tensor:?}",
        T::KIND
    );
}

/// Copies the bytes of `tensor`, row-major, from any device.
pub fn bytes(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_without_values_is_an_empty_slice() {
        let mut empty = Tensor::zeros([3, 0], (Kind::Float, Device::Cpu));
        assert_eq!(values_mut::<f32>(&mut empty).len(), 0);
        assert!(to_f64(&empty).is_empty());
    }
}
