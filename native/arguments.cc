#include "arguments.h"

#include <cmath>

namespace unskew {

std::string received(const Napi::Value& value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsFunction()) return "a function";
  std::string text;
  if (value.IsString()) {
    text = "'" + value.As<Napi::String>().Utf8Value() + "'";
  } else if (value.IsArray()) {
    const auto array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length() && text.size() < 80; i++) {
      const Napi::Value element = array.Get(i);
      text += (i == 0 ? "" : ", ") + (element.IsObject() || element.IsArray() ? std::string("…") : received(element));
    }
    text = "[" + text + "]";
  } else if (value.IsTypedArray()) {
    return "a typed array of " + std::to_string(value.As<Napi::TypedArray>().ElementLength()) + " elements";
  } else if (value.IsObject()) {
    return "an object";
  } else if (value.IsSymbol()) {
    return "a symbol";
  } else {
    text = value.ToString().Utf8Value();
  }
  return text.size() > 120 ? text.substr(0, 117) + "…" : text;
}

void Argument::refuse(const std::string& expected) const {
  throw Napi::TypeError::New(value_.Env(), path_ + " must be " + expected + ", received " + received(value_));
}

Argument Argument::property(const char* name) const {
  return {object().Get(name), path_ + (path_.ends_with(":") ? " " : ".") + name};
}

std::vector<Argument> Argument::elements() const {
  if (!value_.IsArray()) refuse("an array");
  const auto array = value_.As<Napi::Array>();
  std::vector<Argument> result;
  for (uint32_t i = 0; i < array.Length(); i++)
    result.emplace_back(array.Get(i), path_ + "[" + std::to_string(i) + "]");
  return result;
}

bool Argument::boolean() const {
  if (!value_.IsBoolean()) refuse("a boolean");
  return value_.As<Napi::Boolean>().Value();
}

double Argument::number() const {
  if (!value_.IsNumber()) refuse("a number");
  return value_.As<Napi::Number>().DoubleValue();
}

int64_t Argument::integer(int64_t minimum, int64_t maximum) const {
  const double value = value_.IsNumber() ? value_.As<Napi::Number>().DoubleValue() : std::nan("");
  const bool good =
      std::trunc(value) == value && value >= static_cast<double>(minimum) && value <= static_cast<double>(maximum);
  if (!good) refuse("an integer from " + std::to_string(minimum) + " to " + std::to_string(maximum));
  return static_cast<int64_t>(value);
}

std::string Argument::text() const {
  if (!value_.IsString()) refuse("a string");
  return value_.As<Napi::String>().Utf8Value();
}

std::vector<int64_t> Argument::integers(int count, int64_t minimum, int64_t maximum) const {
  if (!value_.IsArray() || (count >= 0 && value_.As<Napi::Array>().Length() != static_cast<uint32_t>(count))) {
    refuse(count >= 0 ? "an array of " + std::to_string(count) + " integers" : "an array of integers");
  }
  std::vector<int64_t> result;
  for (const Argument& element : elements()) result.push_back(element.integer(minimum, maximum));
  return result;
}

Napi::Object Argument::object() const {
  if (!value_.IsObject()) refuse("an object");
  return value_.As<Napi::Object>();
}

Napi::Uint8Array Argument::bytes() const {
  if (!value_.IsTypedArray() || value_.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    refuse("a Uint8Array");
  return value_.As<Napi::Uint8Array>();
}

std::vector<float> Argument::floats() const {
  if (!value_.IsTypedArray() || value_.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    refuse("a Float32Array");
  }
  const auto array = value_.As<Napi::Float32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

dnnl::memory::data_type data_type(const Argument& argument) {
  using Type = dnnl::memory::data_type;
  static constexpr std::pair<const char*, Type> kTypes[] = {
      {"u8", Type::u8}, {"s8", Type::s8}, {"s32", Type::s32}, {"f32", Type::f32}};
  return argument.choice(kTypes);
}

int thread_count(const Argument& argument) { return static_cast<int>(argument.integer(1, 4096)); }

}  // namespace unskew
