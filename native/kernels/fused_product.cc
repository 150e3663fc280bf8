#include "kernels/fused_product.h"

#include <cmath>

#include "kernels/intrinsics.h"
#include "kernels/packed_weights.h"
#include "kernels/strides.h"
#include "kernels/transpose.h"

namespace unskew {

// Rows of one panel, or one row of two panels side by side.
struct FusedBlock {
  int64_t depth, source_step, destination_step, weights_step, panel_step, start_step, columns;
  const float *source, *weights, *start;
  float* destination;
};

namespace {

// A block of kRows × kPanels · kVectors sums in registers; what lies behind the last column is not written. Rows are read at one of a few
// pointers and a multiple of the step, as there are not enough registers for a pointer to each.
#define UNSKEW_FUSED_BLOCK(name, attribute, Vector, kLanes, load, store, spread, fused)                                \
  template <int kRows, int kVectors, int kPanels>                                                                      \
  attribute void name(const FusedBlock* given) {                                                                       \
    const FusedBlock of = *given;                                                                                      \
    constexpr int kSums = kPanels * kVectors, kColumns = kSums * kLanes, kGroups = (kRows + 2) / 3;                    \
    Vector sums[kRows][kSums];                                                                                         \
    for (int r = 0; r < kRows; r++)                                                                                    \
      for (int v = 0; v < kSums; v++) sums[r][v] = load(of.start + r * of.start_step + v * kLanes);                    \
    const float* source[kGroups];                                                                                      \
    for (int g = 0; g < kGroups; g++) source[g] = of.source + 3 * g * of.source_step;                                  \
    const float* weights = of.weights;                                                                                 \
    for (int64_t k = 0; k < of.depth; k++) {                                                                           \
      for (int p = 0; p < kPanels; p++) {                                                                              \
        Vector w[kVectors];                                                                                            \
        for (int v = 0; v < kVectors; v++) w[v] = load(weights + p * of.panel_step + v * kLanes);                      \
        for (int r = 0; r < kRows; r++) {                                                                              \
          const Vector x = spread(source[r / 3][r % 3 * of.source_step]);                                              \
          for (int v = 0; v < kVectors; v++) sums[r][p * kVectors + v] = fused(x, w[v], sums[r][p * kVectors + v]);    \
        }                                                                                                              \
      }                                                                                                                \
      weights += of.weights_step;                                                                                      \
      for (int g = 0; g < kGroups; g++) source[g]++;                                                                   \
    }                                                                                                                  \
    for (int r = 0; r < kRows; r++) {                                                                                  \
      float* to = of.destination + r * of.destination_step;                                                            \
      if (of.columns >= kColumns) {                                                                                    \
        for (int v = 0; v < kSums; v++) store(to + v * kLanes, sums[r][v]);                                            \
      } else {                                                                                                         \
        float row[kColumns];                                                                                           \
        for (int v = 0; v < kSums; v++) store(row + v * kLanes, sums[r][v]);                                           \
        std::copy_n(row, of.columns, to);                                                                              \
      }                                                                                                                \
    }                                                                                                                  \
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

// The most rows by vectors: sums, vectors of weights and one of the source fit the registers.
struct Scalar {
  static constexpr int kLanes = 1, kRows[] = {0, 8, 4, 4, 2};
  template <int kRows, int kVectors, int kPanels>
  static constexpr auto block = block_scalar<kRows, kVectors, kPanels>;
};
struct Avx2 {
  static constexpr int kLanes = 8, kRows[] = {0, 12, 6, 4, 2};
  template <int kRows, int kVectors, int kPanels>
  static constexpr auto block = block_avx2<kRows, kVectors, kPanels>;
};
struct Avx512 {
  static constexpr int kLanes = 16, kRows[] = {0, 12, 12, 8, 6};
  template <int kRows, int kVectors, int kPanels>
  static constexpr auto block = block_avx512<kRows, kVectors, kPanels>;
};

}  // namespace

template <class Blocks, int kCount>
void FusedPanels::take_vectors() {
  most_rows_[kCount] = Blocks::kRows[kCount];
  [&]<size_t... kRow>(std::index_sequence<kRow...>) {
    ((run_[kCount][kRow + 1] = Blocks::template block<kRow + 1, kCount, 1>), ...);
  }
  (std::make_index_sequence<Blocks::kRows[kCount]>{});
}

template <class Blocks>
void FusedPanels::take() {
  lanes_ = Blocks::kLanes;
  take_vectors<Blocks, 1>();
  take_vectors<Blocks, 2>();
  take_vectors<Blocks, 3>();
  take_vectors<Blocks, 4>();
  run_pair_ = Blocks::template block<1, kVectors, 2>;
}

FusedPanels::FusedPanels(int64_t depth, int64_t columns, Isa isa) : depth_(depth), columns_(columns), isa_(isa) {
  if (isa == Isa::avx512) take<Avx512>();
  else if (isa == Isa::avx2) take<Avx2>();
  else take<Scalar>();
  width_ = kVectors * lanes_;
  panels_ = (columns + width_ - 1) / width_;
}

void FusedPanels::pack(const FusedMatrix& matrix, float* panels) const {
  for (int64_t panel = 0; panel < panels_; panel++) pack_panel(panel, matrix, panels + panel * panel_size());
}

void FusedPanels::pack_panel(int64_t panel, const FusedMatrix& matrix, float* to) const {
  const int64_t first = panel * width_, count = std::min(width_, columns_ - first);
  const float* from = matrix.data + first * matrix.column_step;
  if (matrix.depth_step == 1) {
    transpose_block(isa_, reinterpret_cast<const uint32_t*>(from), matrix.column_step, reinterpret_cast<uint32_t*>(to),
                    width_, depth_, count);
  }
  for (int64_t k = 0; k < depth_; k++) {
    float* row = to + k * width_;
    const float* own = from + k * matrix.depth_step;
    if (matrix.column_step == 1) std::copy_n(own, count, row);
    else if (matrix.depth_step != 1)
      for (int64_t i = 0; i < count; i++) row[i] = own[i * matrix.column_step];
    std::fill(row + count, row + width_, 0.0f);
  }
}

void FusedPanels::multiply(const FusedRows& rows, const float* panels, const float* start) const {
  for (int64_t panel = 0; panel < panels_; panel++) {
    const float* packed = panels + panel * panel_size();
    if (rows.count != 1 || (panel + 2) * width_ > columns_) {
      multiply_panel(panel, rows, packed, start);
      continue;
    }
    const FusedBlock block{.depth = depth_,
                           .source_step = 0,
                           .destination_step = 0,
                           .weights_step = width_,
                           .panel_step = panel_size(),
                           .start_step = 0,
                           .columns = 2 * width_,
                           .source = rows.source,
                           .weights = packed,
                           .start = start + panel * width_,
                           .destination = rows.destination + panel * width_};
    run_pair_(&block);
    panel++;
  }
}

void FusedPanels::multiply_panel(int64_t panel, const FusedRows& rows, const float* packed, const float* start) const {
  run(panel, rows, packed, width_, start, 0);
}

void FusedPanels::add_panel(const FusedRows& rows, const float* packed) const {
  run(0, rows, packed, width_, rows.destination, rows.destination_step);
}

void FusedPanels::multiply_unpacked(int64_t panel, const FusedRows& rows, const FusedMatrix& matrix,
                                    const float* start) const {
  run(panel, rows, matrix.data + panel * width_, matrix.depth_step, start, 0);
}

// Rows in blocks of nearly the same size.
void FusedPanels::run(int64_t panel, const FusedRows& rows, const float* weights, int64_t weights_step,
                      const float* start, int64_t start_step) const {
  const int64_t columns = std::min(width_, columns_ - panel * width_);
  const auto vectors = static_cast<size_t>((columns + lanes_ - 1) / lanes_);
  const int64_t blocks = (rows.count + most_rows_[vectors] - 1) / most_rows_[vectors];
  for (int64_t i = 0; i < blocks; i++) {
    const int64_t row = rows.count * i / blocks, count = rows.count * (i + 1) / blocks - row;
    const FusedBlock block{.depth = depth_,
                           .source_step = rows.source_step,
                           .destination_step = rows.destination_step,
                           .weights_step = weights_step,
                           .panel_step = 0,
                           .start_step = start_step,
                           .columns = columns,
                           .source = rows.source + row * rows.source_step,
                           .weights = weights,
                           .start = start + row * start_step + panel * width_,
                           .destination = rows.destination + row * rows.destination_step + panel * width_};
    run_[vectors][static_cast<size_t>(count)](&block);
  }
}

namespace {

class Products {
 public:
  Products(const FusedProductParams& p, const KernelTarget& target)
      : p_(p), isa_(target.isa), threads_(std::max(1, target.threads)), panels_(p.depth, p.columns, target.isa) {
    for (size_t axis = 0; axis < p.shape.size(); axis++)
      batch_.add_axis(p.shape[axis], {p.source_strides[axis], p.weights_strides[axis], p.destination_strides[axis]});
    batch_.finish();
    matrices_ = checked_product(p.shape);
    // Rows are divided where threads would not get as many panels each.
    const int64_t units = matrices_ * panels_.count();
    parts_ = units % threads_ == 0 || units >= 8 * threads_ ? 1 : std::min<int64_t>(threads_, std::max<int64_t>(1, p.rows / 4));
    start_ = AlignedBuffer(checked_product(panels_.padded(), 4));
    std::fill_n(start_.as<float>(), panels_.padded(), 0.0f);
    scratch_ = AlignedBuffer(checked_product(threads_, panels_.panel_size(), 4));
  }

