// Functions of one float that keep NaN, which oneDNN's eltwise primitives lose, and equal those of the interpreter bit for bit; casts
// between element types.
#include "kernels/float_functions.h"

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

// A function of one float and of two parameters.
template <float (*kFunction)(float, float, float)>
struct Mapped {
  UNSKEW_INLINE static void run(const float* source, float alpha, float beta, float* destination, int64_t count) {
    for (int64_t i = 0; i < count; i++) destination[i] = kFunction(source[i], alpha, beta);
  }
};

// Sine or cosine: an element beyond the reach of the vector code is computed by itself.
template <float (*kNear)(float), float (*kFar)(float)>
struct Trigonometric {
  UNSKEW_INLINE static void run(const float* source, float, float, float* destination, int64_t count) {
    constexpr int64_t kBlock = 256;
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      const int64_t end = std::min(count, begin + kBlock);
      int32_t far = 0;
      for (int64_t i = begin; i < end; i++) far |= functions::is_near(source[i]) ? 0 : 1;
      if (far == 0) {
        for (int64_t i = begin; i < end; i++) destination[i] = kNear(source[i]);
      } else {
        for (int64_t i = begin; i < end; i++) {
          destination[i] = functions::is_near(source[i]) ? kNear(source[i]) : kFar(source[i]);
        }
      }
    }
  }
};

#define UNSKEW_FUNCTION(name, call)                                                                               \
  UNSKEW_INLINE float name([[maybe_unused]] float x, [[maybe_unused]] float alpha, [[maybe_unused]] float beta) { \
    return call;                                                                                                  \
  }
UNSKEW_FUNCTION(exp_of, functions::exponential(x))
UNSKEW_FUNCTION(log_of, functions::logarithm(x))
UNSKEW_FUNCTION(sqrt_of, std::sqrt(x))
UNSKEW_FUNCTION(reciprocal_of, 1.0f / x)
UNSKEW_FUNCTION(floor_of, std::floor(x))
UNSKEW_FUNCTION(ceil_of, std::ceil(x))
UNSKEW_FUNCTION(round_of, std::nearbyint(x))
UNSKEW_FUNCTION(sigmoid_of, functions::sigmoid(x))
UNSKEW_FUNCTION(tanh_of, functions::tanh(x))
UNSKEW_FUNCTION(erf_of, functions::erf(x))
UNSKEW_FUNCTION(softplus_of, functions::softplus(x))
UNSKEW_FUNCTION(softsign_of, functions::softsign(x))
UNSKEW_FUNCTION(mish_of, functions::mish(x))
UNSKEW_FUNCTION(gelu_of, functions::gelu(x))
UNSKEW_FUNCTION(gelu_tanh_of, functions::gelu_tanh(x))
UNSKEW_FUNCTION(elu_of, functions::elu(x, alpha))
UNSKEW_FUNCTION(selu_of, functions::selu(x, alpha, beta))
UNSKEW_FUNCTION(celu_of, functions::celu(x, alpha))
UNSKEW_FUNCTION(thresholded_relu_of, x > alpha ? x : 0.0f)
UNSKEW_FUNCTION(hard_sigmoid_of, functions::hard_sigmoid(x, alpha, beta))
UNSKEW_FUNCTION(hard_swish_of, functions::hard_swish(x))
UNSKEW_FUNCTION(negative_of, -x)
UNSKEW_FUNCTION(absolute_of, std::fabs(x))
UNSKEW_FUNCTION(power_of, functions::power(x, alpha))
#undef UNSKEW_FUNCTION

using FloatLoop = void (*)(const float*, float, float, float*, int64_t);

FloatLoop float_loop(FloatFunction function, Isa isa) {
  switch (function) {
    case FloatFunction::relu: return version_of<Relu>(isa);
    case FloatFunction::leaky_relu: return version_of<LeakyRelu>(isa);
    case FloatFunction::clip: return version_of<Clip>(isa);
    case FloatFunction::exp: return version_of<Mapped<exp_of>>(isa);
    case FloatFunction::log: return version_of<Mapped<log_of>>(isa);
    case FloatFunction::sqrt: return version_of<Mapped<sqrt_of>>(isa);
    case FloatFunction::reciprocal: return version_of<Mapped<reciprocal_of>>(isa);
    case FloatFunction::floor: return version_of<Mapped<floor_of>>(isa);
    case FloatFunction::ceil: return version_of<Mapped<ceil_of>>(isa);
    case FloatFunction::round: return version_of<Mapped<round_of>>(isa);
    case FloatFunction::sigmoid: return version_of<Mapped<sigmoid_of>>(isa);
    case FloatFunction::tanh: return version_of<Mapped<tanh_of>>(isa);
    case FloatFunction::erf: return version_of<Mapped<erf_of>>(isa);
    case FloatFunction::softplus: return version_of<Mapped<softplus_of>>(isa);
    case FloatFunction::softsign: return version_of<Mapped<softsign_of>>(isa);
    case FloatFunction::mish: return version_of<Mapped<mish_of>>(isa);
    case FloatFunction::gelu: return version_of<Mapped<gelu_of>>(isa);
    case FloatFunction::gelu_tanh: return version_of<Mapped<gelu_tanh_of>>(isa);
    case FloatFunction::elu: return version_of<Mapped<elu_of>>(isa);
    case FloatFunction::selu: return version_of<Mapped<selu_of>>(isa);
    case FloatFunction::celu: return version_of<Mapped<celu_of>>(isa);
    case FloatFunction::thresholded_relu: return version_of<Mapped<thresholded_relu_of>>(isa);
    case FloatFunction::hard_sigmoid: return version_of<Mapped<hard_sigmoid_of>>(isa);
    case FloatFunction::hard_swish: return version_of<Mapped<hard_swish_of>>(isa);
    case FloatFunction::negative: return version_of<Mapped<negative_of>>(isa);
    case FloatFunction::absolute: return version_of<Mapped<absolute_of>>(isa);
    case FloatFunction::power: return version_of<Mapped<power_of>>(isa);
    case FloatFunction::sine: return version_of<Trigonometric<functions::sine_near, functions::sine_far>>(isa);
    default: return version_of<Trigonometric<functions::cosine_near, functions::cosine_far>>(isa);
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
