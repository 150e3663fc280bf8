// A recurrent layer of products of bytes: those of the input for all steps at once, those of the state step by step.
#include "kernels/dynamic_lstm.h"

#include <limits>

#include "kernels/lstm_cell.h"

namespace unskew {

namespace {

// Rows without their zero point times a matrix without its own, for machines without VNNI.
struct PlainRow {
  UNSKEW_INLINE static void run(const uint8_t* row, int32_t zero_point, const int16_t* weights, int64_t depth, int64_t columns,
                                uint32_t* sums) {
    std::fill_n(sums, columns, 0u);
    for (int64_t k = 0; k < depth; k++) {
      const auto x = static_cast<uint32_t>(row[k] - zero_point);
      const int16_t* w = weights + k * columns;
      for (int64_t j = 0; j < columns; j++) sums[j] += x * static_cast<uint32_t>(int32_t{w[j]});
    }
  }
};

struct ScaleSums {
  UNSKEW_INLINE static void run(const uint32_t* sums, const float* factors, int64_t step, int64_t columns, float* to) {
    for (int64_t j = 0; j < columns; j++) to[j] = static_cast<float>(static_cast<int32_t>(sums[j])) * factors[j * step];
  }
};

struct Scale {
  UNSKEW_INLINE static void run(const float* from, float by, int64_t count, float* to) {
    for (int64_t j = 0; j < count; j++) to[j] = by * from[j];
  }
};

// fl(fl(a + b) + c), c null: fl(a + b).
struct AddGates {
  UNSKEW_INLINE static void run(const float* a, const float* b, const float* c, int64_t count, float* to) {
    for (int64_t j = 0; j < count; j++) to[j] = a[j] + b[j];
    if (c == nullptr) return;
    for (int64_t j = 0; j < count; j++) to[j] = to[j] + c[j];
  }
};

// Floats, quantized by the range of all of them.
class Quantized {
 public:
  Quantized(int64_t count, const KernelTarget& target)
      : bytes_(count), program_(make_dynamic_quantize({DynamicRecipe::onnx, 255, 1, count}, target)) {}

  void quantize(const float* from) {
    uint8_t* const addresses[] = {reinterpret_cast<uint8_t*>(const_cast<float*>(from)), bytes_.data(),
                                  reinterpret_cast<uint8_t*>(&scale_), &zero_point_};
    program_.run(addresses);
  }
  uint8_t* bytes() const { return bytes_.data(); }
  float scale() const { return scale_; }
  const uint8_t& zero_point() const { return zero_point_; }

 private:
  AlignedBuffer bytes_;
  KernelProgram program_;
  float scale_ = 1;
  uint8_t zero_point_ = 0;
};

// fl(fl(Σ (a − za)(w − zw))·fl(sa·sw)) of rows, with one matrix [depth, columns].
class ScaledProduct {
 public:
  ScaledProduct(int64_t rows, int64_t depth, int64_t columns, const DynamicLstmParams& p, const KernelTarget& target)
      : rows_(rows), depth_(depth), columns_(columns), scales_(p.scales), type_(p.weights_type), has_vnni_(target.isa == Isa::avx512),
        plain_row_(version_of<PlainRow>(target.isa)),
        scale_sums_(version_of<ScaleSums>(target.isa)),
        scale_(version_of<Scale>(target.isa)),
        factors_(checked_multiply(scales_, 4)),
        sums_(checked_multiply(columns, 4)) {
    if (!has_vnni_) return;
    constexpr float kAll = std::numeric_limits<float>::infinity();
    const Pair plane = {1, rows};
    convolution_ = make_convolution({.source_type = ByteType::u8,
                                     .weights_type = type_,
                                     .channels_first = true,
                                     .type = OutputType::s32,
                                     .batch = 1,
                                     .channels = depth,
                                     .outputs = columns,
                                     .groups = 1,
                                     .input = plane,
                                     .output = plane,
                                     .kernel = {1, 1},
                                     .strides = {1, 1},
                                     .dilations = {1, 1},
                                     .begin = {0, 0},
                                     .source_zero_point = std::nullopt,
                                     .to = {0, INT32_MIN, INT32_MAX},
                                     .floats = ScaledEnd{-kAll, kAll, scales_, false},
                                     .slice = std::nullopt},
                                    target);
  }

