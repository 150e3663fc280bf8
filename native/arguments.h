// Reads arguments from JavaScript.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <vector>

#include "checks.h"
#include "onednn_compat.h"
#include "readings.h"

namespace unskew {

// The text of a received value in an error message.
std::string received(const Napi::Value& value);
std::string shortened(const std::string& text);

// The way to a property of the value at `path`.
std::string path_to(const std::string& path, const std::string& property);
std::string path_to(const std::string& path, size_t element);

// A value and the way to it, such as `convolution: spec.padsBegin`.
class Argument : public Readings<Argument> {
 public:
  Argument(Napi::Value value, std::string path) : value_(value), path_(std::move(path)) {}

  const Napi::Value& value() const { return value_; }
  const std::string& path() const { return path_; }
  bool absent() const { return value_.IsUndefined(); }

  [[noreturn]] void refuse(const std::string& expected) const;

  Argument property(const char* name) const;
  std::vector<Argument> elements() const;

  bool is_boolean() const { return value_.IsBoolean(); }
  bool is_number() const { return value_.IsNumber(); }
  bool is_text() const { return value_.IsString(); }
  bool as_boolean() const { return value_.As<Napi::Boolean>().Value(); }
  double as_number() const { return value_.As<Napi::Number>().DoubleValue(); }
  std::string as_text() const { return value_.As<Napi::String>().Utf8Value(); }
  int64_t count() const { return value_.IsArray() ? static_cast<int64_t>(value_.As<Napi::Array>().Length()) : -1; }

  Napi::Object object() const;
  Napi::Uint8Array bytes() const;
  std::vector<float> floats() const;
  Napi::Float64Array doubles(size_t count) const;

 private:
  Napi::Value value_;
  std::string path_;
};

dnnl::memory::data_type data_type(const Argument& argument);
int thread_count(const Argument& argument);

// oneDNN computes with 32-bit integers in places.
inline constexpr int64_t kMaximumDimension = INT32_MAX;

}  // namespace unskew
