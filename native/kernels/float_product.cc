// Convolutions, transposed convolutions and matrix products of floats, channels last, summed in binary64 in one order:
// the bias, then channel after channel and within it tap after tap. A product of two binary32 numbers is exact in
// binary64, so that a fused multiply-add and a product with an addition are the same number, and so is every version.
#include "kernels/float_product.h"

#include "kernels/elementwise.h"

namespace unskew {

namespace {

constexpr int64_t kPositions = 4;

template <int kLanes>
struct Vectors {
  typedef double Doubles __attribute__((vector_size(kLanes * sizeof(double))));
  typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
};

// The place that a tap reads in the source (from the place of its output position) and in the weights.
struct Term {
  int64_t source, weights;
};

// Some positions of an output row that read through the same taps.
struct Chunk {
  int64_t count;
  std::array<int64_t, kPositions> positions, shifts;  // output columns; what to add to the source address of the first
  const std::vector<std::pair<int64_t, int64_t>>* taps;  // (tap, input column) of the first
};

// The values that all chunks of a group share.
struct Group {
  const float* weights;
  const float* bias;
  int64_t channels, outputs, weights_step;  // weights_step: from one channel to the next
};

// The first `lanes` floats, exactly; all of them unless `kPartial`.
template <int kLanes, bool kPartial>
UNSKEW_INLINE void load(const float* from, int64_t lanes, typename Vectors<kLanes>::Doubles& to) {
  typename Vectors<kLanes>::Floats values = {};
  if (kPartial && lanes < kLanes) {
    for (int64_t i = 0; i < lanes; i++) values[i] = from[i];
  } else {
    std::memcpy(&values, from, sizeof values);
  }
  to = __builtin_convertvector(values, typename Vectors<kLanes>::Doubles);
}

// kVectors·kLanes output channels of kCount positions; lanes from `lanes` on are left out (a single vector only).
template <int kLanes, int kVectors, int kCount>
UNSKEW_INLINE void block(const Group& group, const float* source, const Chunk& chunk, const Term* terms,
                         int64_t term_count, int64_t first, int64_t lanes, float* const* destinations) {
  using Doubles = typename Vectors<kLanes>::Doubles;
  using Floats = typename Vectors<kLanes>::Floats;
  Doubles sums[kCount][kVectors];
  for (int v = 0; v < kVectors; v++) {
    Doubles start = {};
    if (group.bias != nullptr) load<kLanes, kVectors == 1>(group.bias + first + v * kLanes, lanes, start);
    for (int p = 0; p < kCount; p++) sums[p][v] = start;
  }
  for (int64_t c = 0; c < group.channels; c++) {
    for (int64_t t = 0; t < term_count; t++) {
      const float* row = group.weights + c * group.weights_step + terms[t].weights + first;
      Doubles w[kVectors];
      for (int v = 0; v < kVectors; v++) load<kLanes, kVectors == 1>(row + v * kLanes, lanes, w[v]);
      for (int p = 0; p < kCount; p++) {
        const double x = source[chunk.shifts[p] + terms[t].source + c];
        for (int v = 0; v < kVectors; v++) sums[p][v] += x * w[v];
      }
    }
  }
  for (int p = 0; p < kCount; p++) {
    for (int v = 0; v < kVectors; v++) {
      const Floats rounded = __builtin_convertvector(sums[p][v], Floats);
      float* to = destinations[p] + first + v * kLanes;
      if (kVectors == 1 && lanes < kLanes) {
        for (int64_t i = 0; i < lanes; i++) to[i] = rounded[i];
      } else {
        std::memcpy(to, &rounded, sizeof rounded);
      }
    }
  }
}

template <int kLanes, int kVectors, int kCount>
UNSKEW_INLINE void blocks(const Group& group, const float* source, const Chunk& chunk, const Term* terms,
                          int64_t term_count, float* const* destinations) {
  int64_t first = 0;
  for (; first + kVectors * kLanes <= group.outputs; first += kVectors * kLanes)
    block<kLanes, kVectors, kCount>(group, source, chunk, terms, term_count, first, kLanes, destinations);
  for (; first < group.outputs; first += kLanes)
    block<kLanes, 1, kCount>(group, source, chunk, terms, term_count, first,
                             std::min<int64_t>(kLanes, group.outputs - first), destinations);
}

// As many sums as registers hold: 16 of 8 lanes, or 8 of 4.
template <int kLanes, int kVectors>
struct Products {
  UNSKEW_INLINE static void run(const Group* group, const float* source, const Chunk* chunk, const Term* terms,
                                int64_t term_count, float* const* destinations) {
    switch (chunk->count) {
      case 4: return blocks<kLanes, kVectors, 4>(*group, source, *chunk, terms, term_count, destinations);
      case 3: return blocks<kLanes, kVectors, 3>(*group, source, *chunk, terms, term_count, destinations);
      case 2: return blocks<kLanes, kVectors, 2>(*group, source, *chunk, terms, term_count, destinations);
      default: return blocks<kLanes, kVectors, 1>(*group, source, *chunk, terms, term_count, destinations);
    }
  }
};

using TapList = std::vector<std::pair<int64_t, int64_t>>;

// For every output position of an axis the (tap, input position) pairs inside the input, by ascending tap.
std::vector<TapList> taps_of_axis(const FloatProductParams& p, int axis) {
  std::vector<TapList> all(static_cast<size_t>(p.output[axis]));
  for (int64_t o = 0; o < p.output[axis]; o++) {
    for (int64_t tap = 0; tap < p.kernel[axis]; tap++) {
      int64_t at = p.transposed ? o + p.begin[axis] - tap * p.dilations[axis]
                                : o * p.strides[axis] - p.begin[axis] + tap * p.dilations[axis];
      if (at < 0 || (p.transposed && at % p.strides[axis] != 0)) continue;
      if (p.transposed) at /= p.strides[axis];
      if (at < p.input[axis]) all[static_cast<size_t>(o)].emplace_back(tap, at);
    }
  }
  return all;
}

bool same_taps(const TapList& a, const TapList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first; });
}

