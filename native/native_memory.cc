#include "native_memory.h"

#include "memory_desc.h"
#include "primitive_core.h"

namespace unskew {

Napi::Function NativeMemory::define(Napi::Env env) { return DefineClass(env, kName, {}); }

NativeMemory::NativeMemory(const Napi::CallbackInfo& info) : Wrapped(info) {
  const Napi::Env env = info.Env();
  info.This().As<Napi::Object>().DefineProperties(
      {fixed("bytes", Napi::Number::New(env, static_cast<double>(state_->bytes())))});
  // Tells the garbage collector how much memory the small object holds.
  held_bytes_ = state_->is_lent() ? 0 : state_->bytes();
  Napi::MemoryManagement::AdjustExternalMemory(env, held_bytes_);
}

void NativeMemory::Finalize(Napi::BasicEnv env) {
  Napi::MemoryManagement::AdjustExternalMemory(env, -held_bytes_);
}

Napi::Value memory_function(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = Argument(info[0], "memory: bytes").bytes();
  auto buffer = std::make_shared<AlignedBuffer>(static_cast<int64_t>(bytes.ByteLength()));
  if (bytes.ByteLength() > 0) std::memcpy(buffer->data(), bytes.Data(), bytes.ByteLength());
  return NativeMemory::make(info.Env(), std::make_shared<ConstantMemory>(std::move(buffer)));
}

// The object has the array, so that a cycle of both is seen by the garbage collector. Where its memory lies is asked each time,
// as it can be transferred.
Napi::Value lent_function(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = Argument(info[0], "lent: bytes").bytes();
  const auto count = static_cast<int64_t>(bytes.ByteLength());
  auto array = std::make_shared<Napi::Reference<Napi::Uint8Array>>(Napi::Weak(bytes));
  const auto address = [array, count]() -> const uint8_t* {
    const Napi::HandleScope scope(array->Env());
    const Napi::Uint8Array now = array->Value();
    require(!now.IsEmpty() && static_cast<int64_t>(now.ByteLength()) == count,
            "the bytes of a constant have been transferred elsewhere");
    return now.Data();
  };
  const Napi::Object lent = NativeMemory::make(info.Env(), std::make_shared<ConstantMemory>(count, address));
  lent.DefineProperty(Napi::PropertyDescriptor::Value("lent", bytes));
  return lent;
}

Napi::Value pack_function(const Napi::CallbackInfo& info) {
  const Argument argument(info[0], "pack: bytes");
  const Napi::Uint8Array bytes = argument.bytes();
  const Desc source = MemoryDesc::from({info[1], "pack: source"}).desc();
  const Desc destination = MemoryDesc::from({info[2], "pack: destination"}).desc();
  const int threads = thread_count({info[3], "pack: threads"});
  if (bytes.ByteLength() != source.get_size())
    argument.refuse(std::to_string(source.get_size()) + " bytes, as source has");
  return NativeMemory::make(info.Env(),
                            std::make_shared<ConstantMemory>(pack(bytes.Data(), source, destination, threads)));
}

}  // namespace unskew
