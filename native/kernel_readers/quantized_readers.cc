// Reads the declarations of kernels over quantized tensors.
#include "kernel_readers/reader.h"

namespace unskew {

namespace {

KernelProgram lut(const Reader& r) {
  const std::optional<ChannelSlice> slice = r.slice();
  const int64_t count = r.size("count"), channels = slice ? r.size("channels", 1) : 1;
  if (count % channels != 0) r["channels"].refuse("a divisor of count");
  return make_lut({count / channels, channels, slice}, r.target);
}

KernelProgram quantize(const Reader& r) {
  static constexpr std::pair<const char*, bool> kArithmetics[] = {{"divide", false}, {"multiply", true}};
  static constexpr std::pair<const char*, bool> kRoundings[] = {{"half-even", false}, {"half-away", true}};
  return make_quantize({r.byte_type("type"), r.size("outer"), r.size("channels"), r.size("inner"),
                        r.chosen("arithmetic", kArithmetics), r.chosen("rounding", kRoundings)},
                       r.target);
}

KernelProgram dequantize(const Reader& r) {
  return make_dequantize({r.output_type("type"), r.size("outer"), r.size("channels"), r.size("inner")}, r.target);
}

KernelProgram requantize(const Reader& r) {
  static constexpr std::pair<const char*, Arithmetic> kArithmetics[] = {
      {"f32", Arithmetic::f32}, {"f64", Arithmetic::f64}, {"fixed", Arithmetic::fixed}};
  const OutputType type = r.output_type("type");
  return make_requantize(
      {type, r.size("outer"), r.size("channels"), r.size("inner"), r.size("groups", 1), r.size("mapRows"),
       r.requantization(type), r.chosen("arithmetic", kArithmetics), r.rounding()},
      r.target);
}

KernelProgram linear_resize(const Reader& r) {
  static constexpr std::pair<const char*, ResizeRounding> kRoundings[] = {
      {"half-up", ResizeRounding::half_up}, {"half-away", ResizeRounding::half_away}, {"in-f32", ResizeRounding::in_f32}};
  return make_linear_resize({r.byte_type("type"), r.size("outer"), r.tuple<2>("input", 1), r.tuple<2>("output", 1),
                             r.size("inner"), static_cast<int32_t>(r["bits"].integer(0, 11)),
                             r["rounding"].choice(kRoundings)},
                            r.target);
}

std::array<float, 3> three_scales(const Reader& r) {
  const std::vector<Declaration> given = r["scales"].elements();
  if (given.size() != 3) r["scales"].refuse("an array of 3 numbers");
  std::array<float, 3> scales;
  for (size_t i = 0; i < 3; i++) scales[i] = static_cast<float>(given[i].number());
  return scales;
}

// All but the scales.
QLinearBinaryParams binary_of_one_type(const Reader& r, QLinearOperation operation) {
  QLinearBinaryParams params;
  params.operation = operation;
  params.type = params.source_type = params.source1_type = r.byte_type("type");
  params.shape = r.shape();
  params.source_strides = r.strides("sourceStrides", params.shape.size());
  params.source1_strides = r.strides("source1Strides", params.shape.size());
  const auto [low, high] = range_of(params.type);
  const Triple zero_points = r["zeroPoints"].tuple<3>(low, high);
  for (size_t i = 0; i < 3; i++) params.zero_points[i] = static_cast<int32_t>(zero_points[i]);
  return params;
}

template <QLinearOperation operation>
KernelProgram qlinear_binary(const Reader& r) {
  QLinearBinaryParams params;
  params.operation = operation;
  params.source_type = r.byte_type("sourceType");
  params.source1_type = r.byte_type("source1Type");
  params.type = r.byte_type("type");
  params.shape = r.shape();
  params.source_strides = r.strides("sourceStrides", params.shape.size());
  params.source1_strides = r.strides("source1Strides", params.shape.size());
  params.scales = three_scales(r);
  const Triple zero_points = r["zeroPoints"].tuple<3>(-128, 255);
  for (size_t i = 0; i < 3; i++) params.zero_points[i] = static_cast<int32_t>(zero_points[i]);
  return make_qlinear_binary(params, r.target);
}

KernelProgram byte_sum(const Reader& r) {
  ByteSumParams params;
  params.type = r.byte_type("type");
  params.shape = r.shape();
  params.source_strides = r.strides("sourceStrides", params.shape.size());
  params.source1_strides = r.strides("source1Strides", params.shape.size());
  const auto multipliers = r["multipliers"].tuple<2>(INT32_MIN, INT32_MAX);
  params.how.multiplier_a = static_cast<int32_t>(multipliers[0]);
  params.how.multiplier_b = static_cast<int32_t>(multipliers[1]);
  params.how.offset = r.int32("offset");
  params.how.shift = static_cast<int32_t>(r["shift"].integer(0, 31));
  params.how.zero_point = r.zero_point("zeroPoint", params.type);
  return make_byte_sum(params, r.target);
}

KernelProgram byte_product(const Reader& r) {
  QLinearBinaryParams params = binary_of_one_type(r, QLinearOperation::byte_product);
  params.scales = {static_cast<float>(r["factor"].number()), 1, 1};
  return make_qlinear_binary(params, r.target);
}

KernelProgram dequantized_add(const Reader& r) {
  QLinearBinaryParams params = binary_of_one_type(r, QLinearOperation::dequantized_add);
  params.scales = three_scales(r);
  return make_qlinear_binary(params, r.target);
}

KernelProgram binary_table(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  return make_binary_table({shape, r.strides("sourceStrides", shape.size()), r.strides("source1Strides", shape.size())},
                           r.target);
}

KernelProgram rescale(const Reader& r) {
  static constexpr std::pair<const char*, Arithmetic> kArithmetics[] = {{"f64", Arithmetic::f64},
                                                                        {"fixed", Arithmetic::fixed},
                                                                        {"fixed-wide", Arithmetic::fixed_wide}};
  static constexpr std::pair<const char*, bool> kSources[] = {{"s32", false}, {"s64", true}};
  const int32_t low = r.int32("low");
  return make_rescale(
      {r["sourceType"].choice(kSources), r.size("outer"), r.size("channels"), r.size("inner"), r.int32("zeroPoint"), low,
       static_cast<int32_t>(r["high"].integer(low, INT32_MAX)), r["arithmetic"].choice(kArithmetics), r.rounding()},
      r.target);
}

KernelProgram byte_max_pool(const Reader& r) {
  return make_byte_max_pool({r.byte_type("type"), r.size("batch"), r.size("channels"), r.tuple<3>("input", 0),
                             r.tuple<3>("output", 0), r.tuple<3>("kernel", 1), r.tuple<3>("strides", 1),
                             r.tuple<3>("dilations", 1), r.tuple<3>("padsBegin", 0)},
                            r.target);
}

KernelProgram byte_average_pool(const Reader& r) {
  const ByteType type = r.byte_type("type");
  ByteAveragePoolParams params{type,
                               r.size("batch"),
                               r.size("channels"),
                               r.tuple<3>("input", 0),
                               r.tuple<3>("output", 0),
                               r.tuple<3>("kernel", 1),
                               r.tuple<3>("strides", 1),
                               r.tuple<3>("dilations", 1),
                               r.tuple<3>("padsBegin", 0),
                               r["countsPadding"].boolean(),
                               r["sourceScale"].absent(),
                               1,
                               0,
                               1,
                               0};
  if (!params.is_raw) {
    params.source_scale = static_cast<float>(r["sourceScale"].number());
    params.source_zero_point = static_cast<float>(r.zero_point("sourceZeroPoint", type));
    params.scale = static_cast<float>(r["scale"].number());
    params.zero_point = static_cast<float>(r.zero_point("zeroPoint", type));
  }
  return make_byte_average_pool(params, r.target);
}

KernelProgram global_average_pool(const Reader& r) {
  const ByteType source_type = r.byte_type("sourceType");
  const OutputType type = r.output_type("type");
  return make_global_average_pool({source_type, type, r.size("batch"), r.size("spatial"), r.size("channels"),
                                   r.zero_point("sourceZeroPoint", source_type),
                                   static_cast<float>(r["multiplier"].number()), r.zero_point("zeroPoint", type)},
                                  r.target);
}

KernelProgram dynamic_quantize(const Reader& r) {
  static constexpr std::pair<const char*, DynamicRecipe> kRecipes[] = {{"onnx", DynamicRecipe::onnx},
                                                                       {"torch", DynamicRecipe::torch},
                                                                       {"symmetric", DynamicRecipe::symmetric},
                                                                       {"asymmetric", DynamicRecipe::asymmetric},
                                                                       {"xnnpack", DynamicRecipe::xnnpack}};
  const auto high = static_cast<int32_t>(r["high"].absent() ? 255 : r["high"].integer(1, 255));
  return make_dynamic_quantize({r.chosen("recipe", kRecipes), high, r.size("rows"), r.size("length")}, r.target);
}

KernelProgram qlinear_softmax(const Reader& r) {
  const ByteType type = r.byte_type("type");
  return make_qlinear_softmax({type, r.size("outer"), r.size("length"), r.size("inner", 1), r["steps"].number(),
                               r.zero_point("zeroPoint", type)},
                              r.target);
}

// True where the result of a softmax is s16; else it is of the type of the source.
bool is_wide(const Reader& r, ByteType source) {
  static constexpr std::pair<const char*, int> kTypes[] = {{"u8", 0}, {"s8", 1}, {"s16", 2}};
  const Declaration argument = r["type"];
  const int type = argument.choice(kTypes);
  if (type != 2 && type != static_cast<int>(source)) argument.refuse("the type of the source, or s16");
  return type == 2;
}

KernelProgram float_byte_softmax(const Reader& r) {
  const ByteType source = r.byte_type("sourceType");
  const bool wide = is_wide(r, source);
  const auto [low, high] = wide ? std::pair{-32768, 32767} : range_of(source);
  const auto zero_point = static_cast<int32_t>(r["zeroPoint"].integer(low, high));
  return make_float_byte_softmax({source, wide, r.size("outer"), r.size("length"), r.size("inner", 1),
                                  static_cast<float>(r["scale"].number()), zero_point},
                                 r.target);
}

KernelProgram fixed_byte_softmax(const Reader& r) {
  const ByteType source = r.byte_type("sourceType");
  return make_fixed_byte_softmax({source, is_wide(r, source), r.size("outer"), r.size("length"), r.size("inner", 1)},
                                 r.target);
}

}  // namespace

const KernelReaders kQuantizedReaders = {
    {"lut", lut},
    {"quantize", quantize},
    {"dequantize", dequantize},
    {"requantize", requantize},
    {"linear-resize", linear_resize},
    {"rescale", rescale},
    {"qlinear-add", qlinear_binary<QLinearOperation::add>},
    {"qlinear-mul", qlinear_binary<QLinearOperation::multiply>},
    {"dequantized-add", dequantized_add},
    {"byte-sum", byte_sum},
    {"byte-product", byte_product},
    {"binary-table", binary_table},
    {"byte-average-pool", byte_average_pool},
    {"byte-max-pool", byte_max_pool},
    {"global-average-pool", global_average_pool},
    {"qlinear-softmax", qlinear_softmax},
    {"float-byte-softmax", float_byte_softmax},
    {"fixed-byte-softmax", fixed_byte_softmax},
    {"dynamic-quantize", dynamic_quantize}};

}  // namespace unskew
