// Linear interpolation along one to three neighbouring axes as src/ir/ops/linear_resize.ts states it: a sum over the corners around a
// position, everything rounded to binary32.
#include "kernels/interpolate.h"

#include "kernels/elementwise.h"

namespace unskew {

namespace {

// The corners of a position: offsets of their elements, and weights.
template <int kAxes>
struct Corners {
  static constexpr int kCount = 1 << kAxes;
  int64_t offsets[kCount];
  float weights[kCount];
};

template <class T, bool kTenBits>
UNSKEW_INLINE T rounded(float sum) {
  if constexpr (std::is_same_v<T, float>) {
    return sum;
  } else {
    return static_cast<T>(static_cast<int64_t>(kTenBits ? sum / 0x1p20f : sum));
  }
}

template <class T, int kAxes, bool kTenBits>
struct Interpolate {
  UNSKEW_INLINE static void run(const uint8_t* from, const void* given, uint8_t* to, int64_t count) {
    const auto& corners = *static_cast<const Corners<kAxes>*>(given);
    const T* source = reinterpret_cast<const T*>(from);
    T* destination = reinterpret_cast<T*>(to);
    for (int64_t k = 0; k < count; k++) {
      float sum = corners.weights[0] * static_cast<float>(source[corners.offsets[0] + k]);
      for (int j = 1; j < Corners<kAxes>::kCount; j++)
        sum += corners.weights[j] * static_cast<float>(source[corners.offsets[j] + k]);
      destination[k] = rounded<T, kTenBits>(sum);
    }
  }
};

using Run = void (*)(const uint8_t*, const void*, uint8_t*, int64_t);

// The places and weights of all axes, one list after the other: for each axis the lower and upper neighbours of its positions.
template <int kAxes>
class Interpolator {
 public:
  Interpolator(const InterpolateParams& p, Run run, int64_t element_bytes, int threads)
      : p_(p), run_(run), element_bytes_(element_bytes), threads_(threads) {
    for (size_t axis = 0; axis < kAxes; axis++) {
      input_ *= p.input[axis];
      output_ *= p.output[axis];
    }
  }

  void operator()(Addresses a) const {
    const auto* places = reinterpret_cast<const int32_t*>(a[1]);
    const auto* weights = reinterpret_cast<const float*>(a[2]);
    const int64_t row = p_.inner * element_bytes_;
    parallel(threads_, p_.outer * output_, row * (4 << kAxes), 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const Corners<kAxes> corners = corners_of(i % output_, places, weights);
        run_(a[0] + i / output_ * input_ * row, &corners, a[3] + i * row, p_.inner);
      }
    });
  }

 private:
  // From the innermost axis out, so that weights are multiplied in this order.
  Corners<kAxes> corners_of(int64_t position, const int32_t* places, const float* weights) const {
    Corners<kAxes> corners;
    corners.offsets[0] = 0;
    corners.weights[0] = 1;
    int64_t end = 0, stride = p_.inner;
    for (size_t axis = 0; axis < kAxes; axis++) end += 2 * p_.output[axis];
    for (int axis = kAxes - 1, made = 1; axis >= 0; axis--, made *= 2) {
      const int64_t size = p_.input[static_cast<size_t>(axis)], count = p_.output[static_cast<size_t>(axis)];
      const int64_t i = position % count;
      position /= count;
      end -= 2 * count;
      // Places are limited to the axis, so that nothing else is ever read.
      const int64_t low = std::clamp<int64_t>(places[end + i], 0, size - 1) * stride;
      const int64_t high = std::clamp<int64_t>(places[end + count + i], 0, size - 1) * stride;
      for (int j = 0; j < made; j++) {
        corners.offsets[made + j] = corners.offsets[j] + high;
        corners.weights[made + j] = corners.weights[j] * weights[end + count + i];
        corners.offsets[j] += low;
        corners.weights[j] *= weights[end + i];
      }
      stride *= size;
    }
    return corners;
  }

  InterpolateParams p_;
  Run run_;
  int64_t element_bytes_, input_ = 1, output_ = 1;
  int threads_;
};

template <int kAxes, class T>
Run version(const InterpolateParams& p, Isa isa) {
  return p.ten_bits ? version_of<Interpolate<T, kAxes, true>>(isa) : version_of<Interpolate<T, kAxes, false>>(isa);
}

template <int kAxes>
std::function<void(Addresses)> program_of(const InterpolateParams& p, int64_t bytes, const KernelTarget& target) {
  const Run run = p.type == ElementType::f32   ? version<kAxes, float>(p, target.isa)
                  : p.type == ElementType::s32 ? version<kAxes, int32_t>(p, target.isa)
                  : p.type == ElementType::s8  ? version<kAxes, int8_t>(p, target.isa)
                                               : version<kAxes, uint8_t>(p, target.isa);
  return Interpolator<kAxes>(p, run, bytes, target.threads);
}

}  // namespace

KernelProgram make_interpolate(const InterpolateParams& p, const KernelTarget& target) {
  const size_t axes = p.input.size();
  require(axes >= 1 && axes <= 3 && p.output.size() == axes, "interpolate: one to three axes");
  require(p.type != ElementType::s16, "interpolate: the type is f32, s32, s8 or u8");
  for (const int64_t size : p.input) require(size >= 1, "interpolate: an axis is empty");
  const int64_t bytes = p.type == ElementType::f32 || p.type == ElementType::s32 ? 4 : 1;
  int64_t positions = 0;
  for (const int64_t size : p.output) positions = checked_add(positions, checked_product(size, 2, 4));
  KernelProgram program;
  program.arguments = {{.name = "source",
                        .bytes = checked_product(p.outer, checked_product(p.input), p.inner, bytes),
                        .alignment = bytes},
                       {.name = "places", .bytes = positions, .alignment = 4},
                       {.name = "weights", .bytes = positions, .alignment = 4},
                       {.name = "destination",
                        .bytes = checked_product(p.outer, checked_product(p.output), p.inner, bytes),
                        .access = Access::write,
                        .alignment = bytes}};
  program.run = axes == 1   ? program_of<1>(p, bytes, target)
                : axes == 2 ? program_of<2>(p, bytes, target)
                            : program_of<3>(p, bytes, target);
  return program;
}

}  // namespace unskew
