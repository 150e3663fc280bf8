// Arenas of src/codegen/onednn/binding.ts.
#pragma once

#include <memory>

#include "arena_pool.h"
#include "wrapped.h"

namespace unskew {

class Arenas : public Wrapped<Arenas, std::shared_ptr<ArenaPool>> {
 public:
  static constexpr const char* kName = "Arenas";
  static constexpr napi_type_tag kTag = {0x6b08d2f7a4913ce5, 0x92e75d1c0ab84f36};
  static constexpr auto kConstructor = &AddonData::arenas;

  static Napi::Function define(Napi::Env env) { return DefineClass(env, kName, {}); }
  explicit Arenas(const Napi::CallbackInfo& info) : Wrapped(info) {}

  const std::shared_ptr<ArenaPool>& pool() const { return state_; }
};

// binding.arenas()
inline Napi::Value arenas_function(const Napi::CallbackInfo& info) {
  return Arenas::make(info.Env(), std::make_shared<ArenaPool>());
}

// A pool of its own where none is given.
inline std::shared_ptr<ArenaPool> pool_of(const Argument& argument) {
  return argument.absent() ? std::make_shared<ArenaPool>() : Arenas::from(argument).pool();
}

}  // namespace unskew
