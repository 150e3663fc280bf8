// Pools of floats, channels last. A maximum passes over NaN for any number, averages are summed in binary64.
#include "kernels/taps.h"
#include "kernels/vectors.h"

namespace unskew {

namespace {

// The taps of a window, as offsets into the source, and the number that an average is divided by.
struct Window {
  const float* source;
  const int64_t* offsets;
  int64_t taps;
  double divisor;
};

// maximumNumber of IEEE 754: it begins with NaN, which any element takes the place of; a window without elements is −∞.
struct Maximum {
  using Element = float;
  static Element start(const Window& window) { return window.taps > 0 ? NAN : -HUGE_VALF; }
  template <class V>
  UNSKEW_INLINE static void add(V& most, const V& x) {
    most = x > most ? x : most;
    most = most == most ? most : x;
  }
  template <class V>
  UNSKEW_INLINE static void finish(V&, double) {}
};

struct Average {
  using Element = double;
  static Element start(const Window&) { return 0; }
  template <class V>
  UNSKEW_INLINE static void add(V& sum, const V& x) {
    sum += x;
  }
  template <class V>
  UNSKEW_INLINE static void finish(V& sum, double divisor) {
    sum /= divisor;
  }
};

template <class Of>
struct Pool {
  template <int kBytes>
  struct Loop {
    using Element = typename Of::Element;
    static constexpr int kMost = kBytes / sizeof(Element);

    // Channels [first, first + kVectors·kLanes), held in registers.
    template <int kVectors, int kLanes>
    UNSKEW_INLINE static void block(const Window& window, int64_t first, float* destination) {
      Element start[kLanes];
      std::fill_n(start, kLanes, Of::start(window));
      Vector<Element, kLanes> results[kVectors];
      for (int v = 0; v < kVectors; v++) load_vector(start, results[v]);
      for (int64_t t = 0; t < window.taps; t++) {
        const float* x = window.source + window.offsets[t] + first;
        for (int v = 0; v < kVectors; v++) {
          Vector<float, kLanes> floats;
          load_vector(x + v * kLanes, floats);
          Of::add(results[v], __builtin_convertvector(floats, Vector<Element, kLanes>));
        }
      }
      for (int v = 0; v < kVectors; v++) {
        Of::finish(results[v], window.divisor);
        store_vector(__builtin_convertvector(results[v], Vector<float, kLanes>), destination + first + v * kLanes);
      }
    }

    UNSKEW_INLINE static void run(const Window* given, int64_t channels, float* destination) {
      const Window window = *given;
      int64_t c = 0;
      for (; c + 4 * kMost <= channels; c += 4 * kMost) block<4, kMost>(window, c, destination);
      for (; c + kMost <= channels; c += kMost) block<1, kMost>(window, c, destination);
      if constexpr (kMost > 8)
        for (; c + 8 <= channels; c += 8) block<1, 8>(window, c, destination);
      if constexpr (kMost > 4)
        for (; c + 4 <= channels; c += 4) block<1, 4>(window, c, destination);
      for (; c < channels; c++) {
        Element result = Of::start(window);
        for (int64_t t = 0; t < window.taps; t++)
          Of::add(result, static_cast<Element>(window.source[window.offsets[t] + c]));
        Of::finish(result, window.divisor);
        destination[c] = static_cast<float>(result);
      }
    }
  };
};

// Taps of a window of an axis that lie in the input or, to be counted, in input and pads.
int64_t counted_taps(const FloatPoolParams& p, const Taps& taps, int axis, int64_t position) {
  if (p.operation != PoolOperation::average_include_padding) return taps.last - taps.first;
  return taps_of(position, p.strides[axis], 0, p.dilations[axis], p.kernel[axis],
                 p.begin[axis] + p.input[axis] + p.end[axis])
      .count();
}

}  // namespace

KernelProgram make_float_pool(const FloatPoolParams& p, const KernelTarget& target) {
  const int64_t input = checked_product(p.input[0], p.input[1], p.input[2]);
  const int64_t output = checked_product(p.output[0], p.output[1], p.output[2]);
  const int64_t taps = checked_product(p.kernel[0], p.kernel[1], p.kernel[2]);
  const auto run = p.operation == PoolOperation::maximum ? wide_version_of<Pool<Maximum>::Loop>(target.isa)
                                                         : wide_version_of<Pool<Average>::Loop>(target.isa);
  const int64_t threads = std::max(1, target.threads);
  checked_product(threads, taps, 8);
  const auto scratch = std::make_shared<std::vector<int64_t>>(static_cast<size_t>(threads * taps));
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(p.batch, input, p.channels, 4), .alignment = 4},
                       {.name = "destination",
                        .bytes = checked_product(p.batch, output, p.channels, 4),
                        .access = Access::write,
                        .alignment = 4}};
  program.run = [=](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    auto* destination = reinterpret_cast<float*>(a[1]);
    parallel(target.threads, p.batch * output, taps * p.channels * 4, 1, [&](int64_t begin, int64_t end, int thread) {
      int64_t* offsets = scratch->data() + thread * taps;
      for (int64_t i = begin; i < end; i++) {
        const std::array<int64_t, 3> at{i / p.output[2] / p.output[1] % p.output[0], i / p.output[2] % p.output[1],
                                        i % p.output[2]};
        std::array<Taps, 3> t;
        int64_t counted = 1, inside = 0;
        for (int axis = 0; axis < 3; axis++) {
          t[axis] = taps_at(p, axis, at[axis]);
          counted *= counted_taps(p, t[axis], axis, at[axis]);
        }
        for (int64_t z = t[0].first; z < t[0].last; z++)
          for (int64_t y = t[1].first; y < t[1].last; y++)
            for (int64_t x = t[2].first; x < t[2].last; x++)
              offsets[inside++] = ((t[0].at(z) * p.input[1] + t[1].at(y)) * p.input[2] + t[2].at(x)) * p.channels;
        const Window window{source + i / output * input * p.channels, offsets, inside, static_cast<double>(counted)};
        run(&window, p.channels, destination + i * p.channels);
      }
    });
  };
  return program;
}

}  // namespace unskew
