// The positions of the elements that are not zero, a row for each axis, whose rows are as long as there are positions.
#include "kernels/counted.h"

namespace unskew {

namespace {

template <class T>
int64_t count_of(const T* x, int64_t size) {
  int64_t count = 0;
  for (int64_t i = 0; i < size; i++) count += x[i] != T{0} ? 1 : 0;
  return count;
}

// Line by line along the last axis, so that the positions of all others are the same for a line.
template <class T>
void find(Addresses a, const std::vector<int64_t>& shape, int64_t size) {
  const auto* x = reinterpret_cast<const T*>(a[0]);
  auto* to = reinterpret_cast<int64_t*>(a[1]);
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t count = count_of(x, size), length = shape.back();
  std::vector<int64_t> outer(shape.size() - 1, 0);
  int64_t found = 0;
  for (const T* line = x; line < x + size && found < count; line += length) {
    const int64_t first = found;
    int64_t* last_row = to + (rank - 1) * count;
    for (int64_t i = 0; i < length; i++)
      if (line[i] != T{0}) last_row[found++] = i;
    for (size_t axis = 0; axis < outer.size(); axis++)
      std::fill(to + static_cast<int64_t>(axis) * count + first, to + static_cast<int64_t>(axis) * count + found,
                outer[axis]);
    for (size_t axis = outer.size(); axis-- > 0;) {
      if (++outer[axis] < shape[axis]) break;
      outer[axis] = 0;
    }
  }
  to[rank * size] = count;
}

using Find = void (*)(Addresses, const std::vector<int64_t>&, int64_t);

std::pair<Find, int64_t> version_of(RowType type) {
  switch (type) {
    case RowType::f32: return {find<float>, 4};
    case RowType::f64: return {find<double>, 8};
    case RowType::s32: return {find<int32_t>, 4};
    case RowType::u32: return {find<uint32_t>, 4};
    case RowType::s64: return {find<int64_t>, 8};
    case RowType::u64: return {find<uint64_t>, 8};
    case RowType::s16: return {find<int16_t>, 2};
    case RowType::u16: return {find<uint16_t>, 2};
    case RowType::s8: return {find<int8_t>, 1};
    default: return {find<uint8_t>, 1};
  }
}

}  // namespace

KernelProgram make_non_zero(const NonZeroParams& p, const KernelTarget&) {
  require(!p.shape.empty(), "non-zero: a scalar has no axes");
  int64_t size = 1;
  for (const int64_t of : p.shape) size = checked_multiply(size, of);
  const auto [run, bytes] = version_of(p.type);
  const int64_t room = checked_add(checked_multiply(static_cast<int64_t>(p.shape.size()), size), 1);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_multiply(size, bytes), .alignment = bytes},
      {.name = "destination", .bytes = checked_multiply(room, 8), .access = Access::write, .alignment = 8}};
  program.run = [run = run, shape = p.shape, size](Addresses a) { run(a, shape, size); };
  return program;
}

}  // namespace unskew
