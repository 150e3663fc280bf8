#include "kernel_arguments.h"

#include "kernels/float_product.h"
#include "kernels/kernels.h"

namespace unskew {

namespace {

constexpr int64_t kMaximumCount = int64_t{1} << 40;

// A kernel declaration with short accessors.
class Reader {
 public:
  Reader(const Argument& kernel, const KernelTarget& target) : target(target), kernel_(kernel) {}

  Argument operator[](const char* name) const { return kernel_.property(name); }
  int64_t size(const char* name, int64_t minimum = 0) const { return (*this)[name].integer(minimum, kMaximumCount); }
  int32_t int32(const char* name) const { return static_cast<int32_t>((*this)[name].integer(INT32_MIN, INT32_MAX)); }
  ByteType byte_type(const char* name) const {
    static constexpr std::pair<const char*, ByteType> kTypes[] = {{"u8", ByteType::u8}, {"s8", ByteType::s8}};
    return (*this)[name].choice(kTypes);
  }
  OutputType output_type(const char* name) const {
    static constexpr std::pair<const char*, OutputType> kTypes[] = {
        {"u8", OutputType::u8}, {"s8", OutputType::s8}, {"s32", OutputType::s32}};
    return (*this)[name].choice(kTypes);
  }
  ElementType element_type(const char* name) const {
    static constexpr std::pair<const char*, ElementType> kTypes[] = {{"u8", ElementType::u8},
                                                                     {"s8", ElementType::s8},
                                                                     {"s16", ElementType::s16},
                                                                     {"s32", ElementType::s32},
                                                                     {"f32", ElementType::f32}};
    return (*this)[name].choice(kTypes);
  }
  // One of the choices; the first where the property is absent.
  template <class T, size_t N>
  T chosen(const char* name, const std::pair<const char*, T> (&choices)[N]) const {
    const Argument argument = (*this)[name];
    return argument.absent() ? choices[0].second : argument.choice(choices);
  }
  Rounding rounding() const {
    static constexpr std::pair<const char*, Rounding> kRoundings[] = {
        {"half-even", Rounding::half_even}, {"half-up", Rounding::half_up}, {"half-away", Rounding::half_away}};
    return chosen("rounding", kRoundings);
  }
  int64_t element_bytes() const {
    const Argument argument = (*this)["elementBytes"];
    const int64_t bytes = argument.integer(1, 8);
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) argument.refuse("1, 2, 4 or 8");
    return bytes;
  }
  template <size_t N>
  std::array<int64_t, N> tuple(const char* name, int64_t minimum) const {
    return (*this)[name].tuple<N>(minimum, INT32_MAX);
  }
  std::vector<int64_t> shape() const {
    const Argument argument = (*this)["shape"];
    std::vector<int64_t> shape = argument.integers(-1, 0, kMaximumCount);
    if (shape.size() > 16) argument.refuse("an array of at most 16 integers");
    return shape;
  }
  std::vector<int64_t> strides(const char* name, size_t rank) const {
    return (*this)[name].integers(static_cast<int>(rank), -kMaximumCount, kMaximumCount);
  }
  // The zero point of a type must be one of its values: intermediate sums rely on it.
  template <class Type>
  int32_t zero_point(const char* name, Type type) const {
    if (type != Type::u8 && type != Type::s8) return int32(name);
    const auto [low, high] = range_of(type);
    return static_cast<int32_t>((*this)[name].integer(low, high));
  }
  Requantization requantization(OutputType type) const {
    Requantization to;
    if (type == OutputType::s32) return to;
    const auto [low, high] = range_of(type);
    to.zero_point = zero_point("zeroPoint", type);
    to.low = static_cast<int32_t>((*this)["low"].integer(low, high));
    to.high = static_cast<int32_t>((*this)["high"].integer(to.low, high));
    return to;
  }

  const KernelTarget& target;

 private:
  const Argument& kernel_;
};

KernelProgram lut(const Reader& r) { return make_lut({r.size("count")}, r.target); }

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
  static constexpr std::pair<const char*, bool> kPlaces[] = {{"after", false}, {"before", true}};
  const OutputType type = r.output_type("type");
  return make_requantize(
      {type, r.size("outer"), r.size("channels"), r.size("inner"), r.size("groups", 1), r.size("mapRows"),
       r.requantization(type), r.chosen("arithmetic", kArithmetics), r.rounding(), r.chosen("zeroPointAt", kPlaces)},
      r.target);
}

