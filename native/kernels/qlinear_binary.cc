#include <cmath>
#include <limits>
#include <type_traits>

#include "kernels/broadcast.h"
#include "kernels/elementwise.h"
#include "kernels/intrinsics.h"

namespace unskew {

namespace {

// add: y = rne(fma(a, ratioA, fma(b, ratioB, fixed)))   mul: y = rne(fl(fl((a − zA)(b − zB)·m) + zC))
// src/numerics/qlinear_add.ts and qlinear_mul.ts say why. Dequantized, summed and quantized, by src/numerics/torch.ts:
//
//   y = rne(fl(fl(fma(a, ratioA, fixed) + fma(b, ratioB, fixed_b))·factor)) + zC
//
// Products of XNNPACK and PyTorch: y = rne(fl((a − zA)(b − zB)·ratioA)) + zC.
struct Constants {
  float ratio_a = 0, ratio_b = 0, fixed = 0;  // mul: ratio_a is m, fixed is zC
  int32_t zero_a = 0, zero_b = 0;
  float fixed_b = 0, factor = 0;
  int32_t zero_c = 0;  // that is added to integers
};

template <QLinearOperation kOperation, class A, class B, class T, bool kStepA, bool kStepB>
struct QLinear {
  UNSKEW_INLINE static void run(const uint8_t* source, const uint8_t* source1, const Constants& constants,
                                uint8_t* destination, int64_t count) {
    constexpr float low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    const Constants k = constants;
    const float least = low - static_cast<float>(k.zero_c), most = high - static_cast<float>(k.zero_c);
    for (int64_t i = 0; i < count; i++) {
      const auto a = static_cast<A>(source[kStepA ? i : 0]);
      const auto b = static_cast<B>(source1[kStepB ? i : 0]);
      float value;
      if constexpr (kOperation == QLinearOperation::add) {
        value = std::fma(static_cast<float>(a), k.ratio_a, std::fma(static_cast<float>(b), k.ratio_b, k.fixed));
      } else if constexpr (kOperation == QLinearOperation::dequantized_add) {
        value = (std::fma(static_cast<float>(a), k.ratio_a, k.fixed) + std::fma(static_cast<float>(b), k.ratio_b, k.fixed_b)) *
                k.factor;
      } else {
        value = static_cast<float>((a - k.zero_a) * (b - k.zero_b)) * k.ratio_a;
        if constexpr (kOperation == QLinearOperation::multiply) value = value + k.fixed;
      }
      destination[i] = static_cast<uint8_t>(static_cast<T>(round_to_int(clamp_float(value, least, most)) + k.zero_c));
    }
  }
};

// Whether the zero point is added to integers.
constexpr bool adds_zero_last(QLinearOperation operation) {
  return operation == QLinearOperation::dequantized_add || operation == QLinearOperation::byte_product;
}

// The same with AVX-512, 64 elements at a time. kClamps: values may leave the range of s32; others saturate as they are packed.
template <QLinearOperation kOperation, class A, class B, class T, bool kStepA, bool kStepB, bool kClamps>
struct QLinear512 {
  // Of each 16 bytes the four of vector v, in whose order the pack instructions put them back.
  template <class Byte>
  UNSKEW_AVX512 static __m512 floats(__m512i bytes, int v) {
    // A byte of 128 makes a zero; bytes with a sign go to the top and are shifted down.
    constexpr uint32_t kRest = std::is_signed_v<Byte> ? 0x00808080u : 0x80808000u;
    constexpr int kPlace = std::is_signed_v<Byte> ? 24 : 0;
    const auto from = [v](int i) { return static_cast<int>(kRest | static_cast<uint32_t>(v * 4 + i) << kPlace); };
    const __m512i words =
        _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(_mm_setr_epi32(from(0), from(1), from(2), from(3))));
    return _mm512_cvtepi32_ps(std::is_signed_v<Byte> ? _mm512_srai_epi32(words, 24) : words);
  }

