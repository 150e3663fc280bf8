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
  FileMemory* file;  // where they are read again; null: nobody reads them any more
};

}  // namespace

class PlanWork::Compiler {
 public:
  Compiler(const SessionPlan& plan, const std::vector<size_t>* only) : plan_(plan), only_(only) {
    compiled_.buffer_bytes = plan.arena_bytes;
    compiled_.input_alignment.assign(plan.input_bytes.size(), 1);
    compiled_.output_alignment.assign(plan.output_bytes.size(), 1);
    compiled_.steps.resize(only == nullptr ? plan.commands.size() : only->size());
    size_t addresses = 0, references = 0;
    for (size_t i = 0; i < compiled_.steps.size(); i++) {
      const Command& command = plan.commands[command_of(i)];
      references += command.arguments.size() + 1;
      if (command.kernel) addresses += command.kernel->arguments.size() + 1;
    }
    compiled_.addresses.reserve(addresses);
    compiled_.arena_patches.reserve(references);
    find_expendable();
  }

  bool advance(Clock::time_point until) {
    while (next_ < compiled_.steps.size()) {
      at_ = command_of(next_);
      const Command& command = plan_.commands[at_];
      Step& step = compiled_.steps[next_++];
      step.first_address = compiled_.addresses.size();
      step.first_patch = compiled_.patches.size();
      step.first_arena_patch = compiled_.arena_patches.size();
      step.first_constant = compiled_.constants.size();
      if (command.primitive) {
        add_primitive(command, step);
      } else {
        add_kernel(command, step);
      }
      release_read();
      if (until != Clock::time_point::max() && Clock::now() >= until) break;
    }
    return next_ == compiled_.steps.size();
  }

  CompiledPlan finish() {
    if (only_ == nullptr) find_taking_steps(compiled_);
    compiled_.arena_bytes = std::max(plan_.arena_bytes, scratch_end(compiled_));
    return std::move(compiled_);
  }

  static void find_taking_steps(CompiledPlan& plan) {
    const std::vector<Patch>& patches = plan.patches;
    const auto first_patch = [&](size_t i) { return i < plan.steps.size() ? plan.steps[i].first_patch : patches.size(); };
    plan.taking_steps = 0;
    std::vector<bool> has_read(plan.input_alignment.size(), false);
    const auto reads_anew = [&](const Patch& patch) {
      if (patch.output || has_read[patch.index]) return patch.output;
      has_read[patch.index] = true;
      return true;
    };
    for (size_t i = 0; i < plan.steps.size() && plan.steps[i].kernel && plan.steps[i].kernel->is_light; i++) {
      const auto own = std::span(patches).subspan(first_patch(i), first_patch(i + 1) - first_patch(i));
      if (std::ranges::all_of(own, [](const Patch& patch) { return patch.output; })) break;
      if (!std::ranges::all_of(own, reads_anew)) break;
      plan.taking_steps = i + 1;
    }
    plan.taken.assign(plan.input_alignment.size(), true);
    for (size_t k = first_patch(plan.taking_steps); k < patches.size(); k++) {
      if (!patches[k].output) plan.taken[patches[k].index] = false;
    }
    if (std::ranges::find(plan.taken, true) == plan.taken.end()) plan.taking_steps = 0;
  }

  // The end of the scratch memory; 0 where there is none.
  static int64_t scratch_end(const CompiledPlan& plan) {
    int64_t most = 0;
    for (const Step& step : plan.steps) most = std::max(most, step.scratch_bytes);
    return most == 0 ? 0 : checked_add(plan.scratch_at(), most);
  }

 private:
  size_t command_of(size_t step) const { return only_ == nullptr ? step : (*only_)[step]; }

  // The command, in messages.
  std::string what() const { return "commands[" + std::to_string(at_) + "] (" + plan_.commands[at_].name + ")"; }

  // Constants may have bytes in common: such a run of bytes is needed until the last command has read one of them.
  void find_expendable() {
    const uint8_t *first = plan_.expendable.data(), *last = first + plan_.expendable.size();
    std::vector<ReadBytes> all;
    for (size_t step = 0; step < compiled_.steps.size(); step++) {
      const size_t i = command_of(step);
      for (const auto& [name, ref] : plan_.commands[i].arguments) {
        if (!ref.memory || !ref.memory->is_lent() || ref.memory->bytes() == 0) continue;
        FileMemory* file = ref.memory->file();
        if (!file && plan_.expendable.empty()) continue;
        const uint8_t* begin = file ? file->begin() + ref.memory->offset() : ref.memory->data();
        const uint8_t* end = begin + ref.memory->bytes();
        if (file || (begin >= first && end <= last)) all.push_back({begin, end, i, file});
      }
    }
    std::ranges::sort(all, {}, &ReadBytes::begin);
    for (const ReadBytes& bytes : all) {
      if (expendable_.empty() || expendable_.back().end <= bytes.begin || expendable_.back().file != bytes.file) {
        expendable_.push_back(bytes);
      } else {
        expendable_.back().end = std::max(expendable_.back().end, bytes.end);
        expendable_.back().reader = std::max(expendable_.back().reader, bytes.reader);
      }
    }
    std::ranges::sort(expendable_, std::greater<>(), &ReadBytes::reader);
  }

  void release_read() {
    for (const auto& [name, ref] : plan_.commands[at_].arguments)
      if (ref.memory) ref.memory->forget();
    for (; !expendable_.empty() && expendable_.back().reader == at_; expendable_.pop_back()) {
      const auto& [begin, end, reader, file] = expendable_.back();
      if (file) {
        file->release(begin - file->begin(), end - begin);
      } else {
        release_pages(begin, end);
      }
    }
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
      if (argument.rule->by_name) {
        if (argument.ref->memory->has_bytes()) identities[i].source = source_of(argument);
      } else {
        constants[i] = argument.rule->packed
                           ? const_cast<uint8_t*>(argument.ref->memory->aligned(argument.rule->alignment))
                           : constant_of(*argument.ref);
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
    compiled_.arena_patches.push_back({compiled_.scratch_at(), {nullptr, scratch}});
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

  // Its bytes, for a kernel that finds nothing under its name.
  static std::function<const uint8_t*()> source_of(const Placed& argument) {
    return [memory = argument.ref->memory, alignment = argument.rule->alignment] { return memory->aligned(alignment); };
  }

  void add_patch(const BufferRef& ref, const AddressPlace& place) {
    if (ref.space == Space::arena) {
      compiled_.arena_patches.push_back({ref.offset, place});
      return;
    }
    compiled_.patches.push_back({ref.space == Space::output, ref.index, place});
  }

  const SessionPlan& plan_;
  const std::vector<size_t>* only_;
  CompiledPlan compiled_;
  std::vector<ReadBytes> expendable_;  // by their last readers, the first one at the end
  size_t next_ = 0;  // step
  size_t at_ = 0;    // the command
};

PlanWork::PlanWork(const SessionPlan& plan, const std::vector<size_t>* commands)
    : compiler_(std::make_unique<Compiler>(plan, commands)) {}
void PlanWork::find_taking_steps(CompiledPlan& plan) { Compiler::find_taking_steps(plan); }
PlanWork::~PlanWork() = default;
bool PlanWork::advance(Clock::time_point until) { return compiler_->advance(until); }
CompiledPlan PlanWork::finish() { return compiler_->finish(); }

CompiledPlan compile_plan(const SessionPlan& plan) {
  PlanWork work(plan);
  work.advance(Clock::time_point::max());
  return work.finish();
}

}  // namespace unskew
