// Polynomials by Horner's rule, each step rounded to the type of x.
#pragma once

#include <cstddef>

#include "kernels/elementwise.h"

namespace unskew {

// Without a loop, which the compiler would have to unroll before it vectorizes the loop around.
template <class T, size_t kCount, size_t kAt = kCount - 1>
UNSKEW_INLINE T polynomial(T x, const T (&from_highest)[kCount]) {
  if constexpr (kAt == 0) {
    return from_highest[0];
  } else {
    return polynomial<T, kCount, kAt - 1>(x, from_highest) * x + from_highest[kAt];
  }
}

}  // namespace unskew
