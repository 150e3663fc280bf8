// Operations on one f32, by the functions that TypeScript shares.
#include "kernels/binary32_avx512.h"
#include "kernels/binary32_functions.h"
#include "kernels/elementwise_program.h"
#include "kernels/float_functions.h"

namespace unskew {

namespace {

#define UNSKEW_FUNCTION(name, call)                                                                         \
  struct name {                                                                                             \
    UNSKEW_INLINE static float of(float x, [[maybe_unused]] double first, [[maybe_unused]] double second) { \
      [[maybe_unused]] const float alpha = static_cast<float>(first), beta = static_cast<float>(second);    \
      return call;                                                                                          \
    }                                                                                                       \
  };
UNSKEW_FUNCTION(Exp, binary32::exp(x))
UNSKEW_FUNCTION(Log, functions::logarithm(x))
UNSKEW_FUNCTION(Sigmoid, binary32::sigmoid(x))
UNSKEW_FUNCTION(Tanh, binary32::tanh(x))
UNSKEW_FUNCTION(Erf, binary32::erf(x))
UNSKEW_FUNCTION(Softplus, functions::softplus(x))
UNSKEW_FUNCTION(Softsign, functions::softsign(x))
UNSKEW_FUNCTION(Mish, functions::mish(x))
UNSKEW_FUNCTION(Gelu, binary32::gelu(x))
UNSKEW_FUNCTION(GeluTanh, binary32::gelu_tanh(x))
UNSKEW_FUNCTION(Elu, functions::elu(x, alpha))
UNSKEW_FUNCTION(Selu, functions::selu(x, alpha, beta))
UNSKEW_FUNCTION(Celu, functions::celu(x, alpha))
UNSKEW_FUNCTION(LeakyRelu, x >= 0.0f ? x : alpha * x)
UNSKEW_FUNCTION(ThresholdedRelu, x > alpha ? x : 0.0f)
UNSKEW_FUNCTION(HardSigmoid, functions::hard_sigmoid(x, alpha, beta))
UNSKEW_FUNCTION(HardSwish, functions::hard_swish(x))
#undef UNSKEW_FUNCTION

// The versions for AVX-512 of functions with steps of binary32.
#define UNSKEW_FUNCTION_AVX512(name)                                                                                \
  UNSKEW_AVX512 void name##_avx512(const void* const* operands, void* destination, const double*, int64_t count) { \
    auto* to = static_cast<float*>(destination);                                                                    \
    binary32_avx512::for_floats(static_cast<const float*>(operands[0]), count,                                      \
                                [=](auto x, int64_t at, __mmask16 mask) UNSKEW_AVX512 __attribute__((always_inline)) {                               \
                                  binary32_avx512::store(binary32_avx512::name(x), to + at, mask);                  \
                                });                                                                                 \
  }
UNSKEW_FUNCTION_AVX512(exp)
UNSKEW_FUNCTION_AVX512(sigmoid)
UNSKEW_FUNCTION_AVX512(tanh)
UNSKEW_FUNCTION_AVX512(erf)
UNSKEW_FUNCTION_AVX512(gelu)
#undef UNSKEW_FUNCTION_AVX512

// Sine or cosine: a block with an element beyond the reach of the vector code goes one by one.
template <float (*kNear)(float), float (*kFar)(float)>
struct Trigonometric {
  UNSKEW_INLINE static void run(const void* const* operands, void* destination, const double*, int64_t count) {
    const auto* source = static_cast<const float*>(operands[0]);
    auto* result = static_cast<float*>(destination);
    int32_t far = 0;
    for (int64_t i = 0; i < count; i++) far |= functions::is_near(source[i]) ? 0 : 1;
    if (far == 0) {
#pragma GCC ivdep
      for (int64_t i = 0; i < count; i++) result[i] = kNear(source[i]);
    } else {
      for (int64_t i = 0; i < count; i++)
        result[i] = functions::is_near(source[i]) ? kNear(source[i]) : kFar(source[i]);
    }
  }
};

template <class Function>
void add(Operations& to, const char* name, int64_t weight = 4) {
  add_operation<UnaryLoop<float, float, Function>>(to, std::string(name) + ".f32", {Cell::f32}, Cell::f32, weight);
}

}  // namespace

void add_float_operations(Operations& to) {
  constexpr int64_t kFunction = 64;
  add<Exp>(to, "exp", kFunction);
  to.back().avx512 = exp_avx512;
  add<Log>(to, "log", kFunction);
  add<Sigmoid>(to, "sigmoid", kFunction);
  to.back().avx512 = sigmoid_avx512;
  add<Tanh>(to, "tanh", kFunction);
  to.back().avx512 = tanh_avx512;
  add<Erf>(to, "erf", kFunction);
  to.back().avx512 = erf_avx512;
  add<Softplus>(to, "softplus", kFunction);
  add<Softsign>(to, "softsign", 16);
  add<Mish>(to, "mish", kFunction);
  add<Gelu>(to, "gelu", kFunction);
  to.back().avx512 = gelu_avx512;
  add<GeluTanh>(to, "gelu_tanh", kFunction);
  add<Elu>(to, "elu", kFunction);
  add<Selu>(to, "selu", kFunction);
  add<Celu>(to, "celu", kFunction);
  add<LeakyRelu>(to, "leaky_relu");
  add<ThresholdedRelu>(to, "thresholded_relu");
  add<HardSigmoid>(to, "hard_sigmoid");
  add<HardSwish>(to, "hard_swish");
  add_operation<Trigonometric<functions::sine_near, functions::sine_far>>(to, "sin.f32", {Cell::f32}, Cell::f32,
                                                                          kFunction);
  add_operation<Trigonometric<functions::cosine_near, functions::cosine_far>>(to, "cos.f32", {Cell::f32}, Cell::f32,
                                                                              kFunction);
}

}  // namespace unskew
