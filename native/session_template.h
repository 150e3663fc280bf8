// SessionTemplate of src/codegen/onednn/binding.ts: a list of commands whose numbers can change.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coded_errors.h"
#include "declaration.h"
#include "session_core.h"
#include "wrapped.h"

namespace unskew {

// A specification of a session as it was given, checked when a plan is made of it.
class SessionTemplateCore {
 public:
  SessionTemplateCore(const Argument& spec, Isa isa, std::shared_ptr<ArenaPool> arenas);

  // The bytes of inputs and of outputs, then the numbers of each kernel.
  const std::vector<double>& numbers() const { return numbers_; }
  // References to the arena, whose offsets can be replaced.
  size_t offset_count() const { return offsets_.size(); }
  bool same_but_for_numbers(const SessionTemplateCore& other) const;

  // Memory that nothing but the next session reads.
  void set_expendable(std::span<const uint8_t> bytes) { plan_.expendable = bytes; }
  // With the numbers that it has.
  std::shared_ptr<SessionCore> session() { return session_until(Clock::time_point::max()); }
  // The same in parts: null where the time comes before the session is ready. The next call goes on.
  std::shared_ptr<SessionCore> session_until(Clock::time_point until);
  // Gives the numbers that it has to a session that was made of it. Kernels whose numbers stay are not made anew. Throws where the
  // session was made otherwise.
  void resize(SessionCore& session);
  // Takes other numbers, offsets and another size of the arena; there are as many as it has.
  void replace(const double* numbers, const double* offsets, int64_t arena_bytes);

 private:
  // A command of `plan_`.
  struct Declared {
    std::unique_ptr<DeclarationTree> kernel;  // else a primitive
    size_t first_number = 0;     // in `numbers_`
    std::vector<size_t> border;  // the places in `numbers_` of the inputs and outputs that it names
    size_t alike = 0;            // the first command whose kernel differs in numbers alone
    bool has_constants = false;  // among its arguments
  };

  // A session that is being made.
  struct Making {
    std::vector<size_t> makers;  // the commands whose programs were made
    size_t steps = 0;            // that have their programs
    std::unique_ptr<PlanWork> work;
  };

  void declare(const Argument& argument);
  bool equal_numbers(size_t command, const double* others) const;
  bool is_kept(size_t command, const CompiledPlan* earlier) const;
  std::vector<size_t> changed_since(const CompiledPlan& earlier) const;
  std::optional<CompiledPlan> plan_until(Clock::time_point until, const CompiledPlan* earlier = nullptr,
                                         const std::vector<size_t>* only = nullptr);
  std::shared_ptr<KernelProgram> program_of(size_t command);
  void end_making();

  static int64_t next_id();

  const int64_t id_ = next_id();
  KernelTarget target_;
  std::shared_ptr<ArenaPool> arenas_;
  SessionPlan plan_;  // without kernels but while a session is made
  std::vector<Declared> declared_;
  std::vector<double> numbers_, offsets_;
  std::optional<Making> making_;
};

class SessionTemplate : public Wrapped<SessionTemplate, std::shared_ptr<SessionTemplateCore>> {
 public:
  static constexpr const char* kName = "SessionTemplate";
  static constexpr napi_type_tag kTag = {0x91d3b60a7c42ef58, 0x3e0a95c7d1f8624b};
  static constexpr auto kConstructor = &AddonData::session_template;

  static Napi::Function define(Napi::Env env);
  explicit SessionTemplate(const Napi::CallbackInfo& info) : Wrapped(info) {}

 private:
  template <Napi::Value (SessionTemplate::*method)(const Napi::CallbackInfo&)>
  Napi::Value coded(const Napi::CallbackInfo& info) {
    return with_codes(info.Env(), [&] { return (this->*method)(info); });
  }

  Napi::Value numbers(const Napi::CallbackInfo& info);
  Napi::Value matches(const Napi::CallbackInfo& info);
  Napi::Value session(const Napi::CallbackInfo& info);
  Napi::Value resize(const Napi::CallbackInfo& info);
  void replace(const Argument& sizes);
};

// A session that is made in parts, between which JavaScript runs.
class SessionOpening : public Wrapped<SessionOpening, std::shared_ptr<SessionTemplateCore>> {
 public:
  static constexpr const char* kName = "SessionOpening";
  static constexpr napi_type_tag kTag = {0x5c0f8e2b7a91d346, 0xb81d4e6f02c9a753};
  static constexpr auto kConstructor = &AddonData::session_opening;

  static Napi::Function define(Napi::Env env);
  explicit SessionOpening(const Napi::CallbackInfo& info) : Wrapped(info) {}

 private:
  template <Napi::Value (SessionOpening::*method)(const Napi::CallbackInfo&)>
  Napi::Value coded(const Napi::CallbackInfo& info) {
    return with_codes(info.Env(), [&] { return (this->*method)(info); });
  }

  Napi::Value advance(const Napi::CallbackInfo& info);
};

// binding.sessionTemplate(spec)
Napi::Value session_template_function(const Napi::CallbackInfo& info);
// binding.session(spec)
Napi::Value session_function(const Napi::CallbackInfo& info);
// binding.opening(spec)
Napi::Value opening_function(const Napi::CallbackInfo& info);

}  // namespace unskew
