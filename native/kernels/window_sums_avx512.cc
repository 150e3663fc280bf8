// Σ of the source over every window of a convolution, whose weights have a zero point. First the sums of pixels over
// the channels of a group, 16 at a time; then the sums of these over kernel rows, and over kernel columns.
#include "kernels/convolution.h"
#include "kernels/intrinsics.h"

namespace unskew {

namespace {

constexpr int64_t kPixels = 16;  // that are added together

UNSKEW_AVX512 inline __m512i load(const uint8_t* from, int64_t bytes, __m512i flip) {
  const __m512i loaded = bytes >= 64 ? _mm512_loadu_si512(from)
                                     : _mm512_maskz_loadu_epi8((__mmask64{1} << bytes) - 1, from);
  return _mm512_xor_si512(loaded, flip);
}

// In each lane of four, the sums of the lane over a, b, c and d.
UNSKEW_AVX512 inline __m512i add_lanes(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

// Neighbouring lanes added: those of a, then those of b.
UNSKEW_AVX512 inline __m512i add_pairs(__m512i a, __m512i b) {
  return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

UNSKEW_AVX512 __m512i in_order(const __m512i* sums, int per_vector) {
  const auto lanes = [&](int first) UNSKEW_AVX512 {
    return add_lanes(sums[first], sums[first + 1], sums[first + 2], sums[first + 3]);
  };
  if (per_vector == 4) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, lanes(0));
  }
  if (per_vector == 2) {
    const __m512i order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    return _mm512_permutexvar_epi32(order, add_pairs(lanes(0), lanes(4)));
  }
  return add_pairs(add_pairs(lanes(0), lanes(4)), add_pairs(lanes(8), lanes(12)));
}

// Pixels of 16 or 32 bytes, one after another: several in a vector.
template <int kPerVector>
UNSKEW_AVX512 __m512i sum_dense(const uint8_t* from, __m512i flip) {
  __m512i sums[kPixels / kPerVector];
  for (int i = 0; i < kPixels / kPerVector; i++) {
    const __m512i bytes = _mm512_xor_si512(_mm512_loadu_si512(from + i * 64), flip);
    sums[i] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), bytes, _mm512_set1_epi8(1));
  }
  return in_order(sums, kPerVector);
}

UNSKEW_AVX512 __m512i sum_any(const uint8_t* from, int64_t step, int64_t bytes, int64_t count, __m512i flip) {
  __m512i sums[kPixels];
  const int64_t rest = bytes % 64;
  const __m512i ones = _mm512_set1_epi8(1);
  const __m512i last = _mm512_maskz_mov_epi8((__mmask64{1} << rest) - 1, ones);
  for (int64_t i = 0; i < kPixels; i++) {
    sums[i] = _mm512_setzero_si512();
    if (i >= count) continue;
    const uint8_t* pixel = from + i * step;
    for (int64_t at = 0; at + 64 <= bytes; at += 64)
      sums[i] = _mm512_dpbusd_epi32(sums[i], load(pixel + at, 64, flip), ones);
    if (rest > 0) sums[i] = _mm512_dpbusd_epi32(sums[i], load(pixel + bytes - rest, rest, flip), last);
  }
  return in_order(sums, 1);
}

// 16 dense pixels of at most four bytes each.
UNSKEW_AVX512_VBMI __m512i sum_few(const uint8_t* from, int64_t bytes, __m512i flip) {
  // Byte i is byte i mod 4 of pixel i / 4; bytes that a pixel does not have are multiplied by 0.
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i order = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(static_cast<int>(bytes) * 0x01010101)),
                                         _mm512_set1_epi32(0x03020100));
  const __m512i loaded = _mm512_maskz_loadu_epi8(bytes == 4 ? ~__mmask64{0} : (__mmask64{1} << bytes * 16) - 1, from);
  const __m512i pixels = _mm512_xor_si512(_mm512_permutexvar_epi8(order, loaded), flip);
  const __m512i ones = _mm512_set1_epi32(static_cast<int32_t>(0x01010101u >> (32 - 8 * bytes)));
  return _mm512_dpbusd_epi32(_mm512_setzero_si512(), pixels, ones);
}

// The sums of `count` pixels, at most 16.
UNSKEW_AVX512 __m512i sum_pixels(const uint8_t* from, int64_t step, int64_t bytes, int64_t count, __m512i flip) {
  if (step == bytes && count == kPixels) {
    if (bytes == 16) return sum_dense<4>(from, flip);
    if (bytes == 32) return sum_dense<2>(from, flip);
    if (bytes <= 4 && has_vbmi()) return sum_few(from, bytes, flip);
  }
  return sum_any(from, step, bytes, count, flip);
}