  void prepare(uint8_t* weights, uint8_t* zero_points, const Identity& of_weights, const Identity& of_zeros) {
    if (has_vnni_) {
      uint8_t* const addresses[] = {nullptr, weights, nullptr, nullptr, nullptr, zero_points, nullptr, nullptr, nullptr};
      Identities identities(std::size(addresses));
      identities[1] = of_weights;
      identities[5] = of_zeros;
      memory_ = AlignedBuffer(convolution_.prepare(addresses, identities));
      return;
    }
    plain_.resize(static_cast<size_t>(depth_ * columns_));
    for (int64_t i = 0; i < depth_ * columns_; i++) {
      const int32_t zero = zero_points == nullptr ? 0 : value_of(type_, zero_points + i % columns_);
      plain_[static_cast<size_t>(i)] = static_cast<int16_t>(value_of(type_, weights + i) - zero);
    }
  }

  void run(const Quantized& source, const float* scale, float* to) const {
    auto* factors = factors_.as<float>();
    scale_(scale, source.scale(), scales_, factors);
    uint8_t zero_point = source.zero_point();
    if (has_vnni_) {
      uint8_t* const addresses[] = {source.bytes(), nullptr, nullptr, nullptr, reinterpret_cast<uint8_t*>(to), nullptr, &zero_point,
                                    factors_.data(), nullptr, memory_.data()};
      convolution_.run(addresses);
      return;
    }
    auto* sums = sums_.as<uint32_t>();
    for (int64_t row = 0; row < rows_; row++) {
      plain_row_(source.bytes() + row * depth_, zero_point, plain_.data(), depth_, columns_, sums);
      scale_sums_(sums, factors, scales_ == 1 ? 0 : 1, columns_, to + row * columns_);
    }
  }

 private:
  int64_t rows_, depth_, columns_, scales_;
  ByteType type_;
  bool has_vnni_;
  void (*plain_row_)(const uint8_t*, int32_t, const int16_t*, int64_t, int64_t, uint32_t*);
  void (*scale_sums_)(const uint32_t*, const float*, int64_t, int64_t, float*);
  void (*scale_)(const float*, float, int64_t, float*);
  AlignedBuffer factors_, sums_;
  std::vector<int16_t> plain_;
  KernelProgram convolution_;
  AlignedBuffer memory_{0};  // of its runs
};

class Layer {
 public:
  Layer(const DynamicLstmParams& params, const KernelTarget& target)
      : p_(params),
        columns_(checked_multiply(4, params.hidden)),
        rows_(checked_product(params.length, params.batch)),
        add_(version_of<AddGates>(target.isa)),
        cell_(version_of<LstmCell>(target.isa)),
        inputs_(checked_product(rows_, columns_, 4)),
        products_(checked_product(params.batch, columns_, 4)),
        gates_(checked_multiply(columns_, 4)),
        source_(checked_multiply(rows_, params.size), target),
        state_(checked_product(params.batch, params.hidden), target) {
    for (int64_t d = 0; d < p_.directions; d++) {
      of_input_.emplace_back(rows_, p_.size, columns_, p_, target);
      of_state_.emplace_back(p_.batch, p_.hidden, columns_, p_, target);
    }
  }

  void prepare(Addresses a, const Identities& identities) {
    const auto from = [](uint8_t* at, int64_t bytes) { return at == nullptr ? nullptr : at + bytes; };
    const auto part = [&](size_t argument, int64_t offset) { return Identity{identities[argument].memory, offset}; };
    for (int64_t d = 0; d < p_.directions; d++) {
      const int64_t input = d * p_.size * columns_, state = d * p_.hidden * columns_, zeros = d * columns_;
      of_input_[static_cast<size_t>(d)].prepare(a[1] + input, from(a[3], zeros), part(1, input), part(3, zeros));
      of_state_[static_cast<size_t>(d)].prepare(a[4] + state, from(a[6], zeros), part(4, state), part(6, zeros));
    }
  }

