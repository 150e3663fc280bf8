#include "kernels/block_product.h"

#include "kernels/fused_product.h"
#include "kernels/packed_weights.h"

namespace unskew {

namespace {

constexpr int64_t kLanes = BlockWeights::kLanes;

// The vectors of a block are in one panel.
struct Dequantize {
  UNSKEW_INLINE static void run(const BlockWeights* weights, const BlockPanel* given, int64_t first, int64_t count, float* to,
                                int64_t step) {
    const BlockWeights w = *weights;
    const BlockPanel panel = *given;
    const uint32_t mask = (1u << w.bits) - 1;
    const float* table = w.table();
    for (int64_t b = first; b < first + count; b++) {
      float zeros[kLanes];
      zeros_of(w, panel, b, zeros);
      const float* scales = panel.scales(b);
      const uint32_t* words = panel.codes(b);
      const int64_t length = std::min(w.block, w.depth - b * w.block), per_word = w.codes_per_word();
      for (int64_t k = 0; k < length; k++, to += step) {
        const uint32_t* word = words + k / per_word * kLanes;
        const auto shift = static_cast<uint32_t>(k % per_word * w.bits);
        if (table != nullptr) {
          for (int64_t lane = 0; lane < kLanes; lane++) to[lane] = table[word[lane] >> shift & mask] * scales[lane];
          continue;
        }
        for (int64_t lane = 0; lane < kLanes; lane++)
          to[lane] = (static_cast<float>(static_cast<int32_t>(word[lane] >> shift & mask)) - zeros[lane]) * scales[lane];
      }
    }
  }
};

// One panel and one row at a time.
struct MultiplyRow {
  UNSKEW_INLINE static void run(const BlockRows* given, const float* weights) {
    const BlockRows of = *given;
    float sums[kLanes] = {};
    for (int64_t k = 0; k < of.weights->depth; k++)
      for (int64_t lane = 0; lane < kLanes; lane++)
        sums[lane] = __builtin_fmaf(of.source[k], weights[k * kLanes + lane], sums[lane]);
    std::copy_n(sums, std::min(kLanes, of.columns), of.destination);
  }
};

int64_t rounded_up(int64_t bytes) { return (bytes + 63) / 64 * 64; }

class BlockProduct {
 public:
  BlockProduct(const BlockProductParams& p, const KernelTarget& target)
      : p_(p), isa_(target.isa), threads_(std::max(1, target.threads)), groups_((w().panels() + panels() - 1) / panels()) {
    if (p.of_bytes) {
      const int64_t blocks = w().blocks();
      bytes_ = rounded_up(checked_product(p.rows, blocks, w().block));
      scales_ = rounded_up(checked_product(p.rows, blocks, 4));
      scratch_bytes_ = checked_add(bytes_, checked_multiply(2, scales_));
    } else if (isa_ == Isa::scalar) {
      own_ = rounded_up(checked_product(w().depth, kLanes, 4));
      scratch_bytes_ = checked_multiply(own_, threads_);
    } else if (isa_ == Isa::avx2) {
      at_once_ = std::max<int64_t>(1, kDepth / w().block);
      const int64_t depth = std::min(w().depth, at_once_ * w().block);
      own_ = rounded_up(checked_product(checked_add(depth, std::min(p.rows, kRows)), width(), 4));
      scratch_bytes_ = checked_multiply(own_, threads_);
    }
  }

  int64_t scratch_bytes() const { return scratch_bytes_; }
  // Sessions that have the same constants share what is made of them.
  void prepare(Addresses a, const Identities& identities) {
    const auto make = [&] {
      auto arranged = std::make_shared<AlignedBuffer>(w().bytes());
      const auto bytes = [&](size_t i) { return identities[i].bytes(a[i]); };
      arrange_blocks(w(), {bytes(1), reinterpret_cast<const float*>(bytes(2)), bytes(3)}, arranged->data());
      return arranged;
    };
    if (identities[1].memory == 0) {
      weights_ = make();
      return;
    }
    std::vector<int64_t> key = {w().depth, w().columns, w().block, w().bits, static_cast<int64_t>(w().zero),
                                static_cast<int64_t>(w().levels)};
    for (const size_t i : {1, 2, 3}) key.insert(key.end(), {identities[i].memory, identities[i].offset});
    static auto* shelf = new Shelf<std::vector<int64_t>, AlignedBuffer>();  // threads outlive static objects
    weights_ = shelf->get(key, make, [&](const AlignedBuffer& kept) { return kept.bytes() == w().bytes(); });
  }

