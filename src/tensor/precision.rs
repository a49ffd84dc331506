//! Products in less than float32.

use std::ffi::c_char;

use tch::{Device, Kind, Tensor};

use super::native::check;

/// Whether products and convolutions of float32 tensors on NVIDIA GPUs take their inputs as TensorFloat-32, from now on and in the
/// whole process. Where nobody has said, libtorch's products don't, but its convolutions do.
pub fn allow_tf32(allow: bool) {
    // SAFETY: the function sets two flags, and returns null or a message from malloc.
    unsafe { check(sweep_allow_tf32(allow)) }
}

/// What [`allow_tf32`] has last said, for products and for convolutions.
pub fn tf32_is_allowed() -> [bool; 2] {
    let [mut products, mut convolutions] = [false; 2];
    // SAFETY: both pointers are valid for the call; the function returns null or a message from malloc.
    unsafe { check(sweep_tf32_is_allowed(&mut products, &mut convolutions)) };
    [products, convolutions]
}

/// a · b for batches of matrices, `[K, m, k]` and `[K, k, n]`: from inputs rounded to bfloat16, in the kind of `a`. Products of two
/// bfloat16 numbers are exact in float32, and are summed there.
pub fn bf16_matmul(a: &Tensor, b: &Tensor) -> Tensor {
    match a.device() {
        // Only GPUs have a product with inputs and output of different kinds.
        Device::Cuda(_) if a.kind() == Kind::Float => bf16(a).bmm_dtype(&bf16(b), Kind::Float),
        _ => bf16(a).to_kind(a.kind()).matmul(&bf16(b).to_kind(a.kind())),
    }
}

/// `x` rounded to bfloat16.
pub fn bf16(x: &Tensor) -> Tensor {
    x.to_kind(Kind::BFloat16)
}

// SAFETY: as device.cpp defines them.
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
        // 1 + 2⁻⁹ is not in bfloat16, which has 7 bits of mantissa; 256 + 1 is not either, but it is a sum.
        let row = |x: &[f32]| Tensor::from_slice(x).view([1, 1, -1]);
        let column = |x: &[f32]| Tensor::from_slice(x).view([1, -1, 1]);
        let found = bf16_matmul(&row(&[1.0 + 1.0 / 512.0, 16.0, 1.0]), &column(&[1.0, 16.0, 1.0]));
        assert_eq!((found.kind(), found.size(), to_f64(&found)), (Kind::Float, vec![1, 1, 1], vec![258.0]));
    }
}
