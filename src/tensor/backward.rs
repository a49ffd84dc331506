//! Backward kernels of libtorch that tch does not expose.

use std::ffi::c_char;

use tch::Tensor;
use torch_sys::C_tensor;

use super::native::check;

/// A two-dimensional convolution, transposed or not, without its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Stride of the kernel, in pixels.
    pub stride: i64,
    /// Zeros on each side of the image; a transposed convolution cuts off as many.
    pub padding: i64,
    /// Whether it is transposed: the gradient of a convolution with respect to its input, as an operation of its own.
    pub transposed: bool,
    /// Extra rows and columns at the end of a transposed convolution's output.
    pub output_padding: i64,
    /// Channels are split into this many groups, each with its own weights.
    pub groups: i64,
}

impl Convolution {
    /// Convolves x `[N, I, H, W]` with weights w: `[O, I/groups, k, k]`, or `[I, O/groups, k, k]` if transposed; b
    /// `[O]`.
    pub fn forward(&self, x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
        let Convolution { stride, padding, transposed, output_padding, groups } = *self;
        let both = |size| [size, size];
        x.convolution(w, b, both(stride), both(padding), [1, 1], transposed, both(output_padding), groups)
    }

    /// Returns the gradients of x, w and b from that of y; `None` for those not in `need`.
    pub fn backward(&self, dy: &Tensor, x: &Tensor, w: &Tensor, need: [bool; 3]) -> [Option<Tensor>; 3] {
        let outputs = dy.size()[1];
        let mut out = [std::ptr::null_mut(); 3];
        // SAFETY: all tensors are valid for the call, `out` and `need` have three elements, and we own the results.
        let error = unsafe {
            sweep_convolution_backward(
                out.as_mut_ptr(),
                dy.as_ptr(),
                x.as_ptr(),
                w.as_ptr(),
                outputs,
                self.stride,
                self.padding,
                self.transposed,
                self.output_padding,
                self.groups,
                need.as_ptr(),
            )
        };
        taken(out, error)
    }
}

/// Returns the gradients of x, weight and bias of `native_batch_norm` in training from that of y; `None` for those not
/// in `need`. `mean` and `inverse` were saved by the forward pass.
pub fn batch_norm(
    dy: &Tensor,
    x: &Tensor,
    weight: &Tensor,
    (mean, inverse): (&Tensor, &Tensor),
    epsilon: f64,
    need: [bool; 3],
) -> [Option<Tensor>; 3] {
    let mut out = [std::ptr::null_mut(); 3];
    // SAFETY: all tensors are valid for the call, `out` and `need` have three elements, and we own the results.
    let error = unsafe {
        sweep_batch_norm_backward(
            out.as_mut_ptr(),
            dy.as_ptr(),
            x.as_ptr(),
            weight.as_ptr(),
            mean.as_ptr(),
            inverse.as_ptr(),
            epsilon,
            need.as_ptr(),
        )
    };
    taken(out, error)
}

/// Returns the tensors of a call.
///
/// # Panics
///
/// With libtorch's message if there is one, like tch's functions.
fn taken(out: [*mut C_tensor; 3], error: *mut c_char) -> [Option<Tensor>; 3] {
    // SAFETY: backward.cpp returns null or a message from malloc.
    unsafe { check(error) };
    // SAFETY: each is null or a tensor that we own.
    out.map(|tensor| (!tensor.is_null()).then(|| unsafe { Tensor::from_ptr(tensor) }))
}

// SAFETY: the signatures are those in backward.cpp.
unsafe extern "C" {
    fn sweep_convolution_backward(
        out: *mut *mut C_tensor,
        dy: *const C_tensor,
        x: *const C_tensor,
        w: *const C_tensor,
        outputs: i64,
        stride: i64,
        padding: i64,
        transposed: bool,
        output_padding: i64,
        groups: i64,
        mask: *const bool,
    ) -> *mut c_char;

    fn sweep_batch_norm_backward(
        out: *mut *mut C_tensor,
        dy: *const C_tensor,
        x: *const C_tensor,
        weight: *const C_tensor,
        mean: *const C_tensor,
        inverse: *const C_tensor,
        epsilon: f64,
        mask: *const bool,
    ) -> *mut c_char;
}
