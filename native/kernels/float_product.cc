// Convolutions and transposed convolutions of floats, channels last, summed in binary32 in one order: the bias,
// then channel after channel and within it tap after tap, each product rounded together with the sum before it. Both operands are packed once:
// the weights in panels of as many columns as a block has, the source row by row of its results, with zeros for pads.
#include "kernels/float_product.h"

#include <cmath>

#include "kernels/float_product_block.h"
#include "kernels/float_product_layout.h"

namespace unskew {

namespace {

// The bytes of a packed part of the source, which should stay in the second cache beside a panel.
constexpr int64_t kBandBytes = 384 * 1024;

// Panels of nearly the same number of vectors, `most` at the most.
struct Panels {
  int64_t vectors, count, lanes;

  Panels(int64_t columns, int64_t lanes_of_vector, int64_t most)
      : vectors((columns + lanes_of_vector - 1) / lanes_of_vector),
        count((vectors + most - 1) / most),
        lanes(lanes_of_vector) {}
  int64_t first(int64_t panel) const { return (panel * vectors / count) * lanes; }
  int64_t width(int64_t panel) const { return first(panel + 1) - first(panel); }
  int64_t padded() const { return vectors * lanes; }
  size_t widest() const { return static_cast<size_t>(count == 0 ? 1 : (vectors + count - 1) / count); }
};

FloatProductParams flattened(FloatProductParams p) {
  const auto all = [](const Triple& of, int64_t value) {
    return std::ranges::all_of(of, [=](auto x) { return x == value; });
  };
  if (!all(p.kernel, 1) || !all(p.strides, 1) || !all(p.begin, 0) || p.input != p.output) return p;
  const int64_t rows = checked_product(p.input[0], p.input[1], p.input[2], std::exchange(p.batch, 1));
  p.input = p.output = {1, 1, rows};
  return p;
}

class Product {
 public:
  Product(const FloatProductParams& params, const KernelTarget& target)
      : p_(flattened(params)),
        threads_(std::max(1, target.threads)),
        blocks_(blocks_for(target.isa)),
        is_depthwise_(p_.groups > 1 && p_.groups == p_.channels && p_.groups == p_.outputs),
        groups_(is_depthwise_ ? 1 : p_.groups),
        group_channels_(is_depthwise_ ? 1 : p_.channels / groups_),
        group_outputs_(p_.outputs / groups_),
        taps_(checked_product(p_.kernel[0], p_.kernel[1], p_.kernel[2])),
        depth_(checked_multiply(group_channels_, taps_)),
        panels_(group_outputs_, blocks_.lanes, is_depthwise_ ? 1 : blocks_.most_vectors),
        rows_(p_.output[0] * p_.output[1]) {
    const int64_t most_rows = blocks_.most_rows[panels_.widest()];
    const int64_t column_bytes = checked_product(p_.kernel[0], p_.kernel[1], p_.channels, 4);
    const int64_t most_columns =
        std::max(most_rows, kBandBytes / std::max<int64_t>(1, column_bytes) / most_rows * most_rows);
    exact_ = make_segments(p_, most_columns, most_rows, false);
    padded_ = make_segments(p_, most_columns, most_rows, true);
    int64_t band = 0;
    for (const Segments* all : {&exact_, &padded_})
      for (const Segment& segment : all->list) band = std::max(band, segment.columns());
    band_size_ = checked_product(p_.kernel[0], p_.kernel[1], band, p_.channels);
    packed_size_ = checked_product(depth_, panels_.padded());
    packed_ = AlignedBuffer(checked_product(groups_, packed_size_, 4));
    starts_ = AlignedBuffer(checked_product(groups_, panels_.padded(), 4));
    // Depthwise blocks read whole vectors.
    bands_ = AlignedBuffer(checked_add(checked_product(threads_, band_size_, 4), 64));
    terms_ = AlignedBuffer(checked_product(threads_, taps_, sizeof(Term)));
  }

  bool packs() const { return !is_thin(); }

  // Weights that are known are packed once, and none of them makes a NaN of a pad.
  void prepare(Addresses a) {
    if (a[1] == nullptr || !packs()) return;
    const auto* weights = reinterpret_cast<const float*>(a[1]);
    are_finite_ = std::all_of(weights, weights + depth_ * p_.outputs, [](float w) { return std::isfinite(w); });
    for (int64_t g = 0; g < groups_; g++) pack(weights + g * depth_ * group_outputs_, 0, depth_, packed(g));
    is_packed_ = true;
  }

