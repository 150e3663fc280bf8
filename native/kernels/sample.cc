// Images at computed points, channels last, and axes resized by four taps; src/ir/ops has the steps.
#include "kernels/sample.h"

#include <cmath>

#include "kernels/elementwise.h"

namespace unskew {

namespace {

// The two elements around a point of an axis, -1 where there is none, and their weights.
struct AxisTaps {
  int64_t low, high;
  float weight_of_low, weight_of_high;
};

float mirrored(float at, float size, bool aligns_corners) {
  const float low = aligns_corners ? 0.0f : -0.5f, high = aligns_corners ? size - 1 : size - 0.5f;
  const float range = high - low;
  if (range == 0) return 0;
  if (at >= low && at <= high) return at;
  const float beyond = at < low ? low - at : at - high;
  const float times = std::floor(beyond / range);
  const float covered = times * range;
  const float rest = beyond - covered;
  const bool is_even = std::fmod(times, 2.0f) == 0;
  return (is_even ? at < low : at > high) ? low + rest : high - rest;
}

AxisTaps taps_of(float coordinate, int64_t count, const GridSampleParams& p) {
  constexpr float kFar = 16777216.0f;
  const auto size = static_cast<float>(count);
  const float from_edge = coordinate + 1;
  float at;
  if (p.aligns_corners) {
    at = from_edge / 2 * (size - 1);
  } else {
    const float scaled = from_edge * size;
    at = (scaled - 1) / 2;
  }
  if (!(std::fabs(at) <= kFar)) at = -kFar;
  if (p.padding == SamplePadding::border) at = std::min(std::max(at, 0.0f), size - 1);
  if (p.padding == SamplePadding::reflection) at = mirrored(at, size, p.aligns_corners);
  const auto inside = [&](int64_t i) {
    if (i >= 0 && i < count) return i;
    return p.padding == SamplePadding::zeros ? int64_t{-1} : std::clamp<int64_t>(i, 0, count - 1);
  };
  const float down = std::floor(at);
  const auto low = static_cast<int64_t>(down);
  if (p.mode == SampleMode::linear) {
    const float weight_of_low = static_cast<float>(low + 1) - at;
    return {inside(low), inside(low + 1), weight_of_low, at - down};
  }
  const float part = at - down;
  const bool is_upper = part > 0.5f || (part == 0.5f && low % 2 != 0);
  return {inside(is_upper ? low + 1 : low), -1, 1, 0};
}

struct Corners {
  const float* at[4];  // top left, top right, bottom left, bottom right
  float left, right, top, bottom;
};

struct Blend {
  UNSKEW_INLINE static void run(const Corners* given, int64_t channels, float* to) {
    const Corners c = *given;
    const float *a = c.at[0], *b = c.at[1], *d = c.at[2], *e = c.at[3];
#pragma GCC ivdep
    for (int64_t i = 0; i < channels; i++) {
      const float upper = c.left * a[i] + c.right * b[i], lower = c.left * d[i] + c.right * e[i];
      to[i] = c.top * upper + c.bottom * lower;
    }
  }
};

template <class From, class To>
struct Resample {
  UNSKEW_INLINE static void run(const From* const* taps, const double* given, int64_t count, To* to) {
    const From *p = taps[0], *q = taps[1], *r = taps[2], *s = taps[3];
    const double weights[4] = {given[0], given[1], given[2], given[3]};
#pragma GCC ivdep
    for (int64_t k = 0; k < count; k++) {
      const double first = weights[0] * static_cast<double>(p[k]) + weights[1] * static_cast<double>(q[k]);
      const double more = first + weights[2] * static_cast<double>(r[k]);
      to[k] = static_cast<To>(more + weights[3] * static_cast<double>(s[k]));
    }
  }
};

template <class From, class To>
std::function<void(Addresses)> resample_of(const ResampleParams& p, const KernelTarget& target) {
  return [=, run = version_of<Resample<From, To>>(target.isa), threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const From*>(a[0]);
    const auto* places = reinterpret_cast<const int32_t*>(a[1]);
    const auto* weights = reinterpret_cast<const double*>(a[2]);
    auto* to = reinterpret_cast<To*>(a[3]);
    parallel(threads, p.outer * p.count, p.inner * 32, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t outer = i / p.count, position = i % p.count;
        const From* taps[4];
        for (int64_t t = 0; t < 4; t++) {
          // Places are limited to the axis, so that nothing else is ever read.
          const int64_t place = std::clamp<int64_t>(places[4 * position + t], 0, p.size - 1);
          taps[t] = source + (outer * p.size + place) * p.inner;
        }
        run(taps, weights + 4 * position, p.inner, to + i * p.inner);
      }
    });
  };
}

}  // namespace

KernelProgram make_grid_sample(const GridSampleParams& p, const KernelTarget& target) {
  require(p.height >= 1 && p.width >= 1, "grid-sample: an image without elements");
  require(p.height <= INT32_MAX && p.width <= INT32_MAX, "grid-sample: an axis longer than 2^31 - 1");
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, p.height * p.width, p.channels, 4), .alignment = 4},
      {.name = "grid", .bytes = checked_product(p.batch, p.positions, 8), .alignment = 4},
      {.name = "destination",
       .bytes = checked_product(p.batch, p.positions, p.channels, 4),
       .access = Access::write,
       .alignment = 4}};
  program.run = [=, blend = version_of<Blend>(target.isa), threads = target.threads,
                 zeros = std::make_shared<const std::vector<float>>(static_cast<size_t>(p.channels))](Addresses a) {
    const auto* grid = reinterpret_cast<const float*>(a[1]);
    parallel(threads, p.batch * p.positions, p.channels * 16 + 64, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const auto* image =
            reinterpret_cast<const float*>(a[0]) + i / p.positions * p.height * p.width * p.channels;
        const AxisTaps x = taps_of(grid[2 * i], p.width, p), y = taps_of(grid[2 * i + 1], p.height, p);
        const auto at = [&](int64_t row, int64_t column) {
          return row < 0 || column < 0 ? zeros->data() : image + (row * p.width + column) * p.channels;
        };
        float* to = reinterpret_cast<float*>(a[2]) + i * p.channels;
        if (p.mode == SampleMode::nearest) {
          std::copy_n(at(y.low, x.low), p.channels, to);
        } else {
          const Corners corners{{at(y.low, x.low), at(y.low, x.high), at(y.high, x.low), at(y.high, x.high)},
                                x.weight_of_low, x.weight_of_high, y.weight_of_low, y.weight_of_high};
          blend(&corners, p.channels, to);
        }
      }
    });
  };
  return program;
}

KernelProgram make_resample(const ResampleParams& p, const KernelTarget& target) {
  require(p.size >= 1, "resample: the axis is empty");
  const int64_t from = p.from_double ? 8 : 4, to = p.to_double ? 8 : 4;
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(p.outer, p.size, p.inner, from), .alignment = from},
                       {.name = "places", .bytes = checked_product(p.count, 16), .alignment = 4},
                       {.name = "weights", .bytes = checked_product(p.count, 32), .alignment = 8},
                       {.name = "destination",
                        .bytes = checked_product(p.outer, p.count, p.inner, to),
                        .access = Access::write,
                        .alignment = to}};
  program.run = p.from_double ? (p.to_double ? resample_of<double, double>(p, target) : resample_of<double, float>(p, target))
                              : (p.to_double ? resample_of<float, double>(p, target) : resample_of<float, float>(p, target));
  return program;
}

}  // namespace unskew
