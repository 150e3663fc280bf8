#include "session_template.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

#include "array_buffer.h"
#include "kernel_arguments.h"
#include "native_memory.h"
#include "primitive.h"
#include "arenas.h"
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
    case Space::constant: ref.memory = NativeMemory::from(argument.property("memory")).constant(); break;
    default: ref.index = static_cast<size_t>(argument.property("index").integer(0, INT32_MAX));
  }
  return ref;
}

bool equal_constants(const std::shared_ptr<ConstantMemory>& a, const std::shared_ptr<ConstantMemory>& b) {
  if (a == b) return true;
  if (!a || !b || a->bytes() != b->bytes() || !a->has_bytes() || !b->has_bytes()) return false;
  const bool equal = std::memcmp(a->data(), b->data(), static_cast<size_t>(a->bytes())) == 0;
  a->forget();
  b->forget();
  return equal;
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

bool equal_commands(const Command& a, const Command& b) {
  return a.primitive == b.primitive &&
         std::equal(a.arguments.begin(), a.arguments.end(), b.arguments.begin(), b.arguments.end(),
                    [](const auto& x, const auto& y) { return x.first == y.first && equal_places(x.second, y.second); });
}

}  // namespace

int64_t SessionTemplateCore::next_id() {
  static std::atomic<int64_t> last = 0;
  return ++last;
}

SessionTemplateCore::SessionTemplateCore(const Argument& spec, Isa isa, std::shared_ptr<ArenaPool> arenas)
    : target_{isa, usable_threads(thread_count(spec.property("threads")))}, arenas_(std::move(arenas)) {
  plan_.threads = target_.threads;
  plan_.arena_bytes = spec.property("arenaBytes").integer(0, kMaximumSize);
  plan_.input_bytes = spec.property("inputBytes").integers(-1, 0, kMaximumSize);
  plan_.output_bytes = spec.property("outputBytes").integers(-1, 0, kMaximumSize);
  for (const auto* bytes : {&plan_.input_bytes, &plan_.output_bytes})
    numbers_.insert(numbers_.end(), bytes->begin(), bytes->end());
  for (const Argument& argument : spec.property("commands").elements()) declare(argument);
}

void SessionTemplateCore::declare(const Argument& argument) {
  Command& command = plan_.commands.emplace_back();
  Declared& own = declared_.emplace_back();
  own.first_number = numbers_.size();
  const Argument kind = argument.property("kind");
  const std::string kind_name = kind.text();
  if (kind_name == "primitive") {
    command.primitive = Primitive::from(argument.property("primitive")).core();
    command.name = command.primitive->implementation;
  } else if (kind_name == "kernel") {
    const Argument declared = argument.property("kernel");
    declared.object();  // checked here, as its own fields are checked where they are read
    own.kernel = std::make_unique<DeclarationTree>(declared);
    command.name = own.kernel->root().property("name").text();
    for (const double* number : own.kernel->numbers()) numbers_.push_back(*number);
  } else {
    kind.refuse("'primitive' or 'kernel'");
  }
  const Argument given = argument.property("arguments");
  const Napi::Array names = given.object().GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string argument_name = names.Get(i).ToString().Utf8Value();
    const Argument ref = given.property(argument_name.c_str());
    if (ref.absent()) continue;
    command.arguments.emplace_back(argument_name, read_buffer_ref(ref));
    const Space space = command.arguments.back().second.space;
    const BufferRef& last = command.arguments.back().second;
    if (space == Space::arena) offsets_.push_back(static_cast<double>(last.offset));
    if (space == Space::input) own.border.push_back(last.index);
    if (space == Space::output) own.border.push_back(plan_.input_bytes.size() + last.index);
    own.has_constants = own.has_constants || space == Space::constant;
  }
  const auto like = [&](const Declared& other) {
    return other.kernel && own.kernel && other.kernel->same_but_for_numbers(*own.kernel);
  };
  own.alike = static_cast<size_t>(std::find_if(declared_.begin(), declared_.end() - 1, like) - declared_.begin());
}