  void run(Addresses a) {
    const auto* weights = reinterpret_cast<const float*>(a[1]);
    const auto* bias = reinterpret_cast<const float*>(a[2]);
    for (int64_t g = 0; g < groups_; g++) start_with(bias == nullptr ? nullptr : bias + g * group_outputs_, g);
    if (is_thin()) return run_thin(a);
    if (!is_packed_) {
      parallel(threads_, groups_ * depth_, group_outputs_ * 8, 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t row = begin; row < end; row++) {
          const int64_t g = row / depth_;
          pack(weights + g * depth_ * group_outputs_, row % depth_, row % depth_ + 1, packed(g));
        }
      });
    }
    const Segments& segments = are_finite_ ? padded_ : exact_;
    const int64_t parts = p_.batch * rows_ * static_cast<int64_t>(segments.list.size());
    // Few parts of rows are shared by panel.
    const int64_t shares = parts >= 2 * threads_ || threads_ == 1 ? 1 : std::min<int64_t>(panels_.count, threads_);
    const int64_t columns = std::max<int64_t>(1, p_.output[2] / std::max<int64_t>(1, segments.list.size()));
    parallel(threads_, parts * shares, columns * depth_ * p_.outputs, 1, [&](int64_t begin, int64_t end, int thread) {
      for (int64_t unit = begin; unit < end; unit++)
        compute(a, segments, unit / shares, unit % shares, shares, thread);
    });
  }

 private:
  float* packed(int64_t which) const { return packed_.as<float>() + which * packed_size_; }

  // One or two rows times a matrix of at least one vector.
  bool is_thin() const {
    return p_.output[2] <= kMostThinRows && rows_ == 1 && taps_ == 1 && p_.groups == 1 && p_.input == p_.output &&
           group_outputs_ >= blocks_.lanes;
  }

