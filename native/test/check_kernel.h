// Kernels on random buffers of exactly the promised size: every version against the scalar one.
#pragma once

#include <cstdio>
#include <random>

#include "kernels/kernels.h"

namespace unskew {

inline std::mt19937 generator(20240607);

inline int64_t random_int(int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(generator);
}
inline bool coin() { return random_int(0, 1) == 1; }
inline ByteType byte_type() { return coin() ? ByteType::u8 : ByteType::s8; }
inline OutputType output_type() { return static_cast<OutputType>(random_int(0, 2)); }
template <size_t N>
std::array<int64_t, N> random_tuple(int64_t low, int64_t high) {
  std::array<int64_t, N> result{};
  for (auto& value : result) value = random_int(low, high);
  return result;
}
inline std::vector<int64_t> random_shape(int64_t low, int64_t high) {
  std::vector<int64_t> shape(static_cast<size_t>(random_int(0, 4)));
  for (auto& size : shape) size = random_int(low, high);
  return shape;
}

// Heap memory of exactly `bytes` bytes, so that the byte behind it is not ours.
struct Exact {
  std::unique_ptr<uint8_t[]> memory;
  size_t bytes;
  explicit Exact(int64_t size) : memory(new uint8_t[static_cast<size_t>(size)]), bytes(static_cast<size_t>(size)) {}
};

using Make = std::function<KernelProgram(const KernelTarget&)>;

// Floats of a sensible size in every four bytes, which are as good bytes as any.
inline void fill(Exact& buffer) {
  size_t at = 0;
  for (; at + 4 <= buffer.bytes; at += 4) {
    const float value = std::uniform_real_distribution<float>(-8, 8)(generator);
    std::memcpy(buffer.memory.get() + at, &value, 4);
  }
  for (; at < buffer.bytes; at++) buffer.memory[at] = static_cast<uint8_t>(random_int(0, 255));
}

inline void check(const char* name, const Make& make) {
  const KernelProgram reference = make({Isa::scalar, 1});
  std::vector<Exact> inputs, expected;
  for (const ArgumentRule& rule : reference.arguments) {
    inputs.emplace_back(rule.bytes);
    fill(inputs.back());
    expected.emplace_back(rule.bytes);
  }
  std::vector<bool> given;
  for (const ArgumentRule& rule : reference.arguments) given.push_back(rule.required || coin());
  const auto execute = [&](const KernelProgram& program, std::vector<Exact>& outputs) {
    std::vector<uint8_t*> addresses;
    for (size_t i = 0; i < inputs.size(); i++) {
      const bool written = program.arguments[i].access == Access::write;
      if (written) std::memset(outputs[i].memory.get(), 0, outputs[i].bytes);
      addresses.push_back(!given[i] ? nullptr : written ? outputs[i].memory.get() : inputs[i].memory.get());
    }
    static int64_t last = 0;
    Identities identities(inputs.size());
    for (size_t i = 0; i < identities.size(); i++) identities[i].memory = given[i] ? --last : 0;
    const AlignedBuffer scratch(program.prepare ? program.prepare(addresses.data(), identities) : 0);
    addresses.push_back(scratch.data());
    program.run(addresses.data());
  };
  execute(reference, expected);
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512}) {
    for (const int threads : {1, 2}) {
      if (isa > best_isa()) continue;
      std::vector<Exact> outputs;
      for (const ArgumentRule& rule : reference.arguments) outputs.emplace_back(rule.bytes);
      execute(make({isa, threads}), outputs);
      for (size_t i = 0; i < outputs.size(); i++) {
        if (reference.arguments[i].access != Access::write) continue;
        if (std::memcmp(outputs[i].memory.get(), expected[i].memory.get(), outputs[i].bytes) != 0) {
          std::fprintf(stderr, "%s: version %d with %d threads differs from the scalar one\n", name,
                       static_cast<int>(isa), threads);
          std::exit(1);
        }
      }
    }
  }
}

}  // namespace unskew