  UNSKEW_AVX512 static void run(const uint8_t* source, const uint8_t* source1, const Constants& k, uint8_t* destination,
                                int64_t count) {
    const auto zero_c = static_cast<float>(k.zero_c);
    const __m512 low = _mm512_set1_ps(std::numeric_limits<T>::min() - zero_c),
                 high = _mm512_set1_ps(std::numeric_limits<T>::max() - zero_c);
    const __m512 ratio_a = _mm512_set1_ps(k.ratio_a), ratio_b = _mm512_set1_ps(k.ratio_b),
                 fixed = _mm512_set1_ps(k.fixed), fixed_b = _mm512_set1_ps(k.fixed_b), factor = _mm512_set1_ps(k.factor);
    const __m512i after = _mm512_set1_epi16(static_cast<int16_t>(k.zero_c));
    const __m512 zero_a = _mm512_set1_ps(static_cast<float>(k.zero_a)),
                 zero_b = _mm512_set1_ps(static_cast<float>(k.zero_b));
    const __m512 one_a = _mm512_set1_ps(static_cast<A>(*source)), one_b = _mm512_set1_ps(static_cast<B>(*source1));
    for (int64_t i = 0; i < count; i += 64) {
      const __mmask64 mask = count - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (count - i)) - 1;
      const auto load = [&](const uint8_t* from) UNSKEW_AVX512 {
        return mask == ~__mmask64{0} ? _mm512_loadu_si512(from + i) : _mm512_maskz_loadu_epi8(mask, from + i);
      };
      const __m512i bytes_a = kStepA ? load(source) : _mm512_setzero_si512();
      const __m512i bytes_b = kStepB ? load(source1) : _mm512_setzero_si512();
      __m512i rounded[4];
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        const __m512 a = kStepA ? floats<A>(bytes_a, v) : one_a, b = kStepB ? floats<B>(bytes_b, v) : one_b;
        __m512 value;
        if constexpr (kOperation == QLinearOperation::add) {
          value = _mm512_fmadd_ps(a, ratio_a, _mm512_fmadd_ps(b, ratio_b, fixed));
        } else if constexpr (kOperation == QLinearOperation::dequantized_add) {
          const __m512 own_a = _mm512_fmadd_ps(a, ratio_a, fixed), own_b = _mm512_fmadd_ps(b, ratio_b, fixed_b);
          value = _mm512_mul_ps(_mm512_add_ps(own_a, own_b), factor);
        } else {
          const __m512 product = _mm512_mul_ps(_mm512_sub_ps(a, zero_a), _mm512_sub_ps(b, zero_b));  // exact
          value = _mm512_mul_ps(product, ratio_a);
          if constexpr (kOperation == QLinearOperation::multiply) value = _mm512_add_ps(value, fixed);
        }
        if constexpr (kClamps) value = _mm512_min_ps(_mm512_max_ps(value, low), high);
        rounded[v] = _mm512_cvtps_epi32(value);
      }
      __m512i first = _mm512_packs_epi32(rounded[0], rounded[1]), second = _mm512_packs_epi32(rounded[2], rounded[3]);
      if constexpr (adds_zero_last(kOperation)) {
        first = _mm512_adds_epi16(first, after);
        second = _mm512_adds_epi16(second, after);
      }
      const __m512i bytes =
          std::is_signed_v<T> ? _mm512_packs_epi16(first, second) : _mm512_packus_epi16(first, second);
      if (mask == ~__mmask64{0}) {
        _mm512_storeu_si512(destination + i, bytes);
      } else {
        _mm512_mask_storeu_epi8(destination + i, mask, bytes);
      }
    }
  }
};

using Loop = void (*)(const uint8_t*, const uint8_t*, const Constants&, uint8_t*, int64_t);

// Which operands step along: both, the first, the second, none.
struct Loops {
  Loop step[2][2];
};

template <QLinearOperation kOperation, class A, class B, class T>
Loops loops_for(Isa isa, bool clamps) {
  Loops loops;
  const auto set = [&]<bool kA, bool kB>() {
    if (isa != Isa::avx512) {
      loops.step[kA][kB] = version_of<QLinear<kOperation, A, B, T, kA, kB>>(isa);
    } else {
      loops.step[kA][kB] = clamps ? QLinear512<kOperation, A, B, T, kA, kB, true>::run
                                  : QLinear512<kOperation, A, B, T, kA, kB, false>::run;
    }
  };
  set.template operator()<false, false>();
  set.template operator()<false, true>();
  set.template operator()<true, false>();
  set.template operator()<true, true>();
  return loops;
}

