#include "primitive_core.h"

#include <algorithm>
#include <numeric>

#include "known_bugs.h"
#include "self_test.h"

namespace unskew {

namespace {

using Type = dnnl::memory::data_type;

std::string text_of(const Dims& dims) {
  std::string text = "[";
  for (auto dim : dims) text.append(text.size() == 1 ? "" : ",").append(std::to_string(dim));
  return text.append("]");
}

void require_dims(const Dims& values, size_t count, int64_t minimum, const char* what) {
  const bool good = values.size() == count &&
                    std::all_of(values.begin(), values.end(), [&](auto v) { return v >= minimum && v <= INT32_MAX; });
  require(good, std::string(what) + " must be " + std::to_string(count) + " integers of at least " +
                    std::to_string(minimum) + ", received " + text_of(values));
}

void require_given_layout(const Desc& desc, const char* what) {
  require(!is_any(desc), std::string(what) + " must have a given layout, not 'any'");
}

Dims minus_one(Dims dilations) {
  for (auto& dilation : dilations) dilation -= 1;
  return dilations;
}

// Broadcasts `other` along its dims of size 1 to exactly `dims`.
void require_broadcast(const Dims& other, const Dims& dims, const std::string& what) {
  bool good = other.size() == dims.size();
  for (size_t axis = 0; good && axis < dims.size(); axis++) good = other[axis] == 1 || other[axis] == dims[axis];
  require(good, what + " of shape " + text_of(other) + " does not broadcast to " + text_of(dims));
}

void require_attributes(const AttributeSpec& spec, const Dims& destination) {
  const auto channels = static_cast<size_t>(destination.at(spec.channel_axis));
  require(spec.scales.empty() || spec.scales.size() == 1 || spec.scales.size() == channels,
          "attributes.scales must have 1 or " + std::to_string(channels) + " elements, received " +
              std::to_string(spec.scales.size()));
  require(spec.post_ops.size() <= 24, "there may be at most 24 post-ops");
  for (size_t i = 0; i < spec.post_ops.size(); i++) {
    const auto& other = spec.post_ops[i].other;
    if (!other) continue;
    require_broadcast(dims_of(*other), destination, "attributes.postOps[" + std::to_string(i) + "].other");
    require_given_layout(*other, "the operand of a binary post-op");
  }
}

// Runs `create`, and turns the exceptions of oneDNN into a sentence that names the whole request.
template <class Create>
auto creating(const std::string& what, const Create& create) {
  try {
    return create();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw OutOfMemory("oneDNN has no memory for " + what);
    if (error.status == dnnl_unimplemented) throw NoImplementation("oneDNN has no implementation of " + what);
    throw InvalidArgument("oneDNN refused " + what + ": " + error.what());
  }
}

// The first implementation that has no `bug` (a sentence, or null) and can be made: oneDNN 2.6 offers some whose code
// generation then fails. `arguments_of` names the arguments, whose layouts depend on the implementation.
template <class Primitive, class Descriptor, class ArgumentsOf, class Bug = std::nullptr_t>
std::shared_ptr<PrimitiveCore> build(const std::string& what, Described<Descriptor> described,
                                     const ArgumentsOf& arguments_of, int threads, const Bug& bug = nullptr) {
  Descriptor& descriptor = described.descriptor;
  std::string passed_over;
  return creating(what, [&] {
    do {
      auto core = std::make_shared<PrimitiveCore>();
      core->implementation = descriptor.impl_info_str();
      if constexpr (!std::is_null_pointer_v<Bug>) {
        if (const char* reason = bug(core->implementation, descriptor)) {
          passed_over += "; " + core->implementation + " was passed over: " + reason;
          continue;
        }
      }
      try {
        core->primitive = Primitive(descriptor);
      } catch (const dnnl::error& error) {
        if (error.status == dnnl_out_of_memory) throw;
        continue;
      }
      core->arguments = arguments_of(descriptor);
      core->threads = threads;
      const Desc scratchpad = descriptor.scratchpad_desc();
      core->scratchpad_bytes = static_cast<int64_t>(scratchpad.get_size());
      if (core->scratchpad_bytes > 0) {
        core->arguments.push_back({"scratchpad", DNNL_ARG_SCRATCHPAD, scratchpad, Access::write});
      }
      return core;
    } while (next_implementation(descriptor));
    throw NoImplementation("oneDNN has no working implementation of " + what + passed_over);
  });
}

using ArgumentList = std::vector<PrimitiveArgument>;

void add_attributes(PrimitiveCore& core, const AttributeSpec& spec, const Attributes& attributes) {
  core.memories = attributes.memories;
  for (size_t i = 0; i < spec.post_ops.size(); i++) {
    if (!spec.post_ops[i].other) continue;
    const int id = DNNL_ARG_ATTR_MULTIPLE_POST_OP(attributes.first_post_op + static_cast<int>(i)) | DNNL_ARG_SRC_1;
    core.arguments.push_back({"post" + std::to_string(i), id, *spec.post_ops[i].other, Access::read});
  }
}

// The arguments of a convolution or matmul.
auto weighted_arguments(bool bias) {
  return [bias](const auto& descriptor) {
    ArgumentList arguments = {{"source", DNNL_ARG_SRC, descriptor.src_desc(), Access::read},
                              {"weights", DNNL_ARG_WEIGHTS, descriptor.weights_desc(), Access::read},
                              {"destination", DNNL_ARG_DST, descriptor.dst_desc(), Access::write}};
    if (bias) arguments.push_back({"bias", DNNL_ARG_BIAS, descriptor.bias_desc(), Access::read});
    return arguments;
  };
}

template <class Operation>
PrimitiveHandle build_convolution(const std::string& what, dnnl::algorithm algorithm, const ConvolutionSpec& spec,
                                  int threads) {
  const Attributes attributes = make_attributes(spec.attributes, static_cast<int>(dims_of(spec.destination).size()));
  const auto descriptor = creating(what, [&] {
    return convolution_descriptor<Operation>(algorithm, spec.source, spec.weights, spec.bias, spec.destination,
                                             spec.strides, minus_one(spec.dilations), spec.begin, spec.end,
                                             attributes.value);
  });
  auto core = build<Operation>(what, descriptor, weighted_arguments(spec.bias.has_value()), threads,
                               [&](const std::string& implementation, const auto& chosen) {
                                 const char* bug = known_bug(implementation, spec, chosen.weights_desc());
                                 return bug != nullptr ? bug : self_test(implementation, spec);
                               });
  core->defects = defects_of(core->implementation, spec);
  add_attributes(*core, spec.attributes, attributes);
  return core;
}

}  // namespace

const char* type_name(Type type) {
  switch (type) {
    case Type::u8: return "u8";
    case Type::s8: return "s8";
    case Type::s32: return "s32";
    case Type::f32: return "f32";
    default: return "?";
  }
}

int64_t type_bytes(Type type) { return type == Type::u8 || type == Type::s8 ? 1 : 4; }

std::string layout_name(const Desc& desc) {
  if (is_any(desc)) return "any";
  const BlockedLayout layout = layout_of(desc);
  if (!layout.known) return "opaque";
  std::vector<int> order(layout.dims.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return layout.strides[a] > layout.strides[b]; });
  std::string name;
  for (int axis : order) {
    const auto& blocked = layout.inner_axes;
    const bool is_blocked = std::find(blocked.begin(), blocked.end(), axis) != blocked.end();
    name += static_cast<char>((is_blocked ? 'A' : 'a') + axis);
  }
  for (size_t i = 0; i < layout.inner_blocks.size(); i++) {
    name += std::to_string(layout.inner_blocks[i]) + static_cast<char>('a' + layout.inner_axes[i]);
  }
  return name;
}

