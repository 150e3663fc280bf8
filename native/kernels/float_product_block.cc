#include "kernels/float_product_block.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/intrinsics.h"

namespace unskew {

namespace {

// Rows are read at one of a few pointers and a multiple of the step, as there are not enough registers for a pointer to each. A sum of −0
// ends as +0, so that zeros which are added for a pad do not show.
#define UNSKEW_BLOCKS(Name, attribute, Vector, kWidth, load, store, spread, fused, plus, zero)                         \
  struct Name {                                                                                                        \
    static constexpr int kLanes = kWidth;                                                                              \
                                                                                                                       \
    template <int kVectors, int kRows>                                                                                 \
    attribute static inline __attribute__((always_inline)) void finish(const Vector (&sums)[kRows][kVectors],          \
                                                                       const BlockRows& rows, int64_t columns) {       \
      constexpr int64_t kColumns = kVectors * kLanes;                                                                  \
      for (int r = 0; r < kRows; r++) {                                                                                \
        float* to = rows.destination + r * rows.destination_step;                                                      \
        if (columns == kColumns) {                                                                                     \
          for (int v = 0; v < kVectors; v++) store(to + v * kLanes, plus(sums[r][v], zero()));                         \
        } else {                                                                                                       \
          float row[kColumns];                                                                                         \
          for (int v = 0; v < kVectors; v++) store(row + v * kLanes, plus(sums[r][v], zero()));                        \
          std::copy_n(row, columns, to);                                                                               \
        }                                                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
                                                                                                                       \
    template <int kVectors, int kRows>                                                                                 \
    attribute static inline __attribute__((always_inline)) void add(Vector (&sums)[kRows][kVectors], const float* at,  \
                                                                    int64_t step, const float* weights) {              \
      Vector w[kVectors];                                                                                              \
      for (int v = 0; v < kVectors; v++) w[v] = load(weights + v * kLanes);                                            \
      const float* source[(kRows + 2) / 3];                                                                            \
      for (int g = 0; g < (kRows + 2) / 3; g++) source[g] = at + 3 * g * step;                                         \
      for (int r = 0; r < kRows; r++) {                                                                                \
        const Vector x = spread(source[r / 3][r % 3 * step]);                                                          \
        for (int v = 0; v < kVectors; v++) sums[r][v] = fused(x, w[v], sums[r][v]);                                    \
      }                                                                                                                \
    }                                                                                                                  \
                                                                                                                       \
    template <int kVectors, int kRows>                                                                                 \
    attribute static void block(const BlockSum* given, const BlockRows* given_rows) {                                  \
      const BlockSum of = *given;                                                                                      \
      const BlockRows rows = *given_rows;                                                                              \
      constexpr int64_t kColumns = kVectors * kLanes;                                                                  \
      Vector sums[kRows][kVectors];                                                                                    \
      for (int r = 0; r < kRows; r++)                                                                                  \
        for (int v = 0; v < kVectors; v++) sums[r][v] = load(of.start + v * kLanes);                                   \
      const int64_t step = of.taps * kColumns;                                                                         \
      if (of.term_count == 1) {                                                                                        \
        const float* at = rows.source + of.terms->source;                                                              \
        const float* weights = of.panel + of.terms->tap * kColumns;                                                    \
        for (int64_t c = 0; c < of.channels; c++, at++, weights += step)                                               \
          add<kVectors, kRows>(sums, at, rows.source_step, weights);                                                   \
      } else {                                                                                                         \
        const float* weights = of.panel;                                                                               \
        for (int64_t c = 0; c < of.channels; c++, weights += step)                                                     \
          for (const Term *term = of.terms, *end = term + of.term_count; term < end; term++)                           \
            add<kVectors, kRows>(sums, rows.source + term->source + c, rows.source_step,                               \
                                 weights + term->tap * kColumns);                                                      \
      }                                                                                                                \
      finish<kVectors, kRows>(sums, rows, of.columns);                                                                 \
    }                                                                                                                  \
                                                                                                                       \
    template <int kRows>                                                                                               \
    attribute static void depthwise(const BlockSum* given, const BlockRows* given_rows) {                              \
      const BlockSum of = *given;                                                                                      \
      const BlockRows rows = *given_rows;                                                                              \
      Vector sums[kRows][1];                                                                                           \
      for (int r = 0; r < kRows; r++) sums[r][0] = load(of.start);                                                     \
      for (const Term *term = of.terms, *end = term + of.term_count; term < end; term++) {                             \
        const Vector w = load(of.panel + term->tap * kLanes);                                                          \
        for (int r = 0; r < kRows; r++)                                                                                \
          sums[r][0] = fused(load(rows.source + r * rows.source_step + term->source), w, sums[r][0]);                  \
      }                                                                                                                \
      finish<1, kRows>(sums, rows, of.columns);                                                                        \
    }                                                                                                                  \
                                                                                                                       \
    template <int kVectors, int kRows>                                                                                 \
    attribute static void thin(const ThinSum* given) {                                                                 \
      const ThinSum of = *given;                                                                                       \
      Vector sums[kRows][kVectors];                                                                                    \
      for (int r = 0; r < kRows; r++)                                                                                  \
        for (int v = 0; v < kVectors; v++) sums[r][v] = load(of.start + v * kLanes);                                   \
      for (int64_t k = 0; k < of.depth; k++)                                                                           \
        add<kVectors, kRows>(sums, of.source + k, of.source_step, of.weights + k * of.weights_step);                   \
      finish<kVectors, kRows>(sums, {nullptr, 0, of.destination, of.destination_step}, kVectors * kLanes);             \
    }                                                                                                                  \
  };

inline float load_one(const float* from) { return *from; }
inline void store_one(float* to, float value) { *to = value; }
inline float same(float value) { return value; }
inline float fused_one(float x, float w, float sum) { return std::fma(x, w, sum); }
inline float plus_one(float a, float b) { return a + b; }
inline float zero_one() { return 0.0f; }

UNSKEW_BLOCKS(Scalar, , float, 1, load_one, store_one, same, fused_one, plus_one, zero_one)
UNSKEW_BLOCKS(Avx2, UNSKEW_AVX2, __m256, 8, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps,
              _mm256_add_ps, _mm256_setzero_ps)
UNSKEW_BLOCKS(Avx512, UNSKEW_AVX512, __m512, 16, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps, _mm512_fmadd_ps,
              _mm512_add_ps, _mm512_setzero_ps)
#undef UNSKEW_BLOCKS

template <class Version, int kSums, int kVectors>
void add(Blocks& blocks) {
  constexpr int kRows = std::min(kMostBlockRows, kSums / kVectors);
  [&]<int... kRow>(std::integer_sequence<int, kRow...>) {
    ((blocks.functions[kVectors][kRow + 1] = Version::template block<kVectors, kRow + 1>), ...);
    if constexpr (kVectors == 1) ((blocks.depthwise[kRow + 1] = Version::template depthwise<kRow + 1>), ...);
  }
  (std::make_integer_sequence<int, kRows>{});
  blocks.most_rows[kVectors] = kRows;
}

// As many sums as leave registers for the weights and the source.
template <class Version, int kSums, int... kVectors>
Blocks blocks_of() {
  Blocks blocks{.lanes = Version::kLanes, .most_vectors = sizeof...(kVectors)};
  (add<Version, kSums, kVectors>(blocks), ...);
  [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    ((blocks.thin[kIndex] = {nullptr, Version::template thin<kThinVectors[kIndex], 1>,
                             Version::template thin<kThinVectors[kIndex], 2>}),
     ...);
  }
  (std::make_index_sequence<std::size(kThinVectors)>{});
  return blocks;
}

}  // namespace

Blocks blocks_for(Isa isa) {
  if (isa == Isa::scalar) return blocks_of<Scalar, 12, 1, 2, 3>();
  if (isa == Isa::avx2) return blocks_of<Avx2, 12, 1, 2, 3>();
  return blocks_of<Avx512, 24, 1, 2, 3, 4>();
}

}  // namespace unskew
