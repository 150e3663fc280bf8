// The command list of a session and its translation into steps with checked addresses.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "primitive_core.h"

namespace unskew {

enum class Space { arena, constant, input, output };

struct BufferRef {
  Space space;
  int64_t offset = 0;                             // arena
  size_t index = 0;                               // input, output
  std::shared_ptr<const AlignedBuffer> memory{};  // constant
};

struct Command {
  PrimitiveHandle primitive;  // else a kernel
  KernelProgram kernel;
  std::string name;
  std::vector<std::pair<std::string, BufferRef>> arguments;
};

struct SessionPlan {
  int threads = 1;
  int64_t arena_bytes = 0;
  std::vector<int64_t> input_bytes, output_bytes;
  std::vector<Command> commands;
};

// A command with all addresses except those of inputs and outputs.
struct Step {
  std::string name;
  PrimitiveHandle primitive;
  std::vector<dnnl::memory> memories;
  std::vector<dnnl_exec_arg_t> arguments;
  KernelProgram kernel;
  std::vector<uint8_t*> addresses;
  std::vector<std::shared_ptr<const AlignedBuffer>> constants;  // kept alive
};

// The place that the address of an input or output is written to before each run.
struct Patch {
  bool output;
  size_t index;
  dnnl_memory_t memory;  // else `address`
  uint8_t** address;
};

struct CompiledPlan {
  std::unique_ptr<AlignedBuffer> arena;
  std::vector<Step> steps;
  // So many steps, the first, are light kernels that read all inputs and write no output: to run them takes as long as to copy
  // the inputs. 0 where there are none.
  size_t taking_steps = 0;
  std::vector<Patch> patches;
  std::vector<int64_t> input_alignment, output_alignment;
};

// Checks every argument of every command against the buffer it names. Throws InvalidArgument.
CompiledPlan compile_plan(SessionPlan& plan);

}  // namespace unskew