// Calls `body` with a value of the C++ type of `type`.
template <class Body>
auto with_type(ByteType type, const Body& body) {
  return type == ByteType::u8 ? body(uint8_t{}) : body(int8_t{});
}

template <QLinearOperation kOperation>
Loops choose_loops(const QLinearBinaryParams& p, Isa isa, bool clamps) {
  if constexpr (adds_zero_last(kOperation)) {
    return with_type(p.type, [&](auto t) {
      using T = decltype(t);
      return loops_for<kOperation, T, T, T>(isa, clamps);
    });
  } else {
  return with_type(p.source_type, [&](auto a) {
    return with_type(p.source1_type, [&](auto b) {
      return with_type(p.type,
                       [&](auto t) { return loops_for<kOperation, decltype(a), decltype(b), decltype(t)>(isa, clamps); });
    });
  });
  }
}

Loops choose_loops(const QLinearBinaryParams& p, Isa isa, bool clamps) {
  switch (p.operation) {
    case QLinearOperation::add: return choose_loops<QLinearOperation::add>(p, isa, clamps);
    case QLinearOperation::multiply: return choose_loops<QLinearOperation::multiply>(p, isa, clamps);
    case QLinearOperation::dequantized_add: return choose_loops<QLinearOperation::dequantized_add>(p, isa, clamps);
    default: return choose_loops<QLinearOperation::byte_product>(p, isa, clamps);
  }
}

Constants constants_of(const QLinearBinaryParams& p) {
  const auto [scale_a, scale_b, scale_c] = p.scales;
  const auto [zero_a, zero_b, zero_c] = p.zero_points;
  Constants k{.zero_a = zero_a, .zero_b = zero_b};
  if (p.operation == QLinearOperation::add) {
    k.ratio_a = scale_a / scale_c;
    k.ratio_b = scale_b / scale_c;
    k.fixed = static_cast<float>(zero_c) -
              std::fma(k.ratio_a, static_cast<float>(zero_a), k.ratio_b * static_cast<float>(zero_b));
  } else if (p.operation == QLinearOperation::dequantized_add) {
    k.ratio_a = scale_a;
    k.ratio_b = scale_b;
    k.fixed = -scale_a * static_cast<float>(zero_a);
    k.fixed_b = -scale_b * static_cast<float>(zero_b);
    k.factor = 1 / scale_c;
    k.zero_c = zero_c;
  } else {
    k.ratio_a = scale_a * scale_b / scale_c;
    if (p.operation == QLinearOperation::multiply) {
      k.fixed = static_cast<float>(zero_c);
    } else {
      k.zero_c = zero_c;
    }
  }
  return k;
}

// True unless all values are known to fit into s32; constants of a NaN are true.
bool may_overflow(const QLinearBinaryParams& p, const Constants& k) {
  const double a = std::abs(static_cast<double>(k.ratio_a)), b = std::abs(static_cast<double>(k.ratio_b));
  if (p.operation == QLinearOperation::dequantized_add) return !(512 * (a + b) * std::abs(k.factor) < 1e9);
  const double most = p.operation == QLinearOperation::add ? 255 * (a + b) : 255.0 * 255.0 * a;
  return !(most + std::abs(static_cast<double>(k.fixed)) < 1e9);
}

}  // namespace

KernelProgram make_qlinear_binary(const QLinearBinaryParams& params, const KernelTarget& target) {
  const bool is_one_type = params.source_type == params.type && params.source1_type == params.type;
  require(is_one_type || !adds_zero_last(params.operation), "sums and products of bytes have one type");
  const Constants constants = constants_of(params);
  const bool clamps = may_overflow(params, constants);
  const Loops loops = choose_loops(params, target.isa, clamps);
  return make_broadcast_binary(params.shape, params.source_strides, params.source1_strides, target.threads, {},
                               [=](const uint8_t* a, int64_t step_a, const uint8_t* b, int64_t step_b, uint8_t* d,
                                   int64_t count, const uint8_t*) {
                                 if ((step_a == 0 || step_a == 1) && (step_b == 0 || step_b == 1)) {
                                   loops.step[step_a][step_b](a, b, constants, d, count);
                                 } else {
                                   for (int64_t i = 0; i < count; i++)
                                     loops.step[0][0](a + i * step_a, b + i * step_b, constants, d + i, 1);
                                 }
                               });
}

}  // namespace unskew
