// Memory of JavaScript's own. N-API's function for it ends the process when none is left; the constructor throws.
#pragma once

#include "exhaustion.h"
#include "wrapped.h"

namespace unskew {

inline Napi::ArrayBuffer new_array_buffer(Napi::Env env, size_t bytes) {
  try {
    return addon_data(env)
        .array_buffer.New({Napi::Number::New(env, static_cast<double>(bytes))})
        .As<Napi::ArrayBuffer>();
  } catch (const Napi::Error&) {
    throw OutOfMemory("the system does not have the memory for an array of " + std::to_string(bytes) + " bytes");
  }
}

// The same, where every byte will be written: the memory is not zeroed where Node.js can leave it so.
inline Napi::ArrayBuffer unfilled_array_buffer(Napi::Env env, size_t bytes) {
  constexpr size_t kWorthIt = 4096;
  const Napi::FunctionReference& allocate = addon_data(env).unfilled_buffer;
  if (bytes < kWorthIt || allocate.IsEmpty()) return new_array_buffer(env, bytes);
  try {
    const Napi::Value made = allocate.Call({Napi::Number::New(env, static_cast<double>(bytes))});
    const auto array = made.As<Napi::Uint8Array>();
    if (array.ByteOffset() == 0 && array.ArrayBuffer().ByteLength() == bytes) return array.ArrayBuffer();
  } catch (const Napi::Error&) {
    // larger than a Buffer may be, or too large
  }
  return new_array_buffer(env, bytes);
}

}  // namespace unskew
