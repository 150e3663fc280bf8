#include "arguments.h"

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
  return shortened(text);
}

std::string shortened(const std::string& text) { return text.size() > 120 ? text.substr(0, 117) + "…" : text; }

std::string path_to(const std::string& path, const std::string& property) {
  return path + (path.ends_with(":") ? " " : ".") + property;
}

std::string path_to(const std::string& path, size_t element) { return path + "[" + std::to_string(element) + "]"; }

void Argument::refuse(const std::string& expected) const {
  throw Napi::TypeError::New(value_.Env(), path_ + " must be " + expected + ", received " + received(value_));
}

Argument Argument::property(const char* name) const {
  return {object().Get(name), path_to(path_, name)};
}

std::vector<Argument> Argument::elements() const {
  if (!value_.IsArray()) refuse("an array");
  const auto array = value_.As<Napi::Array>();
  std::vector<Argument> result;
  for (uint32_t i = 0; i < array.Length(); i++)
    result.emplace_back(array.Get(i), path_to(path_, size_t{i}));
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

Napi::Float64Array Argument::doubles(size_t count) const {
  const bool is_list = value_.IsTypedArray() && value_.As<Napi::TypedArray>().TypedArrayType() == napi_float64_array &&
                       value_.As<Napi::TypedArray>().ElementLength() == count;
  if (!is_list) refuse("a Float64Array of " + std::to_string(count) + " numbers");
  return value_.As<Napi::Float64Array>();
}

dnnl::memory::data_type data_type(const Argument& argument) {
  using Type = dnnl::memory::data_type;
  static constexpr std::pair<const char*, Type> kTypes[] = {
      {"u8", Type::u8}, {"s8", Type::s8}, {"s32", Type::s32}, {"f32", Type::f32}};
  return argument.choice(kTypes);
}

int thread_count(const Argument& argument) { return static_cast<int>(argument.integer(1, 4096)); }

}  // namespace unskew