// Positions of the last axis, joined when they have the same taps: their input positions differ by one distance for all
// taps.
std::vector<Chunk> chunks_of(const std::vector<TapList>& columns, int64_t channels) {
  std::vector<Chunk> chunks;
  std::vector<size_t> open;  // chunks that have room, at most one for each list of taps
  for (size_t o = 0; o < columns.size(); o++) {
    const auto found =
        std::find_if(open.begin(), open.end(), [&](size_t c) { return same_taps(*chunks[c].taps, columns[o]); });
    if (found == open.end()) {
      open.push_back(chunks.size());
      chunks.push_back({.count = 1, .positions = {static_cast<int64_t>(o)}, .shifts = {}, .taps = &columns[o]});
      continue;
    }
    Chunk& chunk = chunks[*found];
    const int64_t distance = columns[o].empty() ? 0 : columns[o][0].second - (*chunk.taps)[0].second;
    chunk.positions[static_cast<size_t>(chunk.count)] = static_cast<int64_t>(o);
    chunk.shifts[static_cast<size_t>(chunk.count)] = distance * channels;
    if (++chunk.count == kPositions) open.erase(found);
  }
  return chunks;
}

// The data of a program, made once; Chunks point into `columns`.
struct Layout {
  std::array<std::vector<TapList>, 3> axes;
  std::vector<Chunk> chunks;
  explicit Layout(const FloatProductParams& p)
      : axes{taps_of_axis(p, 0), taps_of_axis(p, 1), taps_of_axis(p, 2)}, chunks(chunks_of(axes[2], p.channels)) {}
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
};

}  // namespace

KernelProgram make_float_product(const FloatProductParams& p, const KernelTarget& target) {
  require(p.groups >= 1 && p.channels % p.groups == 0 && p.outputs % p.groups == 0,
          "float-product: groups must divide channels");
  require(!p.weights_by_batch || p.groups == 1, "float-product: weights by batch have one group");
  const int64_t input = checked_product(p.input[0], p.input[1], p.input[2]);
  const int64_t output = checked_product(p.output[0], p.output[1], p.output[2]);
  const int64_t taps = checked_product(p.kernel[0], p.kernel[1], p.kernel[2]);
  const int64_t group_channels = p.channels / p.groups, group_outputs = p.outputs / p.groups;
  const int64_t weights = checked_product(group_channels, taps, p.outputs);
  checked_product(std::max<int64_t>(1, target.threads), taps, sizeof(Term));
  const auto layout = std::make_shared<const Layout>(p);
  const auto products =
      target.isa == Isa::avx512 ? version_of<Products<8, 4>>(target.isa) : version_of<Products<4, 2>>(target.isa);
  auto scratch = std::make_shared<std::vector<Term>>(static_cast<size_t>(std::max(1, target.threads) * taps));
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, input, p.channels, 4), .alignment = 4},
      {.name = "weights", .bytes = checked_product(weights, p.weights_by_batch ? p.batch : 1, 4), .alignment = 4},
      {.name = "bias", .bytes = checked_product(p.outputs, 4), .alignment = 4, .required = false},
      {.name = "destination",
       .bytes = checked_product(p.batch, output, p.outputs, 4),
       .access = Access::write,
       .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    const auto* all_weights = reinterpret_cast<const float*>(a[1]);
    const auto* bias = reinterpret_cast<const float*>(a[2]);
    auto* destination = reinterpret_cast<float*>(a[3]);
    const int64_t chunks = static_cast<int64_t>(layout->chunks.size()), rows = p.output[0] * p.output[1];
    parallel(threads, p.batch * rows * chunks, taps * group_channels * p.outputs * 4, 1,
             [&](int64_t begin, int64_t end, int thread) {
               Term* terms = scratch->data() + thread * taps;
               for (int64_t unit = begin; unit < end; unit++) {
                 const Chunk& chunk = layout->chunks[static_cast<size_t>(unit % chunks)];
                 const int64_t row = unit / chunks % rows, n = unit / chunks / rows;
                 int64_t count = 0;
                 for (const auto& [tz, z] : layout->axes[0][static_cast<size_t>(row / p.output[1])]) {
                   for (const auto& [ty, y] : layout->axes[1][static_cast<size_t>(row % p.output[1])]) {
                     for (const auto& [tx, x] : *chunk.taps) {
                       const int64_t tap = (tz * p.kernel[1] + ty) * p.kernel[2] + tx;
                       terms[count++] = {((z * p.input[1] + y) * p.input[2] + x) * p.channels, tap * group_outputs};
                     }
                   }
                 }
                 for (int64_t g = 0; g < p.groups; g++) {
                   const Group group{
                       all_weights + (p.weights_by_batch ? n * weights : g * group_channels * taps * group_outputs),
                       bias != nullptr ? bias + g * group_outputs : nullptr, group_channels, group_outputs,
                       taps * group_outputs};
                   float* destinations[kPositions] = {};
                   for (int64_t i = 0; i < chunk.count; i++) {
                     const int64_t at = (n * rows + row) * p.output[2] + chunk.positions[static_cast<size_t>(i)];
                     destinations[i] = destination + at * p.outputs + g * group_outputs;
                   }
                   products(&group, source + n * input * p.channels + g * group_channels, &chunk, terms, count,
                            destinations);
                 }
               }
             });
  };
  return program;
}

}  // namespace unskew
