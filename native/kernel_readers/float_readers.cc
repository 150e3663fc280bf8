// Reads the declarations of kernels over floats and words.
#include "kernel_readers/reader.h"
#include "kernels/block_product.h"
#include "kernels/dynamic_lstm.h"
#include "kernels/float_product.h"
#include "kernels/fused_product.h"
#include "kernels/interpolate.h"
#include "kernels/recurrent.h"
#include "kernels/sample.h"

namespace unskew {

namespace {

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

KernelProgram interpolate(const Reader& r) {
  const Declaration input = r["input"], output = r["output"];
  return make_interpolate({r.element_type("type"), r.size("outer"), input.integers(-1, 1, INT32_MAX),
                           output.integers(-1, 0, INT32_MAX), r.size("inner"), r["tenBits"].boolean()},
                          r.target);
}

KernelProgram float_product(const Reader& r) {
  return make_float_product(
      {r.size("batch"), r.size("channels"), r.size("outputs"), r.size("groups", 1), r.tuple<3>("input", 0),
       r.tuple<3>("output", 0), r.tuple<3>("kernel", 1), r.tuple<3>("strides", 1), r.tuple<3>("dilations", 1),
       r.tuple<3>("padsBegin", 0), r["transposed"].boolean()},
      r.target);
}

KernelProgram fused_product(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  return make_fused_product({shape, r.size("rows"), r.size("depth"), r.size("columns"),
                             r.strides("sourceStrides", shape.size() + 1), r.strides("weightsStrides", shape.size() + 2),
                             r.strides("destinationStrides", shape.size() + 1)},
                            r.target);
}

KernelProgram block_product(const Reader& r) {
  static constexpr std::pair<const char*, BlockZero> kZeros[] = {
      {"middle", BlockZero::middle}, {"bytes", BlockZero::bytes}, {"floats", BlockZero::floats}};
  static constexpr std::pair<const char*, bool> kActivations[] = {{"f32", false}, {"s8", true}};
  static constexpr std::pair<const char*, BlockLevels> kLevels[] = {
      {"affine", BlockLevels::affine}, {"fp4", BlockLevels::fp4}, {"nf4", BlockLevels::nf4}};
  const BlockWeights weights{r.size("depth"), r.size("columns"), r["block"].integer(16, 1 << 16),
                             static_cast<int>(r["bits"].integer(2, 8)), r["zero"].choice(kZeros), r["levels"].choice(kLevels)};
  return make_block_product({r.size("rows"), weights, r["activations"].choice(kActivations)}, r.target);
}

KernelProgram block_gather(const Reader& r) {
  static constexpr std::pair<const char*, bool> kTypes[] = {{"s32", false}, {"s64", true}};
  return make_block_gather({r.size("rows"), r.size("length"), r["block"].integer(16, 1 << 16),
                            static_cast<int>(r["bits"].integer(2, 8)), r.size("count"), r["indexType"].choice(kTypes)},
                           r.target);
}

KernelProgram grid_sample(const Reader& r) {
  static constexpr std::pair<const char*, SampleMode> kModes[] = {{"linear", SampleMode::linear},
                                                                  {"nearest", SampleMode::nearest}};
  static constexpr std::pair<const char*, SamplePadding> kPaddings[] = {{"zeros", SamplePadding::zeros},
                                                                        {"border", SamplePadding::border},
                                                                        {"reflection", SamplePadding::reflection}};
  return make_grid_sample({r.size("batch"), r.size("channels"), r.size("height", 1), r.size("width", 1),
                           r.size("positions"), r["mode"].choice(kModes), r["padding"].choice(kPaddings),
                           r["alignsCorners"].boolean()},
                          r.target);
}

KernelProgram resample(const Reader& r) {
  static constexpr std::pair<const char*, bool> kTypes[] = {{"f32", false}, {"f64", true}};
  return make_resample({r["from"].choice(kTypes), r["to"].choice(kTypes), r.size("outer"), r.size("size", 1),
                        r.size("count"), r.size("inner")},
                       r.target);
}

KernelProgram recurrent(const Reader& r) {
  static constexpr std::pair<const char*, RecurrentCell> kCells[] = {
      {"lstm", RecurrentCell::lstm}, {"gru", RecurrentCell::gru}, {"gru-linear", RecurrentCell::gru_linear}};
  return make_recurrent({r["cell"].choice(kCells), r.size("length"), r.size("batch"), r.size("hidden", 1),
                         r["directions"].integer(1, 2), r["backwards"].boolean()},
                        r.target);
}

KernelProgram dynamic_lstm(const Reader& r) {
  return make_dynamic_lstm({r.byte_type("weightsType"), r.size("length"), r.size("batch"), r.size("size"), r.size("hidden", 1),
                            r["directions"].integer(1, 2), r.size("scales", 1), r["backwards"].boolean()},
                           r.target);
}

}  // namespace

const KernelReaders kFloatReaders = {
    {"float-pool", float_pool}, {"float-product", float_product}, {"interpolate", interpolate}, {"recurrent", recurrent}, {"dynamic-lstm", dynamic_lstm}, {"fused-product", fused_product}, {"block-product", block_product}, {"block-gather", block_gather},
    {"grid-sample", grid_sample}, {"resample", resample}};

}  // namespace unskew
