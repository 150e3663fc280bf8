#include "session_template.h"

#include <algorithm>
#include <cstring>

#include "array_buffer.h"
#include "kernel_arguments.h"
#include "native_memory.h"
#include "primitive.h"
#include "session.h"

namespace unskew {

namespace {

BufferRef read_buffer_ref(const Argument& argument) {
  const Argument space = argument.property("space");
  static constexpr std::pair<const char*, Space> kSpaces[] = {
      {"arena", Space::arena}, {"constant", Space::constant}, {"input", Space::input}, {"output", Space::output}};
  BufferRef ref{space.choice(kSpaces)};
  switch (ref.space) {
    case Space::arena: ref.offset = argument.property("offset").integer(0, kMaximumSize); break;
    case Space::constant: ref.memory = NativeMemory::from(argument.property("memory")).buffer(); break;
    default: ref.index = static_cast<size_t>(argument.property("index").integer(0, INT32_MAX));
  }
  return ref;
}

bool equal_constants(const std::shared_ptr<const AlignedBuffer>& a, const std::shared_ptr<const AlignedBuffer>& b) {
  if (a == b) return true;
  return a && b && a->bytes() == b->bytes() && std::memcmp(a->data(), b->data(), static_cast<size_t>(a->bytes())) == 0;
}

bool equal_places(const BufferRef& a, const BufferRef& b) {
  return a.space == b.space && a.index == b.index && equal_constants(a.memory, b.memory);
}

// A whole number that a size can be.
int64_t whole(double value, const char* what) {
  const bool good = value >= 0 && value <= static_cast<double>(kMaximumSize) && std::trunc(value) == value;
  require(good, [&] { return std::string(what) + " should be whole numbers from 0"; });
  return static_cast<int64_t>(value);
}

Napi::Value new_session(Napi::Env env, SessionPlan plan) {
  return Session::make(env, std::make_shared<SessionCore>(std::move(plan)));
}

}  // namespace

SessionTemplateCore::Declared::Declared(const Argument& argument) {
  const Argument kind = argument.property("kind");
  const std::string kind_name = kind.text();
  if (kind_name == "primitive") {
    primitive = Primitive::from(argument.property("primitive")).core();
    name = primitive->implementation;
  } else if (kind_name == "kernel") {
    const Argument declared = argument.property("kernel");
    declared.object();  // checked here, as its own fields are checked where they are read
    kernel = std::make_unique<DeclarationTree>(declared);
    name = kernel->root().property("name").text();
  } else {
    kind.refuse("'primitive' or 'kernel'");
  }
  const Argument given = argument.property("arguments");
  const Napi::Array names = given.object().GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string argument_name = names.Get(i).ToString().Utf8Value();
    const Argument ref = given.property(argument_name.c_str());
    if (!ref.absent()) arguments.emplace_back(argument_name, read_buffer_ref(ref));
  }
}

bool SessionTemplateCore::Declared::same_but_for_numbers(const Declared& other) const {
  if (primitive != other.primitive || (kernel == nullptr) != (other.kernel == nullptr)) return false;
  if (kernel && !kernel->same_but_for_numbers(*other.kernel)) return false;
  return std::equal(
      arguments.begin(), arguments.end(), other.arguments.begin(), other.arguments.end(),
      [](const auto& a, const auto& b) { return a.first == b.first && equal_places(a.second, b.second); });
}

SessionTemplateCore::SessionTemplateCore(const Argument& spec, Isa isa)
    : threads_(usable_threads(thread_count(spec.property("threads")))),
      target_{isa, threads_},
      arena_bytes_(spec.property("arenaBytes").integer(0, kMaximumSize)),
      input_bytes_(spec.property("inputBytes").integers(-1, 0, kMaximumSize)),
      output_bytes_(spec.property("outputBytes").integers(-1, 0, kMaximumSize)) {
  number_count_ = input_bytes_.size() + output_bytes_.size();
  for (const Argument& argument : spec.property("commands").elements()) {
    const Declared& command = commands_.emplace_back(argument);
    if (command.kernel) number_count_ += command.kernel->numbers().size();
    for (const auto& [name, ref] : command.arguments) offset_count_ += ref.space == Space::arena ? 1 : 0;
  }
}

