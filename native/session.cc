#include "session.h"

#include <algorithm>
#include <cstring>

#include "array_buffer.h"
#include "coded_errors.h"
#include "session_template.h"

namespace unskew {

struct Session::Run {
  Napi::Promise::Deferred deferred;
  Napi::ObjectReference inputs;  // of memory that is not copied
  Napi::ObjectReference outputs;
  std::exception_ptr error;
};

Napi::Function Session::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod<&Session::coded<&Session::run>>("run"),
                      InstanceMethod<&Session::coded<&Session::run_sync>>("runSync"),
                      InstanceMethod<&Session::coded<&Session::profile>>("profile"),
                      InstanceMethod<&Session::coded<&Session::dispose>>("dispose")});
}

Session::Session(const Napi::CallbackInfo& info) : Wrapped(info), env_(info.Env()) {
  tell_held_bytes(state_->held_bytes());
}

Session::~Session() {
  if (!state_) return;  // the constructor threw
  close();
}

// Idempotent; on the JavaScript thread, also from the finalizer.
void Session::close() {
  state_->close();
  tell_held_bytes(0);
  if (pending_ == 0) release_channel();  // else the last run does when it is delivered
}

void Session::tell_held_bytes(int64_t bytes) {
  const int64_t before = std::exchange(held_bytes_, bytes);
  if (bytes != before) Napi::MemoryManagement::AdjustExternalMemory(Napi::BasicEnv(env_), bytes - before);
}

void Session::resize(SessionTemplateCore& numbers) {
  require(!state_->closed(), "resize: the session was disposed");
  numbers.resize(*state_);
  tell_held_bytes(state_->held_bytes());
}

void Session::release_channel() {
  if (!std::exchange(has_channel_, false)) return;
  napi_remove_env_cleanup_hook(env_, stop, this);
  channel_.Release();
}

// The environment goes away. The channel is still there, as hooks run in the reverse order of their registration, and
// goes after this; it must not be touched any more.
void Session::stop(void* self) {
  auto* session = static_cast<Session*>(self);
  session->state_->close();
  session->state_->wait();
  session->has_channel_ = false;
}

BufferList Session::addresses(const Argument& arrays, const std::vector<int64_t>& bytes,
                              const std::vector<int64_t>& alignment) const {
  const std::vector<Argument> elements = arrays.elements();
  if (elements.size() != bytes.size()) arrays.refuse("an array of " + std::to_string(bytes.size()) + " Uint8Arrays");
  BufferList list;
  for (size_t i = 0; i < elements.size(); i++) {
    Napi::Uint8Array array = elements[i].bytes();
    if (array.ByteLength() != static_cast<size_t>(bytes[i])) {
      elements[i].refuse("a Uint8Array of " + std::to_string(bytes[i]) + " bytes");
    }
    uint8_t* data = array.Data();
    if (reinterpret_cast<uintptr_t>(data) % alignment[i] != 0) {
      elements[i].refuse("at an address that is a multiple of " + std::to_string(alignment[i]));
    }
    list.push_back(data);
  }
  return list;
}

// In the order of addresses, a range overlaps one that begins before it when it overlaps the one that reaches furthest.
void Session::check_distinct(const BufferList& inputs, const BufferList& outputs) const {
  struct Range {
    const uint8_t* begin;
    const uint8_t* end;
    size_t index;
    bool is_output;
    std::string name() const { return (is_output ? "outputs[" : "inputs[") + std::to_string(index) + "]"; }
  };
  std::vector<Range> ranges;
  ranges.reserve(inputs.size() + outputs.size());
  const auto add = [&](const BufferList& buffers, const std::vector<int64_t>& bytes, bool is_output) {
    for (size_t i = 0; i < buffers.size(); i++) {
      if (bytes[i] > 0) ranges.push_back({buffers[i], buffers[i] + bytes[i], i, is_output});
    }
  };
  add(inputs, state_->input_bytes(), false);
  add(outputs, state_->output_bytes(), true);
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  // The ranges that reach furthest among all earlier ones, and among earlier outputs: inputs may be one memory.
  const Range* any = nullptr;
  const Range* output = nullptr;
  for (const Range& range : ranges) {
    const Range* before = range.is_output ? any : output;
    if (before != nullptr && range.begin < before->end) {
      const bool is_first = range.is_output && (!before->is_output || before->index < range.index);
      const Range& first = is_first ? range : *before;
      const Range& second = is_first ? *before : range;
      throw InvalidArgument(first.name() + " shares memory with " + second.name());
    }
    if (any == nullptr || range.end > any->end) any = &range;
    if (range.is_output && (output == nullptr || range.end > output->end)) output = &range;
  }
}

Napi::Value Session::run_sync(const Napi::CallbackInfo& info) {
  require(!state_->closed(), "runSync: the session was disposed");
  const BufferList inputs = addresses({info[0], "runSync: inputs"}, state_->input_bytes(), state_->input_alignment());
  const BufferList outputs =
      addresses({info[1], "runSync: outputs"}, state_->output_bytes(), state_->output_alignment());
  check_distinct(inputs, outputs);
  state_->run(inputs, outputs);
  return info.Env().Undefined();
}