KernelProgram depthwise(const Reader& r) {
  const OutputType type = r.output_type("type");
  const ByteType source_type = r.byte_type("sourceType");
  return make_depthwise(
      {source_type, r.byte_type("weightsType"), type, r.size("batch"), r.size("channels"), r.size("multiplier", 1),
       r.tuple<2>("input", 0), r.tuple<2>("output", 0), r.tuple<2>("kernel", 1), r.tuple<2>("strides", 1),
       r.tuple<2>("dilations", 1), r.tuple<2>("padsBegin", 0), r.zero_point("sourceZeroPoint", source_type),
       r.requantization(type)},
      r.target);
}

KernelProgram convolution(const Reader& r) {
  const Argument channels_first = r["channelsFirst"];
  const OutputType type = r.output_type("type");
  const ByteType source_type = r.byte_type("sourceType");
  return make_convolution(
      {source_type, r.byte_type("weightsType"), !channels_first.absent() && channels_first.boolean(), type, r.size("batch"), r.size("channels"), r.size("outputChannels"), r.size("groups", 1),
       r.tuple<2>("input", 0), r.tuple<2>("output", 0), r.tuple<2>("kernel", 1), r.tuple<2>("strides", 1),
       r.tuple<2>("dilations", 1), r.tuple<2>("padsBegin", 0), r.zero_point("sourceZeroPoint", source_type),
       r.requantization(type)},
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

KernelProgram copy(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  return make_copy({r.element_bytes(), shape, r.strides("sourceStrides", shape.size()),
                    r.strides("destinationStrides", shape.size()), r.size("sourceOffset"), r.size("destinationOffset")},
                   r.target);
}

KernelProgram pad(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  const int rank = static_cast<int>(shape.size());
  return make_pad({r.element_bytes(), shape, r["padsBegin"].integers(rank, 0, kMaximumCount),
                   r["padsEnd"].integers(rank, 0, kMaximumCount),
                   static_cast<uint64_t>(r["value"].integer(-(int64_t{1} << 53), int64_t{1} << 53))},
                  r.target);
}

KernelProgram gather(const Reader& r) {
  return make_gather({r.element_bytes(), r.size("outer"), r.size("size"), r.size("inner"),
                      r["positions"].integers(-1, 0, kMaximumCount)},
                     r.target);
}

KernelProgram lookup(const Reader& r) {
  return make_lookup({r.element_bytes(), r.size("size", 1), r.size("count")}, r.target);
}

KernelProgram gather_channels(const Reader& r) {
  return make_gather_channels(
      {r.size("rows"), r.size("channels"), r["lanes"].integers(-1, 0, kMaximumCount), r["flip"].boolean()}, r.target);
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
  const std::vector<Argument> scales = r["scales"].elements();
  if (scales.size() != 3) r["scales"].refuse("an array of 3 numbers");
  for (size_t i = 0; i < 3; i++) params.scales[i] = static_cast<float>(scales[i].number());
  const Triple zero_points = r["zeroPoints"].tuple<3>(-128, 255);
  for (size_t i = 0; i < 3; i++) params.zero_points[i] = static_cast<int32_t>(zero_points[i]);
  return make_qlinear_binary(params, r.target);
}

ByteBinaryParams byte_binary(const Reader& r) {
  ByteBinaryParams params;
  params.type = r.byte_type("type");
  params.shape = r.shape();
  params.source_strides = r.strides("sourceStrides", params.shape.size());
  params.source1_strides = r.strides("source1Strides", params.shape.size());
  params.how.zero_point = r.zero_point("zeroPoint", params.type);
  return params;
}

KernelProgram byte_sum(const Reader& r) {
  ByteBinaryParams params = byte_binary(r);
  const auto multipliers = r["multipliers"].tuple<2>(INT32_MIN, INT32_MAX);
  params.how.multiplier_a = static_cast<int32_t>(multipliers[0]);
  params.how.multiplier_b = static_cast<int32_t>(multipliers[1]);
  params.how.offset = r.int32("offset");
  params.how.shift = static_cast<int32_t>(r["shift"].integer(0, 31));
  return make_byte_binary(params, r.target);
}

KernelProgram byte_product(const Reader& r) {
  ByteBinaryParams params = byte_binary(r);
  params.how.is_sum = false;
  const auto [low, high] = range_of(params.type);
  const auto zero_points = r["zeroPoints"].tuple<2>(low, high);
  params.how.zero_a = static_cast<int32_t>(zero_points[0]);
  params.how.zero_b = static_cast<int32_t>(zero_points[1]);
  params.how.factor = static_cast<float>(r["factor"].number());
  return make_byte_binary(params, r.target);
}

KernelProgram binary_table(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  return make_binary_table({shape, r.strides("sourceStrides", shape.size()), r.strides("source1Strides", shape.size())},
                           r.target);
}

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

KernelProgram rescale(const Reader& r) {
  static constexpr std::pair<const char*, Arithmetic> kArithmetics[] = {{"f64", Arithmetic::f64},
                                                                        {"fixed", Arithmetic::fixed}};
  const int32_t low = r.int32("low");
  return make_rescale(
      {r.size("outer"), r.size("channels"), r.size("inner"), r.int32("zeroPoint"), low,
       static_cast<int32_t>(r["high"].integer(low, INT32_MAX)), r["arithmetic"].choice(kArithmetics), r.rounding()},
      r.target);
}

KernelProgram global_average_pool(const Reader& r) {
  const ByteType source_type = r.byte_type("sourceType");
  const OutputType type = r.output_type("type");
  return make_global_average_pool({source_type, type, r.size("batch"), r.size("spatial"), r.size("channels"),
                                   r.zero_point("sourceZeroPoint", source_type),
                                   static_cast<float>(r["multiplier"].number()), r.zero_point("zeroPoint", type)},
                                  r.target);
}

KernelProgram dynamic_quantize(const Reader& r) { return make_dynamic_quantize({r.size("count")}, r.target); }

KernelProgram reference_convolution(const Reader& r) {
  return make_reference_convolution(
      {r.byte_type("sourceType"), r.byte_type("weightsType"), r.size("batch"), r.size("inputChannels"),
       r.size("outputChannels"), r.size("groups", 1), r.size("weightsZeroPoints", 1), r.tuple<3>("input", 0),
       r.tuple<3>("output", 0), r.tuple<3>("kernel", 1), r.tuple<3>("strides", 1), r.tuple<3>("dilations", 1),
       r.tuple<3>("padsBegin", 0), r["transposed"].boolean()},
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
      {"relu", FloatFunction::relu}, {"leaky-relu", FloatFunction::leaky_relu}, {"clip", FloatFunction::clip}};
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

KernelProgram qlinear_softmax(const Reader& r) {
  const ByteType type = r.byte_type("type");
  return make_qlinear_softmax({type, r.size("outer"), r.size("length"), r.size("inner", 1), r["steps"].number(),
                               r.zero_point("zeroPoint", type)},
                              r.target);
}

// True where the result of a softmax is s16; else it is of the type of the source.
bool is_wide(const Reader& r, ByteType source) {
  static constexpr std::pair<const char*, int> kTypes[] = {{"u8", 0}, {"s8", 1}, {"s16", 2}};
  const Argument argument = r["type"];
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

constexpr std::pair<const char*, KernelProgram (*)(const Reader&)> kKernels[] = {
    {"lut", lut},
    {"quantize", quantize},
    {"dequantize", dequantize},
    {"requantize", requantize},
    {"depthwise", depthwise},
    {"convolution", convolution},
    {"linear-resize", linear_resize},
    {"copy", copy},
    {"pad", pad},
    {"gather", gather},
    {"lookup", lookup},
    {"rescale", rescale},
    {"gather-channels", gather_channels},
    {"qlinear-add", qlinear_binary<QLinearOperation::add>},
    {"qlinear-mul", qlinear_binary<QLinearOperation::multiply>},
    {"byte-sum", byte_sum},
    {"byte-product", byte_product},
    {"word-binary", word_binary},
    {"binary-table", binary_table},
    {"global-average-pool", global_average_pool},
    {"cast", cast},
    {"arg-max", arg_max},
    {"float-unary", float_unary},
    {"float-pool", float_pool},
    {"float-product", float_product},
    {"softmax", softmax},
    {"qlinear-softmax", qlinear_softmax},
    {"float-byte-softmax", float_byte_softmax},
    {"fixed-byte-softmax", fixed_byte_softmax},
    {"dynamic-quantize", dynamic_quantize},
    {"reference-convolution", reference_convolution}};

}  // namespace

KernelProgram read_kernel(const Argument& kernel, const KernelTarget& target) {
  return kernel.property("name").choice(kKernels)(Reader(kernel, target));
}

}  // namespace unskew
