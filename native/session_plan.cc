#include "session_plan.h"

#include <algorithm>
#include <functional>

namespace unskew {

namespace {

// One argument of a command: its rule and its place.
struct Placed {
  const ArgumentRule* rule;
  const BufferRef* ref;  // null: absent
};

const char* space_name(Space space) {
  switch (space) {
    case Space::arena: return "the arena";
    case Space::constant: return "a constant";
    case Space::input: return "an input";
    default: return "an output";
  }
}

// Bytes of constants, and the last command that reads them.
struct ReadBytes {
  const uint8_t *begin, *end;
  size_t reader;
};

}  // namespace

class PlanWork::Compiler {
 public:
  explicit Compiler(const SessionPlan& plan) : plan_(plan), scratch_((plan.arena_bytes + 63) / 64 * 64) {
    compiled_.input_alignment.assign(plan.input_bytes.size(), 1);
    compiled_.output_alignment.assign(plan.output_bytes.size(), 1);
    compiled_.steps.resize(plan.commands.size());
    size_t addresses = 0, references = 0;
    for (const Command& command : plan.commands) {
      references += command.arguments.size() + 1;
      if (command.kernel) addresses += command.kernel->arguments.size() + 1;
    }
    compiled_.addresses.reserve(addresses);
    compiled_.arena_patches.reserve(references);
    if (!plan_.expendable.empty()) find_expendable();
  }

  bool advance(Clock::time_point until) {
    while (at_ < plan_.commands.size()) {
      const Command& command = plan_.commands[at_];
      Step& step = compiled_.steps[at_];
      if (command.primitive) {
        add_primitive(command, step);
      } else {
        add_kernel(command, step);
      }
      release_read();
      at_++;
      if (Clock::now() >= until) break;
    }
    return at_ == plan_.commands.size();
  }

  CompiledPlan finish() {
    find_taking_steps();
    compiled_.arena_bytes = scratch_bytes_ == 0 ? plan_.arena_bytes : checked_add(scratch_, scratch_bytes_);
    return std::move(compiled_);
  }

 private:
  // The command, in messages.
  std::string what() const { return "commands[" + std::to_string(at_) + "] (" + plan_.commands[at_].name + ")"; }

  // Constants may have bytes in common: such a run of bytes is needed until the last command has read one of them.
  void find_expendable() {
    const uint8_t *first = plan_.expendable.data(), *last = first + plan_.expendable.size();
    std::vector<ReadBytes> all;
    for (size_t i = 0; i < plan_.commands.size(); i++) {
      for (const auto& [name, ref] : plan_.commands[i].arguments) {
        if (!ref.memory || !ref.memory->is_lent()) continue;
        const uint8_t *begin = ref.memory->data(), *end = begin + ref.memory->bytes();
        if (begin >= first && end <= last && begin < end) all.push_back({begin, end, i});
      }
    }
    std::ranges::sort(all, {}, &ReadBytes::begin);
    for (const ReadBytes& bytes : all) {
      if (expendable_.empty() || expendable_.back().end <= bytes.begin) {
        expendable_.push_back(bytes);
      } else {
        expendable_.back().end = std::max(expendable_.back().end, bytes.end);
        expendable_.back().reader = std::max(expendable_.back().reader, bytes.reader);
      }
    }
    std::ranges::sort(expendable_, std::greater<>(), &ReadBytes::reader);
  }

  void release_read() {
    for (; !expendable_.empty() && expendable_.back().reader == at_; expendable_.pop_back())
      release_pages(expendable_.back().begin, expendable_.back().end);
  }

  void find_taking_steps() {
    for (size_t i = 0; i < past_inputs_; i++) {
      if (compiled_.steps[i].primitive || !compiled_.steps[i].kernel->is_light) return;
    }
    if (past_inputs_ <= first_output_) compiled_.taking_steps = past_inputs_;
  }

