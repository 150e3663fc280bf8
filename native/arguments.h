// Reads arguments from JavaScript: every access is checked, and every error names the place, the expected value and the
// received one.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <vector>

#include "checks.h"
#include "onednn_compat.h"

namespace unskew {

// The text of a received value in an error message.
std::string received(const Napi::Value& value);

// A value and the way to it, such as `convolution: spec.padsBegin`.
class Argument {
 public:
  Argument(Napi::Value value, std::string path) : value_(value), path_(std::move(path)) {}

  const Napi::Value& value() const { return value_; }
  const std::string& path() const { return path_; }
  bool absent() const { return value_.IsUndefined(); }

  [[noreturn]] void refuse(const std::string& expected) const;

  Argument property(const char* name) const;
  std::vector<Argument> elements() const;

  bool boolean() const;
  double number() const;
  int64_t integer(int64_t minimum, int64_t maximum) const;
  std::string text() const;
  // A list of integers; `count` elements unless that is negative.
  std::vector<int64_t> integers(int count, int64_t minimum, int64_t maximum) const;
  template <size_t N>
  std::array<int64_t, N> tuple(int64_t minimum, int64_t maximum) const {
    const std::vector<int64_t> values = integers(static_cast<int>(N), minimum, maximum);
    std::array<int64_t, N> result{};
    std::copy(values.begin(), values.end(), result.begin());
    return result;
  }
  Napi::Object object() const;
  Napi::Uint8Array bytes() const;
  std::vector<float> floats() const;

  // One of the names of a table of {name, meaning}.
  template <class Table>
  auto choice(const Table& table) const {
    const std::string name = value_.IsString() ? value_.As<Napi::String>().Utf8Value() : "";
    std::string names;
    for (const auto& [known, meaning] : table) {
      if (name == known) return meaning;
      names += (names.empty() ? "'" : ", '") + std::string(known) + "'";
    }
    refuse("one of " + names);
  }

 private:
  Napi::Value value_;
  std::string path_;
};

dnnl::memory::data_type data_type(const Argument& argument);
int thread_count(const Argument& argument);

// oneDNN computes with 32-bit integers in places.
inline constexpr int64_t kMaximumDimension = INT32_MAX;

}  // namespace unskew
