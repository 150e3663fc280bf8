// Arithmetic and comparisons of all types of numbers: integers wrap modulo 2^bits, floats are rounded once.
#include "kernels/elementwise_program.h"
#include "kernels/float_functions.h"

namespace unskew {

namespace {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T>;
// A type that wraps without promotion to int.
template <class T>
using Modular = std::conditional_t<(sizeof(T) < 4), uint32_t, std::make_unsigned_t<T>>;

#define UNSKEW_ARITHMETIC(Name, sign)                                                      \
  template <class T>                                                                       \
  struct Name {                                                                            \
    UNSKEW_INLINE static T of(T a, T b) {                                                  \
      if constexpr (kIsFloat<T>) {                                                         \
        return a sign b;                                                                   \
      } else {                                                                             \
        return static_cast<T>(static_cast<Modular<T>>(a) sign static_cast<Modular<T>>(b)); \
      }                                                                                    \
    }                                                                                      \
  };
UNSKEW_ARITHMETIC(Add, +)
UNSKEW_ARITHMETIC(Subtract, -)
UNSKEW_ARITHMETIC(Multiply, *)
#undef UNSKEW_ARITHMETIC

// Integers: a / 0 is 0, and the quotient of the least number and −1 wraps.
template <class T>
struct Divide {
  UNSKEW_INLINE static T of(T a, T b) {
    if constexpr (kIsFloat<T>) {
      return a / b;
    } else if constexpr (sizeof(T) < 8) {
      const double quotient =
          static_cast<double>(a) / (b == 0 ? 1.0 : static_cast<double>(b));  // truncated as the exact one
      return b == 0 ? T{0} : static_cast<T>(static_cast<int64_t>(quotient));
    } else {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == -1) return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a));
      }
      return a / b;
    }
  }
};

// The remainder with the sign of a; of integers 0 where b is 0.
template <class T>
UNSKEW_INLINE auto remainder_of(T a, T b) {
  if constexpr (kIsFloat<T>) {
    return std::fmod(static_cast<double>(a), static_cast<double>(b));
  } else {
    if (b == 0) return T{0};
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return T{0};
    }
    return static_cast<T>(a % b);
  }
}

template <class T>
struct Remainder {
  UNSKEW_INLINE static T of(T a, T b) { return static_cast<T>(remainder_of(a, b)); }
};

template <class T>
struct Modulo {
  UNSKEW_INLINE static T of(T a, T b) {
    const auto r = remainder_of(a, b);
    return static_cast<T>(r != 0 && (r < 0) != (b < 0) ? r + b : r);
  }
};

// −0 lies below 0; NaN where either is. `kSign` is −1 for the smaller, 1 for the larger one.
template <class T, int kSign>
struct Extreme {
  UNSKEW_INLINE static T of(T a, T b) {
    if constexpr (kIsFloat<T>) {
      using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
      const Bits x = std::bit_cast<Bits>(a), y = std::bit_cast<Bits>(b);
      const T equal = std::bit_cast<T>(kSign < 0 ? x | y : x & y);
      const T smaller = kSign < 0 ? (a < b ? a : b) : (a > b ? a : b);
      const T number = a == b ? equal : smaller;
      const T other = b == b ? number : b;
      return a == a ? other : a;
    } else {
      return kSign < 0 ? (a < b ? a : b) : (a > b ? a : b);
    }
  }
};
template <class T>
using Minimum = Extreme<T, -1>;
template <class T>
using Maximum = Extreme<T, 1>;

#define UNSKEW_COMPARISON(Name, sign)                                      \
  template <class T>                                                       \
  struct Name {                                                            \
    UNSKEW_INLINE static uint8_t of(T a, T b) { return a sign b ? 1 : 0; } \
  };
UNSKEW_COMPARISON(Equal, ==)
UNSKEW_COMPARISON(Greater, >)
UNSKEW_COMPARISON(Less, <)
UNSKEW_COMPARISON(GreaterOrEqual, >=)
UNSKEW_COMPARISON(LessOrEqual, <=)
#undef UNSKEW_COMPARISON

