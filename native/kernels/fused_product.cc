#include "kernels/fused_product.h"

#include <cmath>

#include "kernels/intrinsics.h"

namespace unskew {

// Rows of one panel, or one row of two panels side by side.
struct FusedBlock {
  int64_t depth, source_step, destination_step, panel_step, columns;
  const float *source, *panel, *start;
  float* destination;
};

namespace {

constexpr int kVectors = 4;

// A block of kRows × kPanels · kVectors sums in registers; what lies behind the last column is not written.
#define UNSKEW_FUSED_BLOCK(name, attribute, Vector, kLanes, load, store, spread, fused)                              \
  template <int kRows, int kPanels>                                                                                  \
  attribute void name(const FusedBlock* given) {                                                                     \
    const FusedBlock of = *given;                                                                                    \
    constexpr int kSums = kPanels * kVectors, kColumns = kSums * kLanes;                                             \
    Vector sums[kRows][kSums];                                                                                       \
    for (int r = 0; r < kRows; r++)                                                                                  \
      for (int v = 0; v < kSums; v++) sums[r][v] = load(of.start + v * kLanes);                                      \
    for (int64_t k = 0; k < of.depth; k++) {                                                                         \
      for (int p = 0; p < kPanels; p++) {                                                                            \
        const float* weights = of.panel + p * of.panel_step + k * kVectors * kLanes;                                 \
        Vector w[kVectors];                                                                                          \
        for (int v = 0; v < kVectors; v++) w[v] = load(weights + v * kLanes);                                        \
        for (int r = 0; r < kRows; r++) {                                                                            \
          const Vector x = spread(of.source[r * of.source_step + k]);                                                \
          for (int v = 0; v < kVectors; v++) sums[r][p * kVectors + v] = fused(x, w[v], sums[r][p * kVectors + v]);  \
        }                                                                                                            \
      }                                                                                                              \
    }                                                                                                                \
    for (int r = 0; r < kRows; r++) {                                                                                \
      float* to = of.destination + r * of.destination_step;                                                          \
      if (of.columns >= kColumns) {                                                                                  \
        for (int v = 0; v < kSums; v++) store(to + v * kLanes, sums[r][v]);                                          \
      } else {                                                                                                       \
        float row[kColumns];                                                                                         \
        for (int v = 0; v < kSums; v++) store(row + v * kLanes, sums[r][v]);                                         \
        std::copy_n(row, of.columns, to);                                                                            \
      }                                                                                                              \
    }                                                                                                                \
  }

inline float load_one(const float* from) { return *from; }
inline void store_one(float* to, float value) { *to = value; }
inline float same(float value) { return value; }
inline float fused_one(float x, float w, float sum) { return std::fma(x, w, sum); }

UNSKEW_FUSED_BLOCK(block_scalar, , float, 1, load_one, store_one, same, fused_one)
UNSKEW_FUSED_BLOCK(block_avx2, UNSKEW_AVX2, __m256, 8, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_set1_ps, _mm256_fmadd_ps)
UNSKEW_FUSED_BLOCK(block_avx512, UNSKEW_AVX512, __m512, 16, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_set1_ps,
                   _mm512_fmadd_ps)
#undef UNSKEW_FUSED_BLOCK

}  // namespace

FusedPanels::FusedPanels(int64_t depth, int64_t columns, Isa isa)
    : depth_(depth),
      columns_(columns),
      width_(kVectors * (isa == Isa::avx512 ? 16 : isa == Isa::avx2 ? 8 : 1)),
      panels_((columns + width_ - 1) / width_),
      most_rows_(isa == Isa::avx512 ? 6 : 2),
      packed_(checked_product(panels_, depth, width_, 4)) {
  if (isa == Isa::avx512) {
    run_[1] = block_avx512<1, 1>, run_[2] = block_avx512<2, 1>, run_[3] = block_avx512<3, 1>;
    run_[4] = block_avx512<4, 1>, run_[5] = block_avx512<5, 1>, run_[6] = block_avx512<6, 1>;
    run_pair_ = block_avx512<1, 2>;
  } else if (isa == Isa::avx2) {
    run_[1] = block_avx2<1, 1>, run_[2] = block_avx2<2, 1>, run_pair_ = block_avx2<1, 2>;
  } else {
    run_[1] = block_scalar<1, 1>, run_[2] = block_scalar<2, 1>, run_pair_ = block_scalar<1, 2>;
  }
}

void FusedPanels::pack(const float* weights) {
  auto* to = packed_.as<float>();
  for (int64_t panel = 0; panel < panels_; panel++) {
    for (int64_t j = 0; j < width_; j++) {
      const int64_t column = panel * width_ + j;
      float* line = to + panel * depth_ * width_ + j;
      for (int64_t k = 0; k < depth_; k++) line[k * width_] = column < columns_ ? weights[column * depth_ + k] : 0.0f;
    }
  }
}

void FusedPanels::multiply(int64_t rows, const float* source, int64_t source_step, const float* start,
                           float* destination, int64_t destination_step) const {
  const int64_t panel_step = depth_ * width_;
  const auto* packed = packed_.as<const float>();
  for (int64_t panel = 0; panel < panels_;) {
    const bool is_pair = rows == 1 && panel + 1 < panels_;
    for (int64_t row = 0; row < rows;) {
      const auto count = static_cast<int>(std::min<int64_t>(most_rows_, rows - row));
      const FusedBlock block{.depth = depth_,
                             .source_step = source_step,
                             .destination_step = destination_step,
                             .panel_step = panel_step,
                             .columns = columns_ - panel * width_,
                             .source = source + row * source_step,
                             .panel = packed + panel * panel_step,
                             .start = start + panel * width_,
                             .destination = destination + row * destination_step + panel * width_};
      (is_pair ? run_pair_ : run_[count])(&block);
      row += count;
    }
    panel += is_pair ? 2 : 1;
  }
}

KernelProgram make_fused_product(const FusedProductParams& p, const KernelTarget& target) {
  struct State {
    FusedPanels panels;
    std::vector<float> start;
    bool is_packed = false;
  };
  const auto state = std::make_shared<State>(State{FusedPanels(p.depth, p.columns, target.isa), {}});
  state->start.resize(static_cast<size_t>(state->panels.padded()));
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.rows, p.depth, 4), .alignment = 4},
      {.name = "weights", .bytes = checked_product(p.columns, p.depth, 4), .alignment = 4},
      {.name = "bias", .bytes = checked_product(p.columns, 4), .alignment = 4, .required = false},
      {.name = "destination", .bytes = checked_product(p.rows, p.columns, 4), .access = Access::write, .alignment = 4}};
  program.prepare = [state](Addresses a, const Owners&) {
    if (a[1] == nullptr) return;
    state->panels.pack(reinterpret_cast<const float*>(a[1]));
    state->is_packed = true;
  };
  program.run = [=, threads = target.threads](Addresses a) {
    if (!state->is_packed) state->panels.pack(reinterpret_cast<const float*>(a[1]));
    if (a[2] != nullptr) std::copy_n(reinterpret_cast<const float*>(a[2]), p.columns, state->start.data());
    parallel(threads, p.rows, p.depth * p.columns, 6, [&](int64_t begin, int64_t end, int) {
      state->panels.multiply(end - begin, reinterpret_cast<const float*>(a[0]) + begin * p.depth, p.depth,
                             state->start.data(), reinterpret_cast<float*>(a[3]) + begin * p.columns, p.columns);
    });
  };
  return program;
}

}  // namespace unskew