std::string describe(const Desc& desc) {
  return std::string(type_name(type_of(desc))) + text_of(dims_of(desc)) + " " + layout_name(desc);
}

bool is_plain(const Desc& desc) {
  if (is_any(desc)) return false;
  const BlockedLayout layout = layout_of(desc);
  return layout.known && layout.inner_blocks.empty();
}

bool is_dense(const Desc& desc) {
  if (!is_plain(desc)) return false;
  // Not from the size in bytes: that counts the compensation which weights for s8 sources carry behind their elements.
  const BlockedLayout layout = layout_of(desc);
  int64_t last = 0;
  for (size_t axis = 0; axis < layout.dims.size(); axis++) last += (layout.dims[axis] - 1) * layout.strides[axis];
  return last + 1 == checked_product(layout.dims);
}

PrimitiveHandle make_convolution(ConvolutionSpec spec, int threads) {
  threads = usable_threads(threads);
  const ThreadScope scope(threads);
  const Dims destination = dims_of(spec.destination);
  const size_t rank = destination.size();
  const std::string what = std::string(spec.transposed ? "a transposed convolution of " : "a convolution of ") +
                           describe(spec.source) + " with " + describe(spec.weights) +
                           (spec.bias ? " and bias " + describe(*spec.bias) : "") + " to " +
                           describe(spec.destination) + ", strides " + text_of(spec.strides) + ", dilations " +
                           text_of(spec.dilations) + ", pads " + text_of(spec.begin) + text_of(spec.end);
  require(rank >= 3 && rank <= 5, "destination must have 3 to 5 dims, received " + describe(spec.destination));
  require(dims_of(spec.source).size() == rank, "source must have as many dims as destination: " + what);
  require(spec.groups >= 1, "groups must be at least 1");
  require(dims_of(spec.weights).size() == rank + (spec.groups > 1 ? 1 : 0),
          "weights must be O, I, spatial…, with the groups in front when there are more than 1: " + what);
  require(spec.groups == 1 || dims_of(spec.weights)[0] == spec.groups, "dim 0 of weights must be groups: " + what);
  require_dims(spec.strides, rank - 2, 1, "strides");
  require_dims(spec.dilations, rank - 2, 1, "dilations");
  require_dims(spec.begin, rank - 2, 0, "padsBegin");
  require_dims(spec.end, rank - 2, 0, "padsEnd");
  require(!spec.attributes.weights_zero_point, "a convolution has no weightsZeroPoint");
  spec.attributes.channel_axis = 1;
  require_attributes(spec.attributes, destination);
  return spec.transposed
             ? build_convolution<dnnl::deconvolution_forward>(what, dnnl::algorithm::deconvolution_direct, spec,
                                                              threads)
             : build_convolution<dnnl::convolution_forward>(what, dnnl::algorithm::convolution_direct, spec, threads);
}

