// A kernel as a session sees it: its arguments, and a function over their addresses.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "aligned_buffer.h"
#include "checks.h"
#include "cpu_features.h"

namespace unskew {

enum class Access { read, write };

struct ArgumentRule {
  std::string name;
  int64_t bytes;
  Access access = Access::read;
  int64_t alignment = 1;
  bool required = true;
  bool constant = false;  // must lie in constant memory, so that `prepare` may read it
  // Of a constant: `prepare` alone reads it, and runs have no address of it.
  bool packed = false;
  // Of such a constant: it is found by its number, has no address, and `Identity` gives its bytes where nobody has packed them yet.
  bool by_name = false;
  bool in_place = false;  // may be the very place of the destination
};

// Addresses in the order of `arguments`; null where an optional argument is absent.
using Addresses = uint8_t* const*;

// Which constant an argument is, and from which byte on. Memory 0 stands for no constant; no two constants have one number.
struct Identity {
  int64_t memory = 0, offset = 0;
  // The bytes of a constant that is found by its name; absent where it is there in packed forms alone.
  std::function<const uint8_t*()> source{};

  // The address where there is one, else the bytes that the name stands for; null for an absent constant.
  const uint8_t* bytes(const uint8_t* address) const {
    if (address || memory == 0) return address;
    require(source != nullptr, "the weights were packed for another kernel");
    return source() + offset;
  }
};

// In the order of `arguments`.
using Identities = std::vector<Identity>;

struct KernelProgram {
  std::vector<ArgumentRule> arguments;
  std::function<void(Addresses)> run;      // throws PositionOutside alone
  // Once, when a session is made, and not where no argument is constant; only constant arguments are set. Returns how many bytes a
  // run may write to in memory of the session: the address of these, on a cache line, is the one behind those of the arguments.
  std::function<int64_t(Addresses, const Identities&)> prepare;
  bool is_light = false;                   // takes about as long as a copy of what it reads
};

struct KernelTarget {
  Isa isa;
  int threads;
};

// Below this many bytes (or comparable units of work) a second thread costs more than it brings.
inline constexpr int64_t kWorthThreads = 32 * 1024;

// body(begin, end, thread) over parts of [0, units), in parallel when there is enough work. Parts begin at multiples
// of `grain`, so that no two threads write to the same cache line when a grain is a multiple of one.
template <class Body>
void parallel(int threads, int64_t units, int64_t work_per_unit, int64_t grain, const Body& body) {
  if (threads <= 1 || units <= grain || units * work_per_unit < kWorthThreads) {
    body(int64_t{0}, units, 0);
    return;
  }
  const int64_t grains = (units + grain - 1) / grain;
#pragma omp parallel num_threads(threads)
  {
    const int64_t thread = omp_get_thread_num(), count = omp_get_num_threads();
    const int64_t begin = grains * thread / count * grain;
    const int64_t end = std::min(units, grains * (thread + 1) / count * grain);
    if (begin < end) body(begin, end, static_cast<int>(thread));
  }
}

}  // namespace unskew
