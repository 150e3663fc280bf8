#include "native_memory.h"

#include <fcntl.h>

#include <algorithm>

#include "array_buffer.h"
#include "coded_errors.h"
#include "memory_desc.h"
#include "primitive_core.h"

namespace unskew {

Napi::Function NativeMemory::define(Napi::Env env) { return DefineClass(env, kName, {}); }

NativeMemory::NativeMemory(const Napi::CallbackInfo& info) : Wrapped(info) {
  const Napi::Env env = info.Env();
  info.This().As<Napi::Object>().DefineProperties(
      {fixed("bytes", Napi::Number::New(env, static_cast<double>(state_->bytes())))});
  // Tells the garbage collector how much memory the small object holds; packed weights are there for sessions, which hold them as well.
  held_bytes_ = state_->is_kept() ? state_->bytes() : 0;
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

Napi::Function HeldFile::define(Napi::Env env) {
  return DefineClass(env, kName, {InstanceMethod<&HeldFile::read>("read")});
}

Napi::Value HeldFile::read(const Napi::CallbackInfo& info) {
  const int64_t offset = Argument(info[0], "read: offset").integer(0, state_->bytes());
  const int64_t length = Argument(info[1], "read: length").integer(0, state_->bytes() - offset);
  const auto bytes = static_cast<size_t>(length);
  Napi::Uint8Array copy = Napi::Uint8Array::New(info.Env(), bytes, new_array_buffer(info.Env(), bytes), 0);
  with_codes(info.Env(), [&] { state_->read(offset, length, copy.Data()); });
  return copy;
}

Napi::Value held_function(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = Argument(info[0], "held: bytes").bytes();
  const auto given = static_cast<int>(Argument(info[1], "held: descriptor").integer(0, INT32_MAX));
  const int descriptor = fcntl(given, F_DUPFD_CLOEXEC, 0);
  require(descriptor >= 0, "held: descriptor should be one of an open file");
  auto memory = std::make_shared<FileMemory>(descriptor, bytes.Data(), static_cast<int64_t>(bytes.ByteLength()));
  const Napi::Object held = HeldFile::make(info.Env(), std::move(memory));
  held.DefineProperty(Napi::PropertyDescriptor::Value("bytes", bytes));
  return held;
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
  const Argument file(info[1], "lent: file");
  std::shared_ptr<ConstantMemory> memory;
  if (file.absent()) {
    memory = std::make_shared<ConstantMemory>(count, address);
  } else {
    const std::shared_ptr<FileMemory>& of = HeldFile::from(file).memory();
    const int64_t offset = bytes.Data() - of->begin();
    require(offset >= 0 && count <= of->bytes() - offset, "lent: bytes should lie in the memory of the file");
    memory = std::make_shared<ConstantMemory>(count, address, of, offset);
  }
  const Napi::Object lent = NativeMemory::make(info.Env(), std::move(memory));
  if (!file.absent()) lent.DefineProperty(Napi::PropertyDescriptor::Value("file", file.value()));
  lent.DefineProperty(Napi::PropertyDescriptor::Value("lent", bytes));
  return lent;
}

Napi::Value contents_function(const Napi::CallbackInfo& info) {
  const std::shared_ptr<ConstantMemory>& memory = NativeMemory::from({info[0], "contents: memory"}).constant();
  const uint8_t* data = memory->data();
  const auto bytes = static_cast<size_t>(memory->bytes());
  Napi::Uint8Array copy = Napi::Uint8Array::New(info.Env(), bytes, new_array_buffer(info.Env(), bytes), 0);
  std::copy_n(data, bytes, copy.Data());
  memory->forget();
  return copy;
}

namespace {

// Packed weights as bytes: the sizes of three parts, then these.
struct FormHead {
  int64_t weights, sums, magnitudes;  // bytes, numbers, numbers

  size_t bytes() const {
    return checked_add(checked_add(sizeof(FormHead), weights),
                       checked_add(checked_product(sums, 4), checked_product(magnitudes, 8)));
  }
};

Napi::Value form_of(Napi::Env env, const PackedWeights& packed) {
  const FormHead head = {packed.bytes->bytes(), static_cast<int64_t>(packed.sums.size()),
                         static_cast<int64_t>(packed.magnitudes.size())};
  Napi::Uint8Array form = Napi::Uint8Array::New(env, head.bytes(), new_array_buffer(env, head.bytes()), 0);
  uint8_t* to = form.Data();
  const auto add = [&](const void* from, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    to += bytes;
  };
  add(&head, sizeof head);
  add(packed.bytes->data(), static_cast<size_t>(head.weights));
  add(packed.sums.data(), packed.sums.size() * 4);
  add(packed.magnitudes.data(), packed.magnitudes.size() * 8);
  return form;
}

std::shared_ptr<const PackedWeights> weights_of(const Argument& argument) {
  const Napi::Uint8Array form = argument.bytes();
  FormHead head = {};
  const bool has_head = form.ByteLength() >= sizeof head;
  if (has_head) std::memcpy(&head, form.Data(), sizeof head);
  const bool is_sound = has_head && head.weights >= 0 && head.sums >= 0 && head.magnitudes >= 0 &&
                        std::max({head.weights, head.sums, head.magnitudes}) <= kMaximumSize &&
                        head.bytes() == form.ByteLength();
  if (!is_sound) argument.refuse("packed weights");
  auto packed = std::make_shared<PackedWeights>();
  packed->bytes = std::make_unique<AlignedBuffer>(head.weights);
  packed->sums.resize(static_cast<size_t>(head.sums));
  packed->magnitudes.resize(static_cast<size_t>(head.magnitudes));
  const uint8_t* from = form.Data() + sizeof head;
  const auto take = [&](void* to, size_t bytes) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    from += bytes;
  };
  take(packed->bytes->data(), static_cast<size_t>(head.weights));
  take(packed->sums.data(), packed->sums.size() * 4);
  take(packed->magnitudes.data(), packed->magnitudes.size() * 8);
  return packed;
}

}  // namespace

Napi::Value packed_forms_function(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int64_t id = NativeMemory::from({info[0], "packedForms: memory"}).constant()->id();
  const Napi::Array forms = Napi::Array::New(env);
  const auto is_of_memory = [&](const WeightsKey& key) { return std::get<0>(key) == id && std::get<1>(key) == 0; };
  for (const auto& [key, packed] : shelf_of_weights().all(is_of_memory)) {
    const Napi::Object form = Napi::Object::New(env);
    form.Set("way", Napi::String::New(env, std::get<2>(key)));
    form.Set("bytes", form_of(env, *packed));
    forms.Set(forms.Length(), form);
  }
  return forms;
}

Napi::Value prepacked_function(const Napi::CallbackInfo& info) {
  const int64_t bytes = Argument(info[0], "prepacked: bytes").integer(0, kMaximumSize);
  PackedForms forms;
  for (const Argument& form : Argument(info[1], "prepacked: forms").elements())
    forms.emplace_back(form.property("way").text(), weights_of(form.property("bytes")));
  return NativeMemory::make(info.Env(), std::make_shared<ConstantMemory>(bytes, forms));
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
