// NativeSession of src/codegen/onednn/binding.ts.
#pragma once

#include <memory>
#include <vector>

#include "coded_errors.h"
#include "session_core.h"
#include "wrapped.h"

namespace unskew {

class SessionTemplateCore;

class Session : public Wrapped<Session, std::shared_ptr<SessionCore>> {
 public:
  static constexpr const char* kName = "NativeSession";
  static constexpr napi_type_tag kTag = {0xd4417be6539fca08, 0xa5f2c80e6b39d714};
  static constexpr auto kConstructor = &AddonData::session;

  static Napi::Function define(Napi::Env env);
  explicit Session(const Napi::CallbackInfo& info);
  ~Session() override;

  // Numbers of another size, which the template has that the session was made of. Throws InvalidArgument where it is not that one.
  void resize(SessionTemplateCore& numbers);

 private:
  struct Run;

  template <Napi::Value (Session::*method)(const Napi::CallbackInfo&)>
  Napi::Value coded(const Napi::CallbackInfo& info) {
    return with_codes(info.Env(), [&] { return (this->*method)(info); });
  }

  static void deliver(Napi::Env env, Napi::Function, Session* session, Run* run);
  using Channel = Napi::TypedThreadSafeFunction<Session, Run, deliver>;

  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value run_sync(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  BufferList addresses(const Argument& arrays, const std::vector<int64_t>& bytes,
                       const std::vector<int64_t>& alignment) const;
  void check_distinct(const BufferList& inputs, const BufferList& outputs) const;
  BufferList allocate_outputs(Napi::Env env, Napi::Array arrays) const;
  void close();
  void release_channel();
  void tell_held_bytes(int64_t bytes);
  static void stop(void* self);
  void finish(Napi::Env env, Run& run);

  Channel channel_;
  bool has_channel_ = false;
  int pending_ = 0;
  int64_t held_bytes_ = 0;
  napi_env env_;
};

}  // namespace unskew
