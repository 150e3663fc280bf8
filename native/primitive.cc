#include "primitive.h"

#include "coded_errors.h"
#include "memory_desc.h"

namespace unskew {

namespace {

using Algorithm = dnnl::algorithm;
using Table = std::vector<std::pair<const char*, Algorithm>>;

const Table kEltwise = {{"relu", Algorithm::eltwise_relu},         {"linear", Algorithm::eltwise_linear},
                        {"clip", Algorithm::eltwise_clip},         {"round", Algorithm::eltwise_round},
                        {"logistic", Algorithm::eltwise_logistic}, {"tanh", Algorithm::eltwise_tanh},
                        {"elu", Algorithm::eltwise_elu},           {"hardswish", Algorithm::eltwise_hardswish},
                        {"sqrt", Algorithm::eltwise_sqrt},         {"exp", Algorithm::eltwise_exp},
                        {"log", Algorithm::eltwise_log},           {"abs", Algorithm::eltwise_abs},
                        {"square", Algorithm::eltwise_square},     {"pow", Algorithm::eltwise_pow},
                        {"swish", Algorithm::eltwise_swish},       {"mish", Algorithm::eltwise_mish},
                        {"gelu_erf", Algorithm::eltwise_gelu_erf}, {"gelu_tanh", Algorithm::eltwise_gelu_tanh}};
const Table kBinary = {{"add", Algorithm::binary_add}, {"mul", Algorithm::binary_mul}, {"sub", Algorithm::binary_sub},
                       {"max", Algorithm::binary_max}, {"min", Algorithm::binary_min}, {"div", Algorithm::binary_div}};
const Table kReduction = {{"mean", Algorithm::reduction_mean},
                          {"sum", Algorithm::reduction_sum},
                          {"max", Algorithm::reduction_max},
                          {"min", Algorithm::reduction_min}};
const Table kPooling = {{"max", Algorithm::pooling_max},
                        {"average-include-padding", Algorithm::pooling_avg_include_padding},
                        {"average-exclude-padding", Algorithm::pooling_avg_exclude_padding}};

Desc desc_of(const Argument& argument) { return MemoryDesc::from(argument).desc(); }

std::optional<Desc> optional_desc(const Argument& argument) {
  return argument.absent() ? std::nullopt : std::optional(desc_of(argument));
}

PostOp read_post_op(const Argument& op) {
  PostOp result;
  const Argument kind = op.property("kind");
  const std::string name = kind.text();
  if (name == "eltwise") {
    result.algorithm = op.property("algorithm").choice(kEltwise);
    result.alpha = static_cast<float>(op.property("alpha").number());
    result.beta = static_cast<float>(op.property("beta").number());
  } else if (name == "binary") {
    result.algorithm = op.property("algorithm").choice(kBinary);
    result.other = desc_of(op.property("other"));
  } else {
    kind.refuse("'eltwise' or 'binary'");
  }
  return result;
}

std::optional<int32_t> read_zero_point(const Argument& value) {
  if (value.absent()) return std::nullopt;
  return static_cast<int32_t>(value.integer(INT32_MIN, INT32_MAX));
}

AttributeSpec read_attributes(const Argument& attributes) {
  AttributeSpec spec;
  if (attributes.absent()) return spec;
  const Argument scales = attributes.property("scales");
  if (!scales.absent()) spec.scales = scales.floats();
  spec.source_zero_point = read_zero_point(attributes.property("sourceZeroPoint"));
  spec.destination_zero_point = read_zero_point(attributes.property("destinationZeroPoint"));
  spec.weights_zero_point = read_zero_point(attributes.property("weightsZeroPoint"));
  const Argument post_ops = attributes.property("postOps");
  if (!post_ops.absent()) {
    for (const Argument& op : post_ops.elements()) spec.post_ops.push_back(read_post_op(op));
  }
  return spec;
}

Dims read_dims(const Argument& spec, const char* name) {
  return spec.property(name).integers(-1, 0, kMaximumDimension);
}

PrimitiveHandle convolution(const Napi::CallbackInfo& info) {
  const Argument argument(info[0], "convolution:");
  ConvolutionSpec spec;
  spec.source = desc_of(argument.property("source"));
  spec.weights = desc_of(argument.property("weights"));
  spec.bias = optional_desc(argument.property("bias"));
  spec.destination = desc_of(argument.property("destination"));
  spec.groups = argument.property("groups").integer(1, kMaximumDimension);
  spec.strides = read_dims(argument, "strides");
  spec.dilations = read_dims(argument, "dilations");
  spec.begin = read_dims(argument, "padsBegin");
  spec.end = read_dims(argument, "padsEnd");
  const Argument transposed = argument.property("transposed");
  spec.transposed = !transposed.absent() && transposed.boolean();
  spec.attributes = read_attributes(argument.property("attributes"));
  return make_convolution(std::move(spec), thread_count({info[1], "convolution: threads"}));
}

PrimitiveHandle matmul(const Napi::CallbackInfo& info) {
  const Argument argument(info[0], "matmul:");
  MatmulSpec spec;
  spec.source = desc_of(argument.property("source"));
  spec.weights = desc_of(argument.property("weights"));
  spec.bias = optional_desc(argument.property("bias"));
  spec.destination = desc_of(argument.property("destination"));
  spec.attributes = read_attributes(argument.property("attributes"));
  return make_matmul(std::move(spec), thread_count({info[1], "matmul: threads"}));
}

PrimitiveHandle pooling(const Napi::CallbackInfo& info) {
  const Argument argument(info[0], "pooling:");
  PoolingSpec spec;
  spec.algorithm = argument.property("algorithm").choice(kPooling);
  spec.source = desc_of(argument.property("source"));
  spec.destination = desc_of(argument.property("destination"));
  spec.kernel = read_dims(argument, "kernel");
  spec.strides = read_dims(argument, "strides");
  spec.dilations = read_dims(argument, "dilations");
  spec.begin = read_dims(argument, "padsBegin");
  spec.end = read_dims(argument, "padsEnd");
  return make_pooling(std::move(spec), thread_count({info[1], "pooling: threads"}));
}

PrimitiveHandle binary(const Napi::CallbackInfo& info) {
  return make_binary(Argument(info[0], "binary: algorithm").choice(kBinary), desc_of({info[1], "binary: source"}),
                     desc_of({info[2], "binary: source1"}), desc_of({info[3], "binary: destination"}),
                     thread_count({info[4], "binary: threads"}));
}

PrimitiveHandle eltwise(const Napi::CallbackInfo& info) {
  return make_eltwise(Argument(info[0], "eltwise: algorithm").choice(kEltwise),
                      static_cast<float>(Argument(info[1], "eltwise: alpha").number()),
                      static_cast<float>(Argument(info[2], "eltwise: beta").number()),
                      desc_of({info[3], "eltwise: desc"}), thread_count({info[4], "eltwise: threads"}));
}

PrimitiveHandle softmax(const Napi::CallbackInfo& info) {
  return make_softmax(static_cast<int>(Argument(info[0], "softmax: axis").integer(0, DNNL_MAX_NDIMS)),
                      desc_of({info[1], "softmax: desc"}), thread_count({info[2], "softmax: threads"}));
}

PrimitiveHandle reduction(const Napi::CallbackInfo& info) {
  return make_reduction(Argument(info[0], "reduction: algorithm").choice(kReduction),
                        desc_of({info[1], "reduction: source"}), desc_of({info[2], "reduction: destination"}),
                        thread_count({info[3], "reduction: threads"}));
}

PrimitiveHandle reorder(const Napi::CallbackInfo& info) {
  return make_reorder(desc_of({info[0], "reorder: source"}), desc_of({info[1], "reorder: destination"}),
                      thread_count({info[2], "reorder: threads"}));
}

template <PrimitiveHandle (*create)(const Napi::CallbackInfo&)>
Napi::Value wrap(const Napi::CallbackInfo& info) {
  return Primitive::make(info.Env(), create(info));
}

template <PrimitiveHandle (*create)(const Napi::CallbackInfo&)>
void add(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New<coded<wrap<create>>>(exports.Env(), name));
}

}  // namespace

