#include "kernels/transpose.h"

#include "kernels/elementwise.h"
#include "kernels/intrinsics.h"

namespace unskew {

namespace {

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

// Few columns side by side, such as the channels of an image: rows of the source become every kCount-th element.
template <class T, int kCount>
struct Interleave {
  UNSKEW_INLINE static void run(const T* source, int64_t source_stride, T* destination, int64_t rows) {
    for (int64_t r = 0; r < rows; r++) {
      for (int c = 0; c < kCount; c++) destination[r * kCount + c] = source[c * source_stride + r];
    }
  }
};

// The reverse: few rows.
template <class T, int kCount>
struct Separate {
  UNSKEW_INLINE static void run(const T* source, T* destination, int64_t destination_stride, int64_t columns) {
    for (int64_t c = 0; c < columns; c++) {
      for (int r = 0; r < kCount; r++) destination[r * destination_stride + c] = source[c * kCount + r];
    }
  }
};

template <class T, int kCount>
bool transpose_few(Isa isa, const T* source, int64_t source_stride, T* destination, int64_t destination_stride,
                   int64_t rows, int64_t columns) {
  if (columns == kCount && destination_stride == kCount) {
    version_of<Interleave<T, kCount>>(isa)(source, source_stride, destination, rows);
    return true;
  }
  if (rows == kCount && source_stride == kCount) {
    version_of<Separate<T, kCount>>(isa)(source, destination, destination_stride, columns);
    return true;
  }
  return false;
}

// 16 x 16 bytes, with instructions that every x86-64 has: four rounds of unpacking pairs that lie 8 rows apart.
void transpose_16x16(const uint8_t* source, int64_t source_stride, uint8_t* destination, int64_t destination_stride) {
  __m128i even[16], odd[16];
  for (int i = 0; i < 16; i++) even[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i * source_stride));
  const auto round = [](const __m128i* from, __m128i* to) {
    for (int i = 0; i < 8; i++) {
      to[2 * i] = _mm_unpacklo_epi8(from[i], from[i + 8]);
      to[2 * i + 1] = _mm_unpackhi_epi8(from[i], from[i + 8]);
    }
  };
  round(even, odd);
  round(odd, even);
  round(even, odd);
  round(odd, even);
  for (int i = 0; i < 16; i++)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(destination + i * destination_stride), even[i]);
}

// 8 x 8 pairs of bytes, likewise in three rounds.
void transpose_8x8(const uint16_t* source, int64_t source_stride, uint16_t* destination, int64_t destination_stride) {
  __m128i even[8], odd[8];
  for (int i = 0; i < 8; i++) even[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i * source_stride));
  const auto round = [](const __m128i* from, __m128i* to) {
    for (int i = 0; i < 4; i++) {
      to[2 * i] = _mm_unpacklo_epi16(from[i], from[i + 4]);
      to[2 * i + 1] = _mm_unpackhi_epi16(from[i], from[i + 4]);
    }
  };
  round(even, odd);
  round(odd, even);
  round(even, odd);
  for (int i = 0; i < 8; i++)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(destination + i * destination_stride), odd[i]);
}

// Eight rows of four words.
void transpose_8x4(const uint32_t* source, int64_t source_stride, uint32_t* destination, int64_t destination_stride) {
  for (int half = 0; half < 2; half++, source += 4, destination += 4 * destination_stride) {
    __m128 rows[4];
    for (int i = 0; i < 4; i++) rows[i] = _mm_loadu_ps(reinterpret_cast<const float*>(source + i * source_stride));
    _MM_TRANSPOSE4_PS(rows[0], rows[1], rows[2], rows[3]);
    for (int i = 0; i < 4; i++) _mm_storeu_ps(reinterpret_cast<float*>(destination + i * destination_stride), rows[i]);
  }
}

// By tiles. The last ones end where the block does, so that they have rows and columns of those before; less than a tile goes one by
// one.
template <class T, int kRows, int kColumns, class Tile>
void transpose_tiles(const Tile& tile, const T* source, int64_t source_stride, T* destination, int64_t destination_stride,
                     int64_t rows, int64_t columns) {
  if (rows < kRows || columns < kColumns)
    return transpose_scalar(source, source_stride, destination, destination_stride, rows, columns);
  for (int64_t row = 0; row < rows; row += kRows) {
    const int64_t r = std::min(row, rows - kRows);
    for (int64_t column = 0; column < columns; column += kColumns) {
      const int64_t c = std::min(column, columns - kColumns);
      tile(source + c * source_stride + r, source_stride, destination + r * destination_stride + c, destination_stride);
    }
  }
}

}  // namespace

template <class T>
void transpose_block(Isa isa, const T* source, int64_t source_stride, T* destination, int64_t destination_stride,
                     int64_t rows, int64_t columns) {
  if (isa == Isa::scalar) {
    transpose_scalar(source, source_stride, destination, destination_stride, rows, columns);
  } else if (transpose_few<T, 2>(isa, source, source_stride, destination, destination_stride, rows, columns) ||
             transpose_few<T, 3>(isa, source, source_stride, destination, destination_stride, rows, columns) ||
             transpose_few<T, 4>(isa, source, source_stride, destination, destination_stride, rows, columns)) {
    return;
  } else if constexpr (sizeof(T) == 1) {
    transpose_tiles<T, 16, 16>(transpose_16x16, source, source_stride, destination, destination_stride, rows, columns);
  } else if constexpr (sizeof(T) == 2) {
    transpose_tiles<T, 8, 8>(transpose_8x8, source, source_stride, destination, destination_stride, rows, columns);
  } else if constexpr (sizeof(T) == 4) {
    transpose_tiles<T, 8, 4>(transpose_8x4, source, source_stride, destination, destination_stride, rows, columns);
  } else {
    transpose_scalar(source, source_stride, destination, destination_stride, rows, columns);
  }
}

template void transpose_block(Isa, const uint8_t*, int64_t, uint8_t*, int64_t, int64_t, int64_t);
template void transpose_block(Isa, const uint16_t*, int64_t, uint16_t*, int64_t, int64_t, int64_t);
template void transpose_block(Isa, const uint32_t*, int64_t, uint32_t*, int64_t, int64_t, int64_t);
template void transpose_block(Isa, const uint64_t*, int64_t, uint64_t*, int64_t, int64_t, int64_t);

}  // namespace unskew
