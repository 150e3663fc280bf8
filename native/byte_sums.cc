#include "byte_sums.h"

#include <emmintrin.h>

#include <algorithm>
#include <vector>

namespace unskew {

namespace {

// psadbw adds eight unsigned bytes: of b + 128, and of b where it is above 0. SSE2, which every x86-64 has.
void sum_run(const int8_t* bytes, int64_t count, int32_t& sum, int32_t& above) {
  const __m128i zero = _mm_setzero_si128(), flip = _mm_set1_epi8(-128);
  __m128i all = zero, positive = zero;
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + i));
    all = _mm_add_epi64(all, _mm_sad_epu8(_mm_xor_si128(b, flip), zero));
    positive = _mm_add_epi64(positive, _mm_sad_epu8(_mm_and_si128(b, _mm_cmpgt_epi8(b, zero)), zero));
  }
  const auto total = [](__m128i v) { return _mm_cvtsi128_si64(v) + _mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v)); };
  int64_t of_all = total(all) - 128 * i, of_positive = total(positive);
  for (; i < count; i++) {
    of_all += bytes[i];
    of_positive += std::max<int>(bytes[i], 0);
  }
  sum = static_cast<int32_t>(of_all);
  above = static_cast<int32_t>(of_positive);
}

void add_row(const int8_t* row, int64_t length, int32_t* sums, int32_t* aboves) {
  for (int64_t i = 0; i < length; i++) {
    sums[i] += row[i];
    aboves[i] += std::max<int8_t>(row[i], 0);
  }
}

// Short rows are added several at a time, which gives loops something to vectorize.
constexpr int64_t kJoinedRows = 16;

}  // namespace

void byte_sums(const int8_t* bytes, int64_t blocks, int64_t rows, int64_t length, int32_t* sums, int32_t* aboves) {
  if (length == 1) {
    for (int64_t block = 0; block < blocks; block++) {
      sum_run(bytes + block * rows, rows, sums[block], aboves[block]);
    }
    return;
  }
  const int64_t joined = length < 64 ? kJoinedRows : 1, columns = joined * length;
  std::vector<int32_t> wide(static_cast<size_t>(2 * columns));
  for (int64_t block = 0; block < blocks; block++) {
    int32_t *own_sums = sums + block * length, *own_aboves = aboves + block * length;
    std::fill(wide.begin(), wide.end(), 0);
    int64_t row = 0;
    for (; row + joined <= rows; row += joined) {
      add_row(bytes, columns, wide.data(), wide.data() + columns);
      bytes += columns;
    }
    std::fill_n(own_sums, length, 0);
    std::fill_n(own_aboves, length, 0);
    for (int64_t i = 0; i < columns; i++) {
      own_sums[i % length] += wide[static_cast<size_t>(i)];
      own_aboves[i % length] += wide[static_cast<size_t>(columns + i)];
    }
    for (; row < rows; row++, bytes += length) add_row(bytes, length, own_sums, own_aboves);
  }
}

}  // namespace unskew
