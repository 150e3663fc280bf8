#include "kernels/float_product_block.h"

#include <utility>

namespace unskew {

namespace {

struct Scalar {
  template <class Loop, class... Parameters>
  static constexpr auto version(void (*)(Parameters...)) {
    return run_scalar<Loop, Parameters...>;
  }
};
struct Avx2 {
  template <class Loop, class... Parameters>
  static constexpr auto version(void (*)(Parameters...)) {
    return run_avx2<Loop, Parameters...>;
  }
};
struct Avx512 {
  template <class Loop, class... Parameters>
  static constexpr auto version(void (*)(Parameters...)) {
    return run_avx512<Loop, Parameters...>;
  }
};

template <class Version, class Loop>
constexpr auto function_of() {
  return Version::template version<Loop>(&Loop::run);
}

template <class Version, int kLanes, int kSums, int kVectors>
void add(Blocks& blocks) {
  constexpr int kRows = std::min(kMostBlockRows, kSums / kVectors);
  [&]<int... kRow>(std::integer_sequence<int, kRow...>) {
    ((blocks.functions[kVectors][kRow + 1] = function_of<Version, Block<kLanes, kVectors, kRow + 1>>()), ...);
    if constexpr (kVectors == 1)
      ((blocks.depthwise[kRow + 1] = function_of<Version, DepthwiseBlock<kLanes, kRow + 1>>()), ...);
  }
  (std::make_integer_sequence<int, kRows>{});
  blocks.most_rows[kVectors] = kRows;
}

template <class Version, int kLanes>
void add_thin(Blocks& blocks) {
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    ((blocks.thin[kIndex] = {nullptr, function_of<Version, ThinBlock<kLanes, kThinVectors[kIndex], 1>>(),
                             function_of<Version, ThinBlock<kLanes, kThinVectors[kIndex], 2>>()}),
     ...);
  }
  (std::make_index_sequence<std::size(kThinVectors)>{});
}

// 12 of 16 registers, or 24 of 32, hold sums.
template <class Version>
Blocks narrow() {
  Blocks blocks{.lanes = 4, .most_vectors = 3};
  add<Version, 4, 12, 1>(blocks);
  add<Version, 4, 12, 2>(blocks);
  add<Version, 4, 12, 3>(blocks);
  add_thin<Version, 4>(blocks);
  return blocks;
}

}  // namespace

Blocks blocks_for(Isa isa) {
  if (isa == Isa::scalar) return narrow<Scalar>();
  if (isa == Isa::avx2) return narrow<Avx2>();
  Blocks blocks{.lanes = 8, .most_vectors = 4};
  add<Avx512, 8, 24, 1>(blocks);
  add<Avx512, 8, 24, 2>(blocks);
  add<Avx512, 8, 24, 3>(blocks);
  add<Avx512, 8, 24, 4>(blocks);
  add_thin<Avx512, 8>(blocks);
  return blocks;
}

}  // namespace unskew