bool SessionTemplateCore::same_but_for_numbers(const SessionTemplateCore& other) const {
  const auto equal_kernels = [](const Declared& a, const Declared& b) {
    return (a.kernel == nullptr) == (b.kernel == nullptr) && (!a.kernel || a.kernel->same_but_for_numbers(*b.kernel));
  };
  return target_.threads == other.target_.threads && target_.isa == other.target_.isa &&
         plan_.input_bytes.size() == other.plan_.input_bytes.size() &&
         plan_.output_bytes.size() == other.plan_.output_bytes.size() &&
         std::equal(plan_.commands.begin(), plan_.commands.end(), other.plan_.commands.begin(),
                    other.plan_.commands.end(), equal_commands) &&
         std::equal(declared_.begin(), declared_.end(), other.declared_.begin(), other.declared_.end(), equal_kernels);
}

void SessionTemplateCore::replace(const double* numbers, const double* offsets, int64_t arena_bytes) {
  // all that can be refused comes before all that changes
  const size_t border = plan_.input_bytes.size() + plan_.output_bytes.size();
  for (size_t i = 0; i < border; i++) whole(numbers[i], "bytes of inputs and outputs");
  const bool has_other_offsets = !std::equal(offsets_.begin(), offsets_.end(), offsets);
  for (size_t i = 0; has_other_offsets && i < offsets_.size(); i++) whole(offsets[i], "offsets");
  plan_.arena_bytes = arena_bytes;
  const double* next = numbers;
  for (auto* list : {&plan_.input_bytes, &plan_.output_bytes}) {
    for (int64_t& bytes : *list) bytes = static_cast<int64_t>(*next++);
  }
  for (size_t i = 0; i < declared_.size(); i++) {
    const Declared& own = declared_[i];
    // most stay as they are, and a declaration is spread over memory
    if (!own.kernel || equal_numbers(i, numbers + own.first_number)) continue;
    next = numbers + own.first_number;
    for (double* number : own.kernel->numbers()) *number = *next++;
  }
  std::copy_n(numbers, numbers_.size(), numbers_.begin());
  if (!has_other_offsets) return;
  std::copy_n(offsets, offsets_.size(), offsets_.begin());
  next = offsets;
  for (Command& command : plan_.commands) {
    for (auto& [name, ref] : command.arguments) {
      if (ref.space == Space::arena) ref.offset = static_cast<int64_t>(*next++);
    }
  }
}

bool SessionTemplateCore::equal_numbers(size_t command, const double* others) const {
  const Declared& own = declared_[command];
  return std::memcmp(numbers_.data() + own.first_number, others, own.kernel->numbers().size() * sizeof(double)) == 0;
}

// True where an earlier plan has the kernel as it is now.
bool SessionTemplateCore::is_kept(size_t command, const CompiledPlan* earlier) const {
  return earlier != nullptr && equal_numbers(command, earlier->numbers.data() + declared_[command].first_number);
}

// Networks repeat their layers: many commands compute the same. Where constants are packed, each has its own program.
std::shared_ptr<KernelProgram> SessionTemplateCore::program_of(size_t command) {
  const Declared& own = declared_[command];
  for (const size_t i : making_->makers) {
    const Declared& other = declared_[i];
    if (other.alike != own.alike || !equal_numbers(command, numbers_.data() + other.first_number)) continue;
    const std::shared_ptr<KernelProgram>& program = plan_.commands[i].kernel;
    if (!program->prepare || (!own.has_constants && !other.has_constants)) return program;
  }
  making_->makers.push_back(command);
  return std::make_shared<KernelProgram>(read_kernel(own.kernel->root(), target_));
}

void SessionTemplateCore::end_making() {
  making_.reset();
  for (Command& command : plan_.commands) {
    command.kernel.reset();
    command.prepared.reset();
  }
}

