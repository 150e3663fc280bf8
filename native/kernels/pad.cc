#include <cstring>

#include "kernels/elementwise.h"
#include "kernels/strides.h"

namespace unskew {

namespace {

// Rows one behind the other, each with pads before and after it. Runs of kRun elements, which are vectors, reach beyond a row into
// places that are written later; the rows at the end are written element by element.
template <class T>
struct Rows {
  static constexpr int64_t kRun = 32 / sizeof(T);

  UNSKEW_INLINE static void fill(T* to, int64_t count, T value) {
    for (int64_t i = 0; i < count; i += kRun)
      for (int64_t k = 0; k < kRun; k++) to[i + k] = value;
  }
  UNSKEW_INLINE static void run(const T* source, T* destination, int64_t count, int64_t inside, int64_t before,
                                int64_t length, T value) {
    int64_t row = 0;
    for (; (count - row) * inside >= inside + kRun && (count - row) * length >= length + kRun; row++) {
      T* to = destination + row * length;
      const T* from = source + row * inside;
      fill(to, before, value);
      for (int64_t i = 0; i < inside; i += kRun) std::memcpy(to + before + i, from + i, kRun * sizeof(T));
      fill(to + before + inside, length - before - inside, value);
    }
    for (; row < count; row++) {
      T* to = destination + row * length;
      std::fill_n(to, before, value);
      std::copy_n(source + row * inside, inside, to + before);
      std::fill(to + before + inside, to + length, value);
    }
  }
};

template <class T>
class Padder {
 public:
  Padder(const PadParams& params, const KernelTarget& target)
      : threads_(target.threads), rows_of_(version_of<Rows<T>>(target.isa)), value_(static_cast<T>(params.value)) {
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
      for (int64_t row = first; row < last;) {
        const auto [from, count] = rows_from(row, last);
        T* to = destination + row * length;
        if (from < 0) {
          std::fill_n(to, count * length, value_);
        } else {
          rows_of_(source + from * inside, to, count, inside, before, length, value_);
        }
        row += count;
      }
    });
  }

 private:
  // Rows of the destination before `last` that have rows of the source one behind the other, or none: the first of these, or -1, and
  // how many.
  std::pair<int64_t, int64_t> rows_from(int64_t row, int64_t last) const {
    const int64_t left = last - row;
    if (padded_.size() < 2) return {source_row(row), left};
    const size_t axis = padded_.size() - 2;
    const int64_t place = row % padded_[axis], begin = begin_[axis], end = begin + sizes_[axis];
    const int64_t until = place < begin ? begin : place < end ? end : padded_[axis];
    return {source_row(row), std::min(left, until - place)};
  }

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
  void (*rows_of_)(const T*, T*, int64_t, int64_t, int64_t, int64_t, T);
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
