// What the readers of kernel declarations share. A file of this folder reads one family of kernels.
#pragma once

#include <vector>

#include "declaration.h"
#include "kernels/kernels.h"

namespace unskew {

inline constexpr int64_t kMaximumCount = int64_t{1} << 40;

// A kernel declaration with short accessors.
class Reader {
 public:
  Reader(const Declaration& kernel, const KernelTarget& target) : target(target), kernel_(kernel) {}

  Declaration operator[](const char* name) const { return kernel_.property(name); }
  int64_t size(const char* name, int64_t minimum = 0) const { return (*this)[name].integer(minimum, kMaximumCount); }
  int32_t int32(const char* name) const { return static_cast<int32_t>((*this)[name].integer(INT32_MIN, INT32_MAX)); }
  ByteType byte_type(const char* name) const {
    static constexpr std::pair<const char*, ByteType> kTypes[] = {{"u8", ByteType::u8}, {"s8", ByteType::s8}};
    return (*this)[name].choice(kTypes);
  }
  OutputType output_type(const char* name) const {
    static constexpr std::pair<const char*, OutputType> kTypes[] = {
        {"u8", OutputType::u8}, {"s8", OutputType::s8}, {"s32", OutputType::s32}};
    return (*this)[name].choice(kTypes);
  }
  ElementType element_type(const char* name) const {
    static constexpr std::pair<const char*, ElementType> kTypes[] = {{"u8", ElementType::u8},
                                                                     {"s8", ElementType::s8},
                                                                     {"s16", ElementType::s16},
                                                                     {"s32", ElementType::s32},
                                                                     {"f32", ElementType::f32}};
    return (*this)[name].choice(kTypes);
  }
  // One of the choices; the first where the property is absent.
  template <class T, size_t N>
  T chosen(const char* name, const std::pair<const char*, T> (&choices)[N]) const {
    const Declaration argument = (*this)[name];
    return argument.absent() ? choices[0].second : argument.choice(choices);
  }
  Rounding rounding() const {
    static constexpr std::pair<const char*, Rounding> kRoundings[] = {
        {"half-even", Rounding::half_even}, {"half-up", Rounding::half_up}, {"half-away", Rounding::half_away}};
    return chosen("rounding", kRoundings);
  }
  int64_t element_bytes() const {
    const Declaration argument = (*this)["elementBytes"];
    const int64_t bytes = argument.integer(1, 8);
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) argument.refuse("1, 2, 4 or 8");
    return bytes;
  }
  template <size_t N>
  std::array<int64_t, N> tuple(const char* name, int64_t minimum) const {
    return (*this)[name].tuple<N>(minimum, INT32_MAX);
  }
  std::vector<int64_t> shape() const {
    const Declaration argument = (*this)["shape"];
    std::vector<int64_t> shape = argument.integers(-1, 0, kMaximumCount);
    if (shape.size() > 16) argument.refuse("an array of at most 16 integers");
    return shape;
  }
  std::vector<int64_t> strides(const char* name, size_t rank) const {
    return (*this)[name].integers(static_cast<int>(rank), -kMaximumCount, kMaximumCount);
  }
  // The zero point of a type must be one of its values: intermediate sums rely on it.
  template <class Type>
  int32_t zero_point(const char* name, Type type) const {
    if (type != Type::u8 && type != Type::s8) return int32(name);
    const auto [low, high] = range_of(type);
    return static_cast<int32_t>((*this)[name].integer(low, high));
  }
  // Absent where the kernel reads it in each run.
  std::optional<int32_t> source_zero_point(ByteType type) const {
    if ((*this)["sourceZeroPoint"].absent()) return std::nullopt;
    return zero_point("sourceZeroPoint", type);
  }
  // Absent where positions lie one after another.
  std::optional<ChannelSlice> slice() const {
    const Declaration slice = (*this)["slice"];
    if (slice.absent()) return std::nullopt;
    return ChannelSlice{slice.property("offset").integer(0, kMaximumCount),
                        slice.property("stride").integer(0, kMaximumCount)};
  }
  Requantization requantization(OutputType type) const {
    Requantization to;
    if (type == OutputType::s32) return to;
    const auto [low, high] = range_of(type);
    to.zero_point = zero_point("zeroPoint", type);
    to.low = static_cast<int32_t>((*this)["low"].integer(low, high));
    to.high = static_cast<int32_t>((*this)["high"].integer(to.low, high));
    static constexpr std::pair<const char*, bool> kPlaces[] = {{"after", false}, {"before", true}};
    to.zero_point_before = chosen("zeroPointAt", kPlaces);
    return to;
  }

  const KernelTarget& target;

 private:
  const Declaration& kernel_;
};

struct KernelReader {
  const char* name;
  KernelProgram (*read)(const Reader&);
};
using KernelReaders = std::vector<KernelReader>;

extern const KernelReaders kConvolutionReaders, kFloatReaders, kMovementReaders, kQuantizedReaders, kRowReaders,
    kElementwiseReaders;

}  // namespace unskew
