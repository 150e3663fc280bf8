// Casts, choices, and the ends of quantized values.
#include "kernels/elementwise_program.h"

namespace unskew {

namespace {

// The truncated number modulo 2^64; 0 for NaN and infinities.
UNSKEW_INLINE int64_t whole(double value) {
  const double finite = std::fabs(value) <= std::numeric_limits<double>::max() ? value : 0;
  const double truncated = std::trunc(finite);
  const double positive = truncated - std::floor(truncated * 0x1p-64) * 0x1p64;  // exact, in [0, 2^64)
  const double folded = positive >= 0x1p63 ? positive - 0x1p64 : positive;
  const double inside = std::fabs(truncated) < 0x1p63 ? truncated : folded;
  return static_cast<int64_t>(inside);
}

// The low 32 bits alone; beyond 2^63 floats are multiples of 2^40.
UNSKEW_INLINE int32_t low_word(float value) {
  const float inside = std::fabs(value) < 0x1p63f ? value : 0.0f;
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(inside)));
}

template <class To>
struct Cast {
  template <class From>
  UNSKEW_INLINE static To of(From value, double, double) {
    if constexpr (std::is_floating_point_v<To> || std::is_integral_v<From>) {
      return static_cast<To>(value);
    } else if constexpr (std::is_same_v<From, float> && sizeof(To) <= 4) {
      return static_cast<To>(low_word(value));
    } else {
      return static_cast<To>(whole(value));
    }
  }
};

struct IsNotZero {
  template <class From>
  UNSKEW_INLINE static uint8_t of(From value, double, double) {
    return value == 0 ? 0 : 1;
  }
};

struct FromHalf {
  UNSKEW_INLINE static float of(uint16_t half, double, double) {
    const uint32_t exponent = (half >> 10) & 0x1f, fraction = half & 0x3ff;
    const float small = static_cast<float>(static_cast<int32_t>(fraction)) * 0x1p-24f;
    const float normal = std::bit_cast<float>(((exponent + 112) << 23) | (fraction << 13));
    const float beyond =
        fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    const float finite = exponent == 0 ? small : normal;
    const float magnitude = exponent == 0x1f ? beyond : finite;
    return (half & 0x8000) != 0 ? -magnitude : magnitude;
  }
};

struct ToHalf {
  UNSKEW_INLINE static uint16_t of(double value, double, double) {
    const double magnitude = std::fabs(value);
    const bool is_finite = magnitude < 65520;
    const double inside = is_finite ? magnitude : 0;
    const uint64_t binade = std::bit_cast<uint64_t>(inside) >> 52;  // the exponent + 1023
    const uint64_t raised = binade < 1009 ? 1009 : binade;          // 2^-14: below, units stay 2^-24
    const double unit = std::bit_cast<double>((uint64_t{2046 + 10} - raised) << 52);
    const double units = std::nearbyint(inside * unit);
    // a normal number has 1024 units more than its fraction
    const int64_t pattern = static_cast<int64_t>(raised - 1009) * 1024 + static_cast<int64_t>(units);
    const int64_t beyond = value == value ? 0x7c00 : 0x7e00;
    const int64_t sign = std::copysign(1.0, value) < 0 && value == value ? 0x8000 : 0;
    return static_cast<uint16_t>(sign | (is_finite ? pattern : beyond));
  }
};

struct FromBrain {
  UNSKEW_INLINE static float of(uint16_t pattern, double, double) {
    return std::bit_cast<float>(static_cast<uint32_t>(pattern) << 16);
  }
};

struct ToBrain {
  UNSKEW_INLINE static uint16_t of(float value, double, double) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return static_cast<uint16_t>(value == value ? rounded : 0x7fc0);
  }
};

template <class T>
struct Where {
  UNSKEW_INLINE static T of(uint8_t condition, T a, T b) { return condition != 0 ? a : b; }
};

// fl(fl(x − zero point)·scale), the difference in int32.
template <class T>
struct Dequantize {
  UNSKEW_INLINE static float of(T x, float scale, int32_t zero_point) {
    return static_cast<float>(wrapping_subtract(x, zero_point)) * scale;
  }
};

// sat(rne(x) + zero point); NaN gives the least number.
template <class T>
struct Saturate {
  UNSKEW_INLINE static T of(float x, int32_t zero_point) {
    const float low = static_cast<float>(wrapping_subtract(std::numeric_limits<T>::min(), zero_point));
    const float high = static_cast<float>(wrapping_subtract(std::numeric_limits<T>::max(), zero_point));
    return static_cast<T>(wrapping_add(round_to_int(clamp_float(x, low, high)), zero_point));
  }
};

