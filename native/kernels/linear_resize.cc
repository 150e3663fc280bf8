// Rows and columns of bytes at other sizes, each element weighted between its neighbours along both axes.
// src/numerics/tflite_resize.ts has the arithmetic.
#include <cstring>
#include <limits>

#include "kernels/elementwise.h"

namespace unskew {

namespace {

// The four neighbours of a position: above and below on the left, above and below on the right.
struct Corners {
  const uint8_t* at[4];
};

// Weights of the neighbours add up to 2^(2·bits), so that the sum of integers fits into an int32 for bits ≤ 11 where
// they lie in [0, 2^bits]; elsewhere it wraps, and sums of products that wrap are the same in every order.
struct Pair {
  uint32_t first, second;
};

// An input row between two others: each element of both, weighted.
template <class T>
struct Blend {
  UNSKEW_INLINE static void run(const uint8_t* top, const uint8_t* bottom, Pair weights, int32_t* to, int64_t count) {
    for (int64_t i = 0; i < count; i++)
      to[i] = static_cast<int32_t>(static_cast<uint32_t>(static_cast<T>(top[i])) * weights.first +
                                   static_cast<uint32_t>(static_cast<T>(bottom[i])) * weights.second);
  }
};

// The columns of an output row: where their neighbours lie in a blended row, and the weights of both.
struct Column {
  int64_t left, right;
  Pair weights;
};

// An output row from a blended one. Runs of kRun elements, which are vectors, reach beyond the elements of a position into those of
// the next, which come later: both rows have room for one run more.
constexpr int64_t kRun = 16;

template <class T, bool kAway>
struct Between {
  UNSKEW_INLINE static int32_t finish(uint32_t sum, int32_t shift, uint32_t half) {
    constexpr int32_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    int32_t value;
    if constexpr (kAway) {
      // Halves away from zero: those of the magnitude upwards.
      const auto sign = static_cast<uint32_t>(static_cast<int32_t>(sum) >> 31), magnitude = (sum ^ sign) - sign;
      value = static_cast<int32_t>((static_cast<uint32_t>(static_cast<int32_t>(magnitude + half) >> shift) ^ sign) - sign);
    } else {
      value = static_cast<int32_t>(sum + half) >> shift;
    }
    return value < low ? low : value > high ? high : value;
  }

