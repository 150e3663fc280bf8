// Binary operations on bytes or wider elements whose operands broadcast by strides, into a dense destination.
#pragma once

#include "kernels/kernels.h"
#include "kernels/strides.h"

namespace unskew {

// run(a, step of a, b, step of b, destination, count, table) for runs along the innermost axis. `extra` is a further
// argument after the two operands (the table), or empty.
template <class T = uint8_t, class Run>
KernelProgram make_broadcast_binary(const std::vector<int64_t>& shape, const std::vector<int64_t>& source_strides,
                                    const std::vector<int64_t>& source1_strides, int threads,
                                    const std::vector<ArgumentRule>& extra, Run run) {
  const int64_t count = checked_product(shape);
  const std::vector<int64_t> dense = row_major_strides(shape);
  const auto bytes_of = [&](const std::vector<int64_t>& strides) {
    const Extent extent = extent_of(shape, strides, 0);
    require(extent.first >= 0, "strides of an operand must not be negative");
    return checked_product(checked_add(extent.last, 1), sizeof(T));
  };
  StridedSpace<3> space;
  for (size_t axis = 0; axis < shape.size(); axis++) {
    space.add_axis(shape[axis], {source_strides[axis], source1_strides[axis], dense[axis]});
  }
  space.finish();

  KernelProgram program;
  program.arguments = {{.name = "source",
                        .bytes = count == 0 ? 0 : bytes_of(source_strides),
                        .alignment = sizeof(T),
                        .in_place = source_strides == dense},
                       {.name = "source1",
                        .bytes = count == 0 ? 0 : bytes_of(source1_strides),
                        .alignment = sizeof(T),
                        .in_place = source1_strides == dense}};
  program.arguments.insert(program.arguments.end(), extra.begin(), extra.end());
  program.arguments.push_back({.name = "destination",
                               .bytes = checked_product(count, sizeof(T)),
                               .access = Access::write,
                               .alignment = sizeof(T)});
  const size_t destination = program.arguments.size() - 1;
  if (count == 0) {
    program.run = [](Addresses) {};
    return program;
  }
  program.run = [=](Addresses a) {
    const size_t last = space.shape.size() - 1;
    const int64_t length = space.shape[last];
    const auto [step_a, step_b, step_d] = space.strides[last];
    const auto* source = reinterpret_cast<const T*>(a[0]);
    const auto* source1 = reinterpret_cast<const T*>(a[1]);
    auto* result = reinterpret_cast<T*>(a[destination]);
    parallel(threads, count, sizeof(T), 64, [&, step_a = step_a, step_b = step_b](int64_t begin, int64_t end, int) {
      Walk<3> walk(space, last, begin / length);
      int64_t first = begin % length;
      for (int64_t position = begin; position < end; first = 0, walk.next()) {
        const int64_t n = std::min(length - first, end - position);
        run(source + walk.offset[0] + first * step_a, step_a, source1 + walk.offset[1] + first * step_b, step_b,
            result + position, n, a[2]);
        position += n;
      }
    });
  };
  return program;
}

}  // namespace unskew