  void run(Addresses a) {
    if (p_.rows == 0 || w().columns == 0) return;
    uint8_t* scratch = a[kArguments];
    if (p_.of_bytes) run_bytes(a, scratch);
    else run_floats(a, scratch);
  }

 private:
  // Depth and rows whose floats stay in the cache of a processor.
  static constexpr size_t kArguments = 5;
  static constexpr int64_t kDepth = 256, kRows = 192, kBytes = 1 << 19;

  const BlockWeights& w() const { return p_.weights; }
  // The columns of FusedPanels in panels of 16.
  int64_t panels() const { return isa_ == Isa::avx2 ? 2 : 4; }
  int64_t width() const { return panels() * kLanes; }

  // body(first panel, panels, thread) for groups of panels.
  template <class Body>
  void over_groups(const Body& body) const {
    const int64_t work = p_.rows * w().depth * width();
    parallel(threads_, groups_, work, 1, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t group = begin; group < end; group++) {
        const int64_t first = group * panels();
        body(first, std::min(panels(), w().panels() - first), thread);
      }
    });
  }

  BlockRows rows_from(Addresses a, int64_t panel, int64_t row) const {
    return {.weights = &w(),
            .packed = weights_->data(),
            .first = panel,
            .columns = w().columns - panel * kLanes,
            .source = reinterpret_cast<const float*>(a[0]) + row * w().depth,
            .source_step = w().depth,
            .destination = reinterpret_cast<float*>(a[4]) + row * w().columns + panel * kLanes,
            .destination_step = w().columns};
  }

  void run_floats(Addresses a, uint8_t* scratch) const {
    const auto multiply = version_of<MultiplyRow>(isa_);
    const auto dequantize = version_of<Dequantize>(isa_);
    over_groups([&](int64_t first, int64_t count, int thread) {
      auto* own = reinterpret_cast<float*>(scratch + thread * own_);
      if (isa_ == Isa::avx512) {
        multiply_block_rows_avx512(rows_from(a, first, 0), count, p_.rows);
      } else if (isa_ == Isa::avx2) {
        for (int64_t row = 0; row < p_.rows; row += kRows) multiply_many(a, first, count, row, own);
      } else {
        for (int64_t panel = first; panel < first + count; panel++) {
          const BlockPanel from = w().panel(weights_->data(), panel);
          dequantize(&w(), &from, 0, w().blocks(), own, kLanes);
          for (int64_t row = 0; row < p_.rows; row++) {
            const BlockRows one = rows_from(a, panel, row);
            multiply(&one, own);
          }
        }
      }
    });
  }

  // A part of the depth after another, whose sums go on where those of the part before it ended.
  void multiply_many(Addresses a, int64_t first, int64_t count, int64_t row, float* own) const {
    const BlockRows of = rows_from(a, first, row);
    const auto dequantize = version_of<Dequantize>(isa_);
    const int64_t rows = std::min(kRows, p_.rows - row), blocks = w().blocks();
    float *sums = own, *weights = own + std::min(p_.rows, kRows) * width();
    std::fill_n(sums, rows * width(), 0.0f);
    for (int64_t b = 0; b < blocks; b += at_once_) {
      const int64_t now = std::min(at_once_, blocks - b), begin = b * w().block;
      for (int64_t panel = 0; panel < count; panel++) {
        const BlockPanel from = w().panel(weights_->data(), first + panel);
        dequantize(&w(), &from, b, now, weights + panel * kLanes, width());
      }
      FusedPanels(std::min(now * w().block, w().depth - begin), width(), isa_)
          .add_panel({.count = rows,
                .source = of.source + begin,
                .source_step = of.source_step,
                .destination = sums,
                .destination_step = width()},
               weights);
    }
    for (int64_t i = 0; i < rows; i++)
      std::copy_n(sums + i * width(), std::min(count * kLanes, of.columns), of.destination + i * of.destination_step);
  }

