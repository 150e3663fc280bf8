// Reads the declarations of kernels over runs of elements.
#include "kernel_readers/reader.h"
#include "kernels/counted.h"

namespace unskew {

namespace {

RowType row_type(const Reader& r) {
  static constexpr std::pair<const char*, RowType> kTypes[] = {
      {"f32", RowType::f32}, {"f64", RowType::f64}, {"s32", RowType::s32}, {"u32", RowType::u32}, {"s64", RowType::s64},
      {"u64", RowType::u64}, {"s16", RowType::s16}, {"u16", RowType::u16}, {"s8", RowType::s8},   {"u8", RowType::u8}};
  return r["type"].choice(kTypes);
}

KernelProgram reduce(const Reader& r) {
  static constexpr std::pair<const char*, Reduction> kOperations[] = {
      {"sum", Reduction::sum},         {"mean", Reduction::mean},       {"l1", Reduction::l1},
      {"l2", Reduction::l2},           {"product", Reduction::product}, {"sum-square", Reduction::sum_square},
      {"maximum", Reduction::maximum}, {"minimum", Reduction::minimum}, {"log-sum", Reduction::log_sum}};
  return make_reduce(
      {r["operation"].choice(kOperations), row_type(r), r.size("outer"), r.size("length"), r.size("inner")}, r.target);
}

KernelProgram arg_max(const Reader& r) {
  return make_arg_max(
      {row_type(r), r.size("outer"), r.size("length", 1), r.size("inner"), r["largest"].boolean(), r["last"].boolean()},
      r.target);
}

KernelProgram top_k(const Reader& r) {
  return make_top_k({row_type(r), r.size("outer"), r.size("length"), r.size("inner", 1), r.size("count"),
                     r["largest"].boolean()},
                    r.target);
}

KernelProgram cumulative_sum(const Reader& r) {
  return make_cumulative_sum({row_type(r), r.size("outer"), r.size("length"), r.size("inner"), r["exclusive"].boolean(),
                              r["reverse"].boolean()},
                             r.target);
}

KernelProgram softmax(const Reader& r) {
  static constexpr std::pair<const char*, SoftmaxOperation> kOperations[] = {
      {"softmax", SoftmaxOperation::softmax},
      {"log-softmax", SoftmaxOperation::log_softmax},
      {"log-sum-exp", SoftmaxOperation::log_sum_exp}};
  return make_softmax({r["operation"].choice(kOperations), r.size("outer"), r.size("length"), r.size("inner", 1)},
                      r.target);
}

KernelProgram normalize(const Reader& r) {
  return make_normalize({r.size("rows"), r.size("length"), r["centre"].boolean(), r["epsilon"].number(),
                         r.size("factorRows", 1), r.size("perRow", 1)},
                        r.target);
}

KernelProgram channel_affine(const Reader& r) {
  return make_channel_affine({r.size("outer"), r.size("channels"), r.size("inner")}, r.target);
}

KernelProgram non_zero(const Reader& r) { return make_non_zero({row_type(r), r.shape()}, r.target); }

KernelProgram non_max_suppression(const Reader& r) {
  return make_non_max_suppression(
      {r.size("batches"), r.size("classes"), r.size("boxes"), r.size("most"), r["byCentre"].boolean(),
       static_cast<float>(r["overlap"].number()), static_cast<float>(r["score"].number())},
      r.target);
}

}  // namespace

const KernelReaders kRowReaders = {{"reduce", reduce},
                                   {"arg-max", arg_max},
                                   {"cumulative-sum", cumulative_sum},
                                   {"top-k", top_k},
                                   {"softmax", softmax},
                                   {"normalize", normalize},
                                   {"channel-affine", channel_affine},
                                   {"non-zero", non_zero},
                                   {"non-max-suppression", non_max_suppression}};

}  // namespace unskew