template <class T>
struct Relu {
  UNSKEW_INLINE static T of(T x, double, double) {
    const T other = x == x ? T{0} : x;
    return x > 0 ? x : other;
  }
};

template <class T>
struct Negative {
  UNSKEW_INLINE static T of(T x, double, double) {
    if constexpr (kIsFloat<T>) {
      return -x;
    } else {
      return static_cast<T>(Modular<T>{0} - static_cast<Modular<T>>(x));
    }
  }
};

template <class T>
struct Absolute {
  UNSKEW_INLINE static T of(T x, double first, double second) {
    if constexpr (kIsFloat<T>) {
      return std::fabs(x);
    } else {
      return x < 0 ? Negative<T>::of(x, first, second) : x;
    }
  }
};

// NaN and −0 stay.
template <class T>
struct Sign {
  UNSKEW_INLINE static T of(T x, double, double) {
    const T below = x < 0 ? static_cast<T>(-1) : x;
    return x > 0 ? static_cast<T>(1) : below;
  }
};

// min(max(x, low), high), which is high where low > high; NaN stays. Bounds of integers are cut to the type.
template <class T>
struct Clip {
  UNSKEW_INLINE static T bound(double value) {
    if constexpr (kIsFloat<T>) {
      return static_cast<T>(value);
    } else {
      constexpr T kLow = std::numeric_limits<T>::min(), kHigh = std::numeric_limits<T>::max();
      if (value <= static_cast<double>(kLow)) return kLow;
      return value >= static_cast<double>(kHigh) ? kHigh : static_cast<T>(value);
    }
  }
  UNSKEW_INLINE static T of(T x, double first, double second) {
    const T low = bound(first), high = bound(second);
    if constexpr (kIsFloat<T>) {
      // −0 lies below 0: among zeros a bound of the other sign takes over, so the comparison is with the number next to it
      constexpr T kLeast = std::numeric_limits<T>::denorm_min();
      const T least = low == 0 && !std::signbit(low) ? kLeast : low;
      const T greatest = high == 0 && std::signbit(high) ? -kLeast : high;
      const T raised = x < least ? low : x;
      return raised > greatest ? high : raised;
    } else {
      const T raised = x < low ? low : x;
      return raised > high ? high : raised;
    }
  }
};

#define UNSKEW_FUNCTION(Name, call)                                 \
  template <class T>                                                \
  struct Name {                                                     \
    UNSKEW_INLINE static T of(T x, double, double) { return call; } \
  };
UNSKEW_FUNCTION(SquareRoot, std::sqrt(x))
UNSKEW_FUNCTION(Reciprocal, 1 / x)
UNSKEW_FUNCTION(Floor, std::floor(x))
UNSKEW_FUNCTION(Ceil, std::ceil(x))
UNSKEW_FUNCTION(Round, std::nearbyint(x))
#undef UNSKEW_FUNCTION

template <class T>
struct Prelu {
  UNSKEW_INLINE static T of(T x, T slope) {
    const T below = slope * x;
    return x >= 0 ? x : below;
  }
};

struct Power {
  UNSKEW_INLINE static float of(float a, float b) { return functions::power(a, b); }
};

// a^b modulo 2^bits; a negative b gives the truncated power.
template <class T>
struct WholePower {
  UNSKEW_INLINE static T of(T a, T b) {
    using Wide = uint64_t;
    if constexpr (std::is_signed_v<T>) {
      if (b < 0) return a == 1 ? 1 : a != -1 ? 0 : b % 2 == 0 ? 1 : -1;
    }
    Wide result = 1, base = static_cast<Wide>(a);
    for (auto rest = static_cast<Wide>(b); rest > 0; rest >>= 1) {
      if (rest & 1) result *= base;
      base *= base;
    }
    return static_cast<T>(result);
  }
};

