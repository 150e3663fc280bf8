// destination[r, c] = source[c, r]: rows are consecutive in the source, columns in the destination.
#pragma once

#include "kernels/kernel.h"

namespace unskew {

// T is uint8_t, uint16_t, uint32_t or uint64_t; strides are in elements.
template <class T>
void transpose_block(Isa isa, const T* source, int64_t source_stride, T* destination, int64_t destination_stride,
                     int64_t rows, int64_t columns);

}  // namespace unskew