  bool packs() const { return matrices_ == 1; }

  // One matrix that is known is packed once, for all sessions that have it: those of other numbers of rows, which may be many.
  void prepare(Addresses a, const Identities& identities) {
    const Identity& of = identities[1];
    if (!packs() || (a[1] == nullptr && of.memory == 0)) return;
    const int64_t bytes = checked_product(panels_.size(), 4);
    const auto make = [&] {
      auto packed = std::make_shared<AlignedBuffer>(bytes);
      panels_.pack(matrix(of.bytes(a[1]), 0), packed->as<float>());
      return packed;
    };
    const FusedMatrix strides = matrix(nullptr, 0);
    const std::vector<int64_t> key = {of.memory, of.offset, p_.depth, p_.columns, strides.depth_step, strides.column_step,
                                      static_cast<int64_t>(isa_)};
    static auto* shelf = new Shelf<std::vector<int64_t>, AlignedBuffer>();  // threads outlive static objects
    known_ = of.memory == 0 ? make() : shelf->get(key, make, [&](const AlignedBuffer& kept) { return kept.bytes() == bytes; });
  }

  void run(Addresses a) {
    if (a[2] != nullptr) std::copy_n(reinterpret_cast<const float*>(a[2]), p_.columns, start_.as<float>());
    const int64_t count = panels_.count(), units = matrices_ * count * parts_;
    if (units == 0) return;
    const int64_t work = p_.rows * p_.depth * p_.columns * matrices_ / units;
    parallel(threads_, units, work, 1, [&](int64_t begin, int64_t end, int thread) {
      float* own = scratch_.as<float>() + thread * panels_.panel_size();
      int64_t packed = -1, walked = begin / (count * parts_);
      Walk<3> walk(batch_, batch_.shape.size(), walked);
      for (int64_t unit = begin; unit < end; unit++) {
        const int64_t at = unit / parts_, part = unit % parts_, panel = at % count;
        for (; walked < at / count; walked++) walk.next();
        const int64_t first = p_.rows * part / parts_;
        const FusedRows rows{.count = p_.rows * (part + 1) / parts_ - first,
                             .source = reinterpret_cast<const float*>(a[0]) + walk.offset[0] + first * source_step(),
                             .source_step = source_step(),
                             .destination = reinterpret_cast<float*>(a[3]) + walk.offset[2] + first * destination_step(),
                             .destination_step = destination_step()};
        const FusedMatrix weights = matrix(a[1], walk.offset[1]);
        if (known_) {
          panels_.multiply_panel(panel, rows, known_->as<float>() + panel * panels_.panel_size(), start_.as<float>());
        } else if (panels_.takes_unpacked(panel, p_.rows, weights)) {
          panels_.multiply_unpacked(panel, rows, weights, start_.as<float>());
        } else {
          if (packed != at) panels_.pack_panel(panel, weights, own);
          packed = at;
          panels_.multiply_panel(panel, rows, own, start_.as<float>());
        }
      }
    });
  }