template <class To, class From>
void add_cast(Operations& to, const char* from, Cell cell) {
  add_operation<UnaryLoop<To, From, Cast<To>>>(to, std::string("to_") + CellOf<To>::name + "." + from, {cell},
                                               CellOf<To>::cell, 8);
}

template <class From>
void add_casts_from(Operations& to, const char* from, Cell cell) {
  add_cast<uint8_t, From>(to, from, cell);
  add_cast<int8_t, From>(to, from, cell);
  add_cast<uint16_t, From>(to, from, cell);
  add_cast<int16_t, From>(to, from, cell);
  add_cast<uint32_t, From>(to, from, cell);
  add_cast<int32_t, From>(to, from, cell);
  add_cast<uint64_t, From>(to, from, cell);
  add_cast<int64_t, From>(to, from, cell);
  add_cast<float, From>(to, from, cell);
  add_cast<double, From>(to, from, cell);
  add_operation<UnaryLoop<uint8_t, From, IsNotZero>>(to, std::string("to_bool.") + from, {cell}, Cell::boolean);
}

template <class T>
void add_casts(Operations& to) {
  add_casts_from<T>(to, CellOf<T>::name, CellOf<T>::cell);
}

template <class T>
void add_where(Operations& to, std::initializer_list<Cell> cells) {
  for (const auto& [name, cell] : kCells) {
    if (std::find(cells.begin(), cells.end(), cell) == cells.end()) continue;
    add_operation<TernaryLoop<T, uint8_t, T, T, Where<T>>>(to, std::string("where.") + name,
                                                           {Cell::boolean, cell, cell}, cell);
  }
}

template <class T>
void add_dequantize(Operations& to) {
  add_operation<TernaryLoop<float, T, float, int32_t, Dequantize<T>>>(
      to, std::string("dequantize.") + CellOf<T>::name, {CellOf<T>::cell, Cell::f32, Cell::s32}, Cell::f32);
}

template <class T>
void add_saturate(Operations& to) {
  add_operation<BinaryLoop<T, float, int32_t, Saturate<T>>>(to, std::string("saturate.") + CellOf<T>::name,
                                                            {Cell::f32, Cell::s32}, CellOf<T>::cell);
}

}  // namespace

void add_cast_operations(Operations& to) {
  add_casts_from<uint8_t>(to, "bool", Cell::boolean);
  add_casts<uint8_t>(to);
  add_casts<int8_t>(to);
  add_casts<uint16_t>(to);
  add_casts<int16_t>(to);
  add_casts<uint32_t>(to);
  add_casts<int32_t>(to);
  add_casts<uint64_t>(to);
  add_casts<int64_t>(to);
  add_casts<float>(to);
  add_casts<double>(to);
  add_operation<UnaryLoop<float, uint16_t, FromHalf>>(to, "to_f32.f16", {Cell::f16}, Cell::f32, 8);
  add_operation<UnaryLoop<uint16_t, double, ToHalf>>(to, "to_f16.f64", {Cell::f64}, Cell::f16, 16);
  add_operation<UnaryLoop<float, uint16_t, FromBrain>>(to, "to_f32.bf16", {Cell::bf16}, Cell::f32);
  add_operation<UnaryLoop<uint16_t, float, ToBrain>>(to, "to_bf16.f32", {Cell::f32}, Cell::bf16);
  add_where<uint8_t>(to, {Cell::boolean, Cell::u8, Cell::s8});
  add_where<uint16_t>(to, {Cell::u16, Cell::s16, Cell::f16, Cell::bf16});
  add_where<uint32_t>(to, {Cell::u32, Cell::s32, Cell::f32});
  add_where<uint64_t>(to, {Cell::u64, Cell::s64, Cell::f64});
  add_dequantize<uint8_t>(to);
  add_dequantize<int8_t>(to);
  add_dequantize<uint16_t>(to);
  add_dequantize<int16_t>(to);
  add_dequantize<int32_t>(to);
  add_saturate<uint8_t>(to);
  add_saturate<int8_t>(to);
  add_saturate<uint16_t>(to);
  add_saturate<int16_t>(to);
}

}  // namespace unskew
