// Objects of C++ that JavaScript holds. They are made by functions of the addon only, and recognized by a type tag.
#pragma once

#include <napi.h>

#include "arguments.h"
#include "cpu_features.h"

namespace unskew {

// The data of one environment (the main thread or a worker); no state is global.
struct AddonData {
  Napi::FunctionReference memory_desc, native_memory, held_file, primitive, session, session_opening, session_template, arenas;
  Napi::FunctionReference array_buffer;     // JavaScript's constructor
  Napi::FunctionReference unfilled_buffer;  // Buffer.allocUnsafeSlow; empty: there is none
  const void* under_construction = nullptr;
  Isa kernel_isa = best_isa();
};

inline AddonData& addon_data(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

// `Self` holds a State and has kTag, kName, and kConstructor, the place of its constructor in AddonData.
template <class Self, class State>
class Wrapped : public Napi::ObjectWrap<Self> {
 public:
  static Napi::Object make(Napi::Env env, State state) {
    AddonData& data = addon_data(env);
    struct Reset {
      const void*& pointer;
      ~Reset() { pointer = nullptr; }
    } reset{data.under_construction};
    data.under_construction = &state;
    return (data.*Self::kConstructor).New({});
  }

  static Self& from(const Argument& argument) {
    if (!argument.value().IsObject() || !argument.value().template As<Napi::Object>().CheckTypeTag(&Self::kTag)) {
      argument.refuse(std::string("a ") + Self::kName);
    }
    return *Napi::ObjectWrap<Self>::Unwrap(argument.value().template As<Napi::Object>());
  }

 protected:
  explicit Wrapped(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Self>(info) {
    const void*& state = addon_data(info.Env()).under_construction;
    if (state == nullptr)
      throw Napi::TypeError::New(info.Env(), std::string(Self::kName) + " has no public constructor");
    state_ = *static_cast<const State*>(std::exchange(state, nullptr));
    info.This().template As<Napi::Object>().TypeTag(&Self::kTag);
  }

  State state_{};
};

// A property that JavaScript cannot change.
inline Napi::PropertyDescriptor fixed(const char* name, Napi::Value value) {
  return Napi::PropertyDescriptor::Value(name, value, napi_enumerable);
}

inline Napi::Value frozen(Napi::Object object) {
  object.Freeze();
  return object;
}

}  // namespace unskew
