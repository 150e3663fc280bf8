#include "session_plan.h"

#include <algorithm>

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

class Compiler {
 public:
  explicit Compiler(SessionPlan& plan) : plan_(plan) {
    compiled_.arena = std::make_unique<AlignedBuffer>(plan.arena_bytes);
    compiled_.input_alignment.assign(plan.input_bytes.size(), 1);
    compiled_.output_alignment.assign(plan.output_bytes.size(), 1);
    compiled_.steps.resize(plan.commands.size());  // the addresses of its elements must not change
  }

  CompiledPlan compile() {
    for (size_t i = 0; i < plan_.commands.size(); i++) {
      Command& command = plan_.commands[i];
      Step& step = compiled_.steps[i];
      step.name = command.name;
      at_ = i;
      if (command.primitive) {
        add_primitive(command, step);
      } else {
        add_kernel(command, step);
      }
    }
    find_taking_steps();
    return std::move(compiled_);
  }

 private:
  // The command, in messages.
  std::string what() const { return "commands[" + std::to_string(at_) + "] (" + compiled_.steps[at_].name + ")"; }

  void find_taking_steps() {
    for (size_t i = 0; i < past_inputs_; i++) {
      if (compiled_.steps[i].primitive || !compiled_.steps[i].kernel.is_light) return;
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
      uint8_t* address = address_of(*placed[i].ref, step);
      const PrimitiveArgument& argument = core.arguments[i];
      step.memories.emplace_back(argument.desc, engine(), address == nullptr ? DNNL_MEMORY_NONE : address);
      dnnl_memory_t memory = step.memories.back().get();
      step.arguments.push_back({argument.id, memory});
      if (address == nullptr) add_patch(*placed[i].ref, memory, nullptr);
    }
    for (const auto& [id, memory] : core.memories) step.arguments.push_back({id, memory.get()});
  }

  void add_kernel(Command& command, Step& step) {
    const std::vector<Placed> placed = place(command, command.kernel.arguments);
    step.kernel = std::move(command.kernel);
    step.addresses.assign(placed.size(), nullptr);
    for (size_t i = 0; i < placed.size(); i++) {
      if (placed[i].ref == nullptr) continue;
      step.addresses[i] = address_of(*placed[i].ref, step);
      if (step.addresses[i] == nullptr) add_patch(*placed[i].ref, nullptr, &step.addresses[i]);
    }
    if (!step.kernel.prepare) return;
    std::vector<uint8_t*> constants(placed.size(), nullptr);
    Owners owners(placed.size());
    for (size_t i = 0; i < placed.size(); i++) {
      if (placed[i].ref == nullptr || placed[i].ref->space != Space::constant) continue;
      constants[i] = step.addresses[i];
      owners[i] = placed[i].ref->memory;
    }
    step.kernel.prepare(constants.data(), owners);
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

  // Null for inputs and outputs, whose addresses each run brings.
  uint8_t* address_of(const BufferRef& ref, Step& step) {
    if (ref.space == Space::arena) return compiled_.arena->data() + ref.offset;
    if (ref.space != Space::constant) return nullptr;
    step.constants.push_back(ref.memory);
    return ref.memory->data();
  }

  void add_patch(const BufferRef& ref, dnnl_memory_t memory, uint8_t** address) {
    if (ref.space == Space::input) past_inputs_ = at_ + 1;
    if (ref.space == Space::output) first_output_ = std::min(first_output_, at_);
    compiled_.patches.push_back({ref.space == Space::output, ref.index, memory, address});
  }

  SessionPlan& plan_;
  CompiledPlan compiled_;
  size_t at_ = 0;  // the step
  size_t past_inputs_ = 0, first_output_ = SIZE_MAX;
};

}  // namespace

CompiledPlan compile_plan(SessionPlan& plan) {
  plan.threads = usable_threads(plan.threads);
  return Compiler(plan).compile();
}

}  // namespace unskew
