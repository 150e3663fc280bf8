#include "kernels/elementwise.h"
#include "kernels/taps.h"

namespace unskew {

namespace {

// sums[g] = Σ over the channels of group g, for `positions` positions.
template <class T>
struct GroupSums {
  UNSKEW_INLINE static void run(const T* source, int64_t positions, int64_t groups, int64_t group_size, int32_t* sums) {
    for (int64_t i = 0; i < positions * groups; i++) {
      int32_t sum = 0;
      for (int64_t c = 0; c < group_size; c++) sum = wrapping_add(sum, source[i * group_size + c]);
      sums[i] = sum;
    }
  }
};


Taps window_taps(const WindowSumParams& p, int axis, int64_t position) {
  return taps_of(position, p.strides[axis], p.begin[axis], p.dilations[axis], p.kernel[axis], p.input[axis]);
}

// One output position: the sum of its window of group sums.
void window(const WindowSumParams& p, const int32_t* sums, int64_t z, int64_t y, int64_t x, int32_t* destination) {
  std::fill_n(destination, p.groups, 0);
  const Taps tz = window_taps(p, 0, z), ty = window_taps(p, 1, y), tx = window_taps(p, 2, x);
  for (int64_t i = tz.first; i < tz.last; i++) {
    for (int64_t j = ty.first; j < ty.last; j++) {
      for (int64_t k = tx.first; k < tx.last; k++) {
        const int64_t at = ((tz.origin + i * p.dilations[0]) * p.input[1] + ty.origin + j * p.dilations[1]) * p.input[2] +
                           tx.origin + k * p.dilations[2];
        for (int64_t g = 0; g < p.groups; g++) destination[g] = wrapping_add(destination[g], sums[at * p.groups + g]);
      }
    }
  }
}

template <class T>
KernelProgram make_program(const WindowSumParams& p, const KernelTarget& target) {
  require(p.groups >= 1 && p.channels % p.groups == 0, "window-sum: groups must divide channels");
  const int64_t input = checked_product(p.input[0], p.input[1], p.input[2]);
  const int64_t output = checked_product(p.output[0], p.output[1], p.output[2]);
  const auto sum = version_of<GroupSums<T>>(target.isa);
  auto scratch = std::make_shared<AlignedBuffer>(checked_product(input, p.groups, 4));
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, input, p.channels)},
      {.name = "destination", .bytes = checked_product(p.batch, output, p.groups, 4), .access = Access::write, .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const T*>(a[0]);
    auto* destination = reinterpret_cast<int32_t*>(a[1]);
    auto* sums = scratch->as<int32_t>();
    const int64_t group_size = p.channels / p.groups;
    for (int64_t n = 0; n < p.batch; n++) {
      parallel(threads, input, p.channels, 16, [&](int64_t begin, int64_t end, int) {
        sum(source + (n * input + begin) * p.channels, end - begin, p.groups, group_size, sums + begin * p.groups);
      });
      const int64_t taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
      parallel(threads, output, taps * p.groups * 4, 16, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; i++) {
          const int64_t x = i % p.output[2], y = i / p.output[2] % p.output[1], z = i / p.output[2] / p.output[1];
          window(p, sums, z, y, x, destination + (n * output + i) * p.groups);
        }
      });
    }
  };
  return program;
}

}  // namespace

KernelProgram make_window_sum(const WindowSumParams& p, const KernelTarget& target) {
  return p.source_type == ByteType::u8 ? make_program<uint8_t>(p, target) : make_program<int8_t>(p, target);
}

}  // namespace unskew
