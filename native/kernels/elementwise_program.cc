// Runs a program over tensors, block by block: intermediate values stay in the cache.
#include "kernels/elementwise_program.h"

#include <cstring>
#include <unordered_map>

#include "kernels/strides.h"

namespace unskew {

namespace {

constexpr int64_t kBlock = 512;  // elements
constexpr int64_t kSlotBytes = kBlock * 8;
constexpr int64_t kSlots = 40;               // registers that a thread holds at once
constexpr int64_t kPeriodBytes = 64 * 1024;  // copies of short operands, of a thread

struct Axis {
  int64_t size, stride;
};

// How a source is brought into a register.
enum class Feed {
  direct,    // it lies as the destination does
  constant,  // one element
  periodic,  // a row of some elements, again and again: copied behind one another once
  gathered,  // row by row
};

struct Source {
  Feed feed;
  int64_t bytes;           // of an element
  std::vector<Axis> axes;  // joined, never empty
  int64_t slot = -1;       // of constant and gathered ones
  int64_t period = 0, period_offset = 0;
};

struct Step {
  BlockLoop loop;
  std::array<int64_t, 3> operands;  // registers
  size_t operand_count;
  std::array<double, 2> parameters;
  int64_t slot;         // −1: written to a destination
  int64_t destination;  // −1: none
};

struct Program {
  int64_t count;
  std::vector<Source> sources;
  std::vector<Step> steps;
  std::vector<int64_t> result_bytes;
};

std::vector<Axis> joined(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  std::vector<Axis> axes;
  for (size_t axis = 0; axis < shape.size(); axis++) {
    if (shape[axis] == 1) continue;
    if (!axes.empty() && axes.back().stride == strides[axis] * shape[axis]) {
      axes.back() = {axes.back().size * shape[axis], strides[axis]};
    } else {
      axes.push_back({shape[axis], strides[axis]});
    }
  }
  if (axes.empty()) axes.push_back({1, 0});
  return axes;
}

template <class T>
void gather_row(const uint8_t* from, int64_t stride, uint8_t* to, int64_t count) {
  const auto* source = reinterpret_cast<const T*>(from);
  auto* result = reinterpret_cast<T*>(to);
  if (stride == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
  } else if (stride == 0) {
    std::fill(result, result + count, *source);
  } else {
    for (int64_t i = 0; i < count; i++) result[i] = source[i * stride];
  }
}

void gather_row(int64_t bytes, const uint8_t* from, int64_t stride, uint8_t* to, int64_t count) {
  if (bytes == 1) return gather_row<uint8_t>(from, stride, to, count);
  if (bytes == 2) return gather_row<uint16_t>(from, stride, to, count);
  if (bytes == 4) return gather_row<uint32_t>(from, stride, to, count);
  gather_row<uint64_t>(from, stride, to, count);
}

// A place in the joined axes of a source.
class Cursor {
 public:
  Cursor(const Source& source, int64_t position) : source_(source) {
    for (size_t axis = source.axes.size(); axis-- > 0;) {
      index_[axis] = position % source.axes[axis].size;
      position /= source.axes[axis].size;
      offset += index_[axis] * source.axes[axis].stride;
    }
  }
  int64_t left_in_row() const { return source_.axes.back().size - index_[source_.axes.size() - 1]; }
  void advance(int64_t steps) {  // at most to the end of the row
    size_t axis = source_.axes.size() - 1;
    index_[axis] += steps;
    offset += steps * source_.axes[axis].stride;
    while (index_[axis] == source_.axes[axis].size && axis > 0) {
      offset -= index_[axis] * source_.axes[axis].stride;
      index_[axis--] = 0;
      index_[axis]++;
      offset += source_.axes[axis].stride;
    }
  }
  int64_t offset = 0;