UNSKEW_AVX512 __m512i finished(const WindowSums& s, __m512i sums) {
  if (s.uniform || s.wide) return _mm512_mullo_epi32(sums, _mm512_set1_epi32(s.factor));
  return _mm512_or_si512(_mm512_and_si512(sums, _mm512_set1_epi32(127)),
                         _mm512_slli_epi32(_mm512_srli_epi32(sums, 7), 16));
}

// Pixels [begin, end) of a group.
UNSKEW_AVX512 void add_channels(const ConvolutionPlan& plan, const uint8_t* source, int64_t group, int64_t begin,
                                int64_t end) {
  const ConvolutionParams& p = plan.p;
  const WindowSums& s = plan.sums;
  const __m512i flip = _mm512_set1_epi8(p.source_type == ByteType::s8 ? -128 : 0);
  const bool is_last = s.pixel_sums == nullptr;
  int32_t* to = is_last ? s.sums + group * s.positions : s.pixel_sums + group * s.pixels;
  for (int64_t first = begin; first < end; first += kPixels) {
    const int64_t count = std::min(kPixels, end - first);
    const uint8_t* from = source + first * p.channels + group * plan.inputs;
    const __m512i sums = sum_pixels(from, p.channels, plan.inputs, count, flip);
    _mm512_mask_storeu_epi32(to + first, static_cast<__mmask16>((1u << count) - 1), is_last ? finished(s, sums) : sums);
  }
}

// The windows of one output row (of batch · output height) of a group.
UNSKEW_AVX512 void add_taps(const ConvolutionPlan& plan, int64_t group, int64_t row, int32_t* columns) {
  const ConvolutionParams& p = plan.p;
  const WindowSums& s = plan.sums;
  const int64_t width = p.input[1], y = plan.rows[row % p.output[0]].at;
  const int32_t* image = s.pixel_sums + group * s.pixels + row / p.output[0] * p.input[0] * width;
  std::fill_n(columns, width, 0);
  for (int64_t i = 0; i < p.kernel[0]; i++) {
    const int64_t at = y + i * p.dilations[0];
    if (at < 0 || at >= p.input[0]) continue;
    for (int64_t x = 0; x < width; x++) columns[x] = wrapping_add(columns[x], image[at * width + x]);
  }
  int32_t* to = s.sums + group * s.positions + row * p.output[1];
  const int64_t count = p.output[1], stride = p.strides[1];
  std::fill_n(to, count, 0);
  for (int64_t j = 0; j < p.kernel[1]; j++) {
    const int64_t offset = j * p.dilations[1] - p.begin[1];  // the tap of column x is at x·stride + offset
    const int64_t first = std::min(count, offset >= 0 ? 0 : (-offset + stride - 1) / stride);
    const int64_t last = std::clamp<int64_t>(offset >= width ? 0 : (width - 1 - offset) / stride + 1, first, count);
    for (int64_t x = first; x < last; x++) to[x] = wrapping_add(to[x], columns[x * stride + offset]);
  }
  for (int64_t x = 0; x < count; x++) to[x] = s.finished(to[x]);
}

}  // namespace

void prepare_window_sums(ConvolutionPlan& plan, bool uniform, int32_t zero_point) {
  const ConvolutionParams& p = plan.p;
  WindowSums& s = plan.sums;
  s.uniform = uniform;
  s.factor = uniform ? -zero_point : 1;
  s.pixels = checked_product(p.batch, p.input[0], p.input[1]);
  s.positions = checked_product(p.batch, p.output[0], p.output[1]) + kStepLimit;
}

void sum_windows(const ConvolutionPlan& plan, const uint8_t* source, int threads) {
  const ConvolutionParams& p = plan.p;
  const WindowSums& s = plan.sums;
  parallel(threads, s.pixels, p.channels, kPixels, [&](int64_t begin, int64_t end, int) {
    for (int64_t group = 0; group < p.groups; group++) add_channels(plan, source, group, begin, end);
  });
  if (s.pixel_sums == nullptr) return;
  const int64_t work = p.groups * p.output[1] * (p.kernel[0] + p.kernel[1]);
  parallel(threads, p.batch * p.output[0], work, 1, [&](int64_t begin, int64_t end, int thread) {
    int32_t* columns = s.rows + thread * p.input[1];
    for (int64_t row = begin; row < end; row++) {
      for (int64_t group = 0; group < p.groups; group++) add_taps(plan, group, row, columns);
    }
  });
}

}  // namespace unskew
