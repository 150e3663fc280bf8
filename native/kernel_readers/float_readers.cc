// Reads the declarations of kernels over floats and words.
#include "kernel_readers/reader.h"
#include "kernels/float_product.h"

namespace unskew {

namespace {

KernelProgram word_binary(const Reader& r) {
  static constexpr std::pair<const char*, WordOperation> kOperations[] = {{"add", WordOperation::add},
                                                                          {"sub", WordOperation::subtract},
                                                                          {"mul", WordOperation::multiply},
                                                                          {"div", WordOperation::divide}};
  static constexpr std::pair<const char*, bool> kTypes[] = {{"s32", false}, {"f32", true}};
  const std::vector<int64_t> shape = r.shape();
  return make_word_binary({r["operation"].choice(kOperations), r["type"].choice(kTypes), shape,
                           r.strides("sourceStrides", shape.size()), r.strides("source1Strides", shape.size())},
                          r.target);
}

KernelProgram cast(const Reader& r) {
  return make_cast({r.element_type("from"), r.element_type("to"), r.size("count")}, r.target);
}

KernelProgram arg_max(const Reader& r) {
  return make_arg_max(
      {r.element_type("type"), r.size("outer"), r.size("length", 1), r.size("inner"), r["last"].boolean()}, r.target);
}

KernelProgram float_unary(const Reader& r) {
  static constexpr std::pair<const char*, FloatFunction> kFunctions[] = {
      {"relu", FloatFunction::relu},
      {"leaky-relu", FloatFunction::leaky_relu},
      {"clip", FloatFunction::clip},
      {"exp", FloatFunction::exp},
      {"log", FloatFunction::log},
      {"sqrt", FloatFunction::sqrt},
      {"reciprocal", FloatFunction::reciprocal},
      {"floor", FloatFunction::floor},
      {"ceil", FloatFunction::ceil},
      {"round", FloatFunction::round},
      {"sigmoid", FloatFunction::sigmoid},
      {"tanh", FloatFunction::tanh},
      {"erf", FloatFunction::erf},
      {"softplus", FloatFunction::softplus},
      {"softsign", FloatFunction::softsign},
      {"mish", FloatFunction::mish},
      {"gelu", FloatFunction::gelu},
      {"gelu-tanh", FloatFunction::gelu_tanh},
      {"elu", FloatFunction::elu},
      {"selu", FloatFunction::selu},
      {"celu", FloatFunction::celu},
      {"thresholded-relu", FloatFunction::thresholded_relu},
      {"hard-sigmoid", FloatFunction::hard_sigmoid},
      {"hard-swish", FloatFunction::hard_swish},
      {"neg", FloatFunction::negative},
      {"abs", FloatFunction::absolute},
      {"pow", FloatFunction::power},
      {"sin", FloatFunction::sine},
      {"cos", FloatFunction::cosine}};
  return make_float_unary({r["function"].choice(kFunctions), static_cast<float>(r["alpha"].number()),
                           static_cast<float>(r["beta"].number()), r.size("count")},
                          r.target);
}

KernelProgram float_pool(const Reader& r) {
  static constexpr std::pair<const char*, PoolOperation> kOperations[] = {
      {"max", PoolOperation::maximum},
      {"average-include-padding", PoolOperation::average_include_padding},
      {"average-exclude-padding", PoolOperation::average_exclude_padding}};
  return make_float_pool(
      {r["operation"].choice(kOperations), r.size("batch"), r.size("channels"), r.tuple<3>("input", 0),
       r.tuple<3>("output", 0), r.tuple<3>("kernel", 1), r.tuple<3>("strides", 1), r.tuple<3>("dilations", 1),
       r.tuple<3>("padsBegin", 0), r.tuple<3>("padsEnd", 0)},
      r.target);
}

KernelProgram float_product(const Reader& r) {
  return make_float_product(
      {r.size("batch"), r.size("channels"), r.size("outputs"), r.size("groups", 1), r.tuple<3>("input", 0),
       r.tuple<3>("output", 0), r.tuple<3>("kernel", 1), r.tuple<3>("strides", 1), r.tuple<3>("dilations", 1),
       r.tuple<3>("padsBegin", 0), r["transposed"].boolean(), r["weightsByBatch"].boolean()},
      r.target);
}

KernelProgram softmax(const Reader& r) {
  return make_softmax({r.size("outer"), r.size("length"), r.size("inner", 1)}, r.target);
}

}  // namespace

const KernelReaders kFloatReaders = {{"word-binary", word_binary}, {"cast", cast},
                                     {"arg-max", arg_max},         {"float-unary", float_unary},
                                     {"float-pool", float_pool},   {"float-product", float_product},
                                     {"softmax", softmax}};

}  // namespace unskew
