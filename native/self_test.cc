#include "self_test.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <numeric>
#include <unordered_map>

#include "known_bugs.h"

namespace unskew {

namespace {

using Type = dnnl::memory::data_type;

constexpr const char* kWrong = "its self-test gave wrong integers on this machine";

struct Results {
  std::mutex mutex;
  std::map<std::string, bool> is_right;
  std::string simulated;
  SelfTestTimes times;
};

// Never destroyed: threads may use it while the process exits.
Results& results() {
  static auto* const instance = new Results;
  return *instance;
}

bool is_byte(const Desc& desc) { return type_of(desc) == Type::u8 || type_of(desc) == Type::s8; }

// Channels of the problems that are tried, in turn: some implementations (of AMX) take no problem of 16.
constexpr int64_t kChannels[] = {16, 64};

// Keeps the remainder of blocks of 16, and makes `most` of many.
int64_t fewer(int64_t channels, int64_t most) { return channels <= most + 8 ? channels : most + channels % 16; }

// Strides of a dense layout whose axes, slowest first, are `order`.
Dims strides_in(const Dims& dims, const std::vector<size_t>& order) {
  Dims strides(dims.size());
  int64_t stride = 1;
  for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
    strides[*axis] = stride;
    stride *= dims[*axis];
  }
  return strides;
}

std::vector<size_t> row_major(size_t rank) {
  std::vector<size_t> order(rank);
  std::iota(order.begin(), order.end(), size_t{0});
  return order;
}

std::vector<size_t> channels_last(size_t rank) {
  std::vector<size_t> order = row_major(rank);
  std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

Desc plain(const Dims& dims, Type type, const std::vector<size_t>& order) {
  return {dims, type, strides_in(dims, order)};
}

// Bytes from a linear congruential generator.
class Random {
 public:
  int32_t below(int32_t limit) {
    state_ = state_ * 1664525 + 1013904223;
    return static_cast<int32_t>((uint64_t{state_} * static_cast<uint32_t>(limit)) >> 32);
  }

 private:
  uint32_t state_ = 1;
};

// Sources of full range, and weights of which no two saturate 16 bits and whose sums f32 holds.
struct Data {
  std::vector<int32_t> source, weights;
  std::vector<uint8_t> source_bytes, weights_bytes;

  Data(bool is_signed, int64_t sources, int64_t weight_count, int64_t summed) {
    Random random;
    const auto most = static_cast<int32_t>(std::clamp<int64_t>((int64_t{1} << 24) / (summed * 512), 1, 63));
    for (int64_t i = 0; i < sources; i++) {
      source.push_back(random.below(256) - (is_signed ? 128 : 0));
      source_bytes.push_back(static_cast<uint8_t>(source.back()));
    }
    for (int64_t i = 0; i < weight_count; i++) {
      weights.push_back(random.below(2 * most + 1) - most);
      weights_bytes.push_back(static_cast<uint8_t>(weights.back()));
    }
  }
};

// Executes the described primitive, and returns its sums in the order of the plain destination.
template <class Primitive, class Descriptor>
std::vector<int32_t> sums_of(const Descriptor& descriptor, const Attributes& attributes, const Data& data,
                             const Desc& weights) {
  const Primitive primitive(descriptor);
  const auto packed = pack(data.weights_bytes.data(), weights, descriptor.weights_desc(), 1);
  const AlignedBuffer source(static_cast<int64_t>(descriptor.src_desc().get_size()));
  std::copy(data.source_bytes.begin(), data.source_bytes.end(), source.data());
  const AlignedBuffer destination(static_cast<int64_t>(descriptor.dst_desc().get_size()));
  const AlignedBuffer scratchpad(static_cast<int64_t>(descriptor.scratchpad_desc().get_size()));
  std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, {descriptor.src_desc(), engine(), source.data()}},
      {DNNL_ARG_WEIGHTS, {descriptor.weights_desc(), engine(), packed->data()}},
      {DNNL_ARG_DST, {descriptor.dst_desc(), engine(), destination.data()}},
      {DNNL_ARG_SCRATCHPAD, {descriptor.scratchpad_desc(), engine(), scratchpad.data()}}};
  for (const auto& [id, memory] : attributes.memories) arguments.emplace(id, memory);
  dnnl::stream stream(engine());
  primitive.execute(stream, arguments);
  stream.wait();
  return {destination.as<int32_t>(), destination.as<int32_t>() + destination.bytes() / 4};
}

// Under the lock of the results.
bool are_right(const std::string& implementation, std::vector<int32_t> sums, const std::vector<int32_t>& expected) {
  const std::string& simulated = results().simulated;
  if (!simulated.empty() && implementation.find(simulated) != std::string::npos) sums.at(0)++;
  return sums == expected;
}