  // The last panel ends where the matrix does, so that it has columns of the one before.
  void run_thin(Addresses a) const {
    size_t which = 0;
    while (kThinVectors[which] * blocks_.lanes > p_.outputs) which++;
    const int64_t width = kThinVectors[which] * blocks_.lanes, panels = (p_.outputs + width - 1) / width;
    const int64_t rows = p_.output[2];
    const auto* source = reinterpret_cast<const float*>(a[0]);
    const auto* weights = reinterpret_cast<const float*>(a[1]);
    auto* destination = reinterpret_cast<float*>(a[3]);
    const auto compute_panel = [&](int64_t n, int64_t panel) {
      const int64_t first = std::min(panel * width, p_.outputs - width);
      const ThinSum sum{.depth = depth_,
                        .source_step = p_.channels,
                        .destination_step = p_.outputs,
                        .weights_step = p_.outputs,
                        .source = source + n * rows * p_.channels,
                        .weights = weights + first,
                        .start = starts_.as<float>() + first,
                        .destination = destination + n * rows * p_.outputs + first};
      blocks_.thin[which][static_cast<size_t>(rows)](&sum);
    };
    // One thread computes the last two, which share columns.
    const int64_t units = std::max<int64_t>(1, panels - 1);
    parallel(threads_, p_.batch * units, depth_ * width * 4, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t unit = begin; unit < end; unit++) {
        compute_panel(unit / units, unit % units);
        if (unit % units == units - 1 && panels > 1) compute_panel(unit / units, panels - 1);
      }
    });
  }

  // Rows [begin, end) of weights [depth, columns] in every panel; depthwise ones are [columns, depth].
  void pack(const float* weights, int64_t begin, int64_t end, float* to) const {
    for (int64_t row = begin; row < end; row++) {
      if (is_depthwise_) {
        for (int64_t c = 0; c < group_outputs_; c++)
          to[c / panels_.lanes * panels_.lanes * depth_ + row * panels_.lanes + c % panels_.lanes] =
              weights[c * depth_ + row];
        continue;
      }
      const float* from = weights + row * group_outputs_;
      for (int64_t panel = 0; panel < panels_.count; panel++) {
        const int64_t first = panels_.first(panel), width = panels_.width(panel);
        const int64_t count = std::min(width, group_outputs_ - first);
        float* place = to + first * depth_ + row * width;
        std::copy_n(from + first, count, place);
        std::fill(place + count, place + width, 0.0f);
      }
    }
  }

  // +0 with the bias of a group.
  void start_with(const float* bias, int64_t group) const {
    float* to = starts_.as<float>() + group * panels_.padded();
    for (int64_t i = 0; i < group_outputs_; i++) to[i] = 0.0f + (bias == nullptr ? 0.0f : bias[i]);
  }

  // One part of a row of results.
  void compute(Addresses a, const Segments& segments, int64_t part, int64_t share, int64_t shares, int thread) const {
    const auto count = static_cast<int64_t>(segments.list.size());
    const Segment& segment = segments.list[static_cast<size_t>(part % count)];
    const int64_t row = part / count % rows_, n = part / count / rows_;
    const TapList& depths = segments.depths[static_cast<size_t>(row / p_.output[1])];
    const TapList& heights = segments.heights[static_cast<size_t>(row % p_.output[1])];
    const int64_t input = p_.input[0] * p_.input[1] * p_.input[2], columns = segment.columns();
    const auto* source = reinterpret_cast<const float*>(a[0]) + n * input * p_.channels;
    const auto row_at = [&](int64_t z, int64_t y) {
      return source + (z * p_.input[1] + y) * p_.input[2] * p_.channels;
    };
    const float* band = bands_.as<float>() + thread * band_size_;
    if (reads_in_place(segment) && depths.size() == 1 && heights.size() == 1) {
      band = row_at(depths[0].second, heights[0].second) + segment.first * p_.channels;
    } else {
      float* line = bands_.as<float>() + thread * band_size_;
      for (const auto& [tz, z] : depths) {
        for (const auto& [ty, y] : heights) {
          pack_row(row_at(z, y), segment, line);
          line += columns * p_.channels;
        }
      }
    }
    Term* terms = terms_.as<Term>() + thread * taps_;
    float* destination = reinterpret_cast<float*>(a[3]) + (n * rows_ + row) * p_.output[2] * p_.outputs;
    for (const Alike& alike : segment.parts) {
      int64_t term_count = 0, lines = 0;
      for (const auto& [tz, z] : depths) {
        for (const auto& [ty, y] : heights) {
          for (const auto& [tx, x] : *alike.taps)
            terms[term_count++] = {(lines * columns + x - segment.first) * p_.channels,
                                   (tz * p_.kernel[1] + ty) * p_.kernel[2] + tx};
          lines++;
        }
      }
      for (int64_t g = 0; g < groups_; g++) {
        for (int64_t panel = panels_.count * share / shares; panel < panels_.count * (share + 1) / shares; panel++) {
          const int64_t first = panels_.first(panel), width = panels_.width(panel);
          const BlockSum sum{.channels = group_channels_,
                             .taps = taps_,
                             .term_count = term_count,
                             .terms = terms,
                             .panel = packed(g) + first * depth_,
                             .start = starts_.as<float>() + g * panels_.padded() + first,
                             .columns = std::min(width, group_outputs_ - first)};
          const auto& functions =
              is_depthwise_ ? blocks_.depthwise : blocks_.functions[static_cast<size_t>(width / panels_.lanes)];
          const float* source_of_panel = band + (is_depthwise_ ? first : g * group_channels_);
          for (const Chunk& chunk : alike.chunks) {
            const BlockRows at{.source = source_of_panel + chunk.shift * p_.channels,
                               .source_step = chunk.shift_step * p_.channels,
                               .destination = destination + chunk.position * p_.outputs + g * group_outputs_ + first,
                               .destination_step = chunk.position_step * p_.outputs};
            functions[static_cast<size_t>(chunk.count)](&sum, &at);
          }
        }
      }
    }
  }

  // One row without pads is read where it lies; depthwise blocks read whole vectors, which may end behind it.
  bool reads_in_place(const Segment& segment) const {
    return taps_ == 1 && !is_depthwise_ && segment.first >= 0 && segment.last < p_.input[2];
  }

  // A row of the source, with zeros beyond its ends.
  void pack_row(const float* row, const Segment& segment, float* to) const {
    const int64_t begin = std::max<int64_t>(segment.first, 0), end = std::min(segment.last + 1, p_.input[2]);
    to = std::fill_n(to, std::max<int64_t>(0, begin - segment.first) * p_.channels, 0.0f);
    if (begin < end) to = std::copy_n(row + begin * p_.channels, (end - begin) * p_.channels, to);
    const int64_t filled = std::max(end, begin) - segment.first;
    if (filled < segment.columns()) std::fill_n(to, (segment.columns() - filled) * p_.channels, 0.0f);
  }

  FloatProductParams p_;
  int threads_;
  Blocks blocks_;
  bool is_depthwise_;
  int64_t groups_, group_channels_, group_outputs_, taps_, depth_;
  Panels panels_;
  int64_t rows_;
  bool is_packed_ = false, are_finite_ = false;
  Segments exact_, padded_;
  int64_t band_size_ = 0, packed_size_ = 0;
  AlignedBuffer packed_{0}, starts_{0}, bands_{0}, terms_{0};
};

}  // namespace

KernelProgram make_float_product(const FloatProductParams& p, const KernelTarget& target) {
  require(p.groups >= 1 && p.channels % p.groups == 0 && p.outputs % p.groups == 0,
          "float-product: groups must divide channels");
  const int64_t input = checked_product(p.input[0], p.input[1], p.input[2]);
  const int64_t output = checked_product(p.output[0], p.output[1], p.output[2]);
  const int64_t taps = checked_product(p.kernel[0], p.kernel[1], p.kernel[2]);
  const int64_t weights = checked_product(p.channels / p.groups, taps, p.outputs);
  const auto product = std::make_shared<Product>(p, target);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, input, p.channels, 4), .alignment = 4},
      {.name = "weights", .bytes = checked_product(weights, 4), .alignment = 4, .packed = product->packs()},
      {.name = "bias", .bytes = checked_product(p.outputs, 4), .alignment = 4, .required = false},
      {.name = "destination",
       .bytes = checked_product(p.batch, output, p.outputs, 4),
       .access = Access::write,
       .alignment = 4}};
  program.prepare = [product](Addresses a, const Identities&) {
    product->prepare(a);
    return 0;
  };
  program.run = [product](Addresses a) { product->run(a); };
  return program;
}

}  // namespace unskew
