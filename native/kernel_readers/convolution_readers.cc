// Reads the declarations of convolutions over bytes.
#include "kernel_readers/reader.h"

namespace unskew {

namespace {

std::optional<ScaledEnd> scaled_end(const Reader& r) {
  const Declaration end = r["floats"];
  if (end.absent()) return std::nullopt;
  return ScaledEnd{static_cast<float>(end.property("low").number()), static_cast<float>(end.property("high").number()),
                  end.property("scales").integer(1, kMaximumCount), end.property("hasOffset").boolean()};
}

KernelProgram depthwise(const Reader& r) {
  const OutputType type = r.output_type("type");
  const ByteType source_type = r.byte_type("sourceType");
  return make_depthwise(
      {source_type, r.byte_type("weightsType"), type, r.size("batch"), r.size("channels"), r.size("multiplier", 1),
       r.tuple<2>("input", 0), r.tuple<2>("output", 0), r.tuple<2>("kernel", 1), r.tuple<2>("strides", 1),
       r.tuple<2>("dilations", 1), r.tuple<2>("padsBegin", 0), r.source_zero_point(source_type),
       r.requantization(type), scaled_end(r)},
      r.target);
}

KernelProgram convolution(const Reader& r) {
  const Declaration channels_first = r["channelsFirst"];
  const OutputType type = r.output_type("type");
  const ByteType source_type = r.byte_type("sourceType");
  return make_convolution(
      {source_type, r.byte_type("weightsType"), !channels_first.absent() && channels_first.boolean(), type, r.size("batch"), r.size("channels"), r.size("outputChannels"), r.size("groups", 1),
       r.tuple<2>("input", 0), r.tuple<2>("output", 0), r.tuple<2>("kernel", 1), r.tuple<2>("strides", 1),
       r.tuple<2>("dilations", 1), r.tuple<2>("padsBegin", 0), r.source_zero_point(source_type),
       r.requantization(type), scaled_end(r), r.slice()},
      r.target);
}

KernelProgram matrix_product(const Reader& r) {
  const std::vector<int64_t> shape = r.shape();
  return make_matrix_product(
      {r.byte_type("sourceType"), r.byte_type("weightsType"), shape, r.strides("sourceStrides", shape.size()),
       r.strides("weightsStrides", shape.size()), r.size("rows"), r.size("inner"), r.size("columns"),
       scaled_end(r)},
      r.target);
}

KernelProgram reference_convolution(const Reader& r) {
  return make_reference_convolution(
      {r.byte_type("sourceType"), r.byte_type("weightsType"), r.size("batch"), r.size("inputChannels"),
       r.size("outputChannels"), r.size("groups", 1), r.size("weightsZeroPoints", 1), r.tuple<3>("input", 0),
       r.tuple<3>("output", 0), r.tuple<3>("kernel", 1), r.tuple<3>("strides", 1), r.tuple<3>("dilations", 1),
       r.tuple<3>("padsBegin", 0), r["transposed"].boolean()},
      r.target);
}

}  // namespace

const KernelReaders kConvolutionReaders = {
    {"depthwise", depthwise},
    {"convolution", convolution},
    {"matrix-product", matrix_product},
    {"reference-convolution", reference_convolution}};

}  // namespace unskew