// The descriptor of this implementation, where it takes the problem.
template <class Descriptor>
bool advance_to(Descriptor& descriptor, const std::string& implementation) {
  do {
    if (descriptor.impl_info_str() == implementation) return true;
  } while (next_implementation(descriptor));
  return false;
}

// A small convolution of the same kind: one image, few channels, and of every axis both borders and some inside.
std::optional<ConvolutionSpec> smaller(const ConvolutionSpec& spec, int64_t most) {
  ConvolutionSpec small = spec;
  Dims source = dims_of(spec.source), weights = dims_of(spec.weights), destination = dims_of(spec.destination);
  const size_t rank = source.size() - 2, first = weights.size() - rank;
  const bool is_depthwise = spec.groups > 1 && weights[first - 1] == 1 && weights[first - 2] == 1;
  small.groups = is_depthwise ? fewer(spec.groups, most) : std::min<int64_t>(spec.groups, 2);
  weights[first - 1] = fewer(weights[first - 1], most);
  weights[first - 2] = fewer(weights[first - 2], most);
  if (spec.groups > 1) weights[0] = small.groups;
  source[0] = destination[0] = 1;
  source[1] = small.groups * weights[first - 1];
  destination[1] = small.groups * weights[first - 2];
  for (size_t axis = 0; axis < rank; axis++) {
    const int64_t span = (weights[first + axis] - 1) * spec.dilations[axis] + 1, stride = spec.strides[axis];
    const int64_t pads = spec.begin[axis] + spec.end[axis];
    const int64_t before = source[axis + 2], after = std::min(before, spec.transposed ? int64_t{4} : span + 2 * stride);
    source[axis + 2] = after;
    // Keeps output padding, and the remainder of a stride.
    destination[axis + 2] =
        spec.transposed ? destination[axis + 2] - (before - after) * stride : (after + pads - span) / stride + 1;
    if (destination[axis + 2] < 1 || (!spec.transposed && after + pads < span)) return std::nullopt;
  }
  small.source = plain(source, type_of(spec.source), channels_last(rank + 2));
  small.weights = Desc(weights, Type::s8, dnnl::memory::format_tag::any);
  small.destination = plain(destination, Type::s32, channels_last(rank + 2));
  small.bias.reset();
  small.attributes = {};
  small.attributes.source_zero_point = spec.attributes.source_zero_point;
  return small;
}

// Σ (x − zero point)·w, channels last.
std::vector<int32_t> expected_sums(const ConvolutionSpec& spec, const Data& data) {
  const Dims source = dims_of(spec.source), weights = dims_of(spec.weights), destination = dims_of(spec.destination);
  const size_t rank = source.size() - 2, first = weights.size() - rank;
  const int64_t inputs = weights[first - 1], outputs = weights[first - 2];
  const int32_t zero = spec.attributes.source_zero_point.value_or(0);
  const auto count = [](const Dims& dims, size_t from) {
    return std::accumulate(dims.begin() + static_cast<int64_t>(from), dims.end(), int64_t{1}, std::multiplies<>());
  };
  const int64_t taps = count(weights, first), positions = count(destination, 2);
  std::vector<int32_t> sums(static_cast<size_t>(positions * destination[1]));
  // The position among the source's that a tap of an output position reads, or -1.
  const auto read_by = [&](int64_t position, int64_t tap) {
    int64_t result = 0, scale = 1;
    for (size_t axis = rank; axis-- > 0;) {
      const int64_t out = position % destination[axis + 2], k = tap % weights[first + axis];
      position /= destination[axis + 2];
      tap /= weights[first + axis];
      int64_t at = spec.transposed ? out + spec.begin[axis] - k * spec.dilations[axis]
                                   : out * spec.strides[axis] - spec.begin[axis] + k * spec.dilations[axis];
      if (spec.transposed) {
        if (at < 0 || at % spec.strides[axis] != 0) return int64_t{-1};
        at /= spec.strides[axis];
      }
      if (at < 0 || at >= source[axis + 2]) return int64_t{-1};
      result += at * scale;
      scale *= source[axis + 2];
    }
    return result;
  };
  for (int64_t position = 0; position < positions; position++) {
    for (int64_t tap = 0; tap < taps; tap++) {
      const int64_t from = read_by(position, tap);
      if (from < 0) continue;
      for (int64_t o = 0; o < destination[1]; o++) {
        const int32_t* x = &data.source[static_cast<size_t>(from * source[1] + o / outputs * inputs)];
        const int32_t* w = &data.weights[static_cast<size_t>(o * inputs * taps + tap)];
        int32_t sum = 0;
        for (int64_t c = 0; c < inputs; c++) sum += (x[c] - zero) * w[c * taps];
        sums[static_cast<size_t>(position * destination[1] + o)] += sum;
      }
    }
  }
  return sums;
}

