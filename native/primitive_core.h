// Creation of oneDNN primitives; knows nothing of Node.js.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/kernel.h"
#include "onednn_compat.h"

namespace unskew {

struct PrimitiveArgument {
  std::string name;
  int id;  // DNNL_ARG_…
  Desc desc;
  Access access;
  bool in_place = false;
};

struct PrimitiveCore {
  dnnl::primitive primitive;
  std::string implementation;
  std::vector<std::string> defects;  // of a convolution; known_bugs.h
  int64_t scratchpad_bytes = 0;
  std::vector<PrimitiveArgument> arguments;
  std::vector<std::pair<int, dnnl::memory>> memories;  // fixed arguments of the attributes
  int threads = 1;
};

using PrimitiveHandle = std::shared_ptr<const PrimitiveCore>;

struct ConvolutionSpec {
  Desc source, weights, destination;
  std::optional<Desc> bias;
  int64_t groups = 1;
  Dims strides, dilations, begin, end;
  bool transposed = false;
  AttributeSpec attributes;
};

struct MatmulSpec {
  Desc source, weights, destination;
  std::optional<Desc> bias;
  AttributeSpec attributes;
};

struct PoolingSpec {
  dnnl::algorithm algorithm;
  Desc source, destination;
  Dims kernel, strides, dilations, begin, end;
};

// Dilations are as in the specification (1 means dense). All throw NoImplementation where oneDNN has none, and InvalidArgument with a sentence.
PrimitiveHandle make_convolution(ConvolutionSpec spec, int threads);
PrimitiveHandle make_matmul(MatmulSpec spec, int threads);
PrimitiveHandle make_pooling(PoolingSpec spec, int threads);
PrimitiveHandle make_binary(dnnl::algorithm, const Desc& source, const Desc& source1, const Desc& destination,
                            int threads);
PrimitiveHandle make_eltwise(dnnl::algorithm, float alpha, float beta, const Desc&, int threads);
PrimitiveHandle make_softmax(int axis, const Desc&, int threads);
PrimitiveHandle make_reduction(dnnl::algorithm, const Desc& source, const Desc& destination, int threads);
PrimitiveHandle make_reorder(const Desc& source, const Desc& destination, int threads);

// Weights for s8 sources and for source zero points carry sums behind their elements, which only oneDNN computes.
bool is_compensated(const Desc&);

// The constant in `bytes`, laid out as `source`, laid out as `destination`.
std::shared_ptr<AlignedBuffer> pack(const uint8_t* bytes, const Desc& source, const Desc& destination, int threads);

const char* type_name(dnnl::memory::data_type type);
int64_t type_bytes(dnnl::memory::data_type type);
// acdb, ABcd4b16a4b, any, opaque
std::string layout_name(const Desc& desc);
// u8[1,16,32,32] acdb
std::string describe(const Desc& desc);
bool is_plain(const Desc& desc);
// Plain and without gaps.
bool is_dense(const Desc& desc);

// Sets the number of OpenMP threads of the calling thread, and takes it back.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~ThreadScope() { omp_set_num_threads(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

}  // namespace unskew
