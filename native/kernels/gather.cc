// Rows of bytes at given positions of an axis: slices of lists, enlarged images, permutations.
#include <cstring>

#include "kernels/kernels.h"

namespace unskew {

namespace {

using Positions = std::vector<int64_t>;

// Rows of one element of type T.
template <class T>
void gather_elements(const uint8_t* source, const Positions& positions, int64_t begin, int64_t end,
                     uint8_t* destination) {
  const auto* from = reinterpret_cast<const T*>(source);
  auto* to = reinterpret_cast<T*>(destination);
  for (int64_t i = begin; i < end; i++) to[i] = from[positions[static_cast<size_t>(i)]];
}

void gather_rows(const uint8_t* source, const Positions& positions, int64_t bytes, int64_t begin, int64_t end,
                 uint8_t* destination) {
  for (int64_t i = begin; i < end; i++) {
    std::memcpy(destination + i * bytes, source + positions[static_cast<size_t>(i)] * bytes,
                static_cast<size_t>(bytes));
  }
}

// Entries of a table; positions are limited to it, so that nothing else is ever read.
template <class T>
KernelProgram look_up(const LookupParams& p, const KernelTarget& target) {
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(p.count, 4), .alignment = 4},
                       {.name = "table", .bytes = checked_product(p.size, sizeof(T)), .alignment = sizeof(T)},
                       {.name = "destination",
                        .bytes = checked_product(p.count, sizeof(T)),
                        .access = Access::write,
                        .alignment = sizeof(T)}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const int32_t*>(a[0]);
    const auto* table = reinterpret_cast<const T*>(a[1]);
    auto* destination = reinterpret_cast<T*>(a[2]);
    parallel(threads, p.count, 4, 64, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t at = source[i];
        destination[i] = table[std::clamp<int64_t>(at < 0 ? at + p.size : at, 0, p.size - 1)];
      }
    });
  };
  return program;
}

}  // namespace

KernelProgram make_lookup(const LookupParams& p, const KernelTarget& target) {
  require(p.size >= 1, "lookup: the table is empty");
  switch (p.element_bytes) {
    case 1: return look_up<uint8_t>(p, target);
    case 2: return look_up<uint16_t>(p, target);
    case 4: return look_up<uint32_t>(p, target);
    default: return look_up<uint64_t>(p, target);
  }
}

KernelProgram make_gather(const GatherParams& p, const KernelTarget& target) {
  for (const int64_t position : p.positions) {
    require(position >= 0 && position < p.size, "gather: a position lies outside of the axis");
  }
  const auto count = static_cast<int64_t>(p.positions.size());
  const int64_t row = checked_product(p.inner, p.element_bytes);
  const bool by_element = p.inner == 1;
  KernelProgram program;
  program.is_light = true;
  program.arguments = {{.name = "source", .bytes = checked_product(p.outer, p.size, row), .alignment = p.element_bytes},
                       {.name = "destination",
                        .bytes = checked_product(p.outer, count, row),
                        .access = Access::write,
                        .alignment = p.element_bytes}};
  program.run = [=, positions = p.positions, threads = target.threads](Addresses a) {
    parallel(threads, p.outer * count, row, 64, [&](int64_t begin, int64_t end, int) {
      for (int64_t at = begin; at < end;) {
        const int64_t outer = at / count, first = at % count, last = std::min(count, first + end - at);
        const uint8_t* source = a[0] + outer * p.size * row;
        uint8_t* destination = a[1] + outer * count * row;
        if (by_element && row == 1) {
          gather_elements<uint8_t>(source, positions, first, last, destination);
        } else if (by_element && row == 4) {
          gather_elements<uint32_t>(source, positions, first, last, destination);
        } else {
          gather_rows(source, positions, row, first, last, destination);
        }
        at += last - first;
      }
    });
  };
  return program;
}

}  // namespace unskew