  void run_bytes(Addresses a, uint8_t* scratch) const {
    auto* bytes = reinterpret_cast<int8_t*>(scratch);
    auto* scales = reinterpret_cast<float*>(scratch + bytes_);
    auto* sums = reinterpret_cast<int32_t*>(scratch + bytes_ + scales_);
    const int64_t blocks = w().blocks();
    const auto quantize = quantize_blocks(isa_);
    parallel(threads_, p_.rows, w().depth * 4, 1, [&](int64_t begin, int64_t end, int) {
      const auto* source = reinterpret_cast<const float*>(a[0]);
      for (int64_t row = begin; row < end; row++)
        quantize(&w(), source + row * w().depth, bytes + row * blocks * w().block, scales + row * blocks, sums + row * blocks);
    });
    const auto multiply = multiply_byte_blocks(isa_);
    const int64_t at_once = std::max<int64_t>(48, kBytes / std::max<int64_t>(1, blocks * w().block));
    for (int64_t row = 0; row < p_.rows; row += at_once) {
      const int64_t rows = std::min(at_once, p_.rows - row);
      over_groups([&](int64_t first, int64_t count, int) {
        const BlockRows of = rows_from(a, first, row);
        const ByteRows own{bytes + row * blocks * w().block, scales + row * blocks, sums + row * blocks};
        const ByteBlocks given{&w(), weights_->data(), first, of.columns, own, of.destination, of.destination_step};
        multiply(&given, count, rows);
      });
    }
  }

  BlockProductParams p_;
  Isa isa_;
  int threads_;
  int64_t groups_;
  int64_t bytes_ = 0, scales_ = 0, own_ = 0, at_once_ = 0, scratch_bytes_ = 0;
  std::shared_ptr<const AlignedBuffer> weights_;
};

}  // namespace

KernelProgram make_block_product(const BlockProductParams& p, const KernelTarget& target) {
  const BlockWeights& w = p.weights;
  require(w.bits == 2 || w.bits == 4 || w.bits == 8, "block-product: bits are 2, 4 or 8");
  require(w.block >= 16 && w.block <= 1 << 16 && (w.block & (w.block - 1)) == 0,
          "block-product: a block holds a power of 2 from 16 to 65536");
  require(!p.of_bytes || w.zero != BlockZero::floats, "block-product: zero points of integers are integers");
  require(w.levels == BlockLevels::affine || (w.bits == 4 && w.zero == BlockZero::middle && !p.of_bytes),
          "block-product: levels of a table are floats for 4 bits without zero points");
  const int64_t packed_line = (w.blocks() * w.bits + 7) / 8;
  const int64_t zero_bytes = w.zero == BlockZero::middle ? 0
                             : w.zero == BlockZero::floats ? checked_product(w.columns, w.blocks(), 4)
                                                           : checked_product(w.columns, packed_line);
  const auto state = std::make_shared<BlockProduct>(p, target);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(p.rows, w.depth, 4), .alignment = 4},
                       {.name = "weights",
                        .bytes = checked_product(w.columns, w.blocks(), w.words(), 4),
                        .constant = true,
                        .packed = true,
                        .by_name = true},
                       {.name = "scale",
                        .bytes = checked_product(w.columns, w.blocks(), 4),
                        .alignment = 4,
                        .constant = true,
                        .packed = true,
                        .by_name = true},
                       {.name = "zeroPoint",
                        .bytes = zero_bytes,
                        .alignment = w.zero == BlockZero::floats ? 4 : 1,
                        .required = w.zero != BlockZero::middle,
                        .constant = true,
                        .packed = true,
                        .by_name = true},
                       {.name = "destination",
                        .bytes = checked_product(p.rows, w.columns, 4),
                        .access = Access::write,
                        .alignment = 4}};
  program.prepare = [state](Addresses a, const Identities& identities) {
    state->prepare(a, identities);
    return state->scratch_bytes();
  };
  program.run = [state](Addresses a) { state->run(a); };
  return program;
}

}  // namespace unskew