 private:
  int64_t source_step() const { return p_.source_strides.back(); }
  int64_t destination_step() const { return p_.destination_strides.back(); }
  FusedMatrix matrix(const uint8_t* weights, int64_t offset) const {
    const size_t rank = p_.shape.size();
    return {reinterpret_cast<const float*>(weights) + offset, p_.weights_strides[rank], p_.weights_strides[rank + 1]};
  }

  FusedProductParams p_;
  Isa isa_;
  int threads_;
  FusedPanels panels_;
  StridedSpace<3> batch_;
  int64_t matrices_ = 0, parts_ = 1;
  std::shared_ptr<const AlignedBuffer> known_;
  AlignedBuffer start_{0}, scratch_{0};
};

// The bytes of f32 that strides reach.
int64_t reached(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  const Extent extent = extent_of(shape, strides, 0);
  require(extent.first >= 0, "fused-product: strides must not be negative");
  return checked_product(checked_add(extent.last, 1), 4);
}

std::vector<int64_t> with(std::vector<int64_t> list, std::initializer_list<int64_t> more) {
  list.insert(list.end(), more);
  return list;
}

}  // namespace

KernelProgram make_fused_product(const FusedProductParams& p, const KernelTarget& target) {
  const auto results = with(p.shape, {p.rows, p.columns}), result_strides = with(p.destination_strides, {1});
  const bool is_empty = std::find(results.begin(), results.end(), 0) != results.end();
  if (!is_empty) require_distinct("fused-product: destinationStrides", results, result_strides);
  const auto state = std::make_shared<Products>(p, target);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = reached(with(p.shape, {p.rows, p.depth}), with(p.source_strides, {1})), .alignment = 4},
      {.name = "weights",
       .bytes = reached(with(p.shape, {p.depth, p.columns}), p.weights_strides),
       .alignment = 4,
       .packed = state->packs(),
       .by_name = state->packs()},
      {.name = "bias", .bytes = checked_product(p.columns, 4), .alignment = 4, .required = false},
      {.name = "destination",
       .bytes = reached(results, result_strides),
       .access = Access::write,
       .alignment = 4}};
  program.prepare = [state](Addresses a, const Identities& identities) {
    state->prepare(a, identities);
    return 0;
  };
  program.run = [state](Addresses a) { state->run(a); };
  return program;
}

}  // namespace unskew
