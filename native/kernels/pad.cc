#include <cstring>

#include "kernels/kernels.h"
#include "kernels/strides.h"

namespace unskew {

namespace {

template <class T>
class Padder {
 public:
  Padder(const PadParams& params, const KernelTarget& target)
      : threads_(target.threads), value_(static_cast<T>(params.value)) {
    // Innermost axes without pads are one block of elements with the axis before them.
    int64_t block = 1;
    size_t rank = params.shape.size();
    while (rank > 1 && params.begin[rank - 1] == 0 && params.end[rank - 1] == 0) block *= params.shape[--rank];
    for (size_t axis = 0; axis < rank; axis++) {
      const int64_t scale = axis + 1 == rank ? block : 1;
      sizes_.push_back(params.shape[axis] * scale);
      begin_.push_back(params.begin[axis] * scale);
      padded_.push_back((params.begin[axis] + params.shape[axis] + params.end[axis]) * scale);
    }
    if (sizes_.empty()) {
      sizes_ = padded_ = {1};
      begin_ = {0};
    }
    for (size_t axis = 0; axis + 1 < padded_.size(); axis++) rows_ *= padded_[axis];
  }

  void operator()(Addresses a) const {
    const T* source = reinterpret_cast<const T*>(a[0]);
    T* destination = reinterpret_cast<T*>(a[1]);
    const int64_t length = padded_.back(), inside = sizes_.back(), before = begin_.back();
    parallel(threads_, rows_, length * static_cast<int64_t>(sizeof(T)), 1, [&](int64_t first, int64_t last, int) {
      for (int64_t row = first; row < last; row++) {
        T* to = destination + row * length;
        const int64_t from = source_row(row);
        if (from < 0) {
          std::fill_n(to, length, value_);
          continue;
        }
        std::fill_n(to, before, value_);
        std::memcpy(to + before, source + from * inside, static_cast<size_t>(inside) * sizeof(T));
        std::fill(to + before + inside, to + length, value_);
      }
    });
  }

 private:
  // The row of the source that lies in a row of the destination, or -1.
  int64_t source_row(int64_t row) const {
    int64_t result = 0, scale = 1;
    for (size_t axis = padded_.size() - 1; axis-- > 0;) {
      const int64_t index = row % padded_[axis] - begin_[axis];
      if (index < 0 || index >= sizes_[axis]) return -1;
      result += index * scale;
      scale *= sizes_[axis];
      row /= padded_[axis];
    }
    return result;
  }

  int threads_;
  T value_;
  std::vector<int64_t> sizes_, begin_, padded_;
  int64_t rows_ = 1;
};

template <class T>
KernelProgram make_program(const PadParams& params, const KernelTarget& target) {
  int64_t source_bytes = sizeof(T), destination_bytes = sizeof(T);
  for (size_t axis = 0; axis < params.shape.size(); axis++) {
    source_bytes = checked_multiply(source_bytes, params.shape[axis]);
    destination_bytes = checked_multiply(
        destination_bytes, checked_add(checked_add(params.shape[axis], params.begin[axis]), params.end[axis]));
  }
  KernelProgram program;
  program.is_light = true;
  program.arguments = {
      {.name = "source", .bytes = source_bytes, .alignment = sizeof(T)},
      {.name = "destination", .bytes = destination_bytes, .access = Access::write, .alignment = sizeof(T)}};
  if (destination_bytes == 0) {
    program.run = [](Addresses) {};
  } else {
    program.run = Padder<T>(params, target);
  }
  return program;
}

}  // namespace

KernelProgram make_pad(const PadParams& params, const KernelTarget& target) {
  switch (params.element_bytes) {
    case 1: return make_program<uint8_t>(params, target);
    case 2: return make_program<uint16_t>(params, target);
    case 4: return make_program<uint32_t>(params, target);
    default: return make_program<uint64_t>(params, target);
  }
}

}  // namespace unskew
