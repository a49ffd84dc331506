// What libtorch's Rust bindings leave out of its ways with devices: flags of precision, and pinned memory.

#include <cstdint>

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include "guarded.h"

// cuDNN's flag is on where nobody has said anything. The older of the two interfaces sets both what it reads and what the newer one
// reads; setting the newer one alone makes the older one's readers throw.
extern "C" char* sweep_allow_tf32(bool allow) {
    return guarded([&] {
        at::globalContext().setAllowTF32CuBLAS(allow);
        at::globalContext().setAllowTF32CuDNN(allow);
    });
}

extern "C" char* sweep_tf32_is_allowed(bool* products, bool* convolutions) {
    return guarded([&] {
        *products = at::globalContext().allowTF32CuBLAS();
        *convolutions = at::globalContext().allowTF32CuDNN();
    });
}

// CPU memory that a GPU copies from by itself. It comes from libtorch's caching host allocator.
extern "C" char* sweep_pinned(at::Tensor** out, const int64_t* sizes, int64_t dimensions, bool is_double) {
    return guarded([&] {
        const auto options = at::TensorOptions().dtype(is_double ? at::kDouble : at::kFloat).pinned_memory(true);
        *out = new at::Tensor(at::empty(at::IntArrayRef(sizes, dimensions), options));
    });
}