  void run(Addresses a) {
    source_.quantize(reinterpret_cast<const float*>(a[0]));
    for (int64_t d = 0; d < p_.directions; d++) run_direction(a, d);
  }

 private:
  void run_direction(Addresses a, int64_t d) {
    const auto floats = [&](int argument, int64_t from) {
      return a[argument] == nullptr ? nullptr : reinterpret_cast<float*>(a[argument]) + from;
    };
    const auto which = static_cast<size_t>(d);
    const int64_t states = p_.batch * p_.hidden;
    const auto begin_with = [&](const float* from, float* to) {
      if (from == nullptr) std::fill_n(to, states, 0.0f);
      else std::copy_n(from, states, to);
      return to;
    };
    float* h = begin_with(floats(8, d * states), floats(11, d * states));
    float* c = begin_with(floats(9, d * states), floats(12, d * states));
    const float* bias = floats(7, d * columns_);
    auto *inputs = inputs_.as<float>(), *products = products_.as<float>(), *gates = gates_.as<float>();
    if (rows_ > 0) of_input_[which].run(source_, floats(2, d * p_.scales), inputs);
    const bool is_backwards = p_.backwards || d == 1;
    for (int64_t i = 0; i < p_.length; i++) {
      const int64_t t = is_backwards ? p_.length - 1 - i : i;
      state_.quantize(h);
      of_state_[which].run(state_, floats(5, d * p_.scales), products);
      for (int64_t element = 0; element < p_.batch; element++) {
        add_(inputs + (t * p_.batch + element) * columns_, products + element * columns_, bias, columns_, gates);
        cell_(gates, p_.hidden, c + element * p_.hidden, h + element * p_.hidden);
      }
      std::copy_n(h, states, floats(10, (t * p_.directions + d) * states));
    }
  }

  DynamicLstmParams p_;
  int64_t columns_, rows_;
  void (*add_)(const float*, const float*, const float*, int64_t, float*);
  void (*cell_)(const float*, int64_t, float*, float*);
  AlignedBuffer inputs_, products_, gates_;
  Quantized source_, state_;
  std::vector<ScaledProduct> of_input_, of_state_;
};

}  // namespace

KernelProgram make_dynamic_lstm(const DynamicLstmParams& p, const KernelTarget& target) {
  const int64_t columns = checked_multiply(4, p.hidden), state = checked_product(p.directions, p.batch, p.hidden, 4);
  require(p.scales == 1 || p.scales == columns, "dynamic-lstm: scales must be 1 or 4·hidden");
  const auto layer = std::make_shared<Layer>(p, target);
  const auto read = [](const char* name, int64_t bytes, bool required = true) {
    return ArgumentRule{.name = name, .bytes = bytes, .alignment = 4, .required = required};
  };
  const auto write = [](const char* name, int64_t bytes) {
    return ArgumentRule{.name = name, .bytes = bytes, .access = Access::write, .alignment = 4};
  };
  const auto constant = [](const char* name, int64_t bytes, bool required = true) {
    return ArgumentRule{.name = name, .bytes = bytes, .required = required, .constant = true, .packed = true};
  };
  KernelProgram program;
  program.arguments = {read("source", checked_product(p.length, p.batch, p.size, 4)),
                       constant("weights", checked_product(p.directions, p.size, columns)),
                       read("scale", checked_product(p.directions, p.scales, 4)),
                       constant("zeroPoint", checked_product(p.directions, columns), false),
                       constant("stateWeights", checked_product(p.directions, p.hidden, columns)),
                       read("stateScale", checked_product(p.directions, p.scales, 4)),
                       constant("stateZeroPoint", checked_product(p.directions, columns), false),
                       read("bias", checked_product(p.directions, columns, 4), false),
                       read("h", state, false),
                       read("c", state, false),
                       write("destination", checked_product(p.length, state)),
                       write("lastH", state),
                       write("lastC", state)};
  program.prepare = [layer](Addresses a, const Identities& identities) {
    layer->prepare(a, identities);
    return 0;
  };
  program.run = [layer](Addresses a) { layer->run(a); };
  return program;
}

}  // namespace unskew