struct And {
  UNSKEW_INLINE static uint8_t of(uint8_t a, uint8_t b) { return a & b; }
};
struct Or {
  UNSKEW_INLINE static uint8_t of(uint8_t a, uint8_t b) { return a | b; }
};
struct Xor {
  UNSKEW_INLINE static uint8_t of(uint8_t a, uint8_t b) { return a ^ b; }
};
struct Not {
  UNSKEW_INLINE static uint8_t of(uint8_t x, double, double) { return static_cast<uint8_t>(1 - x); }
};

template <class T>
struct Table {
  static constexpr Cell cell = CellOf<T>::cell;
  static std::string named(const char* name) { return std::string(name) + "." + CellOf<T>::name; }

  template <template <class> class Function>
  static void unary(Operations& to, const char* name) {
    add_operation<UnaryLoop<T, T, Function<T>>>(to, named(name), {cell}, cell);
  }
  template <template <class> class Function>
  static void binary(Operations& to, const char* name, int64_t weight = 4) {
    add_operation<BinaryLoop<T, T, T, Function<T>>>(to, named(name), {cell, cell}, cell, weight);
  }
  template <template <class> class Function>
  static void comparison(Operations& to, const char* name) {
    add_operation<BinaryLoop<uint8_t, T, T, Function<T>>>(to, named(name), {cell, cell}, Cell::boolean);
  }

  static void add(Operations& to) {
    binary<Add>(to, "add");
    binary<Subtract>(to, "sub");
    binary<Multiply>(to, "mul");
    binary<Divide>(to, "div", kIsFloat<T> ? 4 : 32);
    binary<Remainder>(to, "fmod", 64);
    binary<Modulo>(to, "mod", 64);
    binary<Minimum>(to, "min");
    binary<Maximum>(to, "max");
    comparison<Equal>(to, "equal");
    comparison<Greater>(to, "greater");
    comparison<Less>(to, "less");
    comparison<GreaterOrEqual>(to, "greater_or_equal");
    comparison<LessOrEqual>(to, "less_or_equal");
    unary<Relu>(to, "relu");
    unary<Negative>(to, "neg");
    unary<Absolute>(to, "abs");
    unary<Sign>(to, "sign");
    unary<Clip>(to, "clip");
    if constexpr (kIsFloat<T>) {
      unary<SquareRoot>(to, "sqrt");
      unary<Reciprocal>(to, "reciprocal");
      unary<Floor>(to, "floor");
      unary<Ceil>(to, "ceil");
      unary<Round>(to, "round");
      binary<Prelu>(to, "prelu");
    }
    if constexpr (sizeof(T) == 8 && !kIsFloat<T>) binary<WholePower>(to, "pow", 64);
  }
};

}  // namespace

void add_number_operations(Operations& to) {
  Table<uint8_t>::add(to);
  Table<int8_t>::add(to);
  Table<uint16_t>::add(to);
  Table<int16_t>::add(to);
  Table<uint32_t>::add(to);
  Table<int32_t>::add(to);
  Table<uint64_t>::add(to);
  Table<int64_t>::add(to);
  Table<float>::add(to);
  Table<double>::add(to);
  add_operation<BinaryLoop<float, float, float, Power>>(to, "pow.f32", {Cell::f32, Cell::f32}, Cell::f32, 128);
  add_operation<BinaryLoop<uint8_t, uint8_t, uint8_t, And>>(to, "and.bool", {Cell::boolean, Cell::boolean},
                                                            Cell::boolean);
  add_operation<BinaryLoop<uint8_t, uint8_t, uint8_t, Or>>(to, "or.bool", {Cell::boolean, Cell::boolean},
                                                           Cell::boolean);
  add_operation<BinaryLoop<uint8_t, uint8_t, uint8_t, Xor>>(to, "xor.bool", {Cell::boolean, Cell::boolean},
                                                            Cell::boolean);
  add_operation<UnaryLoop<uint8_t, uint8_t, Not>>(to, "not.bool", {Cell::boolean}, Cell::boolean);
}

}  // namespace unskew