std::shared_ptr<SessionCore> SessionTemplateCore::session_until(Clock::time_point until) {
  std::optional<CompiledPlan> plan = plan_until(until);
  return plan ? std::make_shared<SessionCore>(plan_, std::move(*plan), arenas_) : nullptr;
}

void SessionTemplateCore::resize(SessionCore& session) {
  require(session.plan().maker == id_, "resize: the session was not made of this template");
  const CompiledPlan& earlier = session.plan();
  const bool is_placed_alike = earlier.offsets == offsets_ && earlier.buffer_bytes == plan_.arena_bytes;
  if (is_placed_alike) {
    PlanChange change{changed_since(earlier), {}};
    change.plan = *plan_until(Clock::time_point::max(), &earlier, &change.commands);
    if (change.fits(earlier)) return session.resize(plan_, std::move(change));
  }
  session.resize(plan_, *plan_until(Clock::time_point::max(), &earlier));
}

// The commands whose kernels have other numbers, or whose inputs or outputs have other sizes.
std::vector<size_t> SessionTemplateCore::changed_since(const CompiledPlan& earlier) const {
  std::vector<size_t> changed;
  for (size_t i = 0; i < declared_.size(); i++) {
    const Declared& own = declared_[i];
    const auto is_other = [&](size_t place) { return earlier.numbers[place] != numbers_[place]; };
    const bool is_kernel_kept = !own.kernel || is_kept(i, &earlier);
    if (!is_kernel_kept || std::ranges::any_of(own.border, is_other)) changed.push_back(i);
  }
  return changed;
}

// @param earlier a plan of this template, whose kernels are taken over where they are the same
// @param only these commands
std::optional<CompiledPlan> SessionTemplateCore::plan_until(Clock::time_point until, const CompiledPlan* earlier,
                                                            const std::vector<size_t>* only) {
  // What is packed does not depend on the number of threads, so while others compute one will do.
  const TeamScope team(target_.threads, TeamScope::IfFree{});
  std::optional<AloneScope> alone;
  if (team.threads() != target_.threads) alone.emplace();
  struct End {
    SessionTemplateCore& core;
    bool is_end = true;
    ~End() {
      if (is_end) core.end_making();
    }
  } end{*this};
  if (!making_) making_.emplace();
  Making& making = *making_;
  const size_t count = only == nullptr ? declared_.size() : only->size();
  while (making.steps < count) {
    const size_t i = only == nullptr ? making.steps : (*only)[making.steps];
    making.steps++;
    if (declared_[i].kernel && is_kept(i, earlier)) {
      plan_.commands[i].kernel = earlier->steps[i].kernel;
      plan_.commands[i].prepared = earlier->steps[i].scratch_bytes;
    } else if (declared_[i].kernel) {
      plan_.commands[i].kernel = program_of(i);
    }
    if (until == Clock::time_point::max() || Clock::now() < until) continue;
    end.is_end = false;
    return std::nullopt;
  }
  if (!making.work) making.work = std::make_unique<PlanWork>(plan_, only);
  if (!making.work->advance(until)) {
    end.is_end = false;
    return std::nullopt;
  }
  CompiledPlan plan = making.work->finish();
  plan.maker = id_;
  plan.numbers = numbers_;
  plan.offsets = offsets_;
  return plan;
}

Napi::Function SessionTemplate::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {InstanceMethod<&SessionTemplate::coded<&SessionTemplate::numbers>>("numbers"),
                      InstanceMethod<&SessionTemplate::coded<&SessionTemplate::matches>>("matches"),
                      InstanceMethod<&SessionTemplate::coded<&SessionTemplate::session>>("session"),
                      InstanceMethod<&SessionTemplate::coded<&SessionTemplate::resize>>("resize")});
}

