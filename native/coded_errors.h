// Errors for JavaScript. An error that the caller tells apart carries a `code` (binding.ts lists the codes).
#pragma once

#include <napi.h>

#include <exception>
#include <system_error>

#include "checks.h"
#include "exhaustion.h"
#include "file_memory.h"
#include "kernels/gather_at.h"
#include "onednn_compat.h"

namespace unskew {

inline const char* code_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return "ERR_OUT_OF_MEMORY";
  const auto* refused = dynamic_cast<const dnnl::error*>(&error);
  if (refused != nullptr && refused->status == dnnl_out_of_memory) return "ERR_OUT_OF_MEMORY";
  if (dynamic_cast<const NoImplementation*>(&error) != nullptr) return "ERR_NO_IMPLEMENTATION";
  if (dynamic_cast<const FileChanged*>(&error) != nullptr) return "ERR_FILE_CHANGED";
  if (dynamic_cast<const PositionOutside*>(&error) != nullptr) return "ERR_POSITION";
  const bool no_thread =
      dynamic_cast<const OutOfThreads*>(&error) != nullptr || dynamic_cast<const std::system_error*>(&error) != nullptr;
  return no_thread ? "ERR_OUT_OF_THREADS" : nullptr;
}

inline Napi::Error error_of(Napi::Env env, const std::exception& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  if (const char* code = code_of(error)) result.Set("code", Napi::String::New(env, code));
  if (const auto* outside = dynamic_cast<const PositionOutside*>(&error))
    result.Set("command", Napi::Number::New(env, static_cast<double>(outside->command)));
  return result;
}

// Runs `body`; its exceptions become errors of JavaScript.
template <class Body>
auto with_codes(Napi::Env env, const Body& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw error_of(env, error);
  }
}

// A function of the addon.
template <Napi::Value (*function)(const Napi::CallbackInfo&)>
Napi::Value coded(const Napi::CallbackInfo& info) {
  return with_codes(info.Env(), [&] { return function(info); });
}

}  // namespace unskew
