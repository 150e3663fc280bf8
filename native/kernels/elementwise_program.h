// Programs over tensors, element by element: a list of operations on registers, each of which holds a block of elements.
#pragma once

#include <string>
#include <vector>

#include "kernels/elementwise.h"

namespace unskew {

// Types of registers; bool is a byte, f16 and bf16 are held as bit patterns.
enum class Cell { boolean, u8, s8, u16, s16, u32, s32, u64, s64, f16, bf16, f32, f64 };

inline constexpr std::pair<const char*, Cell> kCells[] = {
    {"bool", Cell::boolean}, {"u8", Cell::u8},   {"s8", Cell::s8},   {"u16", Cell::u16}, {"s16", Cell::s16},
    {"u32", Cell::u32},      {"s32", Cell::s32}, {"u64", Cell::u64}, {"s64", Cell::s64}, {"f16", Cell::f16},
    {"bf16", Cell::bf16},    {"f32", Cell::f32}, {"f64", Cell::f64}};

int64_t bytes_of(Cell cell);

// Computes `count` elements; the operands may be the destination.
using BlockLoop = void (*)(const void* const* operands, void* destination, const double* parameters, int64_t count);

struct Operation {
  std::string name;  // the function, a point, the type it computes in
  std::vector<Cell> operands;
  Cell result;
  int64_t weight;  // the time for an element, about as that for so many bytes of a copy
  BlockLoop scalar, avx2, avx512;

  BlockLoop version(Isa isa) const { return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : scalar; }
};

using Operations = std::vector<Operation>;

// The operation of this name, null where there is none.
const Operation* operation_named(const std::string& name);

void add_float_operations(Operations&);
void add_number_operations(Operations&);
void add_cast_operations(Operations&);

// What a file of operations needs.

template <class T>
struct CellOf;
#define UNSKEW_CELL(type, label)                \
  template <>                                   \
  struct CellOf<type> {                         \
    static constexpr Cell cell = Cell::label;   \
    static constexpr const char* name = #label; \
  };
UNSKEW_CELL(uint8_t, u8)
UNSKEW_CELL(int8_t, s8)
UNSKEW_CELL(uint16_t, u16)
UNSKEW_CELL(int16_t, s16)
UNSKEW_CELL(uint32_t, u32)
UNSKEW_CELL(int32_t, s32)
UNSKEW_CELL(uint64_t, u64)
UNSKEW_CELL(int64_t, s64)
UNSKEW_CELL(float, f32)
UNSKEW_CELL(double, f64)
#undef UNSKEW_CELL

template <class Loop>
void add_operation(Operations& to, std::string name, std::vector<Cell> operands, Cell result, int64_t weight = 4) {
  to.push_back({std::move(name), std::move(operands), result, weight, version_of<Loop>(Isa::scalar),
                version_of<Loop>(Isa::avx2), version_of<Loop>(Isa::avx512)});
}

// Function::of(a, first parameter, second parameter), element by element. Registers overlap wholly or not at all.
template <class Result, class A, class Function>
struct UnaryLoop {
  UNSKEW_INLINE static void run(const void* const* operands, void* destination, const double* parameters,
                                int64_t count) {
    const auto* a = static_cast<const A*>(operands[0]);
    auto* result = static_cast<Result*>(destination);
    const double first = parameters[0], second = parameters[1];
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) result[i] = Function::of(a[i], first, second);
  }
};

template <class Result, class A, class B, class Function>
struct BinaryLoop {
  UNSKEW_INLINE static void run(const void* const* operands, void* destination, const double*, int64_t count) {
    const auto* a = static_cast<const A*>(operands[0]);
    const auto* b = static_cast<const B*>(operands[1]);
    auto* result = static_cast<Result*>(destination);
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) result[i] = Function::of(a[i], b[i]);
  }
};

template <class Result, class A, class B, class C, class Function>
struct TernaryLoop {
  UNSKEW_INLINE static void run(const void* const* operands, void* destination, const double*, int64_t count) {
    const auto* a = static_cast<const A*>(operands[0]);
    const auto* b = static_cast<const B*>(operands[1]);
    const auto* c = static_cast<const C*>(operands[2]);
    auto* result = static_cast<Result*>(destination);
#pragma GCC ivdep
    for (int64_t i = 0; i < count; i++) result[i] = Function::of(a[i], b[i], c[i]);
  }
};

// The kernel. Registers are the sources, then the results of the instructions; `destinations` are registers that are written out,
// dense in the order of the shape.

struct ProgramSource {
  Cell type;
  std::vector<int64_t> strides;
};

struct ProgramInstruction {
  const Operation* operation;
  std::vector<int64_t> operands;
  std::array<double, 2> parameters;
};

struct ElementwiseParams {
  std::vector<int64_t> shape;
  std::vector<ProgramSource> sources;
  std::vector<ProgramInstruction> instructions;
  std::vector<int64_t> destinations;
};
KernelProgram make_elementwise(const ElementwiseParams&, const KernelTarget&);

}  // namespace unskew