  void add_primitive(const Command& command, Step& step) {
    const PrimitiveCore& core = *command.primitive;
    require(core.threads == plan_.threads, [&] {
      return what() + " was created for " + std::to_string(core.threads) + " threads and the session has " +
             std::to_string(plan_.threads);
    });
    std::vector<ArgumentRule> rules;
    for (const auto& argument : core.arguments) {
      ArgumentRule rule{argument.name, static_cast<int64_t>(argument.desc.get_size()), argument.access};
      // oneDNN's scratchpads are to start on a cache line.
      rule.alignment = argument.id == DNNL_ARG_SCRATCHPAD ? 64 : type_bytes(type_of(argument.desc));
      rule.in_place = argument.in_place;
      rules.push_back(std::move(rule));
    }
    const std::vector<Placed> placed = place(command, rules);
    step.primitive = command.primitive;
    for (size_t i = 0; i < placed.size(); i++) {
      const BufferRef& ref = *placed[i].ref;
      uint8_t* address = ref.space == Space::constant ? constant_of(ref) : nullptr;
      const PrimitiveArgument& argument = core.arguments[i];
      step.memories.emplace_back(argument.desc, engine(), address == nullptr ? DNNL_MEMORY_NONE : address);
      dnnl_memory_t memory = step.memories.back().get();
      step.arguments.push_back({argument.id, memory});
      if (address == nullptr) add_patch(ref, {memory, 0});
    }
    for (const auto& [id, memory] : core.memories) step.arguments.push_back({id, memory.get()});
  }

  void add_kernel(const Command& command, Step& step) {
    const KernelProgram& program = *command.kernel;
    const std::vector<Placed> placed = place(command, program.arguments);
    const bool is_prepared = command.prepared.has_value();
    step.kernel = command.kernel;
    step.first_address = compiled_.addresses.size();
    std::vector<uint8_t*> constants(placed.size(), nullptr);
    Identities identities(placed.size());
    bool has_constants = false;
    for (size_t i = 0; i < placed.size(); i++) {
      const Placed& argument = placed[i];
      const size_t index = compiled_.addresses.size();
      compiled_.addresses.push_back(nullptr);
      if (argument.ref == nullptr) continue;
      if (argument.ref->space != Space::constant) {
        add_patch(*argument.ref, {nullptr, index});
        continue;
      }
      if (is_prepared && argument.rule->packed) continue;
      if (argument.ref->memory->has_bytes() || !argument.rule->by_name) {
        constants[i] =
            is_packed(argument) ? const_cast<uint8_t*>(argument.ref->memory->data()) : constant_of(*argument.ref);
      }
      if (!argument.rule->packed) compiled_.addresses[index] = constants[i];
      identities[i].memory = argument.ref->memory->id();
      has_constants = true;
    }
    const size_t scratch = compiled_.addresses.size();
    compiled_.addresses.push_back(nullptr);
    if (is_prepared) {
      step.scratch_bytes = *command.prepared;
    } else if (program.prepare && has_constants) {
      step.scratch_bytes = program.prepare(constants.data(), identities);
    }
    if (step.scratch_bytes == 0) return;
    compiled_.arena_patches.push_back({scratch_, {nullptr, scratch}});
    scratch_bytes_ = std::max(scratch_bytes_, step.scratch_bytes);
  }

  std::vector<Placed> place(const Command& command, const std::vector<ArgumentRule>& rules) {
    for (const auto& [name, ref] : command.arguments) {
      const bool known = std::any_of(rules.begin(), rules.end(), [&](const auto& rule) { return rule.name == name; });
      require(known, [&] {
        std::string names;
        for (const auto& rule : rules) names += (names.empty() ? "" : ", ") + rule.name;
        return what() + " has no argument '" + name + "'; it has " + names;
      });
    }
    std::vector<Placed> placed;
    placed.reserve(rules.size());
    for (const ArgumentRule& rule : rules) {
      const BufferRef* ref = nullptr;
      for (const auto& [name, candidate] : command.arguments) {
        if (name == rule.name) ref = &candidate;
      }
      require(ref != nullptr || !rule.required, [&] { return what() + " lacks its argument '" + rule.name + "'"; });
      if (ref != nullptr) check(rule, *ref);
      placed.push_back({&rule, ref});
    }
    for (size_t i = 0; i < placed.size(); i++) {
      for (size_t j = 0; j < placed.size(); j++) {
        if (i != j && placed[i].rule->access == Access::write) check_overlap(placed[i], placed[j]);
      }
    }
    return placed;
  }

