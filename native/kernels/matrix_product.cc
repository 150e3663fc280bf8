// Products of matrices that only a run knows, Σ (a − za)·(b − zb) in s32. The vector version packs each right matrix as the weights of
// a convolution whose positions are the rows of the left one:
//
//   y[m][n] = Σ a[m][k]·b[k][n] − za·Σ (b[k][n] − zb) − zb·Σ a[m][k]
#include "kernels/convolution.h"
#include "kernels/strides.h"

namespace unskew {

namespace {

constexpr int64_t kColumns = 64;  // that are added together

// sums[n] += a·(b[n] − zb)
template <class B>
struct AddRow {
  UNSKEW_INLINE static void run(int32_t a, const B* b, int32_t zero_point, int32_t* sums, int64_t count) {
    for (int64_t n = 0; n < count; n++) sums[n] = wrapping_add(sums[n], a * (b[n] - zero_point));
  }
};

struct ZeroPoints {
  int32_t source, weights;
};

template <class B>
void multiply_rows(const MatrixProductParams& p, Isa isa, ZeroPoints zeros, FloatFactors factors,
                   const uint8_t* source, const uint8_t* weights, int32_t* destination, int64_t begin, int64_t end) {
  const auto add = version_of<AddRow<B>>(isa);
  for (int64_t m = begin; m < end; m++) {
    for (int64_t first = 0; first < p.columns; first += kColumns) {
      const int64_t count = std::min(kColumns, p.columns - first);
      int32_t* sums = destination + m * p.columns + first;
      std::fill_n(sums, count, 0);
      for (int64_t k = 0; k < p.inner; k++) {
        const int32_t a = value_of(p.source_type, source + m * p.inner + k) - zeros.source;
        add(a, reinterpret_cast<const B*>(weights) + k * p.columns + first, zeros.weights, sums, count);
      }
      for (int64_t n = 0; p.floats && n < count; n++) {
        float scale, offset;
        copy_factors(*p.floats, factors, first + n, 1, &scale, &offset);
        reinterpret_cast<float*>(sums)[n] = finish_float(sums[n], scale, offset, p.floats->low, p.floats->high);
      }
    }
  }
}

// The product of two matrices, by `threads` threads.
class Product {
 public:
  Product(const MatrixProductParams& p, Isa isa, int threads) : p_(p), isa_(isa), threads_(threads) {
    if (isa != Isa::avx512) return;
    constexpr Pair kOnes = {1, 1};
    plan_.p = {.source_type = p.source_type,
               .weights_type = p.weights_type,
               .channels_first = true,
               .type = OutputType::s32,
               .batch = 1,
               .channels = p.inner,
               .outputs = p.columns,
               .groups = 1,
               .input = {1, p.rows},
               .output = {1, p.rows},
               .kernel = kOnes,
               .strides = kOnes,
               .dilations = kOnes,
               .begin = {0, 0},
               .source_zero_point = std::nullopt,
               .to = {},
               .floats = p.floats,
               .slice = std::nullopt};
    plan_.inputs = p.inner;
    plan_.outputs = p.columns;
    prepare_matrices_avx512(plan_, {.isa = isa, .threads = threads});
    memory_ = AlignedBuffer(place_memory(plan_, nullptr, threads));
    place_memory(plan_, memory_.data(), threads);
    packed_ = AlignedBuffer(plan_.weight_bytes);
    inside_ = AlignedBuffer(checked_product(plan_.lanes, 4));
    plan_.weights = packed_.data();
    plan_.inside = inside_.as<int32_t>();
    bias_ = AlignedBuffer(inside_.bytes());
    plan_.bias = bias_.as<int32_t>();
  }

