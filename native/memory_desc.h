// MemoryDesc of src/codegen/onednn/binding.ts.
#pragma once

#include "wrapped.h"

namespace unskew {

class MemoryDesc : public Wrapped<MemoryDesc, Desc> {
 public:
  static constexpr const char* kName = "MemoryDesc";
  static constexpr napi_type_tag kTag = {0x9a1d6f2c4be34f11, 0x8e0c5a7713d2b601};
  static constexpr auto kConstructor = &AddonData::memory_desc;

  static Napi::Function define(Napi::Env env);
  explicit MemoryDesc(const Napi::CallbackInfo& info);

  const Desc& desc() const { return state_; }

 private:
  Napi::Value equals(const Napi::CallbackInfo& info);
};

// binding.desc(type, dims, layout)
Napi::Value desc_function(const Napi::CallbackInfo& info);

}  // namespace unskew
