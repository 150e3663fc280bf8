// The one place that knows oneDNN 2.x from 3.x. Everything else is written against the functions below.
//
//   topic          2.x                                    3.x
//   construction   operation descriptor, then primitive   primitive descriptor directly
//   scales         output scales in the attribute         a leading binary_mul with a memory of its own
//   zero points    values in the attribute                mask in the attribute, value in a memory of its own
//   dilated pools  pooling_v2                             pooling
//   eltwise post   (scale, algorithm, alpha, beta)        (algorithm, alpha, beta)
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#define UNSKEW_DNNL3 (DNNL_VERSION_MAJOR >= 3)

namespace unskew {

using Dims = dnnl::memory::dims;
using Desc = dnnl::memory::desc;

// The process has one CPU engine. It is never destroyed, because threads may still use it while the process exits.
inline const dnnl::engine& engine() {
  static const dnnl::engine* const cpu = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *cpu;
}

// --- memory descriptors ---------------------------------------------------------------------------------------------

struct BlockedLayout {
  bool known = false;  // else the layout is opaque
  Dims dims, strides, inner_blocks, inner_axes;
};

inline dnnl::memory::data_type type_of(const Desc& desc) {
#if UNSKEW_DNNL3
  return desc.get_data_type();
#else
  return desc.data_type();
#endif
}

inline Dims dims_of(const Desc& desc) {
#if UNSKEW_DNNL3
  return desc.get_dims();
#else
  return desc.dims();
#endif
}

inline BlockedLayout layout_of(const Desc& desc) {
  BlockedLayout layout;
  layout.dims = dims_of(desc);
#if UNSKEW_DNNL3
  layout.known = desc.get_format_kind() == dnnl::memory::format_kind::blocked;
  if (!layout.known) return layout;
  layout.strides = desc.get_strides();
  layout.inner_blocks = desc.get_inner_blks();
  layout.inner_axes = desc.get_inner_idxs();
#else
  layout.known = desc.data.format_kind == dnnl_blocked;
  if (!layout.known) return layout;
  const dnnl_blocking_desc_t& blocking = desc.data.format_desc.blocking;
  layout.strides.assign(blocking.strides, blocking.strides + desc.data.ndims);
  layout.inner_blocks.assign(blocking.inner_blks, blocking.inner_blks + blocking.inner_nblks);
  layout.inner_axes.assign(blocking.inner_idxs, blocking.inner_idxs + blocking.inner_nblks);
#endif
  return layout;
}

// The size of a block along each axis: 1 for an axis without blocks.
inline Dims block_sizes(const BlockedLayout& layout) {
  Dims block(layout.dims.size(), 1);
  for (size_t i = 0; i < layout.inner_blocks.size(); i++) block[layout.inner_axes[i]] *= layout.inner_blocks[i];
  return block;
}

inline bool is_any(const Desc& desc) {
#if UNSKEW_DNNL3
  return desc.get_format_kind() == dnnl::memory::format_kind::any;
#else
  return desc.data.format_kind == dnnl_format_kind_any;
#endif
}

// --- attributes -----------------------------------------------------------------------------------------------------

struct PostOp {
  std::optional<Desc> other;  // binary, else eltwise
  dnnl::algorithm algorithm = dnnl::algorithm::undef;
  float alpha = 0, beta = 0;
};

struct AttributeSpec {
  std::vector<float> scales;
  int channel_axis = 1;
  std::optional<int32_t> source_zero_point, destination_zero_point, weights_zero_point;
  std::vector<PostOp> post_ops;
};

// `memories` are execution arguments that belong to the attributes and never change.
struct Attributes {
  dnnl::primitive_attr value;
  std::vector<std::pair<int, dnnl::memory>> memories;
  int first_post_op = 0;  // index in oneDNN's chain of the caller's first post-op
};

#if UNSKEW_DNNL3
template <class T>
dnnl::memory constant_memory(const Desc& desc, const std::vector<T>& values) {
  dnnl::memory memory(desc, engine());
  std::memcpy(memory.get_data_handle(), values.data(), values.size() * sizeof(T));
  return memory;
}
#endif

inline void set_zero_point(Attributes& attributes, int argument, const std::optional<int32_t>& value) {
  if (!value || *value == 0) return;
#if UNSKEW_DNNL3
  attributes.value.set_zero_points_mask(argument, 0);
  attributes.memories.emplace_back(
      DNNL_ARG_ATTR_ZERO_POINTS | argument,
      constant_memory<int32_t>({{1}, dnnl::memory::data_type::s32, dnnl::memory::format_tag::x}, {*value}));
#else
  attributes.value.set_zero_points(argument, 0, {*value});
#endif
}

// hardswish has fixed coefficients in 2.x and free ones in 3.x; swish(x) = x·logistic(alpha·x) in both.
inline void normalize_eltwise(dnnl::algorithm algorithm, float& alpha, float& beta) {
#if UNSKEW_DNNL3
  if (algorithm == dnnl::algorithm::eltwise_hardswish) {
    alpha = 1.0f / 6.0f;
    beta = 0.5f;
  }
#else
  (void)algorithm, (void)alpha, (void)beta;
#endif
}

inline Attributes make_attributes(const AttributeSpec& spec, int ndims) {
  Attributes attributes;
  attributes.value.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  set_zero_point(attributes, DNNL_ARG_SRC, spec.source_zero_point);
  set_zero_point(attributes, DNNL_ARG_WEIGHTS, spec.weights_zero_point);
  set_zero_point(attributes, DNNL_ARG_DST, spec.destination_zero_point);
  dnnl::post_ops chain;
  if (!spec.scales.empty()) {
#if UNSKEW_DNNL3
    // 3.x adds the bias after its own scales; only a multiplication behind both gives (acc + bias) · scale.
    Dims dims(ndims, 1), strides(ndims, 1);
    dims[spec.channel_axis] = static_cast<dnnl::memory::dim>(spec.scales.size());
    for (int axis = 0; axis < spec.channel_axis; axis++) strides[axis] = dims[spec.channel_axis];
    const Desc desc(dims, dnnl::memory::data_type::f32, strides);
    chain.append_binary(dnnl::algorithm::binary_mul, desc);
    attributes.memories.emplace_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                                     constant_memory(desc, spec.scales));
    attributes.first_post_op = 1;
#else
    (void)ndims;
    attributes.value.set_output_scales(spec.scales.size() == 1 ? 0 : 1 << spec.channel_axis, spec.scales);
#endif
  }
  for (PostOp op : spec.post_ops) {
    if (op.other) {
      chain.append_binary(op.algorithm, *op.other);
    } else {
      normalize_eltwise(op.algorithm, op.alpha, op.beta);
#if UNSKEW_DNNL3
      chain.append_eltwise(op.algorithm, op.alpha, op.beta);
#else
      chain.append_eltwise(1.0f, op.algorithm, op.alpha, op.beta);
#endif
    }
  }
  if (chain.len() > 0) attributes.value.set_post_ops(chain);
  return attributes;
}

