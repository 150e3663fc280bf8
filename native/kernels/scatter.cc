// Elements at computed positions along one axis, and parts of a tensor that are written at computed places. Several writes to one
// place are made in order, so that one thread makes them all.
#include "kernels/scatter.h"

#include <cstring>

#include "kernels/gather_at.h"

namespace unskew {

namespace {

// Negative positions count from the end.
template <class Position>
int64_t inside(Position given, int64_t size) {
  if (given < -size || given >= size)
    throw PositionOutside("the index " + std::to_string(given) + " is outside an axis of size " + std::to_string(size));
  return given < 0 ? given + size : given;
}

template <class T, class Position>
class Along {
 public:
  explicit Along(const AlongParams& p) : p_(p), step_(p.strides[static_cast<size_t>(p.axis)]) {
    p_.strides[static_cast<size_t>(p.axis)] = 0;
    for (const int64_t size : p.shape) count_ = checked_multiply(count_, size);
  }

  void operator()(Addresses a) const {
    const auto* other = reinterpret_cast<const T*>(a[0]);
    const auto* positions = reinterpret_cast<const Position*>(a[1]);
    if (p_.scatters) {
      const auto* updates = reinterpret_cast<const T*>(a[2]);
      auto* to = reinterpret_cast<T*>(a[3]);
      if (to != other) std::memcpy(a[3], a[0], static_cast<size_t>(p_.elements) * sizeof(T));
      each(positions, [&](int64_t i, int64_t at) { to[at] = updates[i]; });
    } else {
      auto* to = reinterpret_cast<T*>(a[2]);
      each(positions, [&](int64_t i, int64_t at) { to[i] = other[at]; });
    }
  }

 private:
  // body(number of the position, place in the other tensor), a line of the last axis after another.
  template <class Body>
  void each(const Position* positions, const Body& body) const {
    const size_t last = p_.shape.size() - 1;
    const int64_t length = p_.shape[last], stride = p_.strides[last];
    for (int64_t first = 0; first < count_; first += length) {
      int64_t base = 0, rest = first / length;
      for (size_t axis = last; axis-- > 0; rest /= p_.shape[axis]) base += rest % p_.shape[axis] * p_.strides[axis];
      for (int64_t j = 0; j < length; j++)
        body(first + j, base + j * stride + inside(positions[first + j], p_.size) * step_);
    }
  }

  AlongParams p_;
  int64_t step_, count_ = 1;
};

template <class T>
std::function<void(Addresses)> along_of(const AlongParams& p) {
  if (p.positions_of_64_bits) return Along<T, int64_t>(p);
  return Along<T, int32_t>(p);
}

template <class Position>
class ScatterAt {
 public:
  explicit ScatterAt(const ScatterAtParams& p)
      : p_(p),
        named_(p.sizes.size()),
        part_(static_cast<size_t>(checked_product(p.part, p.element_bytes))),
        all_(static_cast<size_t>(checked_product(checked_product(p.sizes), p.part, p.element_bytes))) {}

  void operator()(Addresses a) const {
    if (a[3] != a[0]) std::memcpy(a[3], a[0], all_);
    const auto* positions = reinterpret_cast<const Position*>(a[1]);
    for (int64_t row = 0; row < p_.count; row++, positions += named_) {
      int64_t at = 0;
      for (size_t i = 0; i < named_; i++) at = at * p_.sizes[i] + inside(positions[i], p_.sizes[i]);
      std::memcpy(a[3] + static_cast<size_t>(at) * part_, a[2] + static_cast<size_t>(row) * part_, part_);
    }
  }

 private:
  ScatterAtParams p_;
  size_t named_, part_, all_;
};

ArgumentRule positions_of(int64_t count, bool of_64_bits) {
  const int64_t bytes = of_64_bits ? 8 : 4;
  return {.name = "positions", .bytes = checked_product(count, bytes), .alignment = bytes};
}

}  // namespace

KernelProgram make_along(const AlongParams& p, const KernelTarget&) {
  require(!p.shape.empty() && p.strides.size() == p.shape.size(), "along: as many strides as axes, and one at least");
  require(p.axis >= 0 && p.axis < static_cast<int64_t>(p.shape.size()), "along: there is no such axis");
  int64_t farthest = 0;
  for (size_t axis = 0; axis < p.shape.size(); axis++) {
    const int64_t size = static_cast<int64_t>(axis) == p.axis ? p.size : p.shape[axis];
    require(p.strides[axis] >= 0, "along: strides must not be negative");
    farthest = checked_add(farthest, checked_product(std::max<int64_t>(size - 1, 0), p.strides[axis]));
  }
  const int64_t count = checked_product(p.shape);
  require(count == 0 || farthest < p.elements, "along: the strides leave the tensor");
  const auto argument = [&](const char* name, int64_t elements, Access access) {
    return ArgumentRule{.name = name,
                        .bytes = checked_product(elements, p.element_bytes),
                        .access = access,
                        .alignment = p.element_bytes};
  };
  KernelProgram program;
  program.arguments = {argument("source", p.elements, Access::read), positions_of(count, p.positions_of_64_bits)};
  program.arguments[0].in_place = p.scatters;
  if (p.scatters) program.arguments.push_back(argument("updates", count, Access::read));
  program.arguments.push_back(argument("destination", p.scatters ? p.elements : count, Access::write));
  program.run = p.element_bytes == 1   ? along_of<uint8_t>(p)
                : p.element_bytes == 2 ? along_of<uint16_t>(p)
                : p.element_bytes == 4 ? along_of<uint32_t>(p)
                                       : along_of<uint64_t>(p);
  return program;
}

KernelProgram make_scatter_at(const ScatterAtParams& p, const KernelTarget&) {
  require(!p.sizes.empty(), "scatter-at: sizes must name at least one axis");
  const int64_t all = checked_product(checked_product(p.sizes), p.part, p.element_bytes);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = all, .alignment = p.element_bytes, .in_place = true},
                       positions_of(checked_product(p.count, static_cast<int64_t>(p.sizes.size())),
                                    p.positions_of_64_bits),
                       {.name = "updates",
                        .bytes = checked_product(p.count, p.part, p.element_bytes),
                        .alignment = p.element_bytes},
                       {.name = "destination", .bytes = all, .access = Access::write, .alignment = p.element_bytes}};
  if (p.positions_of_64_bits) {
    program.run = ScatterAt<int64_t>(p);
  } else {
    program.run = ScatterAt<int32_t>(p);
  }
  return program;
}

}  // namespace unskew