 private:
  const Source& source_;
  std::array<int64_t, 16> index_{};
};

// Elements [position, position + count) of a gathered source: a pointer into it, or to the filled slot.
const uint8_t* gathered(const Source& source, const uint8_t* data, int64_t position, int64_t count, uint8_t* slot,
                        int64_t& filled) {
  Cursor cursor(source, position);
  const int64_t stride = source.axes.back().stride;
  if (cursor.left_in_row() >= count) {
    const uint8_t* from = data + cursor.offset * source.bytes;
    if (stride == 1) return from;
    if (stride == 0) {
      if (filled != cursor.offset) gather_row(source.bytes, from, 0, slot, kBlock);
      filled = cursor.offset;
      return slot;
    }
  }
  filled = -1;
  for (int64_t done = 0; done < count;) {
    const int64_t n = std::min(cursor.left_in_row(), count - done);
    gather_row(source.bytes, data + cursor.offset * source.bytes, stride, slot + done * source.bytes, n);
    cursor.advance(n);
    done += n;
  }
  return slot;
}

void run_blocks(const Program& program, Addresses addresses, int64_t begin, int64_t end) {
  alignas(64) uint8_t slots[kSlots][kSlotBytes];
  alignas(64) uint8_t periods[kPeriodBytes];
  const size_t source_count = program.sources.size();
  std::array<int64_t, kSlots> filled;
  std::array<const uint8_t*, 4 * kSlots> registers;
  for (size_t s = 0; s < source_count; s++) {
    const Source& source = program.sources[s];
    filled[s] = -1;
    if (source.feed == Feed::constant) {
      gather_row(source.bytes, addresses[s], 0, slots[source.slot], kBlock);
      registers[s] = slots[source.slot];
    } else if (source.feed == Feed::periodic) {
      const int64_t row = source.period * source.bytes;
      uint8_t* to = periods + source.period_offset;
      for (int64_t at = 0; at < row + kBlock * source.bytes; at += row) {
        std::memcpy(to + at, addresses[s], static_cast<size_t>(std::min(row, row + kBlock * source.bytes - at)));
      }
    }
  }
  for (int64_t position = begin; position < end; position += kBlock) {
    const int64_t count = std::min(kBlock, end - position);
    for (size_t s = 0; s < source_count; s++) {
      const Source& source = program.sources[s];
      if (source.feed == Feed::direct) {
        registers[s] = addresses[s] + position * source.bytes;
      } else if (source.feed == Feed::periodic) {
        registers[s] = periods + source.period_offset + position % source.period * source.bytes;
      } else if (source.feed == Feed::gathered) {
        registers[s] = gathered(source, addresses[s], position, count, slots[source.slot], filled[s]);
      }
    }
    for (size_t i = 0; i < program.steps.size(); i++) {
      const Step& step = program.steps[i];
      const void* operands[3];
      for (size_t o = 0; o < step.operand_count; o++) operands[o] = registers[static_cast<size_t>(step.operands[o])];
      uint8_t* result = step.destination < 0 ? slots[step.slot]
                                             : addresses[source_count + static_cast<size_t>(step.destination)] +
                                                   position * program.result_bytes[i];
      step.loop(operands, result, step.parameters.data(), count);
      registers[source_count + i] = result;
    }
  }
}

// Gives every register that lies in memory of the thread a slot, which is free again after its last use.
void place(Program& program) {
  std::vector<size_t> last(program.sources.size() + program.steps.size(), 0);
  for (size_t i = 0; i < program.steps.size(); i++) {
    const Step& step = program.steps[i];
    for (size_t o = 0; o < step.operand_count; o++) last[static_cast<size_t>(step.operands[o])] = i;
  }
  int64_t used = 0;
  for (Source& source : program.sources) {
    if (source.feed == Feed::constant || source.feed == Feed::gathered) source.slot = used++;
  }
  std::vector<int64_t> free;
  for (size_t i = 0; i < program.steps.size(); i++) {
    Step& step = program.steps[i];
    if (step.destination < 0) {
      if (free.empty()) free.push_back(used++);
      step.slot = free.back();
      free.pop_back();
    }
    for (size_t o = 0; o < step.operand_count; o++) {
      const auto of = static_cast<size_t>(step.operands[o]);
      if (of < program.sources.size() || last[of] != i) continue;
      const int64_t slot = program.steps[of - program.sources.size()].slot;
      if (slot >= 0 && std::find(free.begin(), free.end(), slot) == free.end()) free.push_back(slot);
    }
  }
  require(used <= kSlots, "elementwise: the program needs more than " + std::to_string(kSlots) + " registers");
}

}  // namespace

int64_t bytes_of(Cell cell) {
  switch (cell) {
    case Cell::boolean:
    case Cell::u8:
    case Cell::s8: return 1;
    case Cell::u16:
    case Cell::s16:
    case Cell::f16:
    case Cell::bf16: return 2;
    case Cell::u32:
    case Cell::s32:
    case Cell::f32: return 4;
    default: return 8;
  }
}

const Operation* operation_named(const std::string& name) {
  static const Operations all = [] {
    Operations operations;
    add_float_operations(operations);
    add_number_operations(operations);
    add_cast_operations(operations);
    return operations;
  }();
  static const auto by_name = [] {
    std::unordered_map<std::string, const Operation*> map;
    for (const Operation& operation : all) map.emplace(operation.name, &operation);
    return map;
  }();
  const auto found = by_name.find(name);
  return found == by_name.end() ? nullptr : found->second;
}

KernelProgram make_elementwise(const ElementwiseParams& p, const KernelTarget& target) {
  require(p.shape.size() <= 16, "elementwise: a shape has at most 16 axes");
  require(p.sources.size() <= kSlots && p.instructions.size() <= 2 * kSlots, "elementwise: the program is too long");
  Program program;
  program.count = checked_product(p.shape);
  KernelProgram kernel;
  std::vector<Cell> types;
  const std::vector<int64_t> dense = row_major_strides(p.shape);
  int64_t period_bytes = 0, work = 0;
  for (size_t s = 0; s < p.sources.size(); s++) {
    const auto& [type, strides] = p.sources[s];
    require(strides.size() == p.shape.size(), "elementwise: a source has one stride for each axis");
    int64_t bytes = 0;
    Source source{.feed = Feed::gathered, .bytes = bytes_of(type), .axes = joined(p.shape, strides)};
    if (program.count > 0) {
      const Extent extent = extent_of(p.shape, strides, 0);
      require(extent.first >= 0, "strides of an operand must not be negative");
      bytes = checked_product(checked_add(extent.last, 1), source.bytes);
    }
    const Axis last = source.axes.back();
    const int64_t repeated = checked_product(last.size + kBlock, source.bytes);
    if (source.axes.size() == 1 && last.stride == 0) {
      source.feed = Feed::constant;
    } else if (source.axes.size() == 1 && last.stride == 1) {
      source.feed = Feed::direct;
    } else if (source.axes.size() == 2 && source.axes[0].stride == 0 && last.stride == 1 &&
               4 * (last.size + kBlock) <= program.count && period_bytes + repeated <= kPeriodBytes) {
      source.feed = Feed::periodic;
      source.period = last.size;
      source.period_offset = period_bytes;
      period_bytes += (repeated + 63) / 64 * 64;
    }
    work += source.bytes;
    kernel.arguments.push_back({.name = "source" + std::to_string(s), .bytes = bytes, .alignment = source.bytes});
    types.push_back(type);
    program.sources.push_back(std::move(source));
  }
  for (const ProgramInstruction& instruction : p.instructions) {
    const Operation& operation = *instruction.operation;
    Step step{.loop = operation.version(target.isa),
              .operands = {},
              .operand_count = operation.operands.size(),
              .parameters = instruction.parameters,
              .slot = -1,
              .destination = -1};
    require(instruction.operands.size() == step.operand_count,
            "elementwise: " + operation.name + " has " + std::to_string(step.operand_count) + " operands");
    for (size_t o = 0; o < step.operand_count; o++) {
      const int64_t of = instruction.operands[o];
      require(of >= 0 && of < static_cast<int64_t>(types.size()), "elementwise: an operand should be an earlier register");
      require(types[static_cast<size_t>(of)] == operation.operands[o],
              "elementwise: an operand of " + operation.name + " is of another type");
      step.operands[o] = of;
    }
    types.push_back(operation.result);
    work += operation.weight;
    program.result_bytes.push_back(bytes_of(operation.result));
    program.steps.push_back(step);
  }
  for (size_t d = 0; d < p.destinations.size(); d++) {
    const int64_t step = p.destinations[d] - static_cast<int64_t>(p.sources.size());
    require(step >= 0 && step < static_cast<int64_t>(program.steps.size()),
            "elementwise: a destination is the result of an instruction");
    Step& written = program.steps[static_cast<size_t>(step)];
    require(written.destination < 0, "elementwise: a result has one destination");
    written.destination = static_cast<int64_t>(d);
    const int64_t bytes = program.result_bytes[static_cast<size_t>(step)];
    kernel.arguments.push_back({.name = "destination" + std::to_string(d),
                                .bytes = checked_product(program.count, bytes),
                                .access = Access::write,
                                .alignment = bytes});
  }
  place(program);
  kernel.run = [program = std::move(program), work, threads = target.threads](Addresses addresses) {
    parallel(threads, program.count, work, kBlock,
             [&](int64_t begin, int64_t end, int) { run_blocks(program, addresses, begin, end); });
  };
  return kernel;
}

}  // namespace unskew
