#include <cstring>

#include "kernels/kernels.h"
#include "kernels/strides.h"
#include "kernels/transpose.h"

namespace unskew {

namespace {

using Copy = StridedSpace<2>;  // source, destination

// Axes by falling stride of the destination, so that writes are consecutive.
Copy make_space(const CopyParams& params) {
  std::vector<size_t> order(params.shape.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::abs(params.destination_strides[a]) > std::abs(params.destination_strides[b]);
  });
  Copy space;
  for (size_t axis : order)
    space.add_axis(params.shape[axis], {params.source_strides[axis], params.destination_strides[axis]});
  space.finish();
  return space;
}

template <class T>
void copy_row(const T* source, int64_t source_stride, T* destination, int64_t destination_stride, int64_t count) {
  if (source_stride == 1 && destination_stride == 1) {
    std::memcpy(destination, source, static_cast<size_t>(count) * sizeof(T));
  } else {
    for (int64_t i = 0; i < count; i++) destination[i * destination_stride] = source[i * source_stride];
  }
}

// The innermost axis is written consecutively; `across` (if any) is the axis along which the source is consecutive.
template <class T>
class Copier {
 public:
  Copier(const CopyParams& params, const KernelTarget& target)
      : space_(make_space(params)),
        target_(target),
        source_offset_(params.source_offset),
        destination_offset_(params.destination_offset) {
    const size_t last = space_.shape.size() - 1;
    if (space_.strides[last][1] == 1 && space_.strides[last][0] != 1) {
      for (size_t axis = 0; axis < last; axis++) {
        if (space_.strides[axis][0] == 1) across_ = static_cast<int>(axis);
      }
    }
    // The axis across becomes the last but one, so that the walk covers the others.
    if (across_ >= 0) {
      std::rotate(space_.shape.begin() + across_, space_.shape.begin() + across_ + 1, space_.shape.end() - 1);
      std::rotate(space_.strides.begin() + across_, space_.strides.begin() + across_ + 1, space_.strides.end() - 1);
    }
    inner_axes_ = across_ >= 0 ? 2 : 1;
    outer_ = 1;
    for (size_t axis = 0; axis + inner_axes_ < space_.shape.size(); axis++) outer_ *= space_.shape[axis];
  }

  void operator()(Addresses a) const {
    const T* source = reinterpret_cast<const T*>(a[0]) + source_offset_;
    T* destination = reinterpret_cast<T*>(a[1]) + destination_offset_;
    const size_t outer_axes = space_.shape.size() - inner_axes_;
    if (across_ >= 0) {
      transpose(source, destination, outer_axes);
      return;
    }
    const auto [source_stride, destination_stride] = space_.strides.back();
    const int64_t length = space_.shape.back();
    // One long row is split as well.
    const int64_t piece =
        outer_ >= target_.threads ? length : std::max<int64_t>(1, (length + target_.threads - 1) / target_.threads);
    const int64_t pieces = (length + piece - 1) / piece;
    parallel(target_.threads, outer_ * pieces, piece * static_cast<int64_t>(sizeof(T)), 1,
             [&](int64_t begin, int64_t end, int) {
               Walk<2> walk(space_, outer_axes, begin / pieces);
               for (int64_t unit = begin; unit < end; unit++) {
                 const int64_t from = unit % pieces * piece;
                 copy_row(source + walk.offset[0] + from * source_stride, source_stride,
                          destination + walk.offset[1] + from * destination_stride, destination_stride,
                          std::min(piece, length - from));
                 if (unit % pieces == pieces - 1) walk.next();
               }
             });
  }

 private:
  // Rows of the destination (axis last) are columns of the source.
  void transpose(const T* source, T* destination, size_t outer_axes) const {
    const size_t last = space_.shape.size() - 1;
    const int64_t rows = space_.shape[last - 1], columns = space_.shape[last];
    const int64_t source_stride = space_.strides[last][0], destination_stride = space_.strides[last - 1][1];
    const int64_t band = std::max<int64_t>(64, 16384 / columns / 64 * 64);
    const int64_t bands = (rows + band - 1) / band;
    parallel(target_.threads, outer_ * bands, std::min(band, rows) * columns * static_cast<int64_t>(sizeof(T)), 1,
             [&](int64_t begin, int64_t end, int) {
               Walk<2> walk(space_, outer_axes, begin / bands);
               for (int64_t unit = begin; unit < end; unit++) {
                 const int64_t first = unit % bands * band;
                 transpose_block(target_.isa, source + walk.offset[0] + first, source_stride,
                                 destination + walk.offset[1] + first * destination_stride, destination_stride,
                                 std::min(band, rows - first), columns);
                 if (unit % bands == bands - 1) walk.next();
               }
             });
  }

  Copy space_;
  KernelTarget target_;
  int64_t source_offset_, destination_offset_, outer_ = 1;
  int across_ = -1;
  size_t inner_axes_ = 1;
};

template <class T>
KernelProgram make_program(const CopyParams& params, const KernelTarget& target) {
  KernelProgram program;
  program.is_light = true;
  const bool empty = checked_product(params.shape) == 0;
  int64_t source_bytes = 0, destination_bytes = 0;
  if (!empty) {
    const Extent source = extent_of(params.shape, params.source_strides, params.source_offset);
    const Extent destination = extent_of(params.shape, params.destination_strides, params.destination_offset);
    require(source.first >= 0 && destination.first >= 0, "copy: negative strides reach before the start of a tensor");
    require_distinct("copy: destinationStrides", params.shape, params.destination_strides);
    source_bytes = checked_product(checked_add(source.last, 1), sizeof(T));
    destination_bytes = checked_product(checked_add(destination.last, 1), sizeof(T));
  }
  program.arguments = {
      {.name = "source", .bytes = source_bytes, .alignment = sizeof(T)},
      {.name = "destination", .bytes = destination_bytes, .access = Access::write, .alignment = sizeof(T)}};
  if (empty) {
    program.run = [](Addresses) {};
  } else {
    program.run = Copier<T>(params, target);
  }
  return program;
}

}  // namespace

KernelProgram make_copy(const CopyParams& params, const KernelTarget& target) {
  switch (params.element_bytes) {
    case 1: return make_program<uint8_t>(params, target);
    case 2: return make_program<uint16_t>(params, target);
    case 4: return make_program<uint32_t>(params, target);
    default: return make_program<uint64_t>(params, target);
  }
}

}  // namespace unskew
