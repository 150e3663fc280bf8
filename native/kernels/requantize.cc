#include "kernels/intrinsics.h"
#include "kernels/rounding.h"

namespace unskew {

namespace {

// The terms map + row·column of a run of elements.
enum class Terms { none, one_row, row_each };

// The parameters of a run of elements: by element, or for all of it.
struct Run {
  const int32_t* bias;
  const int32_t* map;
  const int32_t* row;  // one, or one for each element
  const int32_t* column;
  Factors factors;
};

// kVector: the parameters run along with the elements.
template <class T, class Recipe, bool kVector, Terms kTerms>
struct RequantizeLoop {
  UNSKEW_INLINE static void run(const int32_t* source, const Run& run, const End& end, T* destination, int64_t count) {
    const Run p = run;
    const Recipe recipe(end);
    for (int64_t i = 0; i < count; i++) {
      const int64_t c = kVector ? i : 0;
      int32_t v = wrapping_add(source[i], p.bias[c]);
      if constexpr (kTerms != Terms::none) {
        const int32_t row = p.row[kTerms == Terms::row_each ? i : 0];
        v = wrapping_add(v, wrapping_add(p.map[c], wrapping_multiply(row, p.column[c])));
      }
      destination[i] = static_cast<T>(recipe(v, p.factors, c));
    }
  }
};

// Eight elements of int32, and zeros behind the last one.
UNSKEW_AVX512 inline __m256i eight(const int32_t* from, __mmask8 mask) { return _mm256_maskz_loadu_epi32(mask, from); }

// FixedPoint in lanes of 64 bits, which compilers do not make of it.
template <class T, bool kVector, Terms kTerms>
UNSKEW_AVX512 void run_fixed_avx512(const int32_t* source, const Run& p, const End& end, T* destination,
                                    int64_t count) {
  const __m512i least = _mm512_set1_epi64(INT32_MIN), most = _mm512_set1_epi64(INT32_MAX);
  const __m512i low = _mm512_set1_epi64(static_cast<int64_t>(end.low)),
                high = _mm512_set1_epi64(static_cast<int64_t>(end.high));
  const __m512i zero = _mm512_setzero_si512(), one = _mm512_set1_epi64(1), after = _mm512_set1_epi64(end.after);
  for (int64_t i = 0; i < count; i += 8) {
    const auto mask = static_cast<__mmask8>(count - i >= 8 ? 255 : (1 << (count - i)) - 1);
    const auto parameter = [&](const int32_t* of) UNSKEW_AVX512 {
      return kVector ? eight(of + i, mask) : _mm256_set1_epi32(of[0]);
    };
    __m256i v = _mm256_add_epi32(eight(source + i, mask), parameter(p.bias));
    if constexpr (kTerms != Terms::none) {
      const __m256i row = kTerms == Terms::row_each ? eight(p.row + i, mask) : _mm256_set1_epi32(p.row[0]);
      v = _mm256_add_epi32(
          v, _mm256_add_epi32(parameter(p.map), _mm256_mullo_epi32(row, parameter(p.column))));
    }
    const __m512i shift = _mm512_cvtepi32_epi64(parameter(p.factors.shift));
    const __m512i left = _mm512_min_epi64(_mm512_max_epi64(shift, zero), _mm512_set1_epi64(31));
    const __m512i right = _mm512_min_epi64(_mm512_max_epi64(_mm512_sub_epi64(zero, shift), zero), _mm512_set1_epi64(40));
    const __m512i wide = _mm512_sllv_epi64(_mm512_cvtepi32_epi64(v), left);
    const __m512i a = _mm512_min_epi64(_mm512_max_epi64(wide, least), most);
    const __m512i mantissa = _mm512_cvtepi32_epi64(parameter(p.factors.mantissa));
    const __m512i nudge = _mm512_set1_epi64(int64_t{1} << 30);
    const __m512i product = _mm512_srai_epi64(_mm512_add_epi64(_mm512_mul_epi32(a, mantissa), nudge), 31);
    const __m512i half = _mm512_srli_epi64(_mm512_sllv_epi64(one, right), 1);
    const __m512i magnitude = _mm512_srlv_epi64(_mm512_add_epi64(_mm512_abs_epi64(product), half), right);
    const __m512i rounded = _mm512_mask_sub_epi64(magnitude, _mm512_movepi64_mask(product), zero, magnitude);
    const __m512i inside = _mm512_min_epi64(_mm512_max_epi64(rounded, low), high);
    const __m128i bytes = _mm512_cvtepi64_epi8(_mm512_add_epi64(inside, after));
    _mm_mask_storeu_epi8(destination + i, mask, bytes);
  }
}

template <class T>
using Loop = void (*)(const int32_t*, const Run&, const End&, T*, int64_t);

template <class T>
struct Loops {
  Loop<T> by_row, plain, one_row, row_each;
};

template <class T, class Recipe>
Loops<T> loops_of(Isa isa) {
  return {version_of<RequantizeLoop<T, Recipe, false, Terms::one_row>>(isa),
          version_of<RequantizeLoop<T, Recipe, true, Terms::none>>(isa),
          version_of<RequantizeLoop<T, Recipe, true, Terms::one_row>>(isa),
          version_of<RequantizeLoop<T, Recipe, true, Terms::row_each>>(isa)};
}

template <class T>
Loops<T> fixed_loops_avx512() {
  return {run_fixed_avx512<T, false, Terms::one_row>, run_fixed_avx512<T, true, Terms::none>,
          run_fixed_avx512<T, true, Terms::one_row>, run_fixed_avx512<T, true, Terms::row_each>};
}

template <class T, template <Rounding> class Recipe>
Loops<T> loops_rounding(Rounding rounding, Isa isa) {
  switch (rounding) {
    case Rounding::half_up: return loops_of<T, Recipe<Rounding::half_up>>(isa);
    case Rounding::half_away: return loops_of<T, Recipe<Rounding::half_away>>(isa);
    default: return loops_of<T, Recipe<Rounding::half_even>>(isa);
  }
}

template <class T>
Loops<T> choose_loops(const RequantizeParams& p, bool float_steps, Isa isa) {
  if constexpr (sizeof(T) == 4) {
    return loops_of<T, Kept>(isa);
  } else {
    const bool is_plain = p.rounding == Rounding::half_even && !p.to.zero_point_before && !float_steps;
    if (p.arithmetic == Arithmetic::fixed && isa == Isa::avx512) return fixed_loops_avx512<T>();
    if (p.arithmetic == Arithmetic::fixed) return loops_of<T, FixedPoint>(isa);
    if (p.arithmetic == Arithmetic::f64) return loops_rounding<T, InDouble>(p.rounding, isa);
    return is_plain ? loops_of<T, Plain>(isa) : loops_rounding<T, InFloat>(p.rounding, isa);
  }
}

template <class T>
struct Requantize {
  RequantizeParams params;
  int threads;
  int64_t count;
  Loops<T> bare, with_steps;  // without and with a scale or an offset
  End end;
  AlignedBuffer zeros, ones;