// --- primitives -----------------------------------------------------------------------------------------------------
// An empty `bias` means none. Dilations are oneDNN's: 0 means dense.

// A primitive descriptor; in 2.x with its operation descriptor, to which it points when asked for other implementations.
template <class Descriptor>
struct Described {
  Descriptor descriptor;
  std::shared_ptr<const void> operation;
};

#if UNSKEW_DNNL3
template <class Operation, class... Arguments>
Described<typename Operation::primitive_desc> describe_primitive(const dnnl::primitive_attr& attr,
                                                                 const Arguments&... arguments) {
  return {{engine(), arguments..., attr}, nullptr};
}
#else
template <class Operation, class... Arguments>
Described<typename Operation::primitive_desc> describe_primitive(const dnnl::primitive_attr& attr,
                                                                 const Arguments&... arguments) {
  auto operation = std::make_shared<const typename Operation::desc>(arguments...);
  return {{*operation, attr, engine()}, operation};
}
#endif

inline constexpr auto kForward = dnnl::prop_kind::forward_inference;

template <class Operation>
auto convolution_descriptor(dnnl::algorithm algorithm, const Desc& source, const Desc& weights,
                            const std::optional<Desc>& bias, const Desc& destination, const Dims& strides,
                            const Dims& dilations, const Dims& begin, const Dims& end,
                            const dnnl::primitive_attr& attr) {
  return bias ? describe_primitive<Operation>(attr, kForward, algorithm, source, weights, *bias, destination, strides,
                                              dilations, begin, end)
              : describe_primitive<Operation>(attr, kForward, algorithm, source, weights, destination, strides,
                                              dilations, begin, end);
}

