#include "kernels/elementwise.h"

namespace unskew {

namespace {

template <class X, class W>
class ReferenceConvolution {
 public:
  ReferenceConvolution(const ReferenceConvolutionParams& p, int threads) : p_(p), threads_(threads) {}

  void operator()(Addresses a) const {
    const auto* zero_x = reinterpret_cast<const int32_t*>(a[2]);
    const auto* zero_w = reinterpret_cast<const int32_t*>(a[3]);
    auto* destination = reinterpret_cast<int32_t*>(a[4]);
    const int64_t output = p_.output[0] * p_.output[1] * p_.output[2], planes = p_.batch * p_.output_channels;
    const int64_t taps = p_.kernel[0] * p_.kernel[1] * p_.kernel[2];
    const int64_t work = output * taps * std::max<int64_t>(1, p_.input_channels / p_.groups);
    parallel(threads_, planes, work, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t plane = begin; plane < end; plane++) {
        const int64_t n = plane / p_.output_channels, o = plane % p_.output_channels;
        const int32_t zx = zero_x != nullptr ? *zero_x : 0;
        const int32_t zw = zero_w != nullptr ? zero_w[p_.weights_zero_points == 1 ? 0 : o] : 0;
        for (int64_t i = 0; i < output; i++) {
          const Triple at = {i / p_.output[2] / p_.output[1], i / p_.output[2] % p_.output[1], i % p_.output[2]};
          destination[plane * output + i] =
              element(reinterpret_cast<const X*>(a[0]), reinterpret_cast<const W*>(a[1]), n, o, at, zx, zw);
        }
      }
    });
  }

 private:
  // The input coordinate that tap `tap` of an output coordinate reads, or -1.
  int64_t input_at(int axis, int64_t output, int64_t tap) const {
    int64_t position;
    if (p_.transposed) {
      position = output + p_.begin[axis] - tap * p_.dilations[axis];
      if (position < 0 || position % p_.strides[axis] != 0) return -1;
      position /= p_.strides[axis];
    } else {
      position = output * p_.strides[axis] - p_.begin[axis] + tap * p_.dilations[axis];
    }
    return position >= 0 && position < p_.input[axis] ? position : -1;
  }

  // Position of the weight of output channel o and input channel c (of its group) among [channel, channel] pairs.
  int64_t weight_row(int64_t o, int64_t group, int64_t c, int64_t inputs, int64_t outputs) const {
    return p_.transposed ? (group * inputs + c) * outputs + o % outputs : o * inputs + c;
  }

  int32_t element(const X* x, const W* w, int64_t n, int64_t o, const Triple& at, int32_t zx, int32_t zw) const {
    const int64_t inputs = p_.input_channels / p_.groups, outputs = p_.output_channels / p_.groups, group = o / outputs;
    const Triple &in = p_.input, &k = p_.kernel;
    int32_t sum = 0;
    for (int64_t i = 0; i < k[0]; i++) {
      const int64_t z = input_at(0, at[0], i);
      for (int64_t j = 0; z >= 0 && j < k[1]; j++) {
        const int64_t y = input_at(1, at[1], j);
        for (int64_t l = 0; y >= 0 && l < k[2]; l++) {
          const int64_t c0 = input_at(2, at[2], l);
          if (c0 < 0) continue;
          for (int64_t c = 0; c < inputs; c++) {
            const int64_t channel = n * p_.input_channels + group * inputs + c;
            const int32_t value = x[((channel * in[0] + z) * in[1] + y) * in[2] + c0];
            const int32_t weight = w[((weight_row(o, group, c, inputs, outputs) * k[0] + i) * k[1] + j) * k[2] + l];
            sum = wrapping_add(sum, wrapping_multiply(wrapping_subtract(value, zx), wrapping_subtract(weight, zw)));
          }
        }
      }
    }
    return sum;
  }

  ReferenceConvolutionParams p_;
  int threads_;
};

template <class X, class W>
KernelProgram make_program(const ReferenceConvolutionParams& p, const KernelTarget& target) {
  require(p.input_channels % p.groups == 0 && p.output_channels % p.groups == 0,
          "reference-convolution: groups must divide inputChannels and outputChannels");
  require(p.weights_zero_points == 1 || p.weights_zero_points == p.output_channels,
          "reference-convolution: weightsZeroPoints must be 1 or outputChannels");
  const int64_t taps = checked_product(p.kernel[0], p.kernel[1], p.kernel[2]);
  KernelProgram program;
  program.arguments = {
      {.name = "source", .bytes = checked_product(p.batch, p.input_channels, p.input[0], p.input[1], p.input[2])},
      {.name = "weights", .bytes = checked_product(p.input_channels, p.output_channels, taps) / p.groups},
      {.name = "sourceZeroPoint", .bytes = 4, .alignment = 4, .required = false},
      {.name = "weightsZeroPoint",
       .bytes = checked_product(p.weights_zero_points, 4),
       .alignment = 4,
       .required = false},
      {.name = "destination",
       .bytes = checked_product(p.batch, p.output_channels, p.output[0], p.output[1], p.output[2], 4),
       .access = Access::write,
       .alignment = 4}};
  program.run = ReferenceConvolution<X, W>(p, target.threads);
  return program;
}

}  // namespace

KernelProgram make_reference_convolution(const ReferenceConvolutionParams& p, const KernelTarget& target) {
  if (p.source_type == ByteType::u8) {
    return p.weights_type == ByteType::u8 ? make_program<uint8_t, uint8_t>(p, target)
                                          : make_program<uint8_t, int8_t>(p, target);
  }
  return p.weights_type == ByteType::u8 ? make_program<int8_t, uint8_t>(p, target)
                                        : make_program<int8_t, int8_t>(p, target);
}

}  // namespace unskew
