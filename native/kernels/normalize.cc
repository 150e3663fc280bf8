// Normalizations of floats in binary64, rounded once, and the affine functions per channel that they amount to when mean
// and variance are known.
#include "kernels/partial_sums.h"
#include "kernels/rows.h"

namespace unskew {

namespace {

struct SquaredDeviations : SumOfDoubles {
  double mean;
  explicit SquaredDeviations(double of) : mean(of) {}
  template <class V>
  UNSKEW_INLINE void add(V& sum, const V& x) const {
    const V deviation = x - mean;
    sum += deviation * deviation;
  }
};

// y = (x − mean)·factor·scale + offset
struct Centred {
  double mean, factor;
};
UNSKEW_INLINE double normalized(float x, const Centred& by) { return (static_cast<double>(x) - by.mean) * by.factor; }

template <int kBytes>
struct Normalize {
  UNSKEW_INLINE static void run(const NormalizeParams* p, const float* source, const float* scale, const float* offset,
                                float* destination, int64_t begin, int64_t end) {
    const int64_t length = p->length, run = length / p->per_row;
    for (int64_t row = begin; row < end; row++) {
      const float* x = source + row * length;
      float* y = destination + row * length;
      const double count = static_cast<double>(length);
      const double mean = p->centre ? fold_run<kBytes>(SumOfDoubles{}, x, length, 0.0) / count : 0.0;
      const double squares = fold_run<kBytes>(SquaredDeviations{mean}, x, length, 0.0);
      const Centred by{mean, 1.0 / std::sqrt(squares / count + p->epsilon)};
      const float* factors = scale + row % p->factor_rows * p->per_row;
      const float* offsets = offset == nullptr ? nullptr : offset + row % p->factor_rows * p->per_row;
      if (run == 1 && offsets == nullptr) {
        for (int64_t i = 0; i < length; i++)
          y[i] = static_cast<float>(normalized(x[i], by) * static_cast<double>(factors[i]));
      } else if (run == 1) {
        for (int64_t i = 0; i < length; i++)
          y[i] = static_cast<float>(normalized(x[i], by) * static_cast<double>(factors[i]) +
                                    static_cast<double>(offsets[i]));
      } else {
        for (int64_t part = 0; part < p->per_row; part++) {
          const double factor = factors[part], added = offsets == nullptr ? -0.0 : static_cast<double>(offsets[part]);
          for (int64_t i = part * run; i < (part + 1) * run; i++)
            y[i] = static_cast<float>(normalized(x[i], by) * factor + added);
        }
      }
    }
  }
};

// y = (x − mean)·factor + offset, along the channels or with one of each.
struct AffineAlong {
  UNSKEW_INLINE static void run(const float* x, const double* mean, const double* factor, const double* offset,
                                float* y, int64_t count) {
    for (int64_t i = 0; i < count; i++)
      y[i] = static_cast<float>((static_cast<double>(x[i]) - mean[i]) * factor[i] + offset[i]);
  }
};
struct AffineOfOne {
  UNSKEW_INLINE static void run(const float* x, const double* mean, const double* factor, const double* offset,
                                float* y, int64_t count) {
    const double of = *mean, by = *factor, added = *offset;
    for (int64_t i = 0; i < count; i++) y[i] = static_cast<float>((static_cast<double>(x[i]) - of) * by + added);
  }
};

}  // namespace

KernelProgram make_normalize(const NormalizeParams& p, const KernelTarget& target) {
  require(p.length % p.per_row == 0, "normalize: the factors of a row must divide it");
  const auto run = wide_version_of<Normalize>(target.isa);
  const int64_t bytes = checked_product(p.rows, p.length, 4), parameters = checked_product(p.factor_rows, p.per_row, 4);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes, .alignment = 4, .in_place = true},
                       {.name = "scale", .bytes = parameters, .alignment = 4},
                       {.name = "bias", .bytes = parameters, .alignment = 4, .required = false},
                       {.name = "destination", .bytes = bytes, .access = Access::write, .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    parallel(threads, p.rows, p.length * 8, 1, [&](int64_t begin, int64_t end, int) {
      run(&p, reinterpret_cast<const float*>(a[0]), reinterpret_cast<const float*>(a[1]),
          reinterpret_cast<const float*>(a[2]), reinterpret_cast<float*>(a[3]), begin, end);
    });
  };
  return program;
}

KernelProgram make_channel_affine(const ChannelAffineParams& p, const KernelTarget& target) {
  const ChannelView view(p.outer, p.channels, p.inner);
  const auto run = view.by_row ? version_of<AffineOfOne>(target.isa) : version_of<AffineAlong>(target.isa);
  const int64_t bytes = checked_product(view.count, 4), parameters = checked_product(p.channels, 8);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes, .alignment = 4, .in_place = true},
                       {.name = "mean", .bytes = parameters, .alignment = 8},
                       {.name = "factor", .bytes = parameters, .alignment = 8},
                       {.name = "offset", .bytes = parameters, .alignment = 8},
                       {.name = "destination", .bytes = bytes, .access = Access::write, .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    const double* parameters[3];
    for (size_t i = 0; i < 3; i++) parameters[i] = reinterpret_cast<const double*>(a[i + 1]);
    auto* destination = reinterpret_cast<float*>(a[4]);
    parallel(threads, view.count, 8, 16, [&](int64_t begin, int64_t end, int) {
      int64_t position = begin;
      for_rows(begin, end, view.row_length, [&](int64_t row, int64_t first, int64_t length) {
        const int64_t channel = view.by_row ? row % view.channels : first;
        run(source + position, parameters[0] + channel, parameters[1] + channel, parameters[2] + channel,
            destination + position, length);
        position += length;
      });
    });
  };
  return program;
}

}  // namespace unskew
