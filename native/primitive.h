// Primitive of src/codegen/onednn/binding.ts, and the functions that create one.
#pragma once

#include "primitive_core.h"
#include "wrapped.h"

namespace unskew {

class Primitive : public Wrapped<Primitive, PrimitiveHandle> {
 public:
  static constexpr const char* kName = "Primitive";
  static constexpr napi_type_tag kTag = {0x6c83d1fa07e94b52, 0x93ab47d8e2106f5c};
  static constexpr auto kConstructor = &AddonData::primitive;

  static Napi::Function define(Napi::Env env);
  explicit Primitive(const Napi::CallbackInfo& info);

  const PrimitiveHandle& core() const { return state_; }
};

// Adds convolution, matmul, pooling, binary, eltwise, softmax, reduction and reorder.
void add_primitive_functions(Napi::Object exports);

}  // namespace unskew
