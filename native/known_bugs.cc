#include "known_bugs.h"

#include <algorithm>

namespace unskew {

namespace {

using Type = dnnl::memory::data_type;

struct Facts {
  const std::string& implementation;
  const ConvolutionSpec& spec;

  bool is(const char* part) const { return implementation.find(part) != std::string::npos; }
  bool is_byte_source() const { return type_of(spec.source) == Type::u8 || type_of(spec.source) == Type::s8; }
  bool has_binary() const {
    const auto& ops = spec.attributes.post_ops;
    return (UNSKEW_DNNL3 && !spec.attributes.scales.empty()) ||
           std::any_of(ops.begin(), ops.end(), [](const PostOp& op) { return op.other.has_value(); });
  }
  bool has_source_zero_point() const { return spec.attributes.source_zero_point.value_or(0) != 0; }
  bool is_padded() const {
    const auto some = [](const Dims& pads) {
      return std::any_of(pads.begin(), pads.end(), [](auto pad) { return pad > 0; });
    };
    return some(spec.begin) || some(spec.end);
  }
  bool has_strides() const {
    return std::any_of(spec.strides.begin(), spec.strides.end(), [](auto stride) { return stride > 1; });
  }
  // True when strides leap over elements that no tap reaches.
  bool has_gaps() const {
    for (size_t axis = 0; axis < spec.strides.size(); axis++) {
      if (spec.strides[axis] > span(axis)) return true;
    }
    return false;
  }
  int64_t span(size_t axis) const {
    const Dims weights = dims_of(spec.weights);
    return (weights[weights.size() - spec.strides.size() + axis] - 1) * spec.dilations[axis] + 1;
  }
  // True when some window of a convolution (not transposed) lies in the padding entirely.
  bool has_empty_window() const {
    const Dims source = dims_of(spec.source), destination = dims_of(spec.destination);
    for (size_t axis = 0; axis < spec.strides.size(); axis++) {
      const auto last =
          (destination[axis + 2] - 1) * spec.strides[axis] - spec.begin[axis];  // where the last window begins
      if (spec.begin[axis] >= span(axis) || last >= source[axis + 2]) return true;
    }
    return false;
  }
};

struct Bug {
  const char* what;
  bool (*applies)(const Facts&);
};

const Bug kBugs[] = {
    // oneDNN issue 3803, fixed in 3.10.
    {"the gemm-based int8 convolution applies binary post-ops to the wrong elements",
     [](const Facts& f) { return f.is("gemm") && f.has_binary(); }},
    // Seen with 3.7.2 in one of four such convolutions, padded or not.
    {"the gemm-based int8 convolution of 3.x compensates s8 sources and source zero points wrongly",
     [](const Facts& f) {
       return UNSKEW_DNNL3 && f.is("gemm") && (f.has_source_zero_point() || type_of(f.spec.source) == Type::s8);
     }},
    // Seen with 2.6.3 on AMX; oneDNN issue 5942 for 3.x.
    {"the brgemm convolution reads outside its buffers where a window lies in the padding entirely",
     [](const Facts& f) { return f.is("brg") && !f.spec.transposed && f.has_empty_window(); }},
    // Seen with 2.6.3 in one of ten such convolutions.
    {"the transposed int8 convolution is wrong where strides are larger than the kernel",
     [](const Facts& f) { return (f.is("jit_deconvolution") || f.is("jit_uni_deconv")) && f.has_gaps(); }},
    // Seen with 2.6.3.
    {"a 1x1 convolution in the place of a transposed one reads outside its buffers",
     [](const Facts& f) { return f.spec.transposed && f.implementation.starts_with("jit_int8_1x1"); }},
    // 2.6.3 and 3.7.2 choose these for some grouped convolutions although the CPU has VNNI.
    {"int8 implementations without VNNI saturate sums of two products to 16 bits",
     [](const Facts& f) {
       const bool vnni = (static_cast<int>(dnnl::get_effective_cpu_isa()) & dnnl_cpu_isa_avx512_core_vnni) ==
                         dnnl_cpu_isa_avx512_core_vnni;
       const bool older = f.is(":sse41") || f.is(":avx2") || f.implementation.ends_with(":avx512_core");
       return vnni && f.is_byte_source() && older && !f.is("vnni");
     }},
    // Seen with 3.7.2: on AMX in one of six convolutions with groups, on VNNI in one of fifty.
    {"the brgemm convolution of 3.x compensates source zero points wrongly for groups and partial blocks of channels",
     [](const Facts& f) {
       const bool partial = dims_of(f.spec.destination)[1] % 16 != 0;
       return f.is("brg_conv_fwd") && f.has_source_zero_point() && (f.spec.groups > 1 || partial);
     }},
    // Seen with 3.7.2: 2 groups of 6 filters, whose blocks of 8 are not full.
    {"the brgemm convolution of 3.x applies binary post-ops to the wrong channels of groups",
     [](const Facts& f) { return f.is("brg_conv_fwd") && f.has_binary() && f.spec.groups > 1; }},
    // oneDNN issue 5080 for padded ones; seen with 3.7.2 for groups and for few input channels without pads.
    {"the brgemm convolution of 3.x compensates s8 sources wrongly",
     [](const Facts& f) { return f.is("brg_conv_fwd") && type_of(f.spec.source) == Type::s8; }},
    // oneDNN pull request 5494, backported to 3.13; seen with 3.7.2.
    {"the brgemm convolution of 3.x on AMX overwrites its input where strides are over 1",
     [](const Facts& f) { return f.is("brg_conv_fwd") && f.is("amx") && f.has_strides(); }},
};

struct Defect {
  const char* name;
  bool (*applies)(const Facts&);
};

const Defect kDefects[] = {
    // Seen with 2.6.3, x64:gemm_*, grouped with one filter a group and a 1x1 kernel: about 1 in 150 of 8000 random convolutions
    // wrong, padded or not; none without a zero point.
    {"source-zero-point", [](const Facts& f) { return f.is("gemm"); }},
    // Seen with 2.6.3, jit:avx512_core_amx_int8: 19 of 138 wrong, as with kernel 2x2x2 and pads 0,0,0 / 0,0,1; padding written
    // out with the zero point is right.
    {"padded-source-zero-point",
     [](const Facts& f) { return f.is("amx") && f.spec.strides.size() == 3 && f.is_padded(); }},
    // Implementations of 2.6.3 for AVX2 and SSE4.1 read 0 in all but the first of the channels behind the last eight of a
    // depthwise convolution: of a factor for all channels (24 of 60 convolutions were wrong) and of one for each, by itself,
    // behind a map or behind another (all with 2 to 7 channels behind the last eight; none of those with groups of several
    // channels).
    {"binary-post-ops",
     [](const Facts& f) {
       const auto channels = dims_of(f.spec.destination)[1];
       return channels % 8 > 1 && f.spec.groups >= channels && (f.is("avx2") || f.is("sse41"));
     }},
};

// True when the blocks of a layout do not divide its dims, so that some are filled up with zeros.
bool has_partial_blocks(const Desc& desc) {
  const BlockedLayout layout = layout_of(desc);
  if (!layout.known) return false;
  const Dims block = block_sizes(layout);
  for (size_t axis = 0; axis < block.size(); axis++) {
    if (layout.dims[axis] % block[axis] != 0) return true;
  }
  return false;
}

}  // namespace

const char* known_bug(const std::string& implementation, const ConvolutionSpec& spec, const Desc& weights) {
  if (const char* reason = known_weights_bug(spec.weights, weights)) return reason;
  const Facts facts{implementation, spec};
  const auto* bug = std::find_if(std::begin(kBugs), std::end(kBugs), [&](const Bug& b) { return b.applies(facts); });
  return bug == std::end(kBugs) ? nullptr : bug->what;
}

std::vector<std::string> defects_of(const std::string& implementation, const ConvolutionSpec& spec) {
  const Facts facts{implementation, spec};
  std::vector<std::string> found;
  for (const Defect& defect : kDefects) {
    if (defect.applies(facts)) found.emplace_back(defect.name);
  }
  return found;
}

const char* known_weights_bug(const Desc& given, const Desc& chosen) {
  return is_any(given) && reorder_is_wrong(chosen, chosen) && is_compensated(chosen)
             ? "its weights cannot be packed: the reorder of 3.x loses elements of blocks that are not full"
             : nullptr;
}

bool reorder_is_wrong(const Desc& source, const Desc& destination) {
  return UNSKEW_DNNL3 && (has_partial_blocks(source) || has_partial_blocks(destination));
}

}  // namespace unskew
