//! Products with less precision than float32.

use std::ffi::c_char;

use tch::{Device, Kind, Tensor};

use super::native::check;

/// Sets whether products and convolutions of float32 tensors on NVIDIA GPUs round their inputs to TensorFloat-32, for
/// the whole process. libtorch's default is no for products and yes for convolutions.
pub fn allow_tf32(allow: bool) {
    // SAFETY: the function sets two flags, and returns null or a message from malloc.
    unsafe { check(sweep_allow_tf32(allow)) }
}

/// The current setting of [`allow_tf32`], for products and for convolutions.
pub fn tf32_is_allowed() -> [bool; 2] {
    let [mut products, mut convolutions] = [false; 2];
    // SAFETY: both pointers are valid for the call; the function returns null or a message from malloc.
    unsafe { check(sweep_tf32_is_allowed(&mut products, &mut convolutions)) };
    [products, convolutions]
}

/// a · b for batches of matrices, `[K, m, k]` and `[K, k, n]`, with inputs rounded to bfloat16; the result has the kind
/// of `a`. Products of two bfloat16 numbers are exact in float32, and are summed in float32.
pub fn bf16_matmul(a: &Tensor, b: &Tensor) -> Tensor {
    match a.device() {
        // Only GPUs have a product whose inputs and output differ in kind.
        Device::Cuda(_) if a.kind() == Kind::Float => bf16(a).bmm_dtype(&bf16(b), Kind::Float),
        _ => bf16(a).to_kind(a.kind()).matmul(&bf16(b).to_kind(a.kind())),
    }
}

/// `x` rounded to bfloat16.
pub fn bf16(x: &Tensor) -> Tensor {
    x.to_kind(Kind::BFloat16)
}

// SAFETY: the signatures are those in device.cpp.
unsafe extern "C" {
    fn sweep_allow_tf32(allow: bool) -> *mut c_char;
    fn sweep_tf32_is_allowed(products: *mut bool, convolutions: *mut bool) -> *mut c_char;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::to_f64;

    #[test]
    fn inputs_are_rounded_and_sums_are_not() {
        // bfloat16 has 7 bits of mantissa, so it has neither 1 + 2⁻⁹ nor 256 + 1; but the latter is a sum.
        let row = |x: &[f32]| Tensor::from_slice(x).view([1, 1, -1]);
        let column = |x: &[f32]| Tensor::from_slice(x).view([1, -1, 1]);
        let found = bf16_matmul(&row(&[1.0 + 1.0 / 512.0, 16.0, 1.0]), &column(&[1.0, 16.0, 1.0]));
        assert_eq!((found.kind(), found.size(), to_f64(&found)), (Kind::Float, vec![1, 1, 1], vec![258.0]));
    }
}
