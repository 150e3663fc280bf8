// Maximum pools of bytes, channels last. The taps outside of the input are passed over; without any tap the result is the lowest value.
#include <limits>

#include "kernels/elementwise.h"
#include "kernels/taps.h"

namespace unskew {

namespace {

// The positions of a row of the output, each with the columns of the input that lie in its window.
struct Columns {
  std::vector<Taps> taps;
  int64_t channels;
};

// One row of the output from `rows` rows of the input, `row_step` elements apart, of the slice of the depth at `source`. The results
// hold the largest of earlier slices.
template <class T>
struct LargestTap {
  template <int kBytes>
  using Vector [[gnu::vector_size(kBytes)]] = T;

  UNSKEW_INLINE static void run(const T* source, int64_t rows, int64_t row_step, const Columns* columns, T* results) {
    const int64_t channels = columns->channels;
    for (const Taps& taps : columns->taps) {
      int64_t c = 0;
      for (; c + 64 <= channels; c += 64) over_taps<Vector<64>>(source + c, rows, row_step, taps, channels, results + c);
      for (; c + 16 <= channels; c += 16) over_taps<Vector<16>>(source + c, rows, row_step, taps, channels, results + c);
      for (; c + 8 <= channels; c += 8) over_taps<Vector<8>>(source + c, rows, row_step, taps, channels, results + c);
      for (; c < channels; c++) over_taps<T>(source + c, rows, row_step, taps, channels, results + c);
      results += channels;
    }
  }

 private:
  // `largest` stays in a register where it is a vector, and not where it is an array.
  template <class V>
  UNSKEW_INLINE static void over_taps(const T* source, int64_t rows, int64_t row_step, const Taps& taps,
                                      int64_t channels, T* results) {
    V largest;
    __builtin_memcpy(&largest, results, sizeof(V));
    for (int64_t row = 0; row < rows; row++) {
      const T* from = source + row * row_step + taps.at(taps.first) * channels;
      for (int64_t tap = taps.first; tap < taps.last; tap++, from += taps.dilation * channels) {
        V x;
        __builtin_memcpy(&x, from, sizeof(V));
        largest = x > largest ? x : largest;
      }
    }
    __builtin_memcpy(results, &largest, sizeof(V));
  }
};

template <class T>
KernelProgram make_pool(const ByteMaxPoolParams& p, const KernelTarget& target) {
  const int64_t input = checked_product(p.input[0], p.input[1], p.input[2]);
  const int64_t output = checked_product(p.output[0], p.output[1], p.output[2]);
  const auto loop = version_of<LargestTap<T>>(target.isa);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, input, p.channels)},
      {.name = "destination", .bytes = checked_product(p.batch, output, p.channels), .access = Access::write}};
  Columns columns{{}, p.channels};
  for (int64_t x = 0; x < p.output[2]; x++) columns.taps.push_back(taps_at(p, 2, x));
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const T*>(a[0]);
    auto* destination = reinterpret_cast<T*>(a[1]);
    const int64_t row_size = p.input[2] * p.channels, row_of_results = p.output[2] * p.channels;
    const int64_t taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    const int64_t rows = p.batch * p.output[0] * p.output[1];
    parallel(threads, rows, taps * row_of_results, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; row++) {
        const int64_t image = row / (p.output[0] * p.output[1]) * p.input[0];
        const Taps z = taps_at(p, 0, row / p.output[1] % p.output[0]), y = taps_at(p, 1, row % p.output[1]);
        T* results = destination + row * row_of_results;
        std::fill_n(results, row_of_results, std::numeric_limits<T>::lowest());
        if (y.count() == 0) continue;
        for (int64_t tap = z.first; tap < z.last; tap++) {
          const T* first = source + ((image + z.at(tap)) * p.input[1] + y.at(y.first)) * row_size;
          loop(first, y.count(), y.dilation * row_size, &columns, results);
        }
      }
    });
  };
  return program;
}

}  // namespace

KernelProgram make_byte_max_pool(const ByteMaxPoolParams& p, const KernelTarget& target) {
  return p.type == ByteType::u8 ? make_pool<uint8_t>(p, target) : make_pool<int8_t>(p, target);
}

}  // namespace unskew
