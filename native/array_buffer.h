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

}  // namespace unskew
