#include "kernels/intrinsics.h"

#include "kernels/byte_lookup.h"
#include "kernels/kernels.h"

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

}  // namespace

ByteLookup byte_lookup(Isa isa) { return isa == Isa::avx512 && has_vbmi() ? lut_avx512 : lut_scalar; }

KernelProgram make_lut(const LutParams& params, const KernelTarget& target) {
  const int64_t count = checked_product(params.count, 1);
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