Napi::Value Session::profile(const Napi::CallbackInfo& info) {
  require(!state_->closed(), "profile: the session was disposed");
  const BufferList inputs = addresses({info[0], "profile: inputs"}, state_->input_bytes(), state_->input_alignment());
  const BufferList outputs =
      addresses({info[1], "profile: outputs"}, state_->output_bytes(), state_->output_alignment());
  check_distinct(inputs, outputs);
  const size_t steps = state_->step_count();
  Napi::Float64Array times =
      Napi::Float64Array::New(info.Env(), steps, new_array_buffer(info.Env(), steps * sizeof(double)), 0);
  state_->run(inputs, outputs, times.Data());
  return times;
}

// New memory for the outputs of one run. JavaScript sees it when they are written, so that nothing can be done to it before.
BufferList Session::allocate_outputs(Napi::Env env, Napi::Array arrays) const {
  static uint8_t nothing[AlignedBuffer::kAlignment];
  BufferList list;
  for (size_t i = 0; i < state_->output_bytes().size(); i++) {
    const auto bytes = static_cast<size_t>(state_->output_bytes()[i]);
    const auto alignment = static_cast<size_t>(state_->output_alignment()[i]);
    // JavaScript aligns memory to 16 bytes or less.
    const size_t slack = alignment <= 8 ? 0 : alignment;
    Napi::ArrayBuffer buffer = unfilled_array_buffer(env, bytes + slack);
    auto* data = static_cast<uint8_t*>(buffer.Data());
    const size_t offset = (alignment - reinterpret_cast<uintptr_t>(data) % alignment) % alignment;
    require(slack > 0 || offset == 0, "run: memory of JavaScript is not aligned");
    std::memset(data, 0, offset);  // runs do not write beside the output
    std::memset(data + offset + bytes, 0, slack - offset);
    arrays.Set(static_cast<uint32_t>(i), Napi::Uint8Array::New(env, bytes, buffer, offset));
    list.push_back(bytes == 0 ? nothing : data + offset);
  }
  return list;
}

static Napi::Object copy_of(Napi::Env env, const Napi::Array& list) {
  Napi::Array copy = Napi::Array::New(env, list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) copy.Set(i, list.Get(i));
  return copy;
}

Napi::Value Session::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  require(!state_->closed(), "run: the session was disposed");
  const std::vector<int64_t> any_alignment(state_->input_bytes().size(), 1);
  const BufferList inputs = addresses({info[0], "run: inputs"}, state_->input_bytes(), any_alignment);
  const Napi::Array arrays = Napi::Array::New(env, state_->output_bytes().size());
  BufferList outputs = allocate_outputs(env, arrays);
  if (state_->run_if_quick(inputs, outputs)) return arrays;
  if (!has_channel_) {
    channel_ = Channel::New(env, "unskew run", 0, 1, this);
    channel_.Unref(env);
    has_channel_ = true;
    napi_add_env_cleanup_hook(env, stop, this);
  }
  const Argument given(info[1], "run: areUnchanging");
  const bool are_unchanging = !given.absent() && given.boolean();
  auto run = std::make_unique<Run>(Run{Napi::Promise::Deferred::New(env), {}, Napi::Persistent(arrays.As<Napi::Object>()), {}});
  // a list of its own: the caller's may change
  if (are_unchanging) run->inputs = Napi::Persistent(copy_of(env, info[0].As<Napi::Array>()));
  const Napi::Promise promise = run->deferred.Promise();
  Run* pending = run.get();
  state_->submit(inputs, are_unchanging, std::move(outputs), [channel = channel_, pending](std::exception_ptr error) {
    pending->error = std::move(error);
    // Refused only while the environment goes away; then nobody waits for the promise either, and the
    // reference to its outputs has gone with it.
    if (channel.NonBlockingCall(pending) != napi_ok) deliver(Napi::Env(nullptr), {}, nullptr, pending);
  });
  run.release();  // `deliver` owns it now
  if (pending_++ == 0) {
    Ref();  // neither the session nor the event loop ends before the run
    channel_.Ref(env);
  }
  return promise;
}

void Session::deliver(Napi::Env env, Napi::Function, Session* session, Run* run) {
  const std::unique_ptr<Run> owned(run);
  if (env == nullptr || session == nullptr) {
    run->inputs.SuppressDestruct();
    run->outputs.SuppressDestruct();
    return;
  }
  const Napi::HandleScope scope(env);
  try {
    session->finish(env, *run);
  } catch (const Napi::Error&) {
    // The environment (a worker) is being terminated and runs no JavaScript any more; nobody waits for the promise.
  }
}

void Session::finish(Napi::Env env, Run& run) {
  const bool last = --pending_ == 0;
  if (last && state_->closed()) {
    release_channel();
  } else if (last && has_channel_) {
    channel_.Unref(env);
  }
  try {
    if (run.error) std::rethrow_exception(run.error);
    run.deferred.Resolve(run.outputs.Value());
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    run.deferred.Reject(error_of(env, error).Value());
  }
  if (last) Unref();
}

Napi::Value Session::dispose(const Napi::CallbackInfo& info) {
  close();
  return info.Env().Undefined();
}

}  // namespace unskew