PrimitiveHandle make_matmul(MatmulSpec spec, int threads) {
  threads = usable_threads(threads);
  const ThreadScope scope(threads);
  const Dims destination = dims_of(spec.destination);
  const int rank = static_cast<int>(destination.size());
  const std::string what = "a matmul of " + describe(spec.source) + " with " + describe(spec.weights) +
                           (spec.bias ? " and bias " + describe(*spec.bias) : "") + " to " + describe(spec.destination);
  require(rank >= 2, "destination must have at least 2 dims: " + what);
  require(dims_of(spec.source).size() == destination.size() && dims_of(spec.weights).size() == destination.size(),
          "source, weights and destination must have as many dims each: " + what);
  if (spec.bias) require_broadcast(dims_of(*spec.bias), destination, "bias");
  spec.attributes.channel_axis = rank - 1;
  require_attributes(spec.attributes, destination);
  const Attributes attributes = make_attributes(spec.attributes, rank);
  const auto descriptor = creating(what, [&] {
    return matmul_descriptor(spec.source, spec.weights, spec.bias, spec.destination, attributes.value);
  });
  auto core = build<dnnl::matmul>(what, descriptor, weighted_arguments(spec.bias.has_value()), threads,
                                  [&](const std::string& implementation, const auto& chosen) {
                                    const char* bug = known_weights_bug(spec.weights, chosen.weights_desc());
                                    return bug != nullptr ? bug : self_test(implementation, spec);
                                  });
  add_attributes(*core, spec.attributes, attributes);
  return core;
}

PrimitiveHandle make_pooling(PoolingSpec spec, int threads) {
  threads = usable_threads(threads);
  const ThreadScope scope(threads);
  const size_t rank = dims_of(spec.source).size();
  const std::string what = "a pooling of " + describe(spec.source) + " to " + describe(spec.destination) + ", kernel " +
                           text_of(spec.kernel) + ", strides " + text_of(spec.strides) + ", pads " +
                           text_of(spec.begin) + text_of(spec.end);
  require(rank >= 3 && rank <= 5, "source must have 3 to 5 dims: " + what);
  require(dims_of(spec.destination).size() == rank, "destination must have as many dims as source: " + what);
  require_dims(spec.kernel, rank - 2, 1, "kernel");
  require_dims(spec.strides, rank - 2, 1, "strides");
  require_dims(spec.dilations, rank - 2, 1, "dilations");
  require_dims(spec.begin, rank - 2, 0, "padsBegin");
  require_dims(spec.end, rank - 2, 0, "padsEnd");
  require_given_layout(spec.source, "source");
  const Attributes attributes = make_attributes({}, static_cast<int>(rank));
  const auto descriptor = creating(what, [&] {
    return pooling_descriptor(spec.algorithm, spec.source, spec.destination, spec.strides, spec.kernel,
                              minus_one(spec.dilations), spec.begin, spec.end, attributes.value);
  });
  return build<Pooling>(
      what, descriptor,
      [&](const auto& chosen) {
        return ArgumentList{{"source", DNNL_ARG_SRC, chosen.src_desc(), Access::read},
                            {"destination", DNNL_ARG_DST, chosen.dst_desc(), Access::write}};
      },
      threads);
}