  Requantize(const RequantizeParams& p, const KernelTarget& target)
      : params(p),
        threads(target.threads),
        count(checked_product(p.outer, p.channels, p.inner)),
        bare(choose_loops<T>(p, false, target.isa)),
        with_steps(choose_loops<T>(p, true, target.isa)),
        end(end_of(p.to)),
        zeros(checked_product(std::max<int64_t>(p.channels, 1), 8)),
        ones(checked_product(std::max<int64_t>(p.channels, 1), 4)) {
    std::fill_n(ones.as<float>(), std::max<int64_t>(p.channels, 1), 1.0f);
  }

  void operator()(Addresses a) const {
    const auto* source = reinterpret_cast<const int32_t*>(a[0]);
    const auto pointer = [&](int i) {
      return a[i] != nullptr ? reinterpret_cast<const int32_t*>(a[i]) : zeros.as<int32_t>();
    };
    const bool has_row = a[3] != nullptr, has_map = params.map_rows > 0;
    const int32_t *bias = pointer(1), *row = pointer(3), *column = pointer(4);
    const int32_t* map = has_map ? pointer(2) : zeros.as<int32_t>();
    const uint8_t* multiplier = a[5] != nullptr ? a[5] : zeros.as<uint8_t>();
    const Factors factors{reinterpret_cast<const float*>(multiplier),
                          reinterpret_cast<const double*>(multiplier),
                          reinterpret_cast<const int32_t*>(multiplier),
                          a[6] != nullptr ? reinterpret_cast<const float*>(a[6]) : ones.as<float>(),
                          reinterpret_cast<const float*>(pointer(7)),
                          pointer(8)};
    auto* destination = reinterpret_cast<T*>(a[9]);
    const int64_t channels = params.channels, groups = params.groups;
    const bool flat = channels == 1 && !has_row && !has_map;
    const bool rows = params.inner != 1 || flat;
    const bool each = has_row && groups == channels;
    const int64_t run_groups = each ? 1 : groups;  // runs of channels that share a row
    const int64_t length = std::max<int64_t>(1, flat ? count : rows ? params.inner : channels / run_groups);
    const Loops<T>& loops = a[6] != nullptr || a[7] != nullptr ? with_steps : bare;
    const Loop<T> loop = rows ? loops.by_row : each ? loops.row_each : has_row || has_map ? loops.one_row : loops.plain;
    parallel(threads, count, 4, 64, [&](int64_t begin, int64_t finish, int) {
      for_rows(begin, finish, length, [&](int64_t index, int64_t first, int64_t n) {
        const int64_t position = index * length + first;
        const int64_t outer = rows ? index / channels : index / run_groups;
        const int64_t channel = rows ? index % channels : index % run_groups * length + first;
        const int64_t group = channel * groups / channels;
        const int32_t* map_row = has_map ? map + outer % params.map_rows * channels : map;
        const Run run{bias + channel, map_row + channel, has_row ? row + outer * groups + group : row, column + channel,
                      factors.from(channel)};
        loop(source + position, run, end, destination + position, n);
      });
    });
  }
};

template <class T>
KernelProgram make_program(const RequantizeParams& params, const KernelTarget& target) {
  const int64_t channel_bytes = checked_product(params.channels, 4);
  const bool is_double = params.arithmetic == Arithmetic::f64, is_fixed = params.arithmetic == Arithmetic::fixed;
  const int64_t factor_bytes = is_double ? checked_product(params.channels, 8) : channel_bytes;
  require(params.groups >= 1 && params.channels % params.groups == 0, "requantize: groups must divide channels");
  require(params.map_rows == 0 || params.inner == 1, "requantize: a map needs inner = 1");
  auto kernel = std::make_shared<Requantize<T>>(params, target);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(kernel->count, 4), .alignment = 4, .in_place = sizeof(T) == 4},
      {.name = "bias", .bytes = channel_bytes, .alignment = 4, .required = false},
      {.name = "map",
       .bytes = checked_product(params.map_rows, channel_bytes),
       .alignment = 4,
       .required = params.map_rows > 0},
      {.name = "row", .bytes = checked_product(params.outer, params.groups, 4), .alignment = 4, .required = false},
      {.name = "column", .bytes = channel_bytes, .alignment = 4, .required = false},
      {.name = "multiplier", .bytes = factor_bytes, .alignment = is_double ? 8 : 4, .required = sizeof(T) != 4},
      {.name = "scale", .bytes = channel_bytes, .alignment = 4, .required = false},
      {.name = "offset", .bytes = channel_bytes, .alignment = 4, .required = false},
      {.name = "shift", .bytes = channel_bytes, .alignment = 4, .required = is_fixed && sizeof(T) != 4},
      {.name = "destination",
       .bytes = checked_product(kernel->count, sizeof(T)),
       .access = Access::write,
       .alignment = sizeof(T)}};
  program.run = [kernel](Addresses a) { (*kernel)(a); };
  return program;
}

}  // namespace

KernelProgram make_requantize(const RequantizeParams& params, const KernelTarget& target) {
  require(params.arithmetic != Arithmetic::fixed || !params.to.zero_point_before,
          "requantize: fixed point adds the zero point after rounding");
  switch (params.type) {
    case OutputType::u8: return make_program<uint8_t>(params, target);
    case OutputType::s8: return make_program<int8_t>(params, target);
    default: return make_program<int32_t>(params, target);
  }
}

}  // namespace unskew
