// SessionTemplate of src/codegen/onednn/binding.ts: a list of commands whose numbers can change.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coded_errors.h"
#include "declaration.h"
#include "session_plan.h"
#include "wrapped.h"

namespace unskew {

// A specification of a session as it was given, checked when a plan is made of it.
class SessionTemplateCore {
 public:
  SessionTemplateCore(const Argument& spec, Isa isa);

  // The bytes of inputs and of outputs, then the numbers of each kernel.
  std::vector<double> numbers() const;
  size_t number_count() const { return number_count_; }
  // References to the arena, whose offsets can be replaced.
  size_t offset_count() const { return offset_count_; }
  bool same_but_for_numbers(const SessionTemplateCore& other) const;

  // Of the numbers that it has.
  SessionPlan plan() const;
  // Takes other numbers, offsets and another size of the arena; there are as many as it has.
  void replace(const double* numbers, const double* offsets, int64_t arena_bytes);

 private:
  struct Declared {
    std::string name;
    PrimitiveHandle primitive;  // else a kernel
    std::unique_ptr<DeclarationTree> kernel;
    std::vector<std::pair<std::string, BufferRef>> arguments;

    Declared(const Argument& argument);
    bool same_but_for_numbers(const Declared& other) const;
  };

  int threads_;
  KernelTarget target_;
  int64_t arena_bytes_;
  std::vector<int64_t> input_bytes_, output_bytes_;
  std::vector<Declared> commands_;
  size_t number_count_ = 0, offset_count_ = 0;
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
};

// binding.sessionTemplate(spec)
Napi::Value session_template_function(const Napi::CallbackInfo& info);
// binding.session(spec)
Napi::Value session_function(const Napi::CallbackInfo& info);

}  // namespace unskew