Napi::Value SessionTemplate::numbers(const Napi::CallbackInfo& info) {
  const std::vector<double>& all = state_->numbers();
  Napi::Float64Array list =
      Napi::Float64Array::New(info.Env(), all.size(), new_array_buffer(info.Env(), all.size() * sizeof(double)), 0);
  std::copy(all.begin(), all.end(), list.Data());
  return list;
}

Napi::Value SessionTemplate::matches(const Napi::CallbackInfo& info) {
  const SessionTemplate& other = from({info[0], "matches: template"});
  return Napi::Boolean::New(info.Env(), state_->same_but_for_numbers(*other.state_));
}

void SessionTemplate::replace(const Argument& sizes) {
  const Napi::Float64Array numbers = sizes.property("numbers").doubles(state_->numbers().size());
  const Napi::Float64Array offsets = sizes.property("offsets").doubles(state_->offset_count());
  state_->replace(numbers.Data(), offsets.Data(), sizes.property("arenaBytes").integer(0, kMaximumSize));
}

Napi::Value SessionTemplate::session(const Napi::CallbackInfo& info) {
  replace({info[0], "session: sizes"});
  return Session::make(info.Env(), state_->session());
}

Napi::Value SessionTemplate::resize(const Napi::CallbackInfo& info) {
  Session& session = Session::from({info[0], "resize: session"});
  replace({info[1], "resize: sizes"});
  session.resize(*state_);
  return info.Env().Undefined();
}

Napi::Value session_template_function(const Napi::CallbackInfo& info) {
  const Argument spec(info[0], "sessionTemplate:"), arenas(info[1], "sessionTemplate: arenas");
  const Isa isa = addon_data(info.Env()).kernel_isa;
  const Napi::Object made =
      SessionTemplate::make(info.Env(), std::make_shared<SessionTemplateCore>(spec, isa, pool_of(arenas)));
  made.DefineProperty(Napi::PropertyDescriptor::Value("spec", spec.value()));  // which has the constants that are lent
  return made;
}

namespace {

std::shared_ptr<SessionTemplateCore> declared_by(const Napi::CallbackInfo& info) {
  const Argument spec(info[0], "session:"), arenas(info[1], "session: arenas");
  const Argument expendable(info[2], "session: expendable");
  auto declared = std::make_shared<SessionTemplateCore>(spec, addon_data(info.Env()).kernel_isa, pool_of(arenas));
  if (!expendable.absent()) {
    const Napi::Uint8Array bytes = expendable.bytes();
    declared->set_expendable({bytes.Data(), bytes.ByteLength()});
  }
  return declared;
}

}  // namespace

Napi::Value session_function(const Napi::CallbackInfo& info) {
  return Session::make(info.Env(), declared_by(info)->session());
}

// Constants that are lent, and memory that is given back, stay until the session is there.
Napi::Value opening_function(const Napi::CallbackInfo& info) {
  const Napi::Object made = SessionOpening::make(info.Env(), declared_by(info));
  made.DefineProperty(Napi::PropertyDescriptor::Value("spec", info[0]));
  made.DefineProperty(Napi::PropertyDescriptor::Value("expendable", info[2]));
  return made;
}

Napi::Function SessionOpening::define(Napi::Env env) {
  return DefineClass(env, kName, {InstanceMethod<&SessionOpening::coded<&SessionOpening::advance>>("advance")});
}

Napi::Value SessionOpening::advance(const Napi::CallbackInfo& info) {
  require(state_ != nullptr, "advance: the session was made, or refused");
  const int64_t milliseconds = Argument(info[0], "advance: milliseconds").integer(0, 1'000'000);
  const auto until = Clock::now() + std::chrono::milliseconds(milliseconds);
  const std::shared_ptr<SessionTemplateCore> state = std::exchange(state_, nullptr);
  const std::shared_ptr<SessionCore> session = state->session_until(until);
  if (session) return Session::make(info.Env(), session);
  state_ = state;
  return info.Env().Undefined();
}

}  // namespace unskew
