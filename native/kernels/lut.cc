#include "kernels/intrinsics.h"

#include "kernels/byte_lookup.h"
#include "kernels/elementwise.h"

namespace unskew {

namespace {

void lut_scalar(const uint8_t* source, const uint8_t* table, uint8_t* destination, int64_t count) {
  for (int64_t i = 0; i < count; i++) destination[i] = table[source[i]];
}

// Two lookups of 128 entries each; the top bit of the index chooses.
UNSKEW_AVX512_VBMI void lut_avx512(const uint8_t* source, const uint8_t* table, uint8_t* destination, int64_t count) {
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  for (int64_t i = 0; i < count; i += 64) {
    const __mmask64 mask = count - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (count - i)) - 1;
    const __m512i index = _mm512_maskz_loadu_epi8(mask, source + i);
    const __m512i low = _mm512_permutex2var_epi8(t0, index, t1);
    const __m512i high = _mm512_permutex2var_epi8(t2, index, t3);
    _mm512_mask_storeu_epi8(destination + i, mask, _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high));
  }
}

void rows_scalar(const uint8_t* source, const uint8_t* table, uint8_t* destination, int64_t rows, int64_t channels,
                 int64_t stride) {
  for (int64_t row = 0; row < rows; row++, source += channels, destination += stride) {
    lut_scalar(source, table, destination, channels);
  }
}

// Stores of 16 or 32 bytes where these are the rest of a row: ones with masks take longer.
UNSKEW_AVX512_VBMI void rows_avx512(const uint8_t* source, const uint8_t* table, uint8_t* destination, int64_t rows,
                                    int64_t channels, int64_t stride) {
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  const auto found = [&](__m512i index) UNSKEW_AVX512_VBMI {
    const __m512i low = _mm512_permutex2var_epi8(t0, index, t1);
    const __m512i high = _mm512_permutex2var_epi8(t2, index, t3);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
  };
  const int64_t whole = channels & ~int64_t{63}, rest = channels - whole;
  const __mmask64 mask = (__mmask64{1} << rest) - 1;
  for (int64_t row = 0; row < rows; row++, source += channels, destination += stride) {
    for (int64_t c = 0; c < whole; c += 64) _mm512_storeu_si512(destination + c, found(_mm512_loadu_si512(source + c)));
    if (rest == 0) continue;
    const __m512i last = found(_mm512_maskz_loadu_epi8(mask, source + whole));
    if (rest == 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(destination + whole), _mm512_castsi512_si256(last));
    } else if (rest == 16) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(destination + whole), _mm512_castsi512_si128(last));
    } else {
      _mm512_mask_storeu_epi8(destination + whole, mask, last);
    }
  }
}

}  // namespace

ByteLookup byte_lookup(Isa isa) { return isa == Isa::avx512 && has_vbmi() ? lut_avx512 : lut_scalar; }

ByteRowLookup byte_row_lookup(Isa isa) { return isa == Isa::avx512 && has_vbmi() ? rows_avx512 : rows_scalar; }

namespace {

KernelProgram make_lut_of_slice(const LutParams& params, const ChannelSlice& slice, const KernelTarget& target) {
  const int64_t positions = params.positions, channels = params.channels;
  const ByteRowLookup lookup = byte_row_lookup(target.isa);
  KernelProgram program;
  program.is_light = true;
  program.arguments = {{.name = "source", .bytes = checked_product(positions, channels)},
                       {.name = "table", .bytes = 256},
                       {.name = "destination",
                        .bytes = bytes_of_slice(slice, positions, channels),
                        .access = Access::write}};
  program.run = [=, threads = target.threads](Addresses a) {
    parallel(threads, positions, channels, 64, [&](int64_t begin, int64_t end, int) {
      lookup(a[0] + begin * channels, a[1], a[2] + slice.offset + begin * slice.stride, end - begin, channels,
             slice.stride);
    });
  };
  return program;
}

}  // namespace

KernelProgram make_lut(const LutParams& params, const KernelTarget& target) {
  if (params.slice) return make_lut_of_slice(params, *params.slice, target);
  const int64_t count = checked_product(params.positions, params.channels);
  const ByteLookup lookup = byte_lookup(target.isa);
  KernelProgram program;
  program.is_light = true;
  program.arguments = {{.name = "source", .bytes = count, .in_place = true},
                       {.name = "table", .bytes = 256},
                       {.name = "destination", .bytes = count, .access = Access::write}};
  program.run = [=, threads = target.threads](Addresses a) {
    parallel(threads, count, 1, 64,
             [&](int64_t begin, int64_t end, int) { lookup(a[0] + begin, a[1], a[2] + begin, end - begin); });
  };
  return program;
}

}  // namespace unskew
