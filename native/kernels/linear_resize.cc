// Rows and columns of bytes at other sizes, each element weighted between its neighbours along both axes.
// src/numerics/tflite_resize.ts has the arithmetic.
#include <limits>

#include "kernels/elementwise.h"

namespace unskew {

namespace {

// The four neighbours of a position: above and below on the left, above and below on the right.
struct Corners {
  const uint8_t* at[4];
};

// Weights of the neighbours add up to 2^(2·bits), so that the sum of integers fits into an int32 for bits ≤ 11 where
// they lie in [0, 2^bits]; elsewhere it wraps.
template <class T, bool kAway>
struct Integers {
  UNSKEW_INLINE static void run(const Corners& corners, const int32_t* weights, int32_t bits, uint8_t* destination,
                                int64_t count) {
    constexpr int32_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    const auto [a, b, c, d] = corners.at;
    const int32_t p = weights[0], q = weights[1], r = weights[2], s = weights[3], shift = 2 * bits;
    const int32_t half = shift == 0 ? 0 : int32_t{1} << (shift - 1);
    for (int64_t i = 0; i < count; i++) {
      const auto term = [](const uint8_t* x, int64_t at, int32_t weight) {
        return wrapping_multiply(static_cast<T>(x[at]), weight);
      };
      const int32_t sum =
          wrapping_add(wrapping_add(term(a, i, p), term(b, i, q)), wrapping_add(term(c, i, r), term(d, i, s)));
      int32_t value;
      if constexpr (kAway) {
        // Halves away from zero: those of the magnitude upwards.
        const int32_t sign = sum >> 31, magnitude = wrapping_subtract(sum ^ sign, sign);
        value = wrapping_subtract((wrapping_add(magnitude, half) >> shift) ^ sign, sign);
      } else {
        value = wrapping_add(sum, half) >> shift;
      }
      destination[i] = static_cast<uint8_t>(static_cast<T>(value < low ? low : value > high ? high : value));
    }
  }
};

template <class T>
struct Floats {
  UNSKEW_INLINE static void run(const Corners& corners, const float* weights, int32_t, uint8_t* destination,
                                int64_t count) {
    constexpr float low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    const auto [a, b, c, d] = corners.at;
    const float top = weights[0], bottom = weights[1], left = weights[2], right = weights[3];
    for (int64_t i = 0; i < count; i++) {
      const auto term = [](const uint8_t* x, int64_t at, float row, float column) {
        return static_cast<float>(static_cast<T>(x[at])) * row * column;
      };
      const float sum =
          term(a, i, top, left) + term(b, i, bottom, left) + term(c, i, top, right) + term(d, i, bottom, right);
      destination[i] = static_cast<uint8_t>(static_cast<T>(static_cast<int32_t>(clamp_float(sum + 0.5f, low, high))));
    }
  }
};

template <class W>
using Loop = void (*)(const Corners&, const W* weights, int32_t bits, uint8_t* destination, int64_t count);

Loop<int32_t> integers_for(const LinearResizeParams& p, Isa isa) {
  const bool away = p.rounding == ResizeRounding::half_away;
  if (p.type == ByteType::u8)
    return away ? version_of<Integers<uint8_t, true>>(isa) : version_of<Integers<uint8_t, false>>(isa);
  return away ? version_of<Integers<int8_t, true>>(isa) : version_of<Integers<int8_t, false>>(isa);
}

// Places, and weights of the second neighbours, along one axis.
struct Axis {
  const int32_t* places;
  const uint8_t* weights;
  int64_t size, limit;  // after and before
  // Constants are checked when a session is made; places outside would be read there.
  int64_t low(int64_t i) const { return std::clamp<int64_t>(places[i], 0, limit - 1); }
  int64_t high(int64_t i) const { return std::clamp<int64_t>(places[size + i], 0, limit - 1); }
  template <class W>
  W weight(int64_t i) const {
    W value;
    std::memcpy(&value, weights + i * 4, 4);
    return value;
  }
};

template <class Body>
void for_positions(const LinearResizeParams& p, Addresses a, int64_t begin, int64_t end, const Body& body) {
  const Axis rows = {reinterpret_cast<const int32_t*>(a[1]), a[2], p.output[0], p.input[0]};
  const Axis columns = {reinterpret_cast<const int32_t*>(a[3]), a[4], p.output[1], p.input[1]};
  for (int64_t row = begin; row < end; row++) {
    const int64_t y = row % p.output[0];
    const uint8_t* image = a[0] + row / p.output[0] * p.input[0] * p.input[1] * p.inner;
    const uint8_t *top = image + rows.low(y) * p.input[1] * p.inner, *bottom = image + rows.high(y) * p.input[1] * p.inner;
    uint8_t* to = a[5] + row * p.output[1] * p.inner;
    for (int64_t x = 0; x < p.output[1]; x++, to += p.inner) {
      const int64_t left = columns.low(x) * p.inner, right = columns.high(x) * p.inner;
      body(rows, y, columns, x, Corners{{top + left, bottom + left, top + right, bottom + right}}, to);
    }
  }
}

}  // namespace

KernelProgram make_linear_resize(const LinearResizeParams& p, const KernelTarget& target) {
  const auto axis = [](const char* places, const char* weights, int64_t size) {
    return std::pair{ArgumentRule{.name = places, .bytes = checked_product(size, 8), .alignment = 4, .constant = true},
                     ArgumentRule{.name = weights, .bytes = checked_product(size, 4), .alignment = 4, .constant = true}};
  };
  const auto [rows, row_weights] = axis("rows", "rowWeights", p.output[0]);
  const auto [columns, column_weights] = axis("columns", "columnWeights", p.output[1]);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(p.outer, p.input[0], p.input[1], p.inner)},
                       rows,
                       row_weights,
                       columns,
                       column_weights,
                       {.name = "destination",
                        .bytes = checked_product(p.outer, p.output[0], p.output[1], p.inner),
                        .access = Access::write}};
  const auto integers = integers_for(p, target.isa);
  const auto floats = p.type == ByteType::u8 ? version_of<Floats<uint8_t>>(target.isa) : version_of<Floats<int8_t>>(target.isa);
  program.run = [=, threads = target.threads](Addresses a) {
    const int64_t work = p.output[1] * (p.inner + 16);
    parallel(threads, p.outer * p.output[0], work, 1, [&](int64_t begin, int64_t end, int) {
      for_positions(p, a, begin, end, [&](const Axis& rows, int64_t y, const Axis& columns, int64_t x,
                                          const Corners& corners, uint8_t* to) {
        if (p.rounding == ResizeRounding::in_f32) {
          const float v = rows.weight<float>(y), h = columns.weight<float>(x);
          const float weights[4] = {1 - v, v, 1 - h, h};
          floats(corners, weights, 0, to, p.inner);
          return;
        }
        const int32_t unit = int32_t{1} << p.bits, v = rows.weight<int32_t>(y), h = columns.weight<int32_t>(x);
        const int32_t top = wrapping_subtract(unit, v), left = wrapping_subtract(unit, h);
        const int32_t weights[4] = {wrapping_multiply(top, left), wrapping_multiply(v, left), wrapping_multiply(top, h),
                                    wrapping_multiply(v, h)};
        integers(corners, weights, p.bits, to, p.inner);
      });
    });
  };
  return program;
}

}  // namespace unskew