PrimitiveHandle make_binary(dnnl::algorithm algorithm, const Desc& source, const Desc& source1, const Desc& destination,
                            int threads) {
  threads = usable_threads(threads);
  const ThreadScope scope(threads);
  const std::string what =
      "a binary operation on " + describe(source) + " and " + describe(source1) + " to " + describe(destination);
  require_broadcast(dims_of(source), dims_of(destination), "source");
  require_broadcast(dims_of(source1), dims_of(destination), "source1");
  require_given_layout(source, "source");
  require_given_layout(source1, "source1");
  const Attributes attributes = make_attributes({}, 0);
  const auto descriptor =
      creating(what, [&] { return binary_descriptor(algorithm, source, source1, destination, attributes.value); });
  return build<dnnl::binary>(
      what, descriptor,
      [&](const auto& chosen) {
        return ArgumentList{{"source", DNNL_ARG_SRC_0, chosen.src0_desc(), Access::read, true},
                            {"source1", DNNL_ARG_SRC_1, chosen.src1_desc(), Access::read, true},
                            {"destination", DNNL_ARG_DST, chosen.dst_desc(), Access::write}};
      },
      threads);
}

PrimitiveHandle make_eltwise(dnnl::algorithm algorithm, float alpha, float beta, const Desc& desc, int threads) {
  threads = usable_threads(threads);
  const ThreadScope scope(threads);
  const std::string what = "an elementwise operation on " + describe(desc);
  require_given_layout(desc, "desc");
  normalize_eltwise(algorithm, alpha, beta);
  const Attributes attributes = make_attributes({}, 0);
  const auto descriptor =
      creating(what, [&] { return eltwise_descriptor(algorithm, desc, alpha, beta, attributes.value); });
  return build<dnnl::eltwise_forward>(
      what, descriptor,
      [&](const auto&) {
        return ArgumentList{{"source", DNNL_ARG_SRC, desc, Access::read, true},
                            {"destination", DNNL_ARG_DST, desc, Access::write}};
      },
      threads);
}

PrimitiveHandle make_softmax(int axis, const Desc& desc, int threads) {
  threads = usable_threads(threads);
  const ThreadScope scope(threads);
  const std::string what = "a softmax over axis " + std::to_string(axis) + " of " + describe(desc);
  require(axis >= 0 && static_cast<size_t>(axis) < dims_of(desc).size(), "axis is out of range for " + what);
  require_given_layout(desc, "desc");
  const Attributes attributes = make_attributes({}, 0);
  const auto descriptor = creating(what, [&] { return softmax_descriptor(desc, axis, attributes.value); });
  return build<dnnl::softmax_forward>(
      what, descriptor,
      [&](const auto&) {
        return ArgumentList{{"source", DNNL_ARG_SRC, desc, Access::read, true},
                            {"destination", DNNL_ARG_DST, desc, Access::write}};
      },
      threads);
}

PrimitiveHandle make_reduction(dnnl::algorithm algorithm, const Desc& source, const Desc& destination, int threads) {
  threads = usable_threads(threads);
  const ThreadScope scope(threads);
  const std::string what = "a reduction of " + describe(source) + " to " + describe(destination);
  require_broadcast(dims_of(destination), dims_of(source), "destination");
  require_given_layout(source, "source");
  const Attributes attributes = make_attributes({}, 0);
  const auto descriptor =
      creating(what, [&] { return reduction_descriptor(algorithm, source, destination, attributes.value); });
  return build<dnnl::reduction>(
      what, descriptor,
      [&](const auto& chosen) {
        return ArgumentList{{"source", DNNL_ARG_SRC, chosen.src_desc(), Access::read},
                            {"destination", DNNL_ARG_DST, chosen.dst_desc(), Access::write}};
      },
      threads);
}

PrimitiveHandle make_reorder(const Desc& source, const Desc& destination, int threads) {
  threads = usable_threads(threads);
  const ThreadScope scope(threads);
  const std::string what = "a reorder of " + describe(source) + " to " + describe(destination);
  require_given_layout(source, "source");
  require_given_layout(destination, "destination");
  require(dims_of(source) == dims_of(destination), "source and destination must have the same dims: " + what);
  // oneDNN 2.6 writes past such a view; the copy kernel is the way.
  require(!is_plain(destination) || is_dense(destination), "destination must have no gaps: " + what);
  const Attributes attributes = make_attributes({}, 0);
  const auto descriptor = creating(what, [&] { return reorder_descriptor(source, destination, attributes.value); });
  return build<dnnl::reorder>(
      what, descriptor,
      [&](const auto&) {
        return ArgumentList{{"source", DNNL_ARG_FROM, source, Access::read},
                            {"destination", DNNL_ARG_TO, destination, Access::write}};
      },
      threads,
      [&](const auto&...) -> const char* {
        return reorder_is_wrong(source, destination) ? "it loses elements of blocks that are not full" : nullptr;
      });
}

}  // namespace unskew
