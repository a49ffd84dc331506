// What the C++ functions of this folder share.
//
// Tensors are at::Tensor*, as in tch; those that come out belong to the caller. A function returns nullptr, or the message of an
// exception, which the caller frees.

#pragma once

#include <cstring>
#include <exception>

template <typename F>
char* guarded(F f) {
    try {
        f();
        return nullptr;
    } catch (const std::exception& error) {
        return strdup(error.what());
    }
}
