#include "kernels/elementwise.h"

namespace unskew {

namespace {

// The terms map + row·column of a run of elements.
enum class Terms { none, one_row, row_each };

// What runs along with a run of elements, or holds for all of it.
struct Run {
  const int32_t* bias;
  const int32_t* map;
  const int32_t* row;  // one, or one for each element
  const int32_t* column;
  const float* multiplier;
};

// kVector: the parameters run along with the elements.
template <class T, bool kVector, Terms kTerms>
struct RequantizeLoop {
  UNSKEW_INLINE static void run(const int32_t* source, const Run& run, const Requantization& to, T* destination, int64_t count) {
    const float low = static_cast<float>(to.low - to.zero_point), high = static_cast<float>(to.high - to.zero_point);
    const Run p = run;
    const int32_t zero_point = to.zero_point;
    for (int64_t i = 0; i < count; i++) {
      const int64_t c = kVector ? i : 0;
      int32_t v = wrapping_add(source[i], p.bias[c]);
      if constexpr (kTerms != Terms::none) {
        const int32_t row = p.row[kTerms == Terms::row_each ? i : 0];
        v = wrapping_add(v, wrapping_add(p.map[c], wrapping_multiply(row, p.column[c])));
      }
      if constexpr (sizeof(T) == 4) {
        destination[i] = v;
      } else {
        destination[i] = static_cast<T>(requantize_value(v, p.multiplier[c], low, high, zero_point));
      }
    }
  }
};


template <class T>
using Loop = void (*)(const int32_t*, const Run&, const Requantization&, T*, int64_t);

template <class T>
struct Requantize {
  RequantizeParams params;
  int threads;
  int64_t count;
  Loop<T> by_row, plain, one_row, row_each;
  AlignedBuffer zeros;

  Requantize(const RequantizeParams& p, const KernelTarget& target)
      : params(p),
        threads(target.threads),
        count(checked_product(p.outer, p.channels, p.inner)),
        by_row(version_of<RequantizeLoop<T, false, Terms::one_row>>(target.isa)),
        plain(version_of<RequantizeLoop<T, true, Terms::none>>(target.isa)),
        one_row(version_of<RequantizeLoop<T, true, Terms::one_row>>(target.isa)),
        row_each(version_of<RequantizeLoop<T, true, Terms::row_each>>(target.isa)),
        zeros(checked_product(std::max<int64_t>(p.channels, 1), 4)) {}

  void operator()(Addresses a) const {
    const auto* source = reinterpret_cast<const int32_t*>(a[0]);
    const auto pointer = [&](int i) { return a[i] != nullptr ? reinterpret_cast<const int32_t*>(a[i]) : zeros.as<int32_t>(); };
    const bool has_row = a[3] != nullptr, has_map = params.map_rows > 0;
    const int32_t *bias = pointer(1), *row = pointer(3), *column = pointer(4);
    const int32_t* map = has_map ? pointer(2) : zeros.as<int32_t>();
    const auto* multiplier = a[5] != nullptr ? reinterpret_cast<const float*>(a[5]) : zeros.as<float>();
    auto* destination = reinterpret_cast<T*>(a[6]);
    const int64_t channels = params.channels, groups = params.groups;
    const bool flat = channels == 1 && !has_row && !has_map;
    const bool rows = params.inner != 1 || flat;
    const bool each = has_row && groups == channels;
    const int64_t run_groups = each ? 1 : groups;  // runs of channels that share a row
    const int64_t length = std::max<int64_t>(1, flat ? count : rows ? params.inner : channels / run_groups);
    const Loop<T> loop = rows ? by_row : each ? row_each : has_row || has_map ? one_row : plain;
    parallel(threads, count, 4, 64, [&](int64_t begin, int64_t end, int) {
      for_rows(begin, end, length, [&](int64_t index, int64_t first, int64_t n) {
        const int64_t position = index * length + first;
        const int64_t outer = rows ? index / channels : index / run_groups;
        const int64_t channel = rows ? index % channels : index % run_groups * length + first;
        const int64_t group = channel * groups / channels;
        const int32_t* map_row = has_map ? map + outer % params.map_rows * channels : map;
        const Run run{bias + channel, map_row + channel, has_row ? row + outer * groups + group : row, column + channel,
                      multiplier + channel};
        loop(source + position, run, params.to, destination + position, n);
      });
    });
  }
};

template <class T>
KernelProgram make_program(const RequantizeParams& params, const KernelTarget& target) {
  const int64_t channel_bytes = checked_product(params.channels, 4);
  require(params.groups >= 1 && params.channels % params.groups == 0, "requantize: groups must divide channels");
  require(params.map_rows == 0 || params.inner == 1, "requantize: a map needs inner = 1");
  auto kernel = std::make_shared<Requantize<T>>(params, target);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(kernel->count, 4), .alignment = 4, .in_place = sizeof(T) == 4},
      {.name = "bias", .bytes = channel_bytes, .alignment = 4, .required = false},
      {.name = "map", .bytes = checked_product(params.map_rows, channel_bytes), .alignment = 4, .required = params.map_rows > 0},
      {.name = "row", .bytes = checked_product(params.outer, params.groups, 4), .alignment = 4, .required = false},
      {.name = "column", .bytes = channel_bytes, .alignment = 4, .required = false},
      {.name = "multiplier", .bytes = channel_bytes, .alignment = 4, .required = sizeof(T) != 4},
      {.name = "destination", .bytes = checked_product(kernel->count, sizeof(T)), .access = Access::write, .alignment = sizeof(T)}};
  program.run = [kernel](Addresses a) { (*kernel)(a); };
  return program;
}

}  // namespace

KernelProgram make_requantize(const RequantizeParams& params, const KernelTarget& target) {
  switch (params.type) {
    case OutputType::u8: return make_program<uint8_t>(params, target);
    case OutputType::s8: return make_program<int8_t>(params, target);
    default: return make_program<int32_t>(params, target);
  }
}

}  // namespace unskew
