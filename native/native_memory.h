// NativeMemory of src/codegen/onednn/binding.ts.
#pragma once

#include <memory>

#include "constant_memory.h"
#include "wrapped.h"

namespace unskew {

class NativeMemory : public Wrapped<NativeMemory, std::shared_ptr<ConstantMemory>> {
 public:
  static constexpr const char* kName = "NativeMemory";
  static constexpr napi_type_tag kTag = {0x2f7be0a95d1c4e83, 0xb1460c9e7a5512d4};
  static constexpr auto kConstructor = &AddonData::native_memory;

  static Napi::Function define(Napi::Env env);
  explicit NativeMemory(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) override;

  const std::shared_ptr<ConstantMemory>& constant() const { return state_; }

 private:
  int64_t held_bytes_ = 0;
};

// binding.memory(bytes)
Napi::Value memory_function(const Napi::CallbackInfo& info);
// HeldFile of binding.ts. The object has the array.
class HeldFile : public Wrapped<HeldFile, std::shared_ptr<FileMemory>> {
 public:
  static constexpr const char* kName = "HeldFile";
  static constexpr napi_type_tag kTag = {0x83b1c7d2f05e4a96, 0x9d27e41b60f8c35a};
  static constexpr auto kConstructor = &AddonData::held_file;

  static Napi::Function define(Napi::Env env);
  explicit HeldFile(const Napi::CallbackInfo& info) : Wrapped(info) {}

  const std::shared_ptr<FileMemory>& memory() const { return state_; }
  // file.read(offset, length)
  Napi::Value read(const Napi::CallbackInfo& info);
};

// binding.held(bytes, descriptor)
Napi::Value held_function(const Napi::CallbackInfo& info);
// binding.lent(bytes, file)
Napi::Value lent_function(const Napi::CallbackInfo& info);
// binding.contents(memory)
Napi::Value contents_function(const Napi::CallbackInfo& info);
// binding.packedForms(memory)
Napi::Value packed_forms_function(const Napi::CallbackInfo& info);
// binding.prepacked(bytes, forms)
Napi::Value prepacked_function(const Napi::CallbackInfo& info);
// binding.pack(bytes, source, destination, threads)
Napi::Value pack_function(const Napi::CallbackInfo& info);

}  // namespace unskew
