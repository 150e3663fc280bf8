// Reads the declarations of kernels over floats and words.
#include "kernel_readers/reader.h"
#include "kernels/float_product.h"

namespace unskew {

namespace {

KernelProgram arg_max(const Reader& r) {
  return make_arg_max(
      {r.element_type("type"), r.size("outer"), r.size("length", 1), r.size("inner"), r["last"].boolean()}, r.target);
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

const KernelReaders kFloatReaders = {
    {"arg-max", arg_max}, {"float-pool", float_pool}, {"float-product", float_product}, {"softmax", softmax}};

}  // namespace unskew