  UNSKEW_INLINE static void run(const int32_t* row, const Column* columns, int64_t count, int64_t inner, int32_t bits,
                                uint8_t* to) {
    const int32_t shift = 2 * bits;
    const uint32_t half = shift == 0 ? 0 : uint32_t{1} << (shift - 1);
    for (const Column* at = columns; at < columns + count; at++, to += inner) {
      const Pair weights = at->weights;
      for (int64_t i = 0; i < inner; i += kRun) {
        // g++ 12 takes both for aligned, also where the sanitizer keeps them apart from the stack
        alignas(64) uint32_t left[kRun], right[kRun];
        std::memcpy(left, row + at->left + i, sizeof left);
        std::memcpy(right, row + at->right + i, sizeof right);
        uint8_t values[kRun];
        for (int64_t k = 0; k < kRun; k++)
          values[k] = static_cast<uint8_t>(finish(left[k] * weights.first + right[k] * weights.second, shift, half));
        std::memcpy(to + i, values, sizeof values);
      }
    }
  }
};

template <class T>
struct Floats {
  UNSKEW_INLINE static void run(const Corners& corners, const float* weights, uint8_t* destination, int64_t count) {
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

using BlendRun = void (*)(const uint8_t*, const uint8_t*, Pair, int32_t*, int64_t);
using BetweenRun = void (*)(const int32_t*, const Column*, int64_t, int64_t, int32_t, uint8_t*);
using FloatsRun = void (*)(const Corners&, const float*, uint8_t*, int64_t);

template <class T>
BetweenRun between_for(ResizeRounding rounding, Isa isa) {
  return rounding == ResizeRounding::half_away ? version_of<Between<T, true>>(isa) : version_of<Between<T, false>>(isa);
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

// The rows and columns of a resize, and the rows of the source that an output row lies between.
struct Axes {
  const LinearResizeParams& p;
  Addresses a;
  Axis rows, columns;
  Axes(const LinearResizeParams& of, Addresses at)
      : p(of),
        a(at),
        rows{reinterpret_cast<const int32_t*>(at[1]), at[2], of.output[0], of.input[0]},
        columns{reinterpret_cast<const int32_t*>(at[3]), at[4], of.output[1], of.input[1]} {}

  int64_t row_bytes() const { return p.output[1] * p.inner; }
  uint8_t* destination(int64_t row) const { return a[5] + row * row_bytes(); }
  std::pair<const uint8_t*, const uint8_t*> source(int64_t row) const {
    const int64_t width = p.input[1] * p.inner, y = row % p.output[0];
    const uint8_t* image = a[0] + row / p.output[0] * p.input[0] * width;
    return {image + rows.low(y) * width, image + rows.high(y) * width};
  }
};

// What one thread writes before it goes to the destination.
struct RowScratch {
  std::vector<int32_t> blended;
  std::vector<uint8_t> finished;
  std::vector<Column> columns;
};

struct IntegerRuns {
  BlendRun blend;
  BetweenRun between;
};

void resize_integers(const Axes& axes, const IntegerRuns& runs, RowScratch& scratch, int64_t begin, int64_t end) {
  const LinearResizeParams& p = axes.p;
  const uint32_t unit = uint32_t{1} << p.bits;
  const auto pair = [=](const Axis& axis, int64_t i) {
    const auto second = axis.weight<uint32_t>(i);
    return Pair{unit - second, second};
  };
  for (int64_t x = 0; x < p.output[1]; x++)
    scratch.columns[static_cast<size_t>(x)] = {axes.columns.low(x) * p.inner, axes.columns.high(x) * p.inner,
                                               pair(axes.columns, x)};
  for (int64_t row = begin; row < end; row++) {
    const auto [top, bottom] = axes.source(row);
    runs.blend(top, bottom, pair(axes.rows, row % p.output[0]), scratch.blended.data(), p.input[1] * p.inner);
    runs.between(scratch.blended.data(), scratch.columns.data(), p.output[1], p.inner, p.bits, scratch.finished.data());
    std::copy_n(scratch.finished.data(), axes.row_bytes(), axes.destination(row));
  }
}

void resize_floats(const Axes& axes, FloatsRun run, int64_t begin, int64_t end) {
  const LinearResizeParams& p = axes.p;
  for (int64_t row = begin; row < end; row++) {
    const auto [top, bottom] = axes.source(row);
    const float v = axes.rows.weight<float>(row % p.output[0]);
    uint8_t* to = axes.destination(row);
    for (int64_t x = 0; x < p.output[1]; x++, to += p.inner) {
      const int64_t left = axes.columns.low(x) * p.inner, right = axes.columns.high(x) * p.inner;
      const float h = axes.columns.weight<float>(x);
      const float weights[4] = {1 - v, v, 1 - h, h};
      run(Corners{{top + left, bottom + left, top + right, bottom + right}}, weights, to, p.inner);
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
  const bool is_unsigned = p.type == ByteType::u8;
  const int threads = std::max(1, target.threads);
  const auto each_row = [=](Addresses a, const auto& body) {
    parallel(threads, p.outer * p.output[0], p.output[1] * (p.inner + 16), 1,
             [&](int64_t begin, int64_t end, int thread) { body(Axes(p, a), begin, end, thread); });
  };
  if (p.rounding == ResizeRounding::in_f32) {
    const auto run = is_unsigned ? version_of<Floats<uint8_t>>(target.isa) : version_of<Floats<int8_t>>(target.isa);
    program.run = [=](Addresses a) {
      each_row(a, [=](const Axes& axes, int64_t begin, int64_t end, int) { resize_floats(axes, run, begin, end); });
    };
    return program;
  }
  const IntegerRuns runs =
      is_unsigned ? IntegerRuns{version_of<Blend<uint8_t>>(target.isa), between_for<uint8_t>(p.rounding, target.isa)}
                  : IntegerRuns{version_of<Blend<int8_t>>(target.isa), between_for<int8_t>(p.rounding, target.isa)};
  const auto sized = [](int64_t count, int64_t bytes) { return static_cast<size_t>(checked_product(count, bytes) / bytes); };
  const RowScratch empty{
      .blended = std::vector<int32_t>(sized(checked_add(checked_product(p.input[1], p.inner), kRun), 4)),
      .finished = std::vector<uint8_t>(sized(checked_add(checked_product(p.output[1], p.inner), kRun), 1)),
      .columns = std::vector<Column>(sized(p.output[1], sizeof(Column)))};
  const auto scratch = std::make_shared<std::vector<RowScratch>>(static_cast<size_t>(threads), empty);
  program.run = [=](Addresses a) {
    each_row(a, [&](const Axes& axes, int64_t begin, int64_t end, int thread) {
      resize_integers(axes, runs, (*scratch)[static_cast<size_t>(thread)], begin, end);
    });
  };
  return program;
}

}  // namespace unskew