Napi::Function Primitive::define(Napi::Env env) { return DefineClass(env, kName, {}); }

Primitive::Primitive(const Napi::CallbackInfo& info) : Wrapped(info) {
  const Napi::Env env = info.Env();
  Napi::Object descs = Napi::Object::New(env);
  for (const PrimitiveArgument& argument : state_->arguments) {
    if (argument.id != DNNL_ARG_SCRATCHPAD) descs.Set(argument.name, MemoryDesc::make(env, argument.desc));
  }
  Napi::Array defects = Napi::Array::New(env);
  for (const std::string& defect : state_->defects) defects.Set(defects.Length(), Napi::String::New(env, defect));
  info.This().As<Napi::Object>().DefineProperties({
      fixed("defects", frozen(defects)),
      fixed("implementation", Napi::String::New(env, state_->implementation)),
      fixed("scratchpadBytes", Napi::Number::New(env, static_cast<double>(state_->scratchpad_bytes))),
      fixed("descs", frozen(descs)),
  });
}

void add_primitive_functions(Napi::Object exports) {
  add<convolution>(exports, "convolution");
  add<matmul>(exports, "matmul");
  add<pooling>(exports, "pooling");
  add<binary>(exports, "binary");
  add<eltwise>(exports, "eltwise");
  add<softmax>(exports, "softmax");
  add<reduction>(exports, "reduction");
  add<reorder>(exports, "reorder");
}

}  // namespace unskew