template <class Operation>
std::optional<bool> gives_right_sums(const std::string& implementation, const ConvolutionSpec& spec) {
  const Attributes attributes = make_attributes(spec.attributes, static_cast<int>(dims_of(spec.source).size()));
  Dims dilations = spec.dilations;
  for (auto& dilation : dilations) dilation -= 1;
  auto described = convolution_descriptor<Operation>(
      spec.transposed ? dnnl::algorithm::deconvolution_direct : dnnl::algorithm::convolution_direct, spec.source,
      spec.weights, spec.bias, spec.destination, spec.strides, dilations, spec.begin, spec.end, attributes.value);
  if (!advance_to(described.descriptor, implementation)) return std::nullopt;
  if (known_weights_bug(spec.weights, described.descriptor.weights_desc()) != nullptr) return true;
  const Dims weights = dims_of(spec.weights);
  const int64_t weight_count = checked_product(weights);
  const Data data(type_of(spec.source) == Type::s8, checked_product(dims_of(spec.source)), weight_count,
                  weight_count / dims_of(spec.destination)[1]);
  const Desc given = plain(weights, Type::s8, row_major(weights.size()));
  return are_right(implementation, sums_of<Operation>(described.descriptor, attributes, data, given),
                   expected_sums(spec, data));
}

// The properties that decide on an implementation's path.
std::string kind_of(const std::string& implementation, const ConvolutionSpec& spec) {
  const Dims weights = dims_of(spec.weights);
  const size_t rank = spec.strides.size(), first = weights.size() - rank;
  const auto any = [](const Dims& dims, int64_t over) {
    return std::any_of(dims.begin(), dims.end(), [=](auto dim) { return dim > over; });
  };
  std::string kind = implementation + (spec.transposed ? " transposed" : "") + " " + type_name(type_of(spec.source));
  const std::pair<const char*, bool> facts[] = {
      {" zero point", spec.attributes.source_zero_point.value_or(0) != 0},
      {" padded", any(spec.begin, 0) || any(spec.end, 0)},
      {" strided", any(spec.strides, 1)},
      {" dilated", any(spec.dilations, 1)},
      {" windows", any(Dims(weights.begin() + static_cast<int64_t>(first), weights.end()), 1)},
      {" grouped", spec.groups > 1},
      {" single", weights[first - 1] == 1},
      {" partial", weights[first - 1] % 4 != 0 || weights[first - 2] % 16 != 0}};
  for (const auto& [name, holds] : facts) kind += holds ? name : "";
  return kind + " " + std::to_string(rank);
}

MatmulSpec smaller(const MatmulSpec& spec, int64_t most) {
  MatmulSpec small = spec;
  Dims source = dims_of(spec.source), weights = dims_of(spec.weights), destination = dims_of(spec.destination);
  const size_t rank = source.size();
  for (size_t axis = 0; axis + 2 < rank; axis++) {
    for (Dims* dims : {&source, &weights, &destination}) (*dims)[axis] = std::min<int64_t>((*dims)[axis], 2);
  }
  source[rank - 2] = destination[rank - 2] = std::min<int64_t>(source[rank - 2], 5);
  source[rank - 1] = weights[rank - 2] = fewer(source[rank - 1], most);
  weights[rank - 1] = destination[rank - 1] = fewer(weights[rank - 1], most);
  small.source = plain(source, type_of(spec.source), row_major(rank));
  small.weights = is_any(spec.weights) ? Desc(weights, Type::s8, dnnl::memory::format_tag::any)
                                       : plain(weights, Type::s8, row_major(rank));
  small.destination = plain(destination, Type::s32, row_major(rank));
  small.bias.reset();
  small.attributes = {};
  small.attributes.source_zero_point = spec.attributes.source_zero_point;
  small.attributes.weights_zero_point = spec.attributes.weights_zero_point;
  return small;
}