inline auto matmul_descriptor(const Desc& source, const Desc& weights, const std::optional<Desc>& bias,
                              const Desc& destination, const dnnl::primitive_attr& attr) {
  return bias ? describe_primitive<dnnl::matmul>(attr, source, weights, *bias, destination)
              : describe_primitive<dnnl::matmul>(attr, source, weights, destination);
}

#if UNSKEW_DNNL3
using Pooling = dnnl::pooling_forward;
#else
using Pooling = dnnl::pooling_v2_forward;
#endif

inline auto pooling_descriptor(dnnl::algorithm algorithm, const Desc& source, const Desc& destination,
                               const Dims& strides, const Dims& kernel, const Dims& dilations, const Dims& begin,
                               const Dims& end, const dnnl::primitive_attr& attr) {
  return describe_primitive<Pooling>(attr, kForward, algorithm, source, destination, strides, kernel, dilations, begin,
                                     end);
}

inline auto binary_descriptor(dnnl::algorithm algorithm, const Desc& source, const Desc& source1,
                              const Desc& destination, const dnnl::primitive_attr& attr) {
  return describe_primitive<dnnl::binary>(attr, algorithm, source, source1, destination);
}

inline auto eltwise_descriptor(dnnl::algorithm algorithm, const Desc& desc, float alpha, float beta,
                               const dnnl::primitive_attr& attr) {
#if UNSKEW_DNNL3
  return describe_primitive<dnnl::eltwise_forward>(attr, kForward, algorithm, desc, desc, alpha, beta);
#else
  return describe_primitive<dnnl::eltwise_forward>(attr, kForward, algorithm, desc, alpha, beta);
#endif
}

inline auto softmax_descriptor(const Desc& desc, int axis, const dnnl::primitive_attr& attr) {
#if UNSKEW_DNNL3
  return describe_primitive<dnnl::softmax_forward>(attr, kForward, dnnl::algorithm::softmax_accurate, desc, desc, axis);
#else
  return describe_primitive<dnnl::softmax_forward>(attr, kForward, desc, axis);
#endif
}

inline auto reduction_descriptor(dnnl::algorithm algorithm, const Desc& source, const Desc& destination,
                                 const dnnl::primitive_attr& attr) {
  return describe_primitive<dnnl::reduction>(attr, algorithm, source, destination, 0.0f, 0.0f);
}

inline Described<dnnl::reorder::primitive_desc> reorder_descriptor(const Desc& source, const Desc& destination,
                                                                   const dnnl::primitive_attr& attr) {
  return {{engine(), source, engine(), destination, attr}, nullptr};
}

// Turns a descriptor into that of the next implementation, if there is one. Reorders of 2.x have no others.
template <class Descriptor>
bool next_implementation(Descriptor& descriptor) {
  if constexpr (requires { descriptor.next_impl(); }) {
    return descriptor.next_impl();
  } else {
    return false;
  }
}

}  // namespace unskew
