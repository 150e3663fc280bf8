// The command list of a session and its translation into steps with checked addresses.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "constant_memory.h"
#include "kernels/kernel.h"
#include "primitive_core.h"

namespace unskew {

enum class Space { arena, constant, input, output };

struct BufferRef {
  Space space;
  int64_t offset = 0;                             // arena
  size_t index = 0;                               // input, output
  std::shared_ptr<ConstantMemory> memory{};       // constant
};

struct Command {
  PrimitiveHandle primitive;  // else a kernel
  // Commands whose kernels compute the same may have one program: a session runs one command at a time.
  std::shared_ptr<KernelProgram> kernel;
  // The bytes of scratch memory of a program that was prepared for these constants already; absent: it was not.
  std::optional<int64_t> prepared;
  std::string name;
  std::vector<std::pair<std::string, BufferRef>> arguments;
};

struct SessionPlan {
  int threads = 1;
  int64_t arena_bytes = 0;
  std::vector<int64_t> input_bytes, output_bytes;
  std::vector<Command> commands;
  // Lent constants that lie here are given back to the system when no command needs them any more.
  std::span<const uint8_t> expendable{};
};

// A command with all addresses except those of inputs, outputs and the arena.
struct Step {
  PrimitiveHandle primitive;
  std::vector<dnnl::memory> memories;
  std::vector<dnnl_exec_arg_t> arguments;
  std::shared_ptr<KernelProgram> kernel;
  int64_t scratch_bytes = 0;  // of the kernel
  // Where its own begin in the lists of the plan.
  size_t first_address = 0, first_patch = 0, first_arena_patch = 0, first_constant = 0;
};

// Where an address is written to.
struct AddressPlace {
  dnnl_memory_t memory;  // else the next one
  size_t index;          // in `addresses` of the plan
};

// The place that the address of an input or output is written to before each run.
struct Patch {
  bool output;
  size_t index;
  AddressPlace place;
};

// An address in the arena, written when a run has another arena than the one before.
struct ArenaPatch {
  int64_t offset;
  AddressPlace place;
};

struct CompiledPlan {
  int64_t arena_bytes = 0;  // with the scratch memory of kernels at its end
  std::vector<Step> steps;
  // So many steps, the first, are light kernels of which each reads inputs that no step before has read: to run them takes as long as to
  // copy these inputs. No other step reads those that are `taken`. 0 where there are none.
  size_t taking_steps = 0;
  std::vector<bool> taken;   // by inputs
  int64_t buffer_bytes = 0;  // of the arena without scratch memory
  std::vector<uint8_t*> addresses;
  std::vector<Patch> patches;
  std::vector<ArenaPatch> arena_patches;
  std::vector<std::shared_ptr<const AlignedBuffer>> constants;  // kept alive
  std::vector<int64_t> input_alignment, output_alignment;
  // The template that it follows, of which no two have one number, and the numbers and offsets that it has; 0 and empty: it
  // follows none.
  int64_t maker = 0;
  std::vector<double> numbers, offsets;

  int64_t scratch_at() const { return (buffer_bytes + 63) / 64 * 64; }

  void set(const AddressPlace& place, uint8_t* address) {
    if (place.memory == nullptr) {
      addresses[place.index] = address;
    } else {
      dnnl_memory_set_data_handle(place.memory, address);
    }
  }
};

using Clock = std::chrono::steady_clock;

// Checks every argument of every command against the buffer it names, and packs constants, one command after the
// other. The plan has to stay where it is meanwhile. Throws InvalidArgument.
class PlanWork {
 public:
  // `commands`: these alone; they stay where they are.
  explicit PlanWork(const SessionPlan& plan, const std::vector<size_t>* commands = nullptr);
  ~PlanWork();
  PlanWork(const PlanWork&) = delete;
  PlanWork& operator=(const PlanWork&) = delete;

  // Goes on until all is done or the time has come, with one command at least. True when all is done.
  bool advance(Clock::time_point until);
  // Once, when all is done.
  CompiledPlan finish();
  static void find_taking_steps(CompiledPlan& plan);

 private:
  class Compiler;
  std::unique_ptr<Compiler> compiler_;
};

// Some commands of a plan, anew.
struct PlanChange {
  std::vector<size_t> commands;
  CompiledPlan plan;  // of these alone

  // True where they take the places in the lists of the plan that they had before, and read the same constants.
  bool fits(const CompiledPlan& whole) const;
  // The size of the arena afterwards.
  int64_t arena_bytes(const CompiledPlan& whole) const;
  // Of a change that fits.
  void apply_to(CompiledPlan& whole);
};

// All at once.
CompiledPlan compile_plan(const SessionPlan& plan);

}  // namespace unskew
