// Functions of one float that keep NaN, which oneDNN's eltwise primitives lose, and casts between element types.
#include "kernels/elementwise.h"

namespace unskew {

namespace {

// max(0, x); a NaN stays.
struct Relu {
  UNSKEW_INLINE static void run(const float* source, float, float, float* destination, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
      const float x = source[i], other = x == x ? 0.0f : x;
      destination[i] = x > 0.0f ? x : other;
    }
  }
};

// x ≥ 0 ? x : alpha·x
struct LeakyRelu {
  UNSKEW_INLINE static void run(const float* source, float alpha, float, float* destination, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
      const float x = source[i], other = alpha * x;
      destination[i] = x >= 0.0f ? x : other;
    }
  }
};

// min(max(x, alpha), beta), which is beta where alpha > beta; a NaN stays. −0 lies below +0: among zeros a bound of the
// other sign takes over, so the comparison is with the number next to it.
struct Clip {
  UNSKEW_INLINE static void run(const float* source, float alpha, float beta, float* destination, int64_t count) {
    constexpr float kLeast = std::numeric_limits<float>::denorm_min();
    const float least = alpha == 0.0f && !std::signbit(alpha) ? kLeast : alpha;
    const float greatest = beta == 0.0f && std::signbit(beta) ? -kLeast : beta;
    for (int64_t i = 0; i < count; i++) {
      const float x = source[i], raised = x < least ? alpha : x;
      destination[i] = raised > greatest ? beta : raised;
    }
  }
};

// The low 32 bits of the truncated value; 0 for NaN and infinities, and beyond 2^63, where floats are multiples of 2^40.
UNSKEW_INLINE int32_t wrapped(float value) {
  const float inside = std::fabs(value) < 0x1p63f ? value : 0.0f;
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(inside)));
}

template <class From, class To>
UNSKEW_INLINE To converted(From value) {
  if constexpr (std::is_same_v<To, float>) {
    return static_cast<float>(value);
  } else if constexpr (std::is_same_v<From, float>) {
    return static_cast<To>(wrapped(value));
  } else {
    return static_cast<To>(value);  // modulo 2^bits
  }
}

template <class From, class To>
struct Cast {
  UNSKEW_INLINE static void run(const From* source, To* destination, int64_t count) {
    for (int64_t i = 0; i < count; i++) destination[i] = converted<From, To>(source[i]);
  }
};

template <class From, class To>
KernelProgram make_cast_between(int64_t count, const KernelTarget& target) {
  const auto loop = version_of<Cast<From, To>>(target.isa);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = checked_product(count, sizeof(From)), .alignment = sizeof(From)},
                       {.name = "destination",
                        .bytes = checked_product(count, sizeof(To)),
                        .access = Access::write,
                        .alignment = sizeof(To)}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const From*>(a[0]);
    auto* destination = reinterpret_cast<To*>(a[1]);
    parallel(threads, count, 4, 64,
             [&](int64_t begin, int64_t end, int) { loop(source + begin, destination + begin, end - begin); });
  };
  return program;
}

template <class From>
KernelProgram make_cast_from(const CastParams& params, const KernelTarget& target) {
  switch (params.to) {
    case ElementType::u8: return make_cast_between<From, uint8_t>(params.count, target);
    case ElementType::s8: return make_cast_between<From, int8_t>(params.count, target);
    case ElementType::s16: return make_cast_between<From, int16_t>(params.count, target);
    case ElementType::s32: return make_cast_between<From, int32_t>(params.count, target);
    default: return make_cast_between<From, float>(params.count, target);
  }
}

using FloatLoop = void (*)(const float*, float, float, float*, int64_t);

FloatLoop float_loop(FloatFunction function, Isa isa) {
  switch (function) {
    case FloatFunction::relu: return version_of<Relu>(isa);
    case FloatFunction::leaky_relu: return version_of<LeakyRelu>(isa);
    default: return version_of<Clip>(isa);
  }
}

}  // namespace

KernelProgram make_cast(const CastParams& params, const KernelTarget& target) {
  switch (params.from) {
    case ElementType::u8: return make_cast_from<uint8_t>(params, target);
    case ElementType::s8: return make_cast_from<int8_t>(params, target);
    case ElementType::s16: return make_cast_from<int16_t>(params, target);
    case ElementType::s32: return make_cast_from<int32_t>(params, target);
    default: return make_cast_from<float>(params, target);
  }
}

KernelProgram make_float_unary(const FloatUnaryParams& params, const KernelTarget& target) {
  const FloatLoop loop = float_loop(params.function, target.isa);
  const int64_t bytes = checked_product(params.count, 4);
  KernelProgram program;
  program.arguments = {{.name = "source", .bytes = bytes, .alignment = 4, .in_place = true},
                       {.name = "destination", .bytes = bytes, .access = Access::write, .alignment = 4}};
  program.run = [=, threads = target.threads](Addresses a) {
    const auto* source = reinterpret_cast<const float*>(a[0]);
    auto* destination = reinterpret_cast<float*>(a[1]);
    parallel(threads, params.count, 4, 64, [&](int64_t begin, int64_t end, int) {
      loop(source + begin, params.alpha, params.beta, destination + begin, end - begin);
    });
  };
  return program;
}

}  // namespace unskew
