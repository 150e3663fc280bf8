// Vectors of the compiler: as many lanes as an instruction set has, or several registers of them.
#pragma once

#include <cstring>

#include "kernels/elementwise.h"

namespace unskew {

template <class T, int kLanes>
struct VectorOf {
  typedef T Type __attribute__((vector_size(kLanes * sizeof(T))));
};
template <class T, int kLanes>
using Vector = typename VectorOf<T, kLanes>::Type;

template <class T, class V>
UNSKEW_INLINE void load_vector(const T* from, V& to) {
  std::memcpy(&to, from, sizeof to);
}
template <class T, class V>
UNSKEW_INLINE void store_vector(const V& from, T* to) {
  std::memcpy(to, &from, sizeof from);
}

// The version of a loop for an instruction set; `Loop` takes the bytes of a vector.
template <template <int> class Loop>
auto wide_version_of(Isa isa) {
  if (isa == Isa::avx512) return version_of<Loop<64>>(isa);
  return isa == Isa::avx2 ? version_of<Loop<32>>(isa) : version_of<Loop<16>>(isa);
}

}  // namespace unskew
