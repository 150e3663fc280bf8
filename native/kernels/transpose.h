// destination[r, c] = source[c, r]: rows are consecutive in the source, columns in the destination.
#pragma once

#include "kernels/kernel.h"

namespace unskew {

template <class T>
void transpose_scalar(const T* source, int64_t source_stride, T* destination, int64_t destination_stride, int64_t rows,
                      int64_t columns) {
  constexpr int64_t kTile = 64 / sizeof(T);  // a cache line of either side
  for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t c = c0; c < std::min(columns, c0 + kTile); c++) {
        destination[r * destination_stride + c] = source[c * source_stride + r];
      }
    }
  }
}

template <class T>
void transpose_block(Isa, const T* source, int64_t source_stride, T* destination, int64_t destination_stride,
                     int64_t rows, int64_t columns) {
  transpose_scalar(source, source_stride, destination, destination_stride, rows, columns);
}

}  // namespace unskew