std::vector<int32_t> expected_sums(const MatmulSpec& spec, const Data& data) {
  const Dims source = dims_of(spec.source), weights = dims_of(spec.weights), destination = dims_of(spec.destination);
  const size_t rank = source.size();
  const int64_t rows = source[rank - 2], depth = source[rank - 1], columns = weights[rank - 1];
  const int32_t zero = spec.attributes.source_zero_point.value_or(0),
                weights_zero = spec.attributes.weights_zero_point.value_or(0);
  std::vector<int32_t> sums;
  const int64_t batches = checked_product(destination) / (rows * columns);
  for (int64_t batch = 0; batch < batches; batch++) {
    // The matrix of an operand that lies in this batch.
    const auto matrix_of = [&](const Dims& dims) {
      int64_t result = 0, scale = 1, left = batch;
      for (size_t axis = rank - 2; axis-- > 0;) {
        result += dims[axis] == 1 ? 0 : left % destination[axis] * scale;
        scale *= dims[axis];
        left /= destination[axis];
      }
      return result;
    };
    const int32_t* x = &data.source[static_cast<size_t>(matrix_of(source) * rows * depth)];
    const int32_t* w = &data.weights[static_cast<size_t>(matrix_of(weights) * depth * columns)];
    for (int64_t i = 0; i < rows; i++) {
      for (int64_t j = 0; j < columns; j++) {
        int32_t sum = 0;
        for (int64_t k = 0; k < depth; k++) sum += (x[i * depth + k] - zero) * (w[k * columns + j] - weights_zero);
        sums.push_back(sum);
      }
    }
  }
  return sums;
}

std::optional<bool> gives_right_sums(const std::string& implementation, const MatmulSpec& spec) {
  const Attributes attributes = make_attributes(spec.attributes, static_cast<int>(dims_of(spec.source).size()));
  auto described = matmul_descriptor(spec.source, spec.weights, spec.bias, spec.destination, attributes.value);
  if (!advance_to(described.descriptor, implementation)) return std::nullopt;
  if (known_weights_bug(spec.weights, described.descriptor.weights_desc()) != nullptr) return true;
  const Dims weights = dims_of(spec.weights);
  const Data data(type_of(spec.source) == Type::s8, checked_product(dims_of(spec.source)), checked_product(weights),
                  weights[weights.size() - 2]);
  const Desc given = plain(weights, Type::s8, row_major(weights.size()));
  return are_right(implementation, sums_of<dnnl::matmul>(described.descriptor, attributes, data, given),
                   expected_sums(spec, data));
}

std::string kind_of(const std::string& implementation, const MatmulSpec& spec) {
  const Dims source = dims_of(spec.source);
  return implementation + " matmul " + type_name(type_of(spec.source)) + (is_any(spec.weights) ? " packed" : "") +
         (spec.attributes.source_zero_point.value_or(0) != 0 ? " zero point" : "") +
         (spec.attributes.weights_zero_point.value_or(0) != 0 ? " weights zero point" : "") +
         (source[source.size() - 2] == 1 ? " row" : "") + " " + std::to_string(source.size());
}

// Null, or why not. Errors of oneDNN count as a problem that the implementation does not take.
template <class Test>
const char* remembered(const std::string& kind, const Test& test) {
  Results& all = results();
  const std::scoped_lock lock(all.mutex);
  const auto known = all.is_right.find(kind);
  if (known != all.is_right.end()) return known->second ? nullptr : kWrong;
  const auto start = std::chrono::steady_clock::now();
  bool is_right = true;
  try {
    const ThreadScope scope(1);
    is_right = test();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw;  // says nothing of the implementation
  } catch (const InvalidArgument&) {
  }
  all.is_right.emplace(kind, is_right);
  all.times.count++;
  all.times.microseconds += std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  return is_right ? nullptr : kWrong;
}

}  // namespace

const char* self_test(const std::string& implementation, const ConvolutionSpec& spec) {
  if (!is_byte(spec.source) || type_of(spec.weights) != Type::s8) return nullptr;
  return remembered(kind_of(implementation, spec), [&] {
    for (const int64_t most : kChannels) {
      const std::optional<ConvolutionSpec> small = smaller(spec, most);
      if (!small || known_bug(implementation, *small, small->weights) != nullptr) return true;
      const std::optional<bool> is_right = spec.transposed
                                               ? gives_right_sums<dnnl::deconvolution_forward>(implementation, *small)
                                               : gives_right_sums<dnnl::convolution_forward>(implementation, *small);
      if (is_right) return *is_right;
    }
    return true;
  });
}

const char* self_test(const std::string& implementation, const MatmulSpec& spec) {
  if (!is_byte(spec.source) || type_of(spec.weights) != Type::s8) return nullptr;
  return remembered(kind_of(implementation, spec), [&] {
    for (const int64_t most : kChannels)
      if (const std::optional<bool> is_right = gives_right_sums(implementation, smaller(spec, most))) return *is_right;
    return true;
  });
}

void simulate_wrong_sums(const std::string& part) {
  Results& all = results();
  const std::scoped_lock lock(all.mutex);
  all.simulated = part;
  all.is_right.clear();
}

SelfTestTimes self_test_times() {
  Results& all = results();
  const std::scoped_lock lock(all.mutex);
  return all.times;
}

}  // namespace unskew
