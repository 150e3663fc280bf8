#include "cpu_features.h"

#include <algorithm>

#include "team.h"

namespace unskew {

Isa best_isa() {
  static const Isa best = [] {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("avx512vnni");
    return avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::scalar;
  }();
  return best;
}

bool has_vbmi() {
  static const bool vbmi = best_isa() == Isa::avx512 && __builtin_cpu_supports("avx512vbmi");
  return vbmi;
}

int usable_threads(int wanted) { return std::clamp(wanted, 1, processors()); }

}  // namespace unskew
