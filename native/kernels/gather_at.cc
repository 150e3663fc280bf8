// Parts of a tensor at positions that are computed.
#include <atomic>
#include <cstring>

#include "kernels/gather_at.h"

namespace unskew {

namespace {

template <class Position>
class Gather {
 public:
  Gather(const GatherAtParams& p, const KernelTarget& target)
      : p_(p),
        threads_(target.threads),
        named_(static_cast<int64_t>(p.sizes.size())),
        part_(checked_product(p.part, p.element_bytes)),
        block_(checked_product(checked_product(p.sizes), part_)) {}

  // A position outside of its axis is an error; nothing is read there.
  void operator()(Addresses a) const {
    const auto* positions = reinterpret_cast<const Position*>(a[1]);
    std::atomic<int64_t> wrong = -1;
    parallel(threads_, p_.outer * p_.count, part_, 64, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t outer = i / p_.count, first = (p_.by_outer ? i : i % p_.count) * named_;
        const int64_t at = place_of(positions + first);
        if (at < 0) {
          wrong = first;
          return;
        }
        copy(a[0] + outer * block_ + at * part_, a[2] + i * part_);
      }
    });
    if (wrong >= 0) refuse(positions + wrong);
  }

 private:
  // The number of the part, or -1.
  int64_t place_of(const Position* positions) const {
    int64_t at = 0;
    for (int64_t i = 0; i < named_; i++) {
      const int64_t size = p_.sizes[static_cast<size_t>(i)], given = positions[i];
      if (given < -size || given >= size) return -1;
      at = at * size + (given < 0 ? given + size : given);
    }
    return at;
  }

  void copy(const uint8_t* from, uint8_t* to) const {
    switch (part_) {
      case 1: *to = *from; break;
      case 4: std::memcpy(to, from, 4); break;
      case 8: std::memcpy(to, from, 8); break;
      default: std::memcpy(to, from, static_cast<size_t>(part_));
    }
  }

  [[noreturn]] void refuse(const Position* positions) const {
    for (int64_t i = 0; i < named_; i++) {
      const int64_t size = p_.sizes[static_cast<size_t>(i)], given = positions[i];
      if (given < -size || given >= size)
        throw PositionOutside("the index " + std::to_string(given) + " is outside an axis of size " +
                              std::to_string(size));
    }
    throw PositionOutside("an index is outside its axis");
  }

  GatherAtParams p_;
  int threads_;
  int64_t named_, part_, block_;
};

}  // namespace

KernelProgram make_gather_at(const GatherAtParams& p, const KernelTarget& target) {
  require(!p.sizes.empty(), "gather-at: sizes must name at least one axis");
  const int64_t size = checked_product(p.sizes), bytes = p.positions_of_64_bits ? 8 : 4;
  const int64_t rows = checked_multiply(p.by_outer ? p.outer : 1, p.count);
  KernelProgram program;
  program.arguments = {{.name = "source",
                        .bytes = checked_product(p.outer, size, p.part, p.element_bytes),
                        .alignment = p.element_bytes},
                       {.name = "positions",
                        .bytes = checked_product(rows, static_cast<int64_t>(p.sizes.size()), bytes),
                        .alignment = bytes},
                       {.name = "destination",
                        .bytes = checked_product(p.outer, p.count, p.part, p.element_bytes),
                        .access = Access::write,
                        .alignment = p.element_bytes}};
  if (p.positions_of_64_bits) {
    program.run = Gather<int64_t>(p, target);
  } else {
    program.run = Gather<int32_t>(p, target);
  }
  return program;
}

}  // namespace unskew