  void check(const ArgumentRule& rule, const BufferRef& ref) {
    const auto must = [&](bool condition, const auto& message) {
      require(condition, [&] { return what() + ": argument '" + rule.name + "'" + message(); });
    };
    if (rule.constant) must(ref.space == Space::constant, [] { return " must be a constant"; });
    if (rule.access == Access::write) {
      must(ref.space == Space::arena || ref.space == Space::output,
           [&] { return std::string(" is written to and cannot lie in ") + space_name(ref.space); });
    }
    int64_t available = 0;
    int64_t* alignment = nullptr;
    switch (ref.space) {
      case Space::arena:
        must(ref.offset >= 0 && ref.offset <= plan_.arena_bytes, [] { return " starts outside the arena"; });
        must(ref.offset % rule.alignment == 0, [&] {
          return " must start at a multiple of " + std::to_string(rule.alignment) + ", not at " +
                 std::to_string(ref.offset);
        });
        available = plan_.arena_bytes - ref.offset;
        break;
      case Space::constant: available = ref.memory->bytes(); break;
      case Space::input:
        must(ref.index < plan_.input_bytes.size(),
             [&] { return " names input " + std::to_string(ref.index) + ", which is not there"; });
        available = plan_.input_bytes[ref.index];
        alignment = &compiled_.input_alignment[ref.index];
        break;
      case Space::output:
        must(ref.index < plan_.output_bytes.size(),
             [&] { return " names output " + std::to_string(ref.index) + ", which is not there"; });
        available = plan_.output_bytes[ref.index];
        alignment = &compiled_.output_alignment[ref.index];
        break;
    }
    // A scratchpad in an output would be odd, but 64 bytes are only promised for memory of our own.
    if (alignment != nullptr) *alignment = std::max(*alignment, rule.alignment);
    must(rule.bytes <= available, [&] {
      return " needs " + std::to_string(rule.bytes) + " bytes and " + space_name(ref.space) + " has " +
             std::to_string(available) + " there";
    });
  }

  void check_overlap(const Placed& written, const Placed& other) {
    if (other.ref == nullptr || written.ref == nullptr) return;
    const BufferRef &a = *written.ref, &b = *other.ref;
    const ArgumentRule &own = *written.rule, &its = *other.rule;
    if (a.space != b.space || own.bytes == 0 || its.bytes == 0) return;
    const bool overlap = a.space == Space::output ? a.index == b.index
                                                  : a.offset < b.offset + its.bytes && b.offset < a.offset + own.bytes;
    const bool same = overlap && a.offset == b.offset && own.bytes == its.bytes;
    const bool allowed = !overlap || (same && its.in_place && own.name == "destination");
    require(allowed, [&] { return what() + ": argument '" + own.name + "' overlaps '" + its.name + "'"; });
  }

  // Of memory that the session keeps.
  uint8_t* constant_of(const BufferRef& ref) {
    compiled_.constants.push_back(ref.memory->kept());
    return compiled_.constants.back()->data();
  }

  // True for a constant that is read here and never again, where it lies.
  static bool is_packed(const Placed& argument) {
    return argument.rule->packed &&
           reinterpret_cast<uintptr_t>(argument.ref->memory->data()) % argument.rule->alignment == 0;
  }

  void add_patch(const BufferRef& ref, const AddressPlace& place) {
    if (ref.space == Space::arena) {
      compiled_.arena_patches.push_back({ref.offset, place});
      return;
    }
    if (ref.space == Space::input) past_inputs_ = at_ + 1;
    if (ref.space == Space::output) first_output_ = std::min(first_output_, at_);
    compiled_.patches.push_back({ref.space == Space::output, ref.index, place});
  }

  const SessionPlan& plan_;
  const int64_t scratch_;  // where the scratch memory of kernels begins
  int64_t scratch_bytes_ = 0;
  CompiledPlan compiled_;
  std::vector<ReadBytes> expendable_;  // by their last readers, the first one at the end
  size_t at_ = 0;  // the step
  size_t past_inputs_ = 0, first_output_ = SIZE_MAX;
};

PlanWork::PlanWork(const SessionPlan& plan) : compiler_(std::make_unique<Compiler>(plan)) {}
PlanWork::~PlanWork() = default;
bool PlanWork::advance(Clock::time_point until) { return compiler_->advance(until); }
CompiledPlan PlanWork::finish() { return compiler_->finish(); }

CompiledPlan compile_plan(const SessionPlan& plan) {
  PlanWork work(plan);
  work.advance(Clock::time_point::max());
  return work.finish();
}

}  // namespace unskew
