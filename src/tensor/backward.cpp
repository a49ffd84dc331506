// Backward kernels of libtorch that its Rust bindings leave out, since their masks are C++ arrays of bool.

#include <array>
#include <cstdint>
#include <tuple>

#include <ATen/core/Tensor.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/native_batch_norm_backward.h>

#include "guarded.h"

namespace {

at::Tensor* released(const at::Tensor& tensor) {
    return tensor.defined() ? new at::Tensor(tensor) : nullptr;
}

void release(at::Tensor** out, const std::tuple<at::Tensor, at::Tensor, at::Tensor>& tensors) {
    out[0] = released(std::get<0>(tensors));
    out[1] = released(std::get<1>(tensors));
    out[2] = released(std::get<2>(tensors));
}

}  // namespace

extern "C" char* sweep_convolution_backward(at::Tensor** out, const at::Tensor* dy, const at::Tensor* x, const at::Tensor* w,
                                            int64_t bias, int64_t stride, int64_t padding, bool transposed,
                                            int64_t output_padding, int64_t groups, const bool* mask) {
    return guarded([&] {
        const std::array<int64_t, 2> strides{stride, stride}, paddings{padding, padding}, dilations{1, 1},
            output_paddings{output_padding, output_padding};
        release(out, at::convolution_backward(*dy, *x, *w, at::IntArrayRef(bias), strides, paddings, dilations, transposed,
                                              output_paddings, groups, {mask[0], mask[1], mask[2]}));
    });
}

extern "C" char* sweep_batch_norm_backward(at::Tensor** out, const at::Tensor* dy, const at::Tensor* x, const at::Tensor* weight,
                                           const at::Tensor* mean, const at::Tensor* inverse, double epsilon, const bool* mask) {
    return guarded([&] {
        release(out, at::native_batch_norm_backward(*dy, *x, *weight, {}, {}, *mean, *inverse, true, epsilon,
                                                    {mask[0], mask[1], mask[2]}));
    });
}