std::vector<double> SessionTemplateCore::numbers() const {
  std::vector<double> all;
  all.reserve(number_count_);
  for (const auto* bytes : {&input_bytes_, &output_bytes_}) all.insert(all.end(), bytes->begin(), bytes->end());
  for (const Declared& command : commands_) {
    if (!command.kernel) continue;
    for (const double* number : command.kernel->numbers()) all.push_back(*number);
  }
  return all;
}

bool SessionTemplateCore::same_but_for_numbers(const SessionTemplateCore& other) const {
  return threads_ == other.threads_ && target_.isa == other.target_.isa &&
         input_bytes_.size() == other.input_bytes_.size() && output_bytes_.size() == other.output_bytes_.size() &&
         std::equal(commands_.begin(), commands_.end(), other.commands_.begin(), other.commands_.end(),
                    [](const Declared& a, const Declared& b) { return a.same_but_for_numbers(b); });
}

void SessionTemplateCore::replace(const double* numbers, const double* offsets, int64_t arena_bytes) {
  arena_bytes_ = arena_bytes;
  for (auto* list : {&input_bytes_, &output_bytes_}) {
    for (int64_t& bytes : *list) bytes = whole(*numbers++, "bytes of inputs and outputs");
  }
  for (Declared& command : commands_) {
    if (command.kernel) {
      for (double* number : command.kernel->numbers()) *number = *numbers++;
    }
    for (auto& [name, ref] : command.arguments) {
      if (ref.space == Space::arena) ref.offset = whole(*offsets++, "offsets");
    }
  }
}

SessionPlan SessionTemplateCore::plan() const {
  SessionPlan plan;
  plan.threads = threads_;
  plan.arena_bytes = arena_bytes_;
  plan.input_bytes = input_bytes_;
  plan.output_bytes = output_bytes_;
  plan.commands.reserve(commands_.size());
  for (const Declared& declared : commands_) {
    Command& command = plan.commands.emplace_back();
    command.name = declared.name;
    command.primitive = declared.primitive;
    if (declared.kernel) command.kernel = read_kernel(declared.kernel->root(), target_);
    command.arguments = declared.arguments;
  }
  return plan;
}

Napi::Function SessionTemplate::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod<&SessionTemplate::coded<&SessionTemplate::numbers>>("numbers"),
                      InstanceMethod<&SessionTemplate::coded<&SessionTemplate::matches>>("matches"),
                      InstanceMethod<&SessionTemplate::coded<&SessionTemplate::session>>("session")});
}

Napi::Value SessionTemplate::numbers(const Napi::CallbackInfo& info) {
  const std::vector<double> all = state_->numbers();
  Napi::Float64Array list =
      Napi::Float64Array::New(info.Env(), all.size(), new_array_buffer(info.Env(), all.size() * sizeof(double)), 0);
  std::copy(all.begin(), all.end(), list.Data());
  return list;
}

Napi::Value SessionTemplate::matches(const Napi::CallbackInfo& info) {
  const SessionTemplate& other = from({info[0], "matches: template"});
  return Napi::Boolean::New(info.Env(), state_->same_but_for_numbers(*other.state_));
}

Napi::Value SessionTemplate::session(const Napi::CallbackInfo& info) {
  const Argument sizes(info[0], "session: sizes");
  const Napi::Float64Array numbers = sizes.property("numbers").doubles(state_->number_count());
  const Napi::Float64Array offsets = sizes.property("offsets").doubles(state_->offset_count());
  state_->replace(numbers.Data(), offsets.Data(), sizes.property("arenaBytes").integer(0, kMaximumSize));
  return new_session(info.Env(), state_->plan());
}

Napi::Value session_template_function(const Napi::CallbackInfo& info) {
  const Argument spec(info[0], "sessionTemplate:");
  return SessionTemplate::make(info.Env(),
                               std::make_shared<SessionTemplateCore>(spec, addon_data(info.Env()).kernel_isa));
}

Napi::Value session_function(const Napi::CallbackInfo& info) {
  const SessionTemplateCore declared({info[0], "session:"}, addon_data(info.Env()).kernel_isa);
  return new_session(info.Env(), declared.plan());
}

}  // namespace unskew