  void run(ZeroPoints zeros, FloatFactors factors, const uint8_t* source, const uint8_t* weights,
           int32_t* destination) {
    if (isa_ != Isa::avx512) {
      parallel(threads_, p_.rows, p_.inner * p_.columns / 4, 1, [&](int64_t begin, int64_t end, int) {
        const auto multiply = p_.weights_type == ByteType::u8 ? multiply_rows<uint8_t> : multiply_rows<int8_t>;
        multiply(p_, isa_, zeros, factors, source, weights, destination, begin, end);
      });
      return;
    }
    // u8 weights are read as weights − 128.
    const int32_t zero_point = zeros.weights - (p_.weights_type == ByteType::u8 ? 128 : 0);
    plan_.sums.factor = -zero_point;
    parallel(threads_, static_cast<int64_t>(plan_.blocks.size()), p_.inner * kColumns, 1,
             [&](int64_t begin, int64_t end, int) {
               for (int64_t block = begin; block < end; block++)
                 pack_matrix_avx512(plan_, weights, zero_point, block, packed_.data(), inside_.as<int32_t>());
             });
    set_source_zero_point(plan_, zeros.source);
    if (p_.floats) set_factors(plan_, factors);
    run_convolution(plan_, source, reinterpret_cast<uint8_t*>(destination), threads_);
  }

 private:
  MatrixProductParams p_;
  Isa isa_;
  int threads_;
  ConvolutionPlan plan_;
  AlignedBuffer memory_{0}, packed_{0}, inside_{0}, bias_{0};
};

}  // namespace

KernelProgram make_matrix_product(const MatrixProductParams& p, const KernelTarget& target) {
  const int64_t batch = checked_product(p.shape);
  const int64_t own = checked_product(p.rows, p.inner), other = checked_product(p.inner, p.columns);
  const int64_t result = checked_product(p.rows, p.columns);
  StridedSpace<2> space;
  for (size_t axis = 0; axis < p.shape.size(); axis++) {
    space.add_axis(p.shape[axis], {p.source_strides[axis], p.weights_strides[axis]});
  }
  space.finish();
  const auto bytes_of = [&](const std::vector<int64_t>& strides, int64_t matrix) {
    if (batch == 0) return int64_t{0};
    const Extent extent = extent_of(p.shape, strides, 0);
    require(extent.first >= 0, "matrix-product: strides must not be negative");
    return checked_add(extent.last, matrix);
  };
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes_of(p.source_strides, own)},
                       {.name = "weights", .bytes = bytes_of(p.weights_strides, other)},
                       {.name = "sourceZeroPoint", .bytes = 1, .required = false},
                       {.name = "weightsZeroPoint", .bytes = 1, .required = false},
                       {.name = "destination",
                        .bytes = checked_product(batch, result, 4),
                        .access = Access::write,
                        .alignment = 4}};
  if (p.floats) {
    require(p.floats->scales == 1 || p.floats->scales == p.columns, "matrix-product: scales must be 1 or columns");
    const auto more = scaled_end_arguments(*p.floats, p.columns);
    program.arguments.insert(program.arguments.end(), more.begin(), more.end());
  }
  if (batch == 0 || result == 0) {
    program.run = [](Addresses) {};
    return program;
  }
  // Many products are divided among the threads; else each is.
  const int teams = batch >= target.threads ? target.threads : 1;
  auto products = std::make_shared<std::vector<Product>>();
  for (int i = 0; i < teams; i++) products->emplace_back(p, target.isa, target.threads / teams);
  program.run = [=](Addresses a) {
    const ZeroPoints zeros = {a[2] == nullptr ? 0 : value_of(p.source_type, a[2]),
                              a[3] == nullptr ? 0 : value_of(p.weights_type, a[3])};
    FloatFactors factors{};
    if (p.floats) factors = {reinterpret_cast<const float*>(a[5]), reinterpret_cast<const float*>(a[6])};
    auto* destination = reinterpret_cast<int32_t*>(a[4]);
    const auto multiply = [&](int64_t begin, int64_t end, int thread) {
      Walk<2> walk(space, space.shape.size(), begin);
      for (int64_t i = begin; i < end; i++, walk.next()) {
        (*products)[thread].run(zeros, factors, a[0] + walk.offset[0], a[1] + walk.offset[1], destination + i * result);
      }
    };
    if (teams == 1) {
      multiply(0, batch, 0);
    } else {
      parallel(target.threads, batch, checked_product(own, p.columns) / 16, 1, multiply);
    }
  };
  return program;
}

}  // namespace unskew
