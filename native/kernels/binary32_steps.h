// The steps of the functions of binary32_functions.h, the twins of src/numerics/binary32_functions.ts: included in a namespace for each
// kind of number, float or registers of them, with UNSKEW_STEP as the attributes of a function and these on numbers besides arithmetic:
// at_most(x, bound), at_least, absolute, with_sign_of(size, x), below(x, bound, a, b) for x < bound ? a : b, and scaled(value, shifted) for
// value·2^k, rounded once, where shifted is 1.5·2^23 + k. The reasons for the steps stand in TypeScript.
//
// No include guard: the file is included more than once.

template <class Number, size_t kCount, size_t kAt = kCount - 1>
UNSKEW_STEP Number horner(Number x, const float (&from_highest)[kCount]) {
  if constexpr (kAt == 0) {
    return Number(from_highest[0]);
  } else {
    return horner<Number, kCount, kAt - 1>(x, from_highest) * x + Number(from_highest[kAt]);
  }
}

// e^(head + rest) = fraction·2^k, and k as 1.5·2^23 + k.
template <class Number>
struct Exponential {
  Number fraction, shifted;
};

// Behind the argument less k·ln 2.
template <class Number>
UNSKEW_STEP Exponential<Number> exponential_near(Number r, Number shifted) {
  constexpr float kTerms[] = {0.0013820321f, 0.008369828f, 0.041668303f, 0.16666512f, 0.49999994f};
  return {Number(1) + (r + r * r * horner(r, kTerms)), shifted};
}
inline constexpr float kRound = 0x1.8p23f, kLog2E = 1.442695f, kLn2High = 0.693145751953125f, kLn2Low = 1.4286068e-6f;

template <class Number>
UNSKEW_STEP Exponential<Number> exponential_of(Number head, Number rest) {
  const Number shifted = head * Number(kLog2E) + Number(kRound), k = shifted - Number(kRound);
  return exponential_near(head - k * Number(kLn2High) - k * Number(kLn2Low) + rest, shifted);
}
template <class Number>
UNSKEW_STEP Number power_of(Number x) {
  const Number shifted = x * Number(kLog2E) + Number(kRound), k = shifted - Number(kRound);
  return scaled(exponential_near(x - k * Number(kLn2High) - k * Number(kLn2Low), shifted).fraction, shifted);
}

template <class Number>
UNSKEW_STEP Number exp(Number x) {
  return power_of(at_most(at_least(x, -104), 89));
}

template <class Number>
UNSKEW_STEP Number sigmoid(Number x) {
  const Number power = power_of(-at_most(absolute(x), 104));
  return below(x, 0, power, Number(1)) / (Number(1) + power);
}

template <class Number>
UNSKEW_STEP Number tanh(Number x) {
  constexpr float kTerms[] = {-0.0058979667f, 0.020798625f, -0.053784717f, 0.13331936f, -0.333333f};
  const Number a = at_most(absolute(x), 10), z = a * a;
  const Number near = a + a * z * horner(z, kTerms);
  const Number far = Number(1) - Number(2) / (Number(1) + power_of(Number(2) * a));
  return with_sign_of(below(a, 0.6f, near, far), x);
}

template <class Number>
UNSKEW_STEP Number erf(Number x) {
  constexpr float kNear[] = {7.9431e-5f,  -0.0008039753f, 0.005191753f, -0.02685556f,
                             0.11283624f, -0.3761263f,    0.12837917f};
  constexpr float kFar[] = {0.00019821973f, -0.0030654836f, 0.022315178f,    -0.104113616f,
                            -0.6369761f,    -1.1277972f,    -0.00016643907f};
  const Number a = at_most(absolute(x), 4);
  const Number near = a + a * horner(a * a, kNear);
  const Number far = Number(1) - power_of(horner(a, kFar));
  return with_sign_of(below(a, 0.9f, near, far), x);
}

template <class Number>
UNSKEW_STEP Number gelu(Number x) {
  constexpr float kNear[] = {-8.171795e-6f, 0.00011502397f, -0.0011880238f, 0.009974164f, -0.06649054f, 0.3989423f};
  constexpr float kFar[] = {-0.00049162545f, 0.00044477236f, 0.0034810868f, -0.0052174036f,
                            -0.023630986f,   0.115007795f,   -0.254666f,    0.36454186f};
  constexpr float kLast = 14.5f, kRoundSquare = 0x1.8p15f;
  const Number a = at_most(absolute(x), kLast), high = a + Number(kRoundSquare) - Number(kRoundSquare);
  const Number near = x * (Number(0.5f) + x * horner(a * a, kNear));
  const Exponential<Number> power =
      exponential_of(Number(-0.5f) * high * high, Number(-0.5f) * (a - high) * (a + high));
  const Number t = (a - Number(3)) / (a + Number(3));
  const Number tail = scaled(power.fraction * horner(t, kFar) * (Number(1) + t), power.shifted);
  const Number negative = below(x, -kLast, x * Number(0), -tail), far = below(x, 0, negative, x - tail);
  return below(a, 1, near, far);
}
