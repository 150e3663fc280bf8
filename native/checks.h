// Arithmetic on sizes from outside, with an error for wrong ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace unskew {

// The caller asked for something impossible; the message is a sentence for them.
struct InvalidArgument : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The request is sound, and the library computes nothing of the kind.
struct NoImplementation : InvalidArgument {
  using InvalidArgument::InvalidArgument;
};

inline void require(bool condition, const std::string& message) {
  if (!condition) throw InvalidArgument(message);
}

// `message` returns the text, which is made when it is needed alone.
template <class Message>
  requires std::is_invocable_r_v<std::string, Message>
void require(bool condition, const Message& message) {
  if (!condition) throw InvalidArgument(message());
}

// Sizes stay far below the range of int64_t, so that sums of a few of them cannot overflow.
inline constexpr int64_t kMaximumSize = int64_t{1} << 48;

inline int64_t checked_multiply(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > kMaximumSize || product < -kMaximumSize) {
    throw InvalidArgument("a size of " + std::to_string(a) + " times " + std::to_string(b) + " is too large");
  }
  return product;
}

template <class... Rest>
int64_t checked_product(int64_t first, Rest... rest) {
  ((first = checked_multiply(first, rest)), ...);
  return first;
}

inline int64_t checked_product(const std::vector<int64_t>& factors) {
  int64_t product = 1;
  for (int64_t factor : factors) product = checked_multiply(product, factor);
  return product;
}

inline int64_t checked_add(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum) || sum > kMaximumSize || sum < -kMaximumSize) {
    throw InvalidArgument("a size of " + std::to_string(a) + " plus " + std::to_string(b) + " is too large");
  }
  return sum;
}

}  // namespace unskew
