#include "kernels/rounding.h"

namespace unskew {

namespace {

// kVector: scale and zero point are arrays that run along; else one of each.
template <class T, bool kMultiplies, bool kAway, bool kVector>
struct Quantize {
  UNSKEW_INLINE static void run(const float* source, const float* scale, const int32_t* zero_point, T* destination,
                                int64_t count) {
    constexpr auto low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
    for (int64_t i = 0; i < count; i++) {
      const int32_t zero = zero_point[kVector ? i : 0];
      const float step = scale[kVector ? i : 0];
      const float steps = kMultiplies ? source[i] * step : source[i] / step;
      const float limited = clamp_float(steps, static_cast<float>(low - zero), static_cast<float>(high - zero));
      const int32_t whole = kAway ? round_real<Rounding::half_away>(limited) : round_to_int(limited);
      destination[i] = static_cast<T>(whole + zero);
    }
  }
};

template <class T, bool kVector>
struct Dequantize {
  UNSKEW_INLINE static void run(const T* source, const float* scale, const int32_t* zero_point, float* destination,
                                int64_t count) {
    for (int64_t i = 0; i < count; i++) {
      const int32_t difference = wrapping_subtract(source[i], zero_point[kVector ? i : 0]);
      destination[i] = static_cast<float>(difference) * scale[kVector ? i : 0];
    }
  }
};

// The frame of both: `From` and `To` elements, parameters per channel in arguments 1 and 2.
template <class From, class To, class Loop>
KernelProgram make_program(const ChannelView& view, const KernelTarget& target, Loop one, Loop many) {
  auto no_zero_points = std::make_shared<AlignedBuffer>(checked_product(view.channels, 4));
  KernelProgram program;
  program.is_light = true;
  program.arguments = {
      {.name = "source", .bytes = checked_product(view.count, sizeof(From)), .alignment = sizeof(From)},
      {.name = "scale", .bytes = checked_product(view.channels, 4), .alignment = 4},
      {.name = "zeroPoint", .bytes = checked_product(view.channels, 4), .alignment = 4, .required = false},
      {.name = "destination",
       .bytes = checked_product(view.count, sizeof(To)),
       .access = Access::write,
       .alignment = sizeof(To)}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const From*>(a[0]);
    const auto* scale = reinterpret_cast<const float*>(a[1]);
    const auto* zero = a[2] != nullptr ? reinterpret_cast<const int32_t*>(a[2]) : no_zero_points->as<int32_t>();
    auto* destination = reinterpret_cast<To*>(a[3]);
    parallel(threads, view.count, 4, 64, [&](int64_t begin, int64_t end, int) {
      for_rows(begin, end, view.row_length, [&](int64_t row, int64_t first, int64_t length) {
        const int64_t at = row * view.row_length + first;
        const int64_t channel = view.by_row ? row % view.channels : first;
        (view.by_row ? one : many)(source + at, scale + channel, zero + channel, destination + at, length);
      });
    });
  };
  return program;
}

template <class T, bool kMultiplies, bool kAway>
KernelProgram quantize_by(const ChannelView& view, const KernelTarget& target) {
  return make_program<float, T>(view, target, version_of<Quantize<T, kMultiplies, kAway, false>>(target.isa),
                                version_of<Quantize<T, kMultiplies, kAway, true>>(target.isa));
}

template <class T>
KernelProgram quantize_to(const QuantizeParams& params, const ChannelView& view, const KernelTarget& target) {
  if (params.multiplies)
    return params.rounds_away ? quantize_by<T, true, true>(view, target) : quantize_by<T, true, false>(view, target);
  return params.rounds_away ? quantize_by<T, false, true>(view, target) : quantize_by<T, false, false>(view, target);
}

template <class T>
KernelProgram dequantize_from(const ChannelView& view, const KernelTarget& target) {
  return make_program<T, float>(view, target, version_of<Dequantize<T, false>>(target.isa),
                                version_of<Dequantize<T, true>>(target.isa));
}

}  // namespace

KernelProgram make_quantize(const QuantizeParams& params, const KernelTarget& target) {
  const ChannelView view(params.outer, params.channels, params.inner);
  return params.type == ByteType::u8 ? quantize_to<uint8_t>(params, view, target)
                                     : quantize_to<int8_t>(params, view, target);
}

KernelProgram make_dequantize(const DequantizeParams& params, const KernelTarget& target) {
  const ChannelView view(params.outer, params.channels, params.inner);
  switch (params.type) {
    case OutputType::u8: return dequantize_from<uint8_t>(view, target);
    case OutputType::s8: return dequantize_from<int8_t>(view, target);
    default: return dequantize_from<int32_t>(view, target);
  }
}

}  // namespace unskew
